"""Bars of several days in one, as QuantConnect's consolidators make them of daily bars."""

import datetime
from collections.abc import Callable
from typing import Any

from radiance.labs.alphas.strategies.market import Bar, Resolution
from radiance.labs.alphas.strategies.naming import Event, Names, Snake, Unsupported

Start = Callable[[datetime.datetime], datetime.datetime]


class Calendar(Names):
    """Periods of the calendar: a time → the first day of the period that it is in, and of the next.

    Weeks begin on Mondays.
    """

    @staticmethod
    def weekly(time: datetime.datetime) -> tuple[datetime.datetime, datetime.datetime]:
        first = _midnight(time) - datetime.timedelta(days=time.weekday())
        return first, first + datetime.timedelta(days=7)

    @staticmethod
    def monthly(time: datetime.datetime) -> tuple[datetime.datetime, datetime.datetime]:
        return _months(time, 1)

    @staticmethod
    def quarterly(time: datetime.datetime) -> tuple[datetime.datetime, datetime.datetime]:
        return _months(time, 3)

    @staticmethod
    def yearly(time: datetime.datetime) -> tuple[datetime.datetime, datetime.datetime]:
        return _months(time, 12)

    WEEKLY = Weekly = weekly
    MONTHLY = Monthly = monthly
    QUARTERLY = Quarterly = quarterly
    YEARLY = Yearly = yearly


class Consolidator(Snake):
    """What gathers bars, and tells of each that it has gathered.

    Attributes:
        consolidated: The last that was told of.
        working_data: What is being gathered.
    """

    def __init__(self) -> None:
        self.data_consolidated = Event()
        self.consolidated: Any = None
        self.working_data: Any = None

    def update(self, bar: Bar) -> None:
        """Take a day's bar in."""
        raise Unsupported(f"the consolidator {type(self).__name__}")

    def scan(self, time: datetime.datetime) -> None:
        """Give the working bar out if its time is over."""

    def _tell(self, bar: Any) -> None:
        self.consolidated = bar
        self.data_consolidated(self, bar)


class TradeBarConsolidator(Consolidator):
    """Gathers bars: a number of them, those of a span of time, or of a period of the calendar.

    A bar of so many days is out with its last one; one of a time is out before the first open
    behind it, so that what is ordered on it is filled there.

    Args:
        period: How many bars; how long, from the first bar on; or a ``Calendar`` period.
    """

    def __init__(self, period: Any) -> None:
        super().__init__()
        self._most = self._span = None
        self._period = None
        if isinstance(period, bool):
            raise Unsupported("a consolidator of a condition")
        if isinstance(period, int):
            if period < 1:
                raise ValueError(f"a consolidator gathers {period} bars; it is 1 or more")
            self._most = period
        elif isinstance(period, datetime.timedelta):
            if period < datetime.timedelta(days=1) or period.seconds or period.microseconds:
                raise Unsupported(f"a consolidator of {period} on daily bars")
            self._most = 1 if period.days == 1 else None  # a day's bar is the daily one
            self._span = period
        elif period == Resolution.DAILY:
            self._most = 1
        elif period in (
            Calendar.weekly,
            Calendar.monthly,
            Calendar.quarterly,
            Calendar.yearly,
        ):
            self._period = period
        else:
            raise Unsupported(f"a consolidator of {getattr(period, '__name__', period)}")
        self._count, self._until = 0, datetime.datetime.max

    def update(self, bar: Bar) -> None:
        """Take a day's bar in."""
        self.scan(bar.time)
        working = self.working_data
        if working is None:
            working = self.working_data = Bar(bar.symbol, bar.time, _values(bar), bar.end_time)
            if self._period is not None:
                working.time, self._until = self._period(bar.time)
            elif self._span is not None:
                self._until = bar.time + self._span
        else:
            working.high, working.low = max(working.high, bar.high), min(working.low, bar.low)
            working.close, working.volume = bar.close, working.volume + bar.volume
            working.end_time = bar.end_time
        self._count += 1
        if self._most is not None and self._count >= self._most:
            self._emit()

    def scan(self, time: datetime.datetime) -> None:
        """Give the working bar out if its time is over."""
        if self.working_data is not None and self._most is None and time >= self._until:
            self._emit()

    def _emit(self) -> None:
        bar, self.working_data, self._count = self.working_data, None, 0
        self._tell(bar)


class SubscriptionDataConfig(Snake):
    """What is followed of a share: its daily bars."""

    def __init__(self, symbol: str) -> None:
        self.symbol, self.resolution = symbol, Resolution.DAILY


class SubscriptionManager(Snake):
    """Which consolidators get which symbol's bars."""

    def __init__(self) -> None:
        self.consolidators: list[tuple[str, Consolidator]] = []

    @property
    def subscription_data_config_service(self) -> "SubscriptionManager":
        """Itself: all that an algorithm can ask it for is the resolution."""
        return self

    def get_subscription_data_configs(self, symbol: Any) -> list[Any]:
        """One: of daily bars."""
        return [SubscriptionDataConfig(str(symbol))]

    def add_consolidator(self, symbol: str, consolidator: Any) -> None:
        if not isinstance(consolidator, Consolidator):
            raise Unsupported(f"the consolidator {type(consolidator).__name__}")
        self.consolidators.append((str(symbol), consolidator))

    def remove_consolidator(self, symbol: str, consolidator: Any) -> None:
        self.consolidators = [
            (name, one)
            for name, one in self.consolidators
            if one is not consolidator or name != str(symbol)
        ]


def _values(bar: Bar) -> tuple[float, float, float, float, float]:
    return bar.open, bar.high, bar.low, bar.close, bar.volume


def _midnight(time: datetime.datetime) -> datetime.datetime:
    return datetime.datetime(time.year, time.month, time.day)


def _months(time: datetime.datetime, count: int) -> tuple[datetime.datetime, datetime.datetime]:
    first = time.month - (time.month - 1) % count
    over = first + count > 12
    return (
        datetime.datetime(time.year, first, 1),
        datetime.datetime(time.year + over, (first + count - 1) % 12 + 1, 1),
    )
