"""A circuit breaker: whoever keeps failing is left alone for a while. Pure but for its clock."""

import threading
import time
from collections.abc import Callable
from typing import Literal

State = Literal["closed", "open", "half-open"]
_MEMORY = 0.8  # weight of the past in the failure ratio


class Breaker:
    """Of one upstream; safe to use from several threads.

    Closed it lets all calls through. ``failures`` in a row open it for ``seconds``; then it lets a
    single call through, which closes it or opens it again.
    """

    def __init__(
        self, failures: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._seconds, self._clock = failures, seconds, clock
        self._lock = threading.Lock()
        self._in_a_row, self._opened_at, self._is_trying = 0, 0.0, False
        self._is_open = False
        self.failure_ratio = 0.0
        self.latency_s = 0.0

    @property
    def state(self) -> State:
        with self._lock:
            return self._state()

    def _state(self) -> State:
        if not self._is_open:
            return "closed"
        waited = self._clock() - self._opened_at >= self._seconds
        return "half-open" if waited else "open"

    def allows(self) -> bool:
        """Whether a call may be made now. Whoever is told yes reports how it went."""
        with self._lock:
            match self._state():
                case "closed":
                    return True
                case "open":
                    return False
            if self._is_trying:
                return False
            self._is_trying = True
            return True

    def succeeded(self, latency_s: float) -> None:
        with self._lock:
            self._in_a_row, self._is_open, self._is_trying = 0, False, False
            self.failure_ratio *= _MEMORY
            past = self.latency_s or latency_s
            self.latency_s = _MEMORY * past + (1 - _MEMORY) * latency_s

    def failed(self) -> None:
        with self._lock:
            self._in_a_row += 1
            self.failure_ratio = _MEMORY * self.failure_ratio + (1 - _MEMORY)
            if self._is_trying or self._in_a_row >= self._most:
                self._is_open, self._opened_at = True, self._clock()
            self._is_trying = False

    def gave_up(self) -> None:
        """The call was called off by whoever asked; that says nothing of the upstream."""
        with self._lock:
            self._is_trying = False
