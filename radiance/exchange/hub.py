"""Hub repositories of adapters, through huggingface-hub: pushed with a card, pulled as files.

Who may do what is huggingface-hub's: ``hf auth login`` or HF_TOKEN.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
)

from radiance.errors import RequestError, Unavailable

ADAPTER_FILES = (
    "adapter_config.json",
    "adapters.safetensors",
    "adapter_model.safetensors",
    "adapter.gguf",
    "manifest.json",
    "README.md",
)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def is_repository(name: str) -> bool:
    """Whether a name has the form of a Hub repository, ``user/name``."""
    return _HUB_ID.fullmatch(name) is not None


def push(folder: Path, repository: str, message: str, *, is_private: bool) -> str:
    """Upload an exported directory as one commit; the repository is made if it is not there.

    Files that are there and not in the folder stay.

    Args:
        folder: From ``export_checkpoint``.
        repository: ``user/name``.
        message: Of the commit.
        is_private: Whether a new repository is private; one that exists stays as it is.

    Returns:
        The address of the commit.

    Raises:
        RequestError: It is no repository's name, or the Hub refuses.
        Unavailable: The Hub cannot be reached.
    """
    _check(repository)
    api = HfApi()
    with _explained(repository):
        api.create_repo(repository, private=is_private, exist_ok=True)
        done = api.upload_folder(
            repo_id=repository, folder_path=str(folder), commit_message=message
        )
    return done.commit_url


def pull(repository: str, revision: str | None, target: Path | None = None) -> Path:
    """Download a repository's adapter, and nothing else of it.

    Args:
        repository: ``user/name``.
        revision: Branch, tag or commit; None is the default branch.
        target: Directory to put it into; None is the Hub's cache.

    Returns:
        Where the files are.

    Raises:
        RequestError: It is no repository's name, or the Hub refuses.
        Unavailable: The Hub cannot be reached and the cache does not have it.
    """
    _check(repository)
    with _explained(repository):
        found = snapshot_download(
            repository,
            revision=revision,
            allow_patterns=list(ADAPTER_FILES),
            local_dir=None if target is None else str(target),
        )
    return Path(found)


def _check(repository: str) -> None:
    if not is_repository(repository):
        raise RequestError(
            f"{repository!r} is not a Hub repository.",
            field="repository",
            value=repository,
            remedy="Name it as user/name.",
        )


@contextmanager
def _explained(repository: str) -> Iterator[None]:
    try:
        yield
    except LocalEntryNotFoundError as error:
        raise Unavailable(f"{repository}: the Hub cannot be reached ({_first(error)}).") from None
    except (HfHubHTTPError, HFValidationError) as error:
        raise RequestError(
            f"{repository}: the Hub refuses ({_first(error)}).",
            field="repository",
            remedy="Check the name, and who you are: hf auth whoami.",
        ) from None
    except (HTTPError, OSError) as error:  # the first is of the library that it asks by
        raise Unavailable(f"{repository}: the Hub cannot be reached ({_first(error)}).") from None


def _first(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else repr(error)
