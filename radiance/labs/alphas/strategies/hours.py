"""When shares of the USA trade: times of the day, and spans that count open hours."""

import datetime
from collections.abc import Sequence

Day = datetime.date
Time = datetime.datetime
_DAY, _MINUTE = datetime.timedelta(days=1), datetime.timedelta(minutes=1)
_OPEN, _CLOSE, _EARLY = datetime.time(9, 30), datetime.time(16), datetime.time(13)
_FRIDAY, _SUNDAY = 4, 6
_SHARE_OPEN = 6.5 / 24
"""Of a day, how much the exchange is open: what is left of a span of days counts so much."""


def opens(day: Day) -> Time:
    """When a day's trading begins, in New York."""
    return Time.combine(day, _OPEN)


def closes(day: Day) -> Time:
    """When a day's trading ends, in New York.

    Early before Independence Day and Christmas, and on the day after Thanksgiving.
    """
    is_early = (
        (day.month == 7 and day.day == 3 and day.weekday() < _FRIDAY)
        or (day.month == 12 and day.day == 24)
        or (day.month == 11 and 23 <= day.day <= 29 and day.weekday() == _FRIDAY)
    )
    return Time.combine(day, _EARLY if is_early else _CLOSE)


def utc(time: Time) -> Time:
    """A time of New York in UTC, by the rule of 2007; both without a zone."""
    summer = _sunday(time.year, 3, 2) <= time.date() < _sunday(time.year, 11, 1)
    return time + datetime.timedelta(hours=4 if summer else 5)


class OpenHours:
    """Spans of time that count only what is open.

    Args:
        days: Those with bars, in order; behind the last one every weekday is taken for open.
    """

    def __init__(self, days: Sequence[Day]) -> None:
        self._days = frozenset(days)
        self._last = days[-1] if days else Day.min

    def is_open(self, day: Day) -> bool:
        """Whether there is trading on a day."""
        return day in self._days or (day > self._last and day.weekday() <= _FRIDAY)

    def after_days(self, time: Time, count: int) -> Time:
        """The same hour so many open days later."""
        while count > 0:
            time += _DAY
            count -= self.is_open(time.date())
        return time

    def next_open(self, time: Time) -> Time:
        """A time, or the next opening where it is closed then."""
        day = time.date()
        if self.is_open(day) and time < closes(day):
            return max(time, opens(day))
        return opens(self.after_days(time, 1).date())

    def after(self, time: Time, span: datetime.timedelta) -> Time:
        """A span later: whole days are open days, and the rest is open minutes."""
        rest = span
        if span.days:
            time, rest = self.after_days(time, span.days), (span % _DAY) * _SHARE_OPEN
        return self._after_minutes(time, rest // _MINUTE if span >= _MINUTE else 1)

    def _after_minutes(self, time: Time, count: int) -> Time:
        while count > 0:
            day = time.date()
            start, end = max(time, opens(day)), closes(day)
            if self.is_open(day) and start < end:
                taken = min(count, (end - start) // _MINUTE)
                time, count = start + taken * _MINUTE, count - taken
            if count > 0:
                time = Time.combine(day + _DAY, datetime.time())
        return time


def _sunday(year: int, month: int, number: int) -> Day:
    """The so many-th Sunday of a month."""
    first = Day(year, month, 1)
    return first + datetime.timedelta(days=(_SUNDAY - first.weekday()) % 7 + 7 * (number - 1))
