"""Whether a cycle that found no memory may find it later, or wants more than there ever is.

What it took is held against what the machine has in all. Where the machine had room when an array
was refused, it was a limit of this process, which does not pass either.
"""

import re
from dataclasses import dataclass

import mlx.core as mx

from radiance.engine.worker import Engine
from radiance.errors import OutOfMemory, RadianceError
from radiance.platform.conditions import read_conditions

_NO_MEMORY = re.compile(r"malloc|bad_alloc|allocate|out of memory|insufficient memory", re.I)
_ASKED = re.compile(r"allocate (\d+)")
_MOST_SHARE, _LEAST_FREE_SHARE = 0.9, 0.05  # of all memory: what programs get, what a system keeps
_GIB = 1 << 30


@dataclass(frozen=True)
class Shortage:
    """The memory when there was none left, in bytes.

    Attributes:
        asked: What was refused; 0: it is not known.
        peak: The most that this process's arrays took.
        given_back: What of that is free again.
        free: What can be had on the machine now.
        in_all: What the machine has.
    """

    asked: int
    peak: int
    given_back: int
    free: int
    in_all: int

    @property
    def is_passing(self) -> bool:
        """Whether the same may fit another time, when other programs have less."""
        if self.peak + self.asked > self.in_all * _MOST_SHARE:
            return False
        free_then = max(0, self.free - self.given_back)
        return free_then < max(self.asked, self.in_all * _LEAST_FREE_SHARE)

    def __str__(self) -> str:
        needed, whole = (self.peak + self.asked) / _GIB, self.in_all / _GIB
        return f"it needs at least {needed:.2f} GiB, and the machine has {whole:.2f} GiB in all"


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that there was no memory, as Python and MLX say it."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError)
        and not isinstance(error, OutOfMemory)
        and bool(_NO_MEMORY.search(str(error)))
    )


def what_never_fits(engine: Engine, error: BaseException) -> str | None:
    """Why a cycle can never have the memory that it wants, as a clause; None: it may, later."""
    if isinstance(error, OutOfMemory):
        return None if error.is_passing else str(error).removesuffix(".")
    if not lacks_memory(error):
        return None
    shortage = _read(engine, error)
    return None if shortage is None or shortage.is_passing else str(shortage)


def _read(engine: Engine, error: BaseException) -> Shortage | None:
    """What can be found out of it; None where nobody says."""
    machine = read_conditions()
    if machine.total_memory_bytes is None or machine.free_memory_bytes is None:
        return None
    try:
        peak = engine.call(mx.get_peak_memory)
        kept = engine.call(lambda: mx.get_active_memory() + mx.get_cache_memory())
    except RadianceError:  # it hangs, or stops: nobody says
        return None
    asked = _ASKED.search(str(error))
    return Shortage(
        asked=int(asked[1]) if asked else 0,
        peak=peak,
        given_back=max(0, peak - kept),
        free=machine.free_memory_bytes,
        in_all=machine.total_memory_bytes,
    )
