"""Universes by list: which shares a strategy follows on which day."""

import datetime
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from radiance.labs.alphas.strategies.market import Resolution, Security, Symbol
from radiance.labs.alphas.strategies.naming import Closed, Snake, Unsupported
from radiance.labs.alphas.strategies.scheduling import DateRule, TimeRule

Select = Callable[[datetime.datetime], Iterable[str]]


class UniverseSettings(Closed):
    """How shares of a universe are followed: daily."""

    def __init__(self) -> None:
        self._resolution = Resolution.DAILY
        self.close_names()

    @property
    def resolution(self) -> str:
        return self._resolution

    @resolution.setter
    def resolution(self, resolution: str) -> None:
        if resolution != Resolution.DAILY:
            raise Unsupported(f"{resolution} resolution")


class ManualUniverseSelectionModel(Snake):
    """Always the same shares."""

    def __init__(self, *symbols: Any) -> None:
        given = symbols[0] if len(symbols) == 1 and not isinstance(symbols[0], str) else symbols
        self._symbols = [Symbol(symbol) for symbol in given]

    def universe(self, open_days: Sequence[datetime.date]) -> "Universe":
        return Universe(lambda time: self._symbols)


class CustomUniverseSelectionModel(Snake):
    """What a function of the time names, every day."""

    def __init__(self, name: str, selector: Any, *_: Any) -> None:
        if not callable(selector):
            raise Unsupported("this form of CustomUniverseSelectionModel")
        self.name, self._selector = name, selector

    def universe(self, open_days: Sequence[datetime.date]) -> "Universe":
        return Universe(self._selector)


class ScheduledUniverseSelectionModel(Snake):
    """What a function says on the days of a rule."""

    def __init__(self, date_rule: Any, time_rule: Any, selector: Select, *_: Any) -> None:
        if not isinstance(date_rule, DateRule) or not isinstance(time_rule, TimeRule):
            raise Unsupported("this form of ScheduledUniverseSelectionModel")
        self._rule, self._selector = date_rule, selector

    def universe(self, open_days: Sequence[datetime.date]) -> "Universe":
        return Universe(self._selector, self._rule.days(open_days))


class Universe:
    """Shares that a function names.

    Args:
        select: A time → tickers; it is asked before a day's open.
        days: On which it is asked, closed ones at the next open; None: on every one.
    """

    def __init__(self, select: Select, days: set[datetime.date] | None = None) -> None:
        self._select, self._days = select, days
        self._before: datetime.date | None = None
        self.chosen: frozenset[str] = frozenset()

    def ask(self, time: datetime.datetime) -> None:
        """Choose anew, where it is time to."""
        day, before = time.date(), self._before
        self._before = day
        if self._days is None or any(
            d <= day and (before is None or d > before) for d in self._days
        ):
            self.chosen = frozenset(str(symbol) for symbol in self._select(time))


class SecurityChanges(Snake):
    """What came into the universe and what left it."""

    def __init__(self, added: Sequence[Security], removed: Sequence[Security]) -> None:
        self.added_securities, self.removed_securities = list(added), list(removed)
        self.count = len(self.added_securities) + len(self.removed_securities)


class UniverseManager(Snake):
    """The universes of an algorithm."""

    def __init__(self, algorithm: Any) -> None:
        self._algorithm = algorithm

    @property
    def count(self) -> int:
        return len(self._algorithm._universes)

    @property
    def active_securities(self) -> Any:
        return self._algorithm.active_securities
