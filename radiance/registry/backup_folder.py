"""The folder of a backup: its snapshots, the objects that they name, and who may write there.

``objects/`` has every file once, under the SHA-256 of its content, and ``snapshots/`` has a list of
files for each backup that was made. So what has not changed is kept once, and a backup that was cut
off leaves nothing that anybody would read.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from radiance import platform
from radiance.errors import NotFound, StorageError, Unavailable
from radiance.storage import files

_FORMAT = 1
_NAME = "%Y-%m-%dT%H-%M-%S.%fZ"
_LOCK = ".lock"
# Of a file system that has no locks, as some network shares have none.
_NO_LOCKS = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.ENOSYS)


class BackedUpFile(msgspec.Struct, frozen=True):
    """One file of a root.

    Attributes:
        path: Below the root.
        hash: SHA-256 of its content.
        mode: Its permissions.
    """

    path: str
    hash: str
    size_bytes: int
    mode: int


class BackupSnapshot(msgspec.Struct, frozen=True):
    """All of a root at one moment.

    Attributes:
        name: Of the snapshot, which is when it was made; later than the name of an earlier one,
            also where the clock was set back.
        head: The hash of the audit log's newest entry.
        stable: What serves; None is the base.
    """

    name: str
    created_at: datetime
    head: str
    stable: str | None
    files: tuple[BackedUpFile, ...]
    format: int = _FORMAT


def snapshots(target: Path) -> list[BackupSnapshot]:
    """The snapshots of a backup, the newest first.

    Raises:
        StorageError: One cannot be read.
    """
    return [read_snapshot(path) for path in sorted(target.glob("snapshots/*Z.json"), reverse=True)]


def chosen(target: Path, name: str | None) -> BackupSnapshot:
    """The snapshot of a name; None: the newest.

    Raises:
        NotFound: There is none.
        StorageError: It cannot be read.
    """
    found = sorted(target.glob("snapshots/*Z.json"))
    if name is not None:
        found = [path for path in found if path.stem == name]
    if not found:
        raise NotFound(
            f"{target} holds no snapshot{f' {name}' if name else ''}.",
            field="backup",
            remedy="Make one: radiance backup FOLDER.",
        )
    return read_snapshot(found[-1])


def object_path(target: Path, digest: str) -> Path:
    """Where a backup keeps a file, by the SHA-256 of its content."""
    return target / "objects" / digest[:2] / digest


def next_name(target: Path, now: datetime) -> str:
    """The name of a snapshot made now: the last of all, for the newest is what is restored."""
    name = now.strftime(_NAME)
    newest = max((path.stem for path in target.glob("snapshots/*Z.json")), default="")
    if name > newest:
        return name
    later = datetime.strptime(newest, _NAME).replace(tzinfo=UTC) + timedelta(microseconds=1)
    return later.strftime(_NAME)


@contextmanager
def have_alone(target: Path) -> Iterator[None]:
    """Have a backup's folder to oneself: who deletes what no snapshot has must know of all.

    What a backup that was killed left there is deleted.

    Raises:
        Unavailable: Somebody else has it.
        StorageError: The folder cannot be made or written.
    """
    files.make_directory(target)
    try:
        descriptor = platform.lock(target / _LOCK)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise StorageError(
                f"{target / _LOCK}: {error.strerror}.", reason=error.strerror or ""
            ) from error
        yield
        return
    if descriptor is None:
        raise Unavailable(f"Another backup is being made in {target}. Try again when it is done.")
    try:
        files.sweep_temporaries(target)
        yield
    finally:
        os.close(descriptor)


def read_snapshot(path: Path) -> BackupSnapshot:
    """A snapshot from its file.

    Raises:
        StorageError: It is none, or of a newer Radiance.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=BackupSnapshot)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StorageError(f"{path}: is no snapshot of a backup ({error}).") from None
    if found.format > _FORMAT:
        raise StorageError(f"{path}: was made by a newer Radiance. Restore it with that version.")
    return found
