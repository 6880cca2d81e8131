"""Whether training may run beside whatever else this machine is for; pure but for the reading.

``may_train`` decides from conditions, settings and the time; it is asked between training pieces,
so it reads nothing itself. ``MachineConditions`` holds the reading and renews it now and then,
because asking the system costs more than a piece.
"""

import functools
import time
from collections.abc import Callable
from datetime import datetime

from radiance import records
from radiance.config import TrainingSettings
from radiance.platform.conditions import Conditions, read_conditions

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_RENEW_S = 10.0


def may_train(conditions: Conditions, settings: TrainingSettings, now: datetime) -> str | None:
    """Why nothing may be trained now, as a clause ("the machine runs on battery"); None: it may.

    What the system does not say holds nothing up.

    Args:
        conditions: What the machine is like.
        settings: ``when`` and ``quiet_hours``.
        now: Aware; quiet hours are local, in its own zone.
    """
    if "ac_power" in settings.when and conditions.on_battery:
        return "the machine runs on battery (training.when has ac_power)"
    if "cool" in settings.when and conditions.thermal in ("serious", "critical"):
        return f"the machine is too hot: {conditions.thermal} (training.when has cool)"
    if "memory" in settings.when and conditions.memory_pressure in ("warning", "critical"):
        pressure = conditions.memory_pressure
        return f"the system is short of memory: {pressure} (training.when has memory)"
    for hours in settings.quiet_hours:
        if _is_within(hours, now):
            return f"quiet hours (training.quiet_hours has {hours!r})"
    return None


def _is_within(hours: str, now: datetime) -> bool:
    """Whether a moment lies in quiet hours, the first minute in, the last out.

    Hours that end before they begin go on past midnight and belong to the day on which they begin;
    equal ends are a whole day.
    """
    named, start, end = _read(hours)
    minute, today, yesterday = now.hour * 60 + now.minute, now.weekday(), (now.weekday() - 1) % 7
    if start < end:
        return today in named and start <= minute < end
    return (today in named and minute >= start) or (yesterday in named and minute < end)


@functools.lru_cache(maxsize=64)  # asked at each step of a training
def _read(hours: str) -> tuple[frozenset[int], int, int]:
    """The weekdays, from 0, and the minutes of the day at which they begin and end."""
    days, _, span = hours.rpartition(" ")
    start, end = map(_minutes, span.split("-"))
    return frozenset(_weekdays(days)), start, end


def _minutes(text: str) -> int:
    hour, _, minute = text.partition(":")
    return int(hour) * 60 + int(minute)


def _weekdays(text: str) -> set[int]:
    """``mon-fri,sun`` as numbers from 0; a span may go round the week; nothing names all."""
    if not text:
        return set(range(7))
    found = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        begin, end = _DAYS.index(first), _DAYS.index(last or first)
        found |= {(begin + step) % 7 for step in range((end - begin) % 7 + 1)}
    return found


class MachineConditions:
    """Asks ``may_train`` of readings that are at most some seconds old. Any one thread at a time.

    Args:
        settings: ``when`` and ``quiet_hours``.
        read: Reads the conditions.
        clock: The time, aware.
        monotonic: Seconds that never go back.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        read: Callable[[], Conditions] = read_conditions,
        clock: Callable[[], datetime] = records.now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._read = settings, read
        self._clock, self._monotonic = clock, monotonic
        self._conditions: Conditions | None = None
        self._renew_at = 0.0

    @property
    def conditions(self) -> Conditions:
        """The newest reading."""
        if self._conditions is None or self._monotonic() >= self._renew_at:
            self._conditions = self._read() if self._settings.when else Conditions()
            self._renew_at = self._monotonic() + _RENEW_S
        return self._conditions

    def objection(self) -> str | None:
        """Why nothing may be trained now, as a clause; None where it may."""
        return may_train(self.conditions, self._settings, self._clock().astimezone())
