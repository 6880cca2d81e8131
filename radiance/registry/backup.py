"""Backups of a root, running or not, and roots made of them.

A backup is a folder: ``objects/`` has every file once, under the SHA-256 of its content, and
``snapshots/`` has a list of files for each backup that was made. So what has not changed is kept
once, and a backup that was cut off leaves nothing that anybody would read. The database is copied
first, by SQLite's own backup, as of one moment; then the files that it names, which never change.
"""

import contextlib
import hashlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from radiance import records
from radiance.config import Config
from radiance.errors import Conflict, NotFound, StorageError
from radiance.registry import audit
from radiance.registry.manifest import WEIGHTS
from radiance.registry.rows import CURRENT, STABLE_LINK
from radiance.registry.verification import verify
from radiance.storage import files
from radiance.storage.sqlite import DatabaseSnapshot, to_text

_FORMAT = 1
_BLOCK_BYTES = 1 << 20
_MOST_TRIES = 3
# Checkpoints whose weights need not be there.
_GONE = (
    "SELECT id FROM checkpoints WHERE pruned_at IS NOT NULL"
    " UNION SELECT checkpoint_id FROM withdrawn"
)
# Of runs/: what belongs to the running process, or is made again.
_LEFT_OUT = {"radiance.lock", ".reserve", "crash.log", "crash.last.log", "lives.json", "cycles"}


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
        name: Of the snapshot, which is when it was made.
        head: The hash of the audit log's newest entry.
        stable: What serves; None is the base.
    """

    name: str
    created_at: datetime
    head: str
    stable: str | None
    files: tuple[BackedUpFile, ...]
    format: int = _FORMAT


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
        StorageError: The root has no sound database, or the disk failed; the snapshot is not there.
    """
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
    with tempfile.TemporaryDirectory(dir=target) as folder:
        database = Path(folder, "radiance.db")
        with DatabaseSnapshot(config.database_path) as db:
            db.copy_to(database)
        head, stable, checkpoints, gone = _read_copy(database)
        Path(folder, audit.HEAD_FILE).write_bytes(audit.head_file(head))
        found, copied = [], 0
        for path, source in _sources(config, Path(folder), checkpoints):
            file, is_new = _keep(target, path, source)
            found.append(file)
            copied += file.size_bytes * is_new
    now = records.now()
    snapshot = BackupSnapshot(
        now.strftime("%Y-%m-%dT%H-%M-%S.%fZ"), now, head.hash, stable, tuple(found)
    )
    kept = {file.path for file in found}
    missing = {id for id in checkpoints if f"adapters/{id}/{WEIGHTS}" not in kept}
    return snapshot, copied, missing - gone


def _gone_now(config: Config) -> set[str]:
    with DatabaseSnapshot(config.database_path) as db:
        return {row[0] for row in db.read(_GONE)}


def snapshots(target: Path) -> list[BackupSnapshot]:
    """The snapshots of a backup, the newest first.

    Raises:
        StorageError: One cannot be read.
    """
    return [_read(path) for path in sorted(target.glob("snapshots/*.json"), reverse=True)]


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
    if root.exists() and any(root.iterdir()):
        raise Conflict(
            f"{root} is not empty.",
            field="root",
            remedy="Name an empty folder, or one that does not exist yet.",
        )
    snapshot = _chosen(target, name)
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


def forgotten_since(target: Path, snapshot: BackupSnapshot) -> list[str]:
    """Ids of examples, documents and passages that were forgotten after a snapshot was made.

    As far as the newest snapshot of the same backup knows.
    """
    newest = _chosen(target, None)
    path = next((f.hash for f in newest.files if f.path == "runs/radiance.db"), None)
    if path is None or newest.name == snapshot.name:
        return []
    try:
        with contextlib.closing(
            sqlite3.connect(f"{_object(target, path).as_uri()}?immutable=1", uri=True)
        ) as connection:
            rows = connection.execute(
                "SELECT examples, passages FROM forgets WHERE at > ? ORDER BY number",
                (to_text(snapshot.created_at),),
            ).fetchall()
    except sqlite3.Error:  # of an older Radiance, which forgot nothing
        return []
    return [id for row in rows for column in row for id in msgspec.json.decode(column)]


def check(target: Path, name: str | None = None) -> BackupSnapshot:
    """Restore a snapshot beside the backup, compare everything, and delete it again.

    Raises:
        StorageError: It cannot be restored.
    """
    with tempfile.TemporaryDirectory(dir=target) as folder:
        return restore(target, Path(folder, "root"), name)


# ----------------------------------------------------------------------------- the root


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


# ----------------------------------------------------------------------------- the backup


def _object(target: Path, digest: str) -> Path:
    return target / "objects" / digest[:2] / digest


def _keep(target: Path, path: str, source: Path) -> tuple[BackedUpFile, bool]:
    """Put a file among the objects, unless its content is there; whether it was not."""
    try:
        with source.open("rb") as file:
            status = os.fstat(file.fileno())
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            kept = _object(target, digest)
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


def _restore_file(target: Path, file: BackedUpFile, root: Path) -> None:
    path = root / file.path
    if not path.resolve().is_relative_to(root.resolve()):
        raise StorageError(f"{target}: names a file outside of the root ({file.path}).")
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    try:
        with _object(target, file.hash).open("rb") as source, path.open("wb") as made:
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


def _chosen(target: Path, name: str | None) -> BackupSnapshot:
    found = sorted(target.glob("snapshots/*.json"))
    if name is not None:
        found = [path for path in found if path.stem == name]
    if not found:
        raise NotFound(
            f"{target} holds no snapshot{f' {name}' if name else ''}.",
            field="backup",
            remedy="Make one: radiance backup FOLDER.",
        )
    return _read(found[-1])


def _read(path: Path) -> BackupSnapshot:
    try:
        found = msgspec.json.decode(path.read_bytes(), type=BackupSnapshot)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StorageError(f"{path}: is no snapshot of a backup ({error}).") from None
    if found.format > _FORMAT:
        raise StorageError(f"{path}: was made by a newer Radiance. Restore it with that version.")
    return found


def _prune(target: Path, keep: int) -> None:
    """Delete older snapshots, and what only they had."""
    for path in sorted(target.glob("snapshots/*.json"))[:-keep]:
        files.remove_file(path)
    used = {file.hash for snapshot in snapshots(target) for file in snapshot.files}
    for path in target.glob("objects/*/*"):
        if path.name not in used:
            path.unlink(missing_ok=True)
