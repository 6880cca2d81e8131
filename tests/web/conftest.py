"""The pages of a service that has learned, read as a client without scripts reads them."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from radiance import config
from tests.support import Client, start_service


@pytest.fixture(scope="module")
def client(
    _learned_root: Path, tmp_path_factory: pytest.TempPathFactory, brief: dict[str, Any]
) -> Iterator[Client]:
    """A service on a copy of the root that ``checkpointed_root`` describes, with a document."""
    root = tmp_path_factory.mktemp("pages")
    shutil.copytree(_learned_root, root, symlinks=True, dirs_exist_ok=True)
    running = start_service(config.load(root, brief))
    running.client.send_document("notes.md", b"# Zorbel House\n\nIts <b>K9</b> opens the door.\n")
    yield running.client
    running.stop()
