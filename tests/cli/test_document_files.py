"""Folders of documents: what is sent, what is left out and told, and what a break leaves to do."""

import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from radiance.cli import document_files, main
from radiance.cli.client import ServiceClient
from radiance.errors import RequestError, Unavailable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two documents, one of them below, and a photo."""
    notes = tmp_path / "notes"
    (notes / "below").mkdir(parents=True)
    (notes / "a.md").write_text("The door code is 4417.")
    (notes / "below" / "b.txt").write_text("The bins go out on Monday.")
    (notes / "photo.png").write_bytes(b"\x89PNG")
    (notes / ".hidden.md").write_text("Not for anybody.")
    return notes


@pytest.fixture
def replies(monkeypatch: pytest.MonkeyPatch) -> dict[str, Exception]:
    """What the service says to a document of a name, where it does not take it."""
    refused: dict[str, Exception] = {}

    def post_file(self: Any, path: str, fields: Any, content: bytes, timeout_s: float) -> Any:
        name = dict(fields)["name"]
        if name in refused:
            raise refused[name]
        document = {"id": f"doc {name}", "name": name, "passages": 1}
        return {"document": document, "is_new": True, "replaces": None, "learned": "It answers."}

    monkeypatch.setattr(ServiceClient, "post_file", post_file)
    return refused


def sent(folder: Path) -> Result:
    return CliRunner().invoke(main, ["update", str(folder)])


def test_links_and_what_cannot_be_read_are_told(folder: Path, replies, monkeypatch) -> None:
    (folder / "elsewhere").symlink_to(folder.parent)
    assert sent(folder).exit_code == 0
    (folder / "gone.md").symlink_to(folder / "not there.md")
    (folder / "locked").mkdir()
    scan = os.scandir

    def refuse(path: Any) -> Any:  # as for whoever is not root
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    told = sent(folder)
    assert told.stdout.splitlines() == ["doc notes/a.md", "doc notes/below/b.txt"]
    assert "2 of 2 documents are kept." in told.stderr
    assert "Left out, as they are no documents: photo.png." in told.stderr
    assert "Left out, as they are links to folders: elsewhere." in told.stderr
    for name in ("gone.md", "locked"):
        assert name in told.stderr.partition("Left out, as they cannot be read")[2]
    assert told.exit_code == 1


def test_a_refusal_names_the_document_and_what_to_do(folder: Path, replies) -> None:
    replies["notes/a.md"] = RequestError("It holds no text.", remedy="Run OCR\x1b[31m on it.")
    told = sent(folder)
    assert (
        f"Not taken: {folder / 'a.md'}: It holds no text. Run OCR\ufffd[31m on it." in told.stderr
    )
    assert "1 of 2 documents are kept." in told.stderr
    assert told.exit_code == 1


def test_a_break_says_what_is_kept_and_what_to_do(folder: Path, replies) -> None:
    replies["notes/below/b.txt"] = Unavailable("No service answers.")
    told = sent(folder)
    assert "1 of 2 documents are kept." in told.stderr
    assert "1 was not sent. Send the folder again" in told.stderr
    assert told.exit_code == 1


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no documents"):
        document_files.send(ServiceClient("http://127.0.0.1:1"), tmp_path, None, [], False)
