"""Roots made of a backup, verified before they stand there."""

import contextlib
import hashlib
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from radiance.config import Config
from radiance.errors import Conflict, StorageError
from radiance.registry.backup_folder import (
    BackedUpFile,
    BackupSnapshot,
    chosen,
    have_alone,
    object_path,
)
from radiance.registry.rows import STABLE_LINK
from radiance.registry.verification import verify
from radiance.storage import files

_BLOCK_BYTES = 1 << 20


def restore(target: Path, root: Path, name: str | None = None) -> BackupSnapshot:
    """Make a root of a backup, verified before it stands there.

    Args:
        target: The backup's folder.
        root: Where; it must not be there, or be empty.
        name: Which snapshot; None: the newest.

    Raises:
        Conflict: Something is at ``root`` already.
        NotFound: There is no such snapshot.
        StorageError: The backup is damaged, or the disk failed; nothing is at ``root``.
    """
    if root.exists() and any(_is_somebodys(path) for path in root.iterdir()):
        raise Conflict(
            f"{root} is not empty.",
            field="root",
            remedy="Name an empty folder, or one that does not exist yet.",
        )
    snapshot = chosen(target, name)
    is_there = root.exists()
    files.make_directory(root.parent)
    folder = root if is_there else root.parent
    temporary = files.fresh_directory(folder / f"{files.TEMPORARY_PREFIX}{root.name}")
    try:
        for name_in_root in ("adapters", "anchors", "runs"):
            (temporary / name_in_root).mkdir()
        for file in snapshot.files:
            _restore_file(target, file, temporary)
        if snapshot.stable is not None:
            (temporary / "adapters" / STABLE_LINK).symlink_to(snapshot.stable)
        made = Config(root=temporary)
        found = verify(made.database_path, made.adapters_path)
        if not found.is_sound or found.head != snapshot.head:
            reason = found.findings[0] if found.findings else "its log is another one"
            raise StorageError(f"{target}: what it holds is not sound: {reason}")
        if is_there:
            _fill(root, temporary)
        else:
            files.publish_directory(temporary, root)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return snapshot


def _is_somebodys(path: Path) -> bool:
    """Whether what is in a folder is neither of a restore that was killed nor of macOS's Finder."""
    return not path.name.startswith(files.TEMPORARY_PREFIX) and path.name != ".DS_Store"


def forgotten_since(target: Path, snapshot: BackupSnapshot) -> list[str]:
    """Ids of examples, documents and passages that were forgotten after a snapshot was made.

    As far as the newest snapshot of the same backup knows.
    """
    newest = chosen(target, None)
    if newest.name == snapshot.name:
        return []
    known = _read_kept(target, snapshot, "SELECT max(number) FROM forgets")
    last = known[0][0] if known else None
    query = "SELECT examples, passages FROM forgets WHERE number > ? ORDER BY number"
    rows = _read_kept(target, newest, query, last or 0)
    return [id for row in rows for column in row for id in msgspec.json.decode(column)]


def check(target: Path, name: str | None = None) -> BackupSnapshot:
    """Restore a snapshot beside the backup, compare everything, and delete it again.

    Raises:
        Unavailable: A backup is being made there.
        StorageError: It cannot be restored.
    """
    with (
        have_alone(target),
        tempfile.TemporaryDirectory(dir=target, prefix=files.TEMPORARY_PREFIX) as folder,
    ):
        return restore(target, Path(folder, "root"), name)


def _read_kept(
    target: Path, snapshot: BackupSnapshot, query: str, *values: int
) -> list[tuple[Any, ...]]:
    """Rows of the database of a snapshot; none where it is of a Radiance that has no such table."""
    digest = next((f.hash for f in snapshot.files if f.path == "runs/radiance.db"), None)
    if digest is None:
        return []
    uri = f"{object_path(target, digest).as_uri()}?immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(uri, uri=True)) as connection:
            return connection.execute(query, values).fetchall()
    except sqlite3.Error:
        return []


def _restore_file(target: Path, file: BackedUpFile, root: Path) -> None:
    path = root / file.path
    if not path.resolve().is_relative_to(root.resolve()):
        raise StorageError(f"{target}: names a file outside of the root ({file.path}).")
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        with object_path(target, file.hash).open("rb") as source, path.open("wb") as made:
            path.chmod(file.mode)
            while block := source.read(_BLOCK_BYTES):
                digest.update(block)
                made.write(block)
    except OSError as error:
        raise StorageError(
            f"{target}: {file.path} cannot be restored ({error.strerror}).",
            reason=error.strerror or "",
        ) from error
    if digest.hexdigest() != file.hash:
        raise StorageError(f"{target}: {file.path} is damaged: its content has another hash.")


def _fill(root: Path, temporary: Path) -> None:
    """Move a finished root's entries into the empty folder that it was made in.

    The folder itself stays: a shell or a service manager may stand in it. The database comes last,
    so that a root that is not whole is refused at the start.
    """
    entries = sorted(temporary.iterdir(), key=lambda path: path.name == "runs")
    for entry in entries:
        if entry.is_dir():
            files.publish_directory(entry, root / entry.name)
        else:
            files.write_durably(root / entry.name, entry.read_bytes(), entry.stat().st_mode & 0o777)
    shutil.rmtree(temporary)
