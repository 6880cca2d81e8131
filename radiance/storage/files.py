"""The only durable file writes: whole or not at all, and on the medium when the call returns.

Everything is first made under a temporary name (prefix ``.tmp-``) in the same directory, synced,
and then renamed, so no reader and no crash meets half of it. What a crash leaves under such a name
is removed by ``sweep_temporaries``. One process at a time may write in a directory.
"""

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from radiance.errors import StorageError
from radiance.platform import full_sync
from radiance.storage.steps import step

_FULL = (errno.ENOSPC, errno.EDQUOT)
TEMPORARY_PREFIX = ".tmp-"


def write_durably(path: Path, data: bytes, mode: int = 0o666) -> None:
    """Put a file of exactly ``data`` at ``path``, in place of what stood there.

    Args:
        path: Where.
        data: All of it.
        mode: Permissions of the file, less the umask; for secrets 0o600.

    Raises:
        StorageError: It could not be written; what stood there before still stands.
    """
    with _translated(path):
        temporary = _temporary_beside(path)
        try:
            step(f"write {path.name}")
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with open(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                step(f"sync {path.name}")
                full_sync(file.fileno())
            step(f"rename to {path.name}")
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_parent(path)


def make_directory(path: Path) -> None:
    """Make a directory and its parents where they are missing, for keeps."""
    with _translated(path):
        missing = []
        while not path.is_dir():
            missing.append(path)
            path = path.parent
        for directory in reversed(missing):
            step(f"make directory {directory.name}")
            directory.mkdir(exist_ok=True)
            sync_directory(directory.parent)


def fresh_directory(path: Path) -> Path:
    """Make ``path`` a new, empty directory for a temporary; what stood there is deleted.

    Nothing of it is synced until ``publish_directory``.
    """
    with _translated(path):
        if path.exists():
            shutil.rmtree(path)
        path.mkdir()
    return path


def discard_directory(temporary: Path) -> None:
    """Delete a temporary that is not to be published; what cannot be is left to the next sweep."""
    shutil.rmtree(temporary, ignore_errors=True)


def publish_directory(temporary: Path, final: Path) -> None:
    """Give a finished directory its final name, all of its files first being on the medium.

    Args:
        temporary: The directory under its temporary name, on the same file system as ``final``.
        final: Its name for ever; nothing may stand there.

    Raises:
        StorageError: Something stands at ``final``, or the disk failed.
    """
    with _translated(final):
        if os.path.lexists(final):
            raise StorageError(f"{final} exists already. Published directories are never replaced.")
        step(f"sync the files of {final.name}")
        for directory, _, names in os.walk(temporary):
            for name in names:
                _sync(Path(directory, name))
            sync_directory(Path(directory))
        step(f"rename to {final.name}")
        temporary.rename(final)
        _sync_parent(final)


def point_link(link: Path, target_name: str) -> None:
    """Make ``link`` a relative symbolic link to ``target_name``, in one atomic replacement.

    Raises:
        StorageError: A file or directory stands where the link should, or the disk failed.
    """
    with _translated(link):
        _refuse_non_link(link)
        if link_target(link) != target_name:
            temporary = _temporary_beside(link)
            try:
                step(f"make link {link.name}")
                temporary.symlink_to(target_name)
                step(f"replace link {link.name}")
                temporary.replace(link)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        # Synced even when nothing changed: a crash may have come between replacement and sync.
        _sync_parent(link)


def remove_link(link: Path) -> None:
    """Remove a symbolic link; it may be gone already.

    Raises:
        StorageError: A file or directory stands there, or the disk failed.
    """
    with _translated(link):
        _refuse_non_link(link)
        step(f"remove link {link.name}")
        link.unlink(missing_ok=True)
        _sync_parent(link)


def link_target(link: Path) -> str | None:
    """What a symbolic link points at, as written in it; None where there is no link."""
    try:
        return os.readlink(link)
    except OSError:
        return None


def remove_directory(path: Path) -> None:
    """Delete a directory; it vanishes from its name at once and whole, whatever happens after.

    It may be gone already: whoever was killed before all was done does it once more.
    """
    with _translated(path):
        trash = _temporary_beside(path)
        step(f"rename {path.name} away")
        with contextlib.suppress(FileNotFoundError):
            path.rename(trash)
        _sync_parent(path)
        if trash.exists():
            step(f"delete what was {path.name}")
            shutil.rmtree(trash)


def remove_file(path: Path) -> None:
    """Delete a file, for keeps; it may be gone already."""
    with _translated(path):
        step(f"remove {path.name}")
        path.unlink(missing_ok=True)
        _sync_parent(path)


def identity(path: Path) -> tuple[int, int]:
    """Device and inode: what a path leads to, whatever it is called."""
    found = path.stat()
    return found.st_dev, found.st_ino


def identity_or_none(path: Path) -> tuple[int, int] | None:
    """The same; None where there is nothing."""
    try:
        return identity(path)
    except OSError:
        return None


def sweep_temporaries(directory: Path) -> list[str]:
    """Delete what an earlier process left unfinished in ``directory``; return the names."""
    with _translated(directory):
        names = sorted(n for n in os.listdir(directory) if n.startswith(TEMPORARY_PREFIX))
        for name in names:
            step(f"delete {name}")
            path = directory / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        return names


def sync_directory(path: Path) -> None:
    """Return only when the names in a directory are on the medium."""
    _sync(path)


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises:
        StorageError: It cannot be read.
    """
    with _translated(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        full_sync(descriptor)
    finally:
        os.close(descriptor)


def _temporary_beside(path: Path) -> Path:
    return path.with_name(f"{TEMPORARY_PREFIX}{path.name}-{secrets.token_hex(4)}")


def _sync_parent(path: Path) -> None:
    """Put on disk that a directory has, or no longer has, this name."""
    step(f"sync the directory of {path.name}")
    sync_directory(path.parent)


def _refuse_non_link(link: Path) -> None:
    if os.path.lexists(link) and not link.is_symlink():
        raise StorageError(
            f"{link} should be a symbolic link, but something else stands there. Move it away."
        )


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise StorageError(
            f"{error.filename or path}: {reason}. Check that the disk has room and is writable.",
            reason=reason,
            is_full=error.errno in _FULL,
        ) from error
