"""Scheduled events on daily bars: on which days, and before the open or after the close.

What is due before the open knows the days before, and what it orders is filled at that open; what
is due later in the day knows the day's bar, and is filled at the next open.
"""

import calendar
import datetime
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from radiance.labs.alphas.strategies.naming import Names, Snake, Unsupported

Day = datetime.date
Moment = Literal["open", "close"]
_DAY = datetime.timedelta(days=1)
_FRIDAY = 4


class DayOfWeek(Names):
    MONDAY = Monday = 0
    TUESDAY = Tuesday = 1
    WEDNESDAY = Wednesday = 2
    THURSDAY = Thursday = 3
    FRIDAY = Friday = 4
    SATURDAY = Saturday = 5
    SUNDAY = Sunday = 6


@dataclass(frozen=True)
class DateRule:
    """On which days something is due.

    Attributes:
        days: The days on which there are bars, in order → the days on which it is due. One that
            is closed is due before the next open.
    """

    days: Callable[[Sequence[Day]], set[Day]]

    def next_after(self, time: datetime.datetime, open_days: Sequence[Day]) -> datetime.datetime:
        """The beginning of the next day on which it is due, behind a time."""
        later = [day for day in self.days(open_days) if day > time.date()]
        return datetime.datetime.combine(min(later, default=Day.max), datetime.time())


@dataclass(frozen=True)
class TimeRule:
    """When in a day something is due."""

    moment: Moment


class DateRules(Snake):
    """As Lean's ``date_rules``."""

    def every_day(self, symbol: Any = None) -> DateRule:
        """Every day with bars; Lean has those at weekends too, where no symbol is named."""
        return DateRule(set)

    def every(self, *days: int) -> DateRule:
        wanted = set(days)
        return DateRule(lambda open_days: {d for d in _all(open_days) if d.weekday() in wanted})

    def on(self, *dates: Any) -> DateRule:
        if len(dates) == 3 and all(isinstance(part, int) for part in dates):
            wanted = {Day(*dates)}
        else:
            given = dates[0] if len(dates) == 1 and isinstance(dates[0], list | tuple) else dates
            wanted = {d.date() if isinstance(d, datetime.datetime) else d for d in given}
        if not all(isinstance(day, Day) for day in wanted):
            raise Unsupported("this form of date_rules.on")
        return DateRule(lambda open_days: wanted)

    def week_start(self, symbol: Any = None, days_offset: int = 0) -> DateRule:
        return _rule(symbol, days_offset, 6, lambda d, n: d.weekday() == n)

    def week_end(self, symbol: Any = None, days_offset: int = 0) -> DateRule:
        return _end_rule(symbol, days_offset, 6, lambda d, n: d.weekday() == (_FRIDAY - n) % 7)

    def month_start(self, symbol: Any = None, days_offset: int = 0) -> DateRule:
        return _rule(symbol, days_offset, 30, lambda d, n: d.day == min(1 + n, _length(d)))

    def month_end(self, symbol: Any = None, days_offset: int = 0) -> DateRule:
        return _end_rule(symbol, days_offset, 30, lambda d, n: d.day == max(_length(d) - n, 1))

    def year_start(self, symbol: Any = None, days_offset: int = 0) -> DateRule:
        return _rule(symbol, days_offset, 364, lambda d, n: d == Day(d.year, 1, 1) + n * _DAY)

    def year_end(self, symbol: Any = None, days_offset: int = 0) -> DateRule:
        return _end_rule(symbol, days_offset, 364, lambda d, n: d == Day(d.year, 12, 31) - n * _DAY)


class TimeRules(Snake):
    """As Lean's ``time_rules``; what a day has between open and close, daily bars do not tell."""

    def at(self, hour: int, minute: int = 0, *_: Any) -> TimeRule:
        return TimeRule("open" if (hour, minute) <= (9, 30) else "close")

    def after_market_open(self, *_: Any) -> TimeRule:
        return TimeRule("open")

    def before_market_close(self, *_: Any) -> TimeRule:
        return TimeRule("close")

    @property
    def midnight(self) -> TimeRule:
        return TimeRule("open")

    @property
    def noon(self) -> TimeRule:
        return TimeRule("close")


class Schedule(Snake):
    """What is due, and when.

    Args:
        open_days: The days on which there are bars, in order.
    """

    def __init__(self, open_days: Sequence[Day] = ()) -> None:
        self._open_days = open_days
        self._entries: list[tuple[set[Day], Moment, Callable[[], Any]]] = []

    def on(self, *arguments: Any) -> None:
        """Call the last argument on the days and at the time of the rules before it."""
        *rules, action = arguments
        days = [rule for rule in rules if isinstance(rule, DateRule)]
        times = [rule for rule in rules if isinstance(rule, TimeRule)]
        if len(days) != 1 or len(times) != 1 or not callable(action):
            raise Unsupported("this form of schedule.on")
        self._entries.append((days[0].days(self._open_days), times[0].moment, action))

    def due(self, day: Day, moment: Moment) -> list[Callable[[], Any]]:
        """What is due on a day with bars."""
        return [action for days, when, action in self._entries if when == moment and day in days]

    def due_closed(self, before: Day, day: Day) -> Iterator[tuple[Day, Callable[[], Any]]]:
        """What is due on the closed days between two with bars, in order."""
        for closed in _between(before, day):
            for days, _, action in list(self._entries):
                if closed in days:
                    yield closed, action


def _rule(
    symbol: Any,
    offset: int,
    most: int,
    is_due: Callable[[Day, int], bool],
    is_end: bool = False,
) -> DateRule:
    """A day of every week, month or year; of a symbol the next open one, an end's the last."""
    if isinstance(symbol, int):
        symbol, offset = None, symbol
    if not 0 <= offset <= most:
        raise ValueError(f"a rule's offset is {offset}; it is from 0 to {most} days")

    def days(open_days: Sequence[Day]) -> set[Day]:
        if not open_days:
            return set()
        if symbol is None:
            return {day for day in _all(open_days) if is_due(day, offset)}
        known, found = set(open_days), set()
        # The end of a week may lie behind the last bar, with nothing but a weekend between.
        for day in _all(open_days, further=2 if is_end else 0):
            if not is_due(day, offset):
                continue
            step = -_DAY if is_end else _DAY
            while day not in known and open_days[0] <= day <= open_days[-1] + 2 * _DAY:
                if day > open_days[-1] and day.weekday() <= _FRIDAY:
                    break  # a day that there may be a bar of, later
                day += step
            if day in known:
                found.add(day)
        return found

    return DateRule(days)


_end_rule = functools.partial(_rule, is_end=True)


def _all(open_days: Sequence[Day], further: int = 0) -> Iterator[Day]:
    if open_days:
        for count in range((open_days[-1] - open_days[0]).days + 1 + further):
            yield open_days[0] + count * _DAY


def _between(before: Day, day: Day) -> Iterator[Day]:
    for count in range(1, (day - before).days):
        yield before + count * _DAY


def _length(day: Day) -> int:
    return calendar.monthrange(day.year, day.month)[1]
