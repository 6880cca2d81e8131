"""Whether the engine moves on: how long what it does now may take before it counts as hanging.

Nobody can look into a call that does not return, so time decides. A few seconds are enough for most
things; what has lately taken long is given a multiple of that, more of it in proportion (a long
prompt after short ones), and what is done for the first time, when kernels are compiled and weights
touched, is given more. Where other programs keep this one off the cores, the seconds count in which
it computed. Written on the engine's thread, read by others.
"""

import contextlib
import resource
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

FIRST_S = 30.0  # what a first time of its kind may take
_LEAST_S = 5.0
_MARGIN = 4.0  # a longer prompt, a busier machine
_REMEMBERED = 32  # times of each kind: one that the machine slept through is soon forgotten
_OFTEN = 20.0  # times a second that a core is taken away from who is kept off the cores
_LEAST_SHARE = 0.25  # of the time: what hangs is noticed however busy the machine is


class CpuUsage(NamedTuple):
    """What the process has had of the cores.

    Attributes:
        seconds: In which it computed, of all its threads.
        taken_away: How often the system gave its core to another thread.
    """

    seconds: float
    taken_away: int

    @classmethod
    def now(cls) -> "CpuUsage":
        """Until now."""
        found = resource.getrusage(resource.RUSAGE_SELF)
        return cls(found.ru_utime + found.ru_stime, found.ru_nivcsw)


class Heartbeat:
    """Follows what the engine's thread does.

    Args:
        clock: Seconds, rising.
        usage: What the process has had of the cores.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        usage: Callable[[], CpuUsage] = CpuUsage.now,
    ) -> None:
        self._clock, self._usage = clock, usage
        self._moved_at, self._had = clock(), usage()
        self._allowed_s = _LEAST_S
        self._times: dict[str, deque[tuple[float, int]]] = {}  # seconds, and for how much

    def moved(self) -> None:
        """Something was done, or there was nothing to do."""
        self._moved_at, self._had = self._clock(), self._usage()

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
        return self.stale_s < self._allowed_s or self._counting_s < self._allowed_s

    @property
    def _counting_s(self) -> float:
        """Of the seconds since anything moved those that count."""
        stale_s, had, now = self.stale_s, self._had, self._usage()
        if now.taken_away - had.taken_away < _OFTEN * stale_s:
            return stale_s
        return min(stale_s, max(now.seconds - had.seconds, _LEAST_SHARE * stale_s))
