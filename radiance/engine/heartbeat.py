"""Whether the engine moves on: how long what it does now may take before it counts as hanging.

Nobody can look into a call that does not return, so time decides. A few seconds are enough for most
things; what has lately taken long is given a multiple of that, more of it in proportion (a long
prompt after short ones), and what is done for the first time, when kernels are compiled and weights
touched, is given more. Written on the engine's thread, read by others.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator

FIRST_S = 30.0  # what a first time of its kind may take
_LEAST_S = 5.0
_MARGIN = 4.0  # a longer prompt, a busier machine
_REMEMBERED = 32  # times of each kind: one that the machine slept through is soon forgotten


class Heartbeat:
    """Follows what the engine's thread does.

    Args:
        clock: Seconds, rising.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._moved_at = clock()
        self._allowed_s = _LEAST_S
        self._times: dict[str, deque[tuple[float, int]]] = {}  # seconds, and for how much

    def moved(self) -> None:
        """Something was done, or there was nothing to do."""
        self._moved_at = self._clock()

    @contextlib.contextmanager
    def during(self, kind: str, patience_s: float | None = None, amount: int = 1) -> Iterator[None]:
        """Around one thing that may take long. It is not taken for progress: ``moved`` says that.

        Args:
            kind: Things that take about equally long.
            patience_s: What this one may take at least; None: a first time of its kind has
                ``FIRST_S``.
            amount: How much of it there is, such as tokens: more than there lately was may take
                longer in proportion.
        """
        times = self._times.setdefault(kind, deque(maxlen=_REMEMBERED))
        if patience_s is None:
            patience_s = 0.0 if times else FIRST_S
        began = self._clock()
        longest = sorted((0.0, 0.0, *(seconds for seconds, _ in times)))
        # One alone tells least of how long more takes: it compiled kernels, or the machine slept.
        usual = longest[-1] if len(times) == 1 else longest[-2]
        more = max(1.0, amount / max((of for _, of in times), default=amount))
        self._allowed_s = max(_LEAST_S, _MARGIN * longest[-1], _MARGIN * usual * more, patience_s)
        try:
            yield
        finally:
            self._allowed_s = _LEAST_S
            times.append((self._clock() - began, amount))

    @property
    def stale_s(self) -> float:
        """Seconds since anything moved."""
        return self._clock() - self._moved_at

    @property
    def is_steady(self) -> bool:
        """True while something moved within the time that the present work may take."""
        return self.stale_s < self._allowed_s
