"""What somebody outside waits for, so that it can be failed where the engine's thread hangs."""

import contextlib
import threading
from concurrent.futures import Future, InvalidStateError
from typing import Any


class InFlight:
    """Futures that have no outcome yet. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._futures: set[Future[Any]] = set()

    def __len__(self) -> int:
        return len(self._futures)

    def add(self, future: "Future[Any]", most: int | None = None) -> bool:
        """Keep a future until it is done; False if there are as many as there may be."""
        with self._lock:
            if most is not None and len(self._futures) >= most:
                return False
            self._futures.add(future)
        future.add_done_callback(self._leave)
        return True

    def fail(self, error: BaseException) -> int:
        """Fail all of them; how many there were."""
        with self._lock:
            futures = list(self._futures)
        failed = 0
        for future in futures:
            with contextlib.suppress(InvalidStateError):  # answered meanwhile
                future.set_exception(error)
                failed += 1
        return failed

    def _leave(self, future: "Future[Any]") -> None:
        with self._lock:
            self._futures.discard(future)
