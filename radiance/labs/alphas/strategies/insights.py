"""What alpha models say of shares, how long it holds, and the collection that keeps it."""

import datetime
from collections.abc import Callable, Iterable
from typing import Any

from radiance.labs.alphas.strategies.hours import OpenHours, utc
from radiance.labs.alphas.strategies.naming import Names, Snake, Unsupported

Time = datetime.datetime
_SECOND = datetime.timedelta(seconds=1)
_SPANS = {
    "hour": datetime.timedelta(hours=1),
    "minute": datetime.timedelta(minutes=1),
    "second": _SECOND,
}


class InsightType(Names):
    PRICE = Price = 0
    VOLATILITY = Volatility = 1


class InsightDirection(Names):
    UP = Up = 1
    FLAT = Flat = 0
    DOWN = Down = -1


class PortfolioBias(Names):
    LONG_SHORT = LongShort = 0
    LONG = Long = 1
    SHORT = Short = -1


class Insight(Snake):
    """What is said of a share, for a while.

    Args:
        period: A span of open time, a function of the time it is said at, or the time it ends at.
    """

    def __init__(
        self,
        symbol: str,
        period: Any,
        type: int,
        direction: int,
        magnitude: float | None = None,
        confidence: float | None = None,
        source_model: str | None = None,
        weight: float | None = None,
        tag: str = "",
    ) -> None:
        self.symbol, self.type, self.direction, self.tag = symbol, type, direction, tag
        self.magnitude, self.confidence, self.weight = magnitude, confidence, weight
        self.source_model, self._period, self.reference_value = source_model, period, 0.0
        self._count = 0
        self.generated_time_utc = self.close_time_utc = Time.min

    @staticmethod
    def price(symbol: str, period: Any, *given: Any, **further: Any) -> "Insight":
        """Of a price; a resolution is followed by how many of its bars."""
        count, rest = 0, list(given)
        if isinstance(period, str):
            count = int(further.pop("bar_count") if "bar_count" in further else rest.pop(0))
            if count < 1:
                raise ValueError(f"an insight lasts {count} bars; it is 1 or more")
        insight = Insight(symbol, period, InsightType.PRICE, *rest, **further)
        insight._count = count
        return insight

    Price = price

    @staticmethod
    def group(*insights: Any) -> list["Insight"]:
        """As they are: nothing here trades on groups."""
        given = insights[0] if len(insights) == 1 and not isinstance(insights[0], Insight) else 0
        return list(given or insights)

    Group = group

    def begin(self, now: Time, price: float, hours: OpenHours) -> None:
        """It is said now, in New York, of a share at this price."""
        self.generated_time_utc, self.reference_value = utc(now), price
        self.close_time_utc = utc(self._end(now, hours))

    def _end(self, now: Time, hours: OpenHours) -> Time:
        period = self._period
        if isinstance(period, str):
            if period == "daily":
                return hours.after_days(now, self._count)
            return hours.after(now, _SPANS[period] * self._count)
        if isinstance(period, datetime.timedelta):
            return hours.after(now, max(period, _SECOND))
        end = period(now) if callable(period) else period
        if not isinstance(end, Time):
            raise Unsupported("this form of the period of an insight")
        return hours.next_open(end)

    @property
    def period(self) -> datetime.timedelta:
        return self.close_time_utc - self.generated_time_utc

    def is_expired(self, now: Time) -> bool:
        return self.close_time_utc < now

    def is_active(self, now: Time) -> bool:
        return not self.is_expired(now)

    def expire(self, now: Time) -> None:
        """It holds no more."""
        if self.is_active(now):
            self.close_time_utc = now - _SECOND

    cancel = expire


class InsightManager(Snake):
    """The insights of an algorithm that are kept: until a portfolio model takes the ended ones out.

    Args:
        now: The time in UTC.
    """

    def __init__(self, now: Callable[[], Time]) -> None:
        self._now = now
        self._kept: dict[str, list[Insight]] = {}
        self._all: list[Insight] = []

    def add_range(self, insights: Iterable[Insight]) -> None:
        for insight in insights:
            self._all.append(insight)
            self._kept.setdefault(insight.symbol, []).append(insight)

    @property
    def count(self) -> int:
        return sum(len(insights) for insights in self._kept.values())

    @property
    def total_count(self) -> int:
        return len(self._all)

    def contains_key(self, symbol: str) -> bool:
        return symbol in self._kept

    def __getitem__(self, symbol: str) -> list[Insight]:
        return list(self._kept[symbol])

    def __iter__(self) -> Any:
        return iter([one for insights in self._kept.values() for one in insights])

    def get_insights(self, chosen: Callable[[Insight], bool] | None = None) -> list[Insight]:
        """All that were said, or those that a function says yes to."""
        return [one for one in self._all if chosen is None or chosen(one)]

    def get_active_insights(self, now: Time) -> list[Insight]:
        return [insight for insight in self if insight.is_active(now)]

    def has_active_insights(self, symbol: str, now: Time) -> bool:
        return any(insight.is_active(now) for insight in self._kept.get(symbol, ()))

    def get_next_expiry_time(self) -> Time | None:
        return min((insight.close_time_utc for insight in self), default=None)

    def remove_expired_insights(self, now: Time) -> list[Insight]:
        """Take out what has ended."""
        ended = [insight for insight in self if insight.is_expired(now)]
        for insight in ended:
            left = [one for one in self._kept[insight.symbol] if one is not insight]
            self._kept[insight.symbol] = left
            if not left:
                del self._kept[insight.symbol]
        return ended

    def expire(self, given: Iterable[Any]) -> None:
        """End insights now, or those of shares."""
        for one in given:
            for insight in [one] if isinstance(one, Insight) else self._kept.get(str(one), ()):
                insight.expire(self._now())

    cancel = expire

    def clear(self, symbols: Iterable[str]) -> None:
        for symbol in symbols:
            self._kept.pop(str(symbol), None)


class GeneratedInsightsCollection(Snake):
    """What is said at one time."""

    def __init__(self, now: Time, insights: list[Insight]) -> None:
        self.date_time_utc, self.insights = now, insights
