"""Room that is set aside, so that a full disk does not keep a person from moving what serves."""

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from radiance.errors import StorageError
from radiance.storage import files
from radiance.telemetry import get_logger

T = TypeVar("T")
_BYTES = 2 << 20
_LEAST_FREE_BYTES = 16 << 20  # before it is made again: what others need comes first
_log = get_logger(__name__)


class Reserve:
    """A file of zeros that is given up where there is no room for something that matters more.

    Any thread.

    Args:
        path: Where it lies.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self) -> None:
        """Set the room aside, unless it is or there is little left."""
        with contextlib.suppress(OSError):
            if self._path.exists():
                return
            if shutil.disk_usage(self._path.parent).free > _LEAST_FREE_BYTES:
                files.write_durably(self._path, bytes(_BYTES))

    def spend(self, function: Callable[[], T]) -> T:
        """Call a function; where the disk is full, again with the room that was set aside.

        Raises:
            StorageError: There is still none.
        """
        try:
            return function()
        except StorageError as error:
            if not error.is_full or not self._path.exists():
                raise
            _log.warning("reserve_spent", reason=str(error))
            self._path.unlink(missing_ok=True)
        return function()


def spend_nothing(function: Callable[[], T]) -> T:
    """Call a function where there is no reserve."""
    return function()
