"""Snapshots of a root, running or not, added to a backup.

The database is copied first, by SQLite's own backup, as of one moment; then the files that it
names, which never change.
"""

import contextlib
import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from radiance import records
from radiance.config import Config
from radiance.errors import Conflict, StorageError
from radiance.registry import audit
from radiance.registry.backup_folder import (
    BackedUpFile,
    BackupSnapshot,
    have_alone,
    next_name,
    object_path,
    snapshots,
)
from radiance.registry.manifest import WEIGHTS
from radiance.registry.rows import CURRENT
from radiance.storage import files
from radiance.storage.sqlite import DatabaseSnapshot

_BLOCK_BYTES = 1 << 20
_MOST_TRIES = 3
# Checkpoints whose weights need not be there.
_GONE = (
    "SELECT id FROM checkpoints WHERE pruned_at IS NOT NULL"
    " UNION SELECT checkpoint_id FROM withdrawn"
)
# Of runs/: what belongs to the running process, or is made again.
_LEFT_OUT = {"radiance.lock", ".reserve", "crash.log", "crash.last.log", "lives.json", "cycles"}


@dataclass(frozen=True)
class MadeBackup:
    """What ``back_up`` did.

    Attributes:
        copied_bytes: Of files that no earlier snapshot had.
    """

    snapshot: BackupSnapshot
    copied_bytes: int

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.size_bytes for file in self.snapshot.files)


def back_up(config: Config, target: Path, keep: int = 0) -> MadeBackup:
    """Add a snapshot of a root to a backup; a service may run over it.

    Args:
        config: Names the root.
        target: The backup's folder, which is made where it is missing.
        keep: Delete all but the newest so many snapshots; 0: none.

    Raises:
        Conflict: The folder is among those of the root that are backed up.
        Unavailable: Another backup is being made there.
        StorageError: The root has no sound database, or the disk failed; the snapshot is not there.
    """
    for part in (config.runs_path, config.anchors_path):
        if target.resolve().is_relative_to(part.resolve()):
            raise Conflict(
                f"{target} is in {part}, and would be a part of itself.",
                field="folder",
                remedy="Name a folder outside of the root, best on another disk.",
            )
    with have_alone(target):
        for name in ("objects", "snapshots"):
            files.make_directory(target / name)
        snapshot, copied = _copy_steadily(config, target)
        data = msgspec.json.format(msgspec.json.encode(snapshot), indent=1)
        files.write_durably(target / "snapshots" / f"{snapshot.name}.json", data)
        if keep:
            _prune(target, keep)
        return MadeBackup(snapshot, copied)


def _copy_steadily(config: Config, target: Path) -> tuple[BackupSnapshot, int]:
    """The same as ``_copy_root``, again where checkpoints were deleted while they were copied."""
    for _ in range(_MOST_TRIES):
        before = _gone_now(config)
        try:
            snapshot, copied, missing = _copy_root(config, target)
        except StorageError:
            if _gone_now(config) == before:
                raise
        else:
            if not missing & _gone_now(config):
                return snapshot, copied
    raise StorageError(
        f"{config.root}: checkpoints were deleted while they were copied, {_MOST_TRIES} times.",
        reason="checkpoints were deleted meanwhile",
    )


def _copy_root(config: Config, target: Path) -> tuple[BackupSnapshot, int, set[str]]:
    """Keep every file of a root.

    Returns:
        The list of them, the bytes that were not kept before, and the checkpoints whose weights
        should be there, as of the copied database, and are not.
    """
    with tempfile.TemporaryDirectory(dir=target, prefix=files.TEMPORARY_PREFIX) as folder:
        database = Path(folder, "radiance.db")
        try:
            with DatabaseSnapshot(config.database_path) as db:
                db.copy_to(database)
        except StorageError as error:
            if not error.is_full:
                raise
            raise StorageError(  # what is only read needs no room
                f"{target}: no room is left on its disk. Make some, or name another folder.",
                reason=f"no room is left on the disk of {target}",
                is_full=True,
            ) from None
        head, stable, checkpoints, gone = _read_copy(database)
        Path(folder, audit.HEAD_FILE).write_bytes(audit.head_file(head))
        found, copied = [], 0
        for path, source in _sources(config, Path(folder), checkpoints):
            file, is_new = _keep(target, path, source)
            found.append(file)
            copied += file.size_bytes * is_new
    now = records.now()
    snapshot = BackupSnapshot(next_name(target, now), now, head.hash, stable, tuple(found))
    kept = {file.path for file in found}
    missing = {id for id in checkpoints if f"adapters/{id}/{WEIGHTS}" not in kept}
    return snapshot, copied, missing - gone


def _gone_now(config: Config) -> set[str]:
    with DatabaseSnapshot(config.database_path) as db:
        return {row[0] for row in db.read(_GONE)}


def _read_copy(path: Path) -> tuple[audit.LogHead, str | None, list[str], set[str]]:
    """The head of a copied database's log, what serves, every checkpoint, those without files."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if finding != "ok":
            raise StorageError(f"The database is damaged: {finding}.", reason="it is damaged")
        last = "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1"
        row = connection.execute(last).fetchone()
        served = connection.execute(CURRENT).fetchone()
        ids = [one[0] for one in connection.execute("SELECT id FROM checkpoints ORDER BY id")]
        gone = {one[0] for one in connection.execute(_GONE)}
        head = audit.LogHead(*row) if row else audit.LogHead()
    return head, served[0] if served else None, ids, gone


def _sources(config: Config, copied: Path, checkpoints: list[str]) -> Iterator[tuple[str, Path]]:
    """Each file of a root: its path below it, and where to read it."""
    root = config.root
    yield "runs/radiance.db", copied / "radiance.db"
    yield f"runs/{audit.HEAD_FILE}", copied / audit.HEAD_FILE
    for checkpoint_id in checkpoints:
        yield from _below(root, config.adapters_path / checkpoint_id)
    yield from _below(root, config.anchors_path)
    for path in sorted(config.runs_path.iterdir()):
        if path.name not in _LEFT_OUT and not path.name.startswith(
            ("radiance.db", audit.HEAD_FILE, files.TEMPORARY_PREFIX)
        ):
            yield from _below(root, path)
    for path in (root / "radiance.toml", config.keys_path):
        if path.is_relative_to(root):
            yield from _below(root, path)


def _below(root: Path, path: Path) -> Iterator[tuple[str, Path]]:
    """Plain files at or below a path; what is written under a temporary name is none."""
    if path.is_symlink() or path.name.startswith(files.TEMPORARY_PREFIX):
        return
    if path.is_file():
        yield path.relative_to(root).as_posix(), path
    elif path.is_dir():
        for child in sorted(path.iterdir()):
            yield from _below(root, child)


def _keep(target: Path, path: str, source: Path) -> tuple[BackedUpFile, bool]:
    """Put a file among the objects, unless its content is there; whether it was not."""
    try:
        with source.open("rb") as file:
            status = os.fstat(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            kept = object_path(target, digest)
            if is_new := not kept.exists():
                files.make_directory(kept.parent)
                file.seek(0)
                copied = _copy(file.read, kept)
                if copied != digest:
                    raise StorageError(f"{source}: changed while it was read.", reason="it changed")
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        raise StorageError(
            f"{source}: {error.strerror}.", reason=error.strerror or "it cannot be read"
        ) from error
    mode = status.st_mode & 0o777
    return BackedUpFile(path, digest, status.st_size, mode), is_new


def _copy(read: Callable[[int], bytes], target: Path) -> str:
    """Write a file durably, block by block; its hash. It is there whole or not at all."""
    temporary = target.with_name(f"{files.TEMPORARY_PREFIX}{target.name}")
    digest = hashlib.sha256()
    with temporary.open("wb") as file:
        while block := read(_BLOCK_BYTES):
            digest.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() == target.name:
        temporary.replace(target)
        files.sync_directory(target.parent)
    else:
        temporary.unlink()
    return digest.hexdigest()


def _prune(target: Path, keep: int) -> None:
    """Delete older snapshots, and what only they had."""
    for path in sorted(target.glob("snapshots/*.json"))[:-keep]:
        files.remove_file(path)
    used = {file.hash for snapshot in snapshots(target) for file in snapshot.files}
    for path in target.glob("objects/*/*"):
        if path.name not in used:
            path.unlink(missing_ok=True)
