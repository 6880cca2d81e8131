"""A thread that does one thing again and again until it is stopped."""

import threading
from collections.abc import Callable

from radiance.errors import Cancelled, Unavailable
from radiance.telemetry import get_logger

_log = get_logger(__name__)


class PeriodicThread:
    """Calls ``look`` every few seconds, and at once after ``wake``, on a daemon thread.

    An exception is logged and the next turn comes as usual: what the thread guards must not be lost
    to one passing fault. ``Cancelled`` and ``Unavailable`` mean that something it uses is stopping,
    and are not logged.

    Args:
        name: Of the thread, and of the log's event ``NAME_failed``.
        look: One turn.
        every_s: Seconds from the end of a turn to the next.
        at_once: Whether the first turn comes with ``start``, not ``every_s`` seconds later.
    """

    def __init__(
        self, name: str, look: Callable[[], object], every_s: float, *, at_once: bool = False
    ) -> None:
        self._name, self._look, self._every_s, self._at_once = name, look, every_s, at_once
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin the turns."""
        self._thread.start()

    def wake(self) -> None:
        """Take the next turn now."""
        self._wake.set()

    def ask_to_stop(self) -> None:
        """Let no further turn begin; returns at once."""
        self._stopping.set()
        self._wake.set()

    def stop(self) -> None:
        """Let the turn under way end, then end the thread. Safe to call twice, or before start."""
        self.ask_to_stop()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def wait_for_stop(self, seconds: float) -> bool:
        """Sleep within a turn; True as soon as the thread is to stop."""
        return self._stopping.wait(seconds)

    def _run(self) -> None:
        if not self._at_once:
            self._wake.wait(self._every_s)
            self._wake.clear()
        # Cleared before the flag is read: a stop in between wakes the next wait, and is not lost.
        while not self._stopping.is_set():
            try:
                self._look()
            except (Cancelled, Unavailable) as error:
                _log.debug(f"{self._name}_stopping", error=str(error))
            except Exception as error:  # noqa: BLE001 - the next turn may succeed
                _log.exception(f"{self._name}_failed", error=str(error))
            self._wake.wait(self._every_s)
            self._wake.clear()
