"""The only use of SQLite: one connection, every commit on the medium when it returns.

One process owns the database at a time and reads it through one connection, which a lock hands
from thread to thread (``Database``). Others may read it meanwhile (``DatabaseSnapshot``): SQLite
keeps a write-ahead log.
"""

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from radiance.errors import StorageError, Unavailable
from radiance.storage import files, migrations
from radiance.storage.steps import step

Connection = sqlite3.Connection
Row = sqlite3.Row


def to_text(at: datetime) -> str:
    """A time as the database keeps it: UTC, of fixed width, so that text order is time order."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def as_term(word: str) -> str:
    """A word as a term of a full-text query (FTS5), whatever its letters mean there."""
    return '"' + word.replace('"', '""') + '"'


def to_json(value: Any) -> str:
    """A value as the database keeps it: compact JSON."""
    return json.dumps(msgspec.to_builtins(value), ensure_ascii=False, separators=(",", ":"))


Parameters = Sequence[Any] | Mapping[str, Any]
"""What stands for the places or the names in an SQL text."""


class Readable(Protocol):
    """What can be asked: the service's own ``Database``, or a ``DatabaseSnapshot`` of it."""

    def read(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """All rows of a query."""
        ...


_BUSY_TIMEOUT = "PRAGMA busy_timeout = 10000"
_PRAGMAS = (
    _BUSY_TIMEOUT,
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",  # macOS: fsync alone leaves a commit in the drive's cache
    "PRAGMA checkpoint_fullfsync = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA secure_delete = ON",  # what is deleted is overwritten, for what is to be forgotten
)
_BEFORE = ".before-"  # and how many migrations a copy has
_STRICT_SINCE = (3, 37)


class Database:
    """Radiance's database file, opened and brought to the newest schema."""

    def __init__(self, path: Path) -> None:
        """Open ``path``; make it, and the directory it lies in, where they are missing.

        Raises:
            StorageError: The file is damaged, not ours, newer than this program, or not writable.
        """
        self.path = path
        self._lock = threading.RLock()
        self._own = threading.local()  # the connection of a thread that reads aside
        self._is_open = False
        self._files: dict[Path, tuple[int, int]] = {}
        if sqlite3.sqlite_version_info < _STRICT_SINCE:
            raise StorageError(
                f"SQLite {sqlite3.sqlite_version} is too old. Use a Python with 3.37 or later."
            )
        files.make_directory(path.parent)
        with _translated(self.path):
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._prepare()
        except BaseException:
            self._connection.close()
            raise
        self._files = self._identities()

    def _prepare(self) -> None:
        with _opening(self.path):
            self._connection.row_factory = sqlite3.Row
            for pragma in _PRAGMAS:
                self._connection.execute(pragma)
            finding = self._connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if finding != "ok":
                raise sqlite3.DatabaseError(finding)
        self._is_open = True
        self._keep_before_migrating()
        with self.transaction() as connection:
            migrations.apply(connection, self.path)

    def _keep_before_migrating(self) -> None:
        """Copy a database of an older version, for whoever wants to go back to that."""
        with _translated(self.path):
            connection = self._connection
            has_any = "SELECT 1 FROM sqlite_master WHERE name = 'migrations'"
            if connection.execute(has_any).fetchone() is None:
                return
            applied = {row[0] for row in connection.execute("SELECT name FROM migrations")}
            known = [migration.__name__ for migration in migrations.ALL]
            if applied - set(known) or applied == set(known):
                return
            copy_path = self.path.with_name(f"{self.path.name}{_BEFORE}{len(applied):03d}")
            if copy_path.exists():
                return
            temporary = copy_path.with_name(f"{files.TEMPORARY_PREFIX}{copy_path.name}")
            temporary.unlink(missing_ok=True)
            with contextlib.closing(sqlite3.connect(temporary)) as copy:
                connection.backup(copy)
            temporary.replace(copy_path)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction that is durable when the block has ended, and undone if it raises.

        Other threads wait. It cannot be nested.

        Raises:
            StorageError: The database or the disk failed; nothing was changed.
            Unavailable: The database is closed.
        """
        with self._lock, _translated(self.path):
            self._check_whole()
            connection = self._connection
            assert not connection.in_transaction, "transactions do not nest"
            with _committed(connection):
                yield connection

    @contextmanager
    def aside(self) -> Iterator[Connection]:
        """The same on a connection of its own: who reads meanwhile does not wait for the disk.

        For housekeeping. Others that write wait for it, and it for them.

        Raises:
            StorageError: As ``transaction``.
            Unavailable: As ``transaction``.
        """
        with self._lock:
            self._check_whole()
        with (
            _translated(self.path),
            contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as connection,
        ):
            connection.row_factory = sqlite3.Row
            for pragma in _PRAGMAS:
                connection.execute(pragma)
            with _committed(connection):
                yield connection

    @contextmanager
    def reading_aside(self) -> Iterator[None]:
        """What this thread reads in the block goes over a connection of its own: nobody waits.

        For housekeeping that reads much. Each read sees what was committed before it.

        Raises:
            StorageError: As ``read``.
            Unavailable: As ``read``.
        """
        self._check_open()
        with (
            _translated(self.path),
            contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as connection,
        ):
            connection.row_factory = sqlite3.Row
            for pragma in (_BUSY_TIMEOUT, "PRAGMA query_only = ON"):
                connection.execute(pragma)
            self._own.connection = connection
            try:
                yield
            finally:
                self._own.connection = None

    def read(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """All rows of a query.

        Raises:
            StorageError: The database or the disk failed.
            Unavailable: The database is closed.
        """
        own: Connection | None = getattr(self._own, "connection", None)
        with contextlib.nullcontext() if own else self._lock, _translated(self.path):
            self._check_open()
            return (own or self._connection).execute(sql, parameters).fetchall()

    def rewrite(self) -> None:
        """Write the whole file anew, without what was deleted; ``clear_log`` does the rest.

        Takes as long as that, and others wait for it. Copies from before an upgrade go, too.

        Raises:
            StorageError: The disk failed, or has no room for a second copy of the file.
            Unavailable: The database is closed.
        """
        with self._lock, _translated(self.path):
            self._check_open()
            step("wipe the database")
            for copy in self.path.parent.glob(f"{self.path.name}{_BEFORE}*"):
                files.remove_file(copy)
            self._connection.execute("VACUUM")

    def clear_log(self) -> bool:
        """Leave nothing in the log, which has what was deleted and what is in the file by now.

        Waits for nobody, so that nobody waits for it.

        Returns:
            Whether it is done; False while another program reads the file as it was before.

        Raises:
            StorageError: The disk failed.
            Unavailable: The database is closed.
        """
        with self._lock, _translated(self.path):
            self._check_open()
            step("clear the database's log")
            self._connection.execute("PRAGMA busy_timeout = 0")
            try:
                found = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            finally:
                self._connection.execute(_BUSY_TIMEOUT)
            return not found[0]

    def lost(self) -> str | None:
        """Why what is committed now is on no disk, as a clause; None while it is.

        A file that was deleted or replaced goes on being written by whoever has it open.
        """
        found = self._identities()
        if any(found.get(path) != identity for path, identity in self._files.items()):
            return "the database is gone from the root, or is not the one that was opened"
        return None

    def _identities(self) -> dict[Path, tuple[int, int]]:
        paths = (self.path, self.path.with_name(f"{self.path.name}-wal"))
        found = {path: files.identity_or_none(path) for path in paths}
        return {path: identity for path, identity in found.items() if identity is not None}

    def close(self) -> None:
        """Close the file; waits for a transaction under way. Later calls raise Unavailable."""
        with self._lock:
            if self._is_open:
                self._is_open = False
                self._connection.close()

    def _check_whole(self) -> None:
        """Refuse to write where the file is not the one that was opened.

        Raises:
            Unavailable: The database is closed.
            StorageError: The file is gone, or another one stands there.
        """
        self._check_open()
        if self._files and (lost := self.lost()) is not None:
            raise StorageError(f"{self.path}: {lost}.", reason=lost)

    def _check_open(self) -> None:
        if not self._is_open:
            raise Unavailable("The database is closed because the service is stopping.")


@contextmanager
def _committed(connection: Connection) -> Iterator[None]:
    """A transaction from here on: committed at the end, rolled back where anything is raised."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        step("commit to the database")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


class DatabaseSnapshot:
    """The database as it is now, read beside whoever owns it; use it as a context manager.

    All reads see the same moment, whatever is committed meanwhile. Nothing can be written.
    """

    def __init__(self, path: Path) -> None:
        """Open ``path``.

        Raises:
            StorageError: There is no database, it is not ours, or older than this program.
        """
        self.path = path
        if not path.is_file():
            raise StorageError(
                f"{path}: there is no database. Name the root of a service by --root."
            )
        try:
            self._connection = self._open("mode=ro")
        except StorageError:
            if path.with_name(f"{path.name}-wal").exists():
                raise
            # In a directory that cannot be written SQLite cannot share a log; there is none here.
            self._connection = self._open("immutable=1")

    def __enter__(self) -> "DatabaseSnapshot":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def read(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """All rows of a query.

        Raises:
            StorageError: The database is damaged.
        """
        return list(self.stream(sql, parameters))

    def stream(self, sql: str, parameters: Parameters = ()) -> Iterator[Row]:
        """The rows of a query, one at a time.

        Raises:
            StorageError: The database is damaged.
        """
        with _translated(self.path):
            yield from self._connection.execute(sql, parameters)

    def copy_to(self, path: Path) -> None:
        """Write a copy of the database; ``path`` must not exist.

        Raises:
            StorageError: The database is damaged, or the disk failed.
        """
        with _translated(self.path), contextlib.closing(sqlite3.connect(path)) as copy:
            self._connection.backup(copy)

    def _open(self, mode: str) -> Connection:
        with _opening(self.path):
            connection = sqlite3.connect(
                f"file:{quote(str(self.path))}?{mode}", uri=True, isolation_level=None
            )
            try:
                connection.row_factory = sqlite3.Row
                connection.execute(_BUSY_TIMEOUT)
                connection.execute("BEGIN")
                applied = {row[0] for row in connection.execute("SELECT name FROM migrations")}
            except BaseException:
                connection.close()
                raise
        if applied != {known.__name__ for known in migrations.ALL}:
            connection.close()
            raise StorageError(
                f"{self.path}: was last opened by another version of Radiance. Start this one once"
                " with `radiance run`, or read it with that version."
            )
        return connection


@contextmanager
def _opening(path: Path) -> Iterator[None]:
    """The schema is read here. SQLite quotes a damaged byte of it, which Python cannot decode."""
    with _translated(path):
        try:
            yield
        except UnicodeDecodeError as error:
            raise sqlite3.DatabaseError(f"its schema cannot be read: {error}") from error


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError):
        raise  # mistakes of ours, not of the disk
    except sqlite3.OperationalError as error:
        raise StorageError(
            f"{path}: {error}. Check that it and its directory are writable, that the disk"
            " has room, and that no other program holds it.",
            reason=str(error),
            is_full=error.sqlite_errorcode == sqlite3.SQLITE_FULL,
        ) from error
    except sqlite3.DatabaseError as error:
        raise StorageError(
            f"{path}: the database is damaged or not a database ({error}). Restore it from"
            " a backup, or move it and its -wal and -shm files away to start empty.",
            reason="the database is damaged",
        ) from error
