"""What holds a cycle up without ending it: the disk, memory, a file that is gone; and until when.

A job that was accepted does not fail by what passes. Its cycle is put back, and tried again after a
pause that grows.
"""

import errno
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from radiance.errors import CorruptCheckpoint, EngineFailed, OutOfMemory, StorageError
from radiance.learning.shortage import lacks_memory

_FIRST_S, _LONGEST_S = 1.0, 60.0


@dataclass(frozen=True)
class Hold:
    """Why nothing is learned now though jobs wait.

    Attributes:
        reason: As a clause, without paths.
        since: When it began.
        tries: How often it was tried.
        until: When it is tried again.
    """

    reason: str
    since: datetime
    tries: int
    until: datetime

    @classmethod
    def after(cls, before: "Hold | None", reason: str, now: datetime) -> "Hold":
        """The hold that follows on another; each twice as long as the one before."""
        tries = 1 if before is None else before.tries + 1
        seconds = min(_LONGEST_S, _FIRST_S * 2.0 ** min(tries - 1, 10))
        since = now if before is None else before.since
        return cls(reason, since, tries, now + timedelta(seconds=seconds))

    def lasts(self, now: datetime) -> bool:
        """Whether it goes on; not where the clock was set back since, which made it last a day."""
        return now < self.until <= now + timedelta(seconds=_LONGEST_S)


def passing_reason(error: BaseException) -> str | None:
    """Why a cycle could not go on, where that is not of its own making and may pass; else None."""
    match error:
        case StorageError():
            return f"storage: {error.reason}"
        case CorruptCheckpoint():
            return "a checkpoint's files are damaged or gone; see `radiance audit verify`"
        case EngineFailed():
            return "the engine does not answer"
        case OutOfMemory():
            return f"memory: {error}".removesuffix(".") if error.is_passing else None
        case sqlite3.OperationalError() | sqlite3.DatabaseError():
            return f"storage: {error}"
        case OSError():
            reason = error.strerror or type(error).__name__
            return f"memory: {reason}" if error.errno == errno.ENOMEM else f"storage: {reason}"
        case _ if lacks_memory(error):
            return "memory: there is none left"
    return None
