"""Backups as time passes: one when the newest snapshot is old, and word of one that failed."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from radiance import records
from radiance.config import Config
from radiance.errors import ConfigError, StorageError, Unavailable
from radiance.periodic import PeriodicThread
from radiance.registry.backup import back_up
from radiance.registry.backup_folder import snapshots
from radiance.telemetry import get_logger

_LOOK_S, _RETRY_S = 60.0, 600.0
_log = get_logger(__name__)


class BackupSchedule:
    """Adds a snapshot to a backup every few hours, as ``[backup]`` has it.

    Args:
        config: All settings.
        now: The time, aware.
        clock: Seconds, rising.

    Raises:
        ConfigError: The folder is in the root, of which it would be a part.
    """

    def __init__(
        self,
        config: Config,
        now: Callable[[], datetime] = records.now,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._now, self._clock = config, now, clock
        self._not_before = clock()
        self._fault: str | None = None
        self._folder = _folder(config)
        self._thread = PeriodicThread("backup", self.look, _LOOK_S, at_once=True)

    @property
    def fault(self) -> str | None:
        """Why the last backup failed, as a clause; None where none did."""
        return self._fault

    def start(self) -> None:
        """Begin to look, if there is anywhere to keep backups."""
        if self._folder is not None:
            self._thread.start()

    def stop(self) -> None:
        """End that; a backup under way is made first."""
        self._thread.stop()

    def look(self) -> None:
        """Make a backup if one is due. One that fails is tried again after ten minutes."""
        settings, folder = self._config.backup, self._folder
        if folder is None or self._clock() < self._not_before:
            return
        period = timedelta(hours=settings.every_hours)
        try:
            rest = self._rest(folder, period)
            if rest <= timedelta():
                made = back_up(self._config, folder, settings.keep)
                rest = period
                _log.info("backup_made", snapshot=made.snapshot.name, bytes=made.copied_bytes)
        except Unavailable:  # somebody makes one by hand: looked at again in a minute
            return
        except (StorageError, OSError) as error:
            self._fault = getattr(error, "reason", "") or str(error)
            self._not_before = self._clock() + _RETRY_S
            _log.error("backup_failed", reason=str(error))
            return
        self._fault = None
        self._not_before = self._clock() + rest.total_seconds()

    def _rest(self, folder: Path, period: timedelta) -> timedelta:
        """How long until the next is due; a snapshot from the future is of a clock set back."""
        made = snapshots(folder)
        age = self._now() - made[0].created_at if made else period
        return period - age if timedelta() <= age else timedelta()


def _folder(config: Config) -> Path | None:
    if not config.backup.folder:
        return None
    root = config.root.resolve()
    found = (root.parent / Path(config.backup.folder).expanduser()).resolve()
    if found.is_relative_to(root):
        raise ConfigError(
            f"backup.folder: {found} is in the root {root}, which it would be lost with. Name a "
            "folder elsewhere, best on another disk."
        )
    return found
