"""Whether the root is still the one that this process opened: looked at, not assumed.

A volume that was unmounted, a folder that was moved, a lock that was deleted: what is written then
is on no disk, or beside another service. Such a root is not learned into and never replaced; what
is in memory goes on being served.
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from radiance import platform
from radiance.config import Config
from radiance.errors import StorageError, Unavailable
from radiance.periodic import PeriodicThread
from radiance.registry import audit
from radiance.storage import files
from radiance.storage.reserve import Reserve
from radiance.storage.sqlite import Database
from radiance.telemetry import get_logger

LOCK_FILE = "radiance.lock"
_LOOK_S = 1.0
_log = get_logger(__name__)


def check_new(config: Config) -> None:
    """Refuse to make a database where the rest of a root says that there was one.

    Raises:
        StorageError: The database is missing or empty, and checkpoints or a log's head are there.
    """
    path = config.database_path
    if path.exists() and (not path.is_file() or path.stat().st_size > 0):
        return
    left = sorted(one.name for one in config.adapters_path.glob("A_*"))
    head_path = path.with_name(audit.HEAD_FILE)
    try:
        head = audit.read_head(head_path)
        number = 0 if head is None else head.number
    except StorageError:
        number = -1
    if not left and number == 0:
        return
    found = f"{len(left)} checkpoints lie in {config.adapters_path}" if left else str(head_path)
    raise StorageError(
        f"{path}: the database is {'empty' if path.exists() else 'missing'}, but {found} says that "
        "there was one. Restore it from a backup. To start anew, move adapters/ and "
        f"{audit.HEAD_FILE} away.",
        reason="the database is lost",
    )


def check_whole(database: Database) -> None:
    """Refuse a database that is older than the head of its own log.

    Raises:
        StorageError: The log ends before what the head file knows.
    """
    path = database.path.with_name(audit.HEAD_FILE)
    try:
        head = audit.read_head(path)
    except StorageError:
        return  # damaged: that is found, and noted, when the registry is put in order
    log = audit.Audit(database).head()
    if head is not None and head.number > log.number:
        raise StorageError(
            f"{database.path}: its log ends at entry {log.number}, but {path.name} knows "
            f"{head.number}: the newest part of the database is missing, its -wal file perhaps. "
            f"Restore it. To go on from what is there, delete {path}.",
            reason="the database is older than the head of its log",
        )


class RootWatch:
    """Holds a root's locks and looks at it once a second.

    Args:
        config: Names the root.
    """

    def __init__(self, config: Config) -> None:
        self._lock_path = config.runs_path / LOCK_FILE
        self._paths = (config.adapters_path, config.runs_path, self._lock_path)
        self._held: list[int] = []
        self._identities: dict[Path, tuple[int, int]] = {}
        self._database: Database | None = None
        self._fault: str | None = None
        self._once_sound: list[Callable[[], None]] = []
        self.reserve = Reserve(config.runs_path / ".reserve")
        self._thread = PeriodicThread("root_watch", self.look, _LOOK_S)

    def lock(self, root: Path) -> None:
        """Take the locks: of a file, and of the folder, which nobody deletes by the way.

        Raises:
            Unavailable: Another process has one of them.
            StorageError: The root cannot be written.
        """
        for path in (self._lock_path, self._lock_path.parent):
            try:
                descriptor = platform.lock(path)
            except OSError as error:
                raise StorageError(
                    f"{path}: {error.strerror}. A service needs a root that it can write to.",
                    reason=error.strerror or "",
                ) from error
            if descriptor is None:
                self.close()
                raise Unavailable(f"{root} is served by another process{_owner(self._lock_path)}.")
            self._held.append(descriptor)
        with contextlib.suppress(OSError):  # a full disk: nobody is told who holds it
            os.truncate(self._held[0], 0)
            os.pwrite(self._held[0], f"{os.getpid()}\n".encode(), 0)
        self._identities = {path: files.identity(path) for path in self._paths}

    def start(self, database: Database) -> None:
        """Begin to look."""
        self._database = database
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._thread.stop()

    def close(self) -> None:
        """Give the locks back."""
        while self._held:
            os.close(self._held.pop())

    @property
    def fault(self) -> str | None:
        """Why nothing may be accepted, as a clause; None where all is as it was opened."""
        return self._fault

    def look(self) -> None:
        """Compare the root with what was opened, and keep some room while there is some."""
        fault = self._found()
        if fault != self._fault:
            _log.error("root_lost", reason=fault) if fault else _log.info("root_is_back")
        self._fault = fault
        if fault is None:
            self.reserve.keep()
            for function in self._once_sound:
                function()

    def once_sound(self, function: Callable[[], None]) -> None:
        """Have a function called at each look that finds the root as it was opened."""
        self._once_sound.append(function)

    def check(self) -> None:
        """Look now, before something is acknowledged.

        Raises:
            Unavailable: The root is not the one that was opened.
        """
        if (fault := self._found()) is not None:
            self._fault = fault
            raise Unavailable(fault)

    def _found(self) -> str | None:
        for path, identity in self._identities.items():
            if files.identity_or_none(path) != identity:
                return f"{path.name} is gone from the root, or is not the one that was opened"
        if self._database is not None:
            return self._database.lost()
        return None


def _owner(path: Path) -> str:
    try:
        pid = path.read_text().strip()[:20]
    except (OSError, UnicodeDecodeError):
        return ". Stop it, or use another --root"
    return f"{f' (pid {pid})' if pid.isdecimal() else ''}. Stop it, or use another --root"
