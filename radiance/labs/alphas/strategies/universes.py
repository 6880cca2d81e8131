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

    def universe(self, open_days: Sequence[datetime.date], _: Any) -> "Universe":
        return Universe(lambda time: self._symbols)


class CustomUniverseSelectionModel(Snake):
    """What a function of the time names, every day."""

    def __init__(self, name: str, selector: Any, *_: Any) -> None:
        if not callable(selector):
            raise Unsupported("this form of CustomUniverseSelectionModel")
        self.name, self._selector = name, selector

    def universe(self, open_days: Sequence[datetime.date], _: Any) -> "Universe":
        return Universe(self._selector)


class ScheduledUniverseSelectionModel(Snake):
    """What a function says on the days of a rule."""

    def __init__(self, date_rule: Any, time_rule: Any, selector: Select, *_: Any) -> None:
        if not isinstance(date_rule, DateRule) or not isinstance(time_rule, TimeRule):
            raise Unsupported("this form of ScheduledUniverseSelectionModel")
        self._rule, self._selector = date_rule, selector

    def universe(self, open_days: Sequence[datetime.date], _: Any) -> "Universe":
        return Universe(self._selector, self._rule.days(open_days))


class ETFConstituentData(Snake):
    """A member of a fund.

    Attributes:
        weight: Its part of the fund; None where it is not known.
    """

    def __init__(self, symbol: str, weight: float | None, shares: float | None) -> None:
        self.symbol, self.weight, self.shares_held = Symbol(symbol), weight, shares


Members = dict[datetime.date, list[ETFConstituentData]]
"""By the day before whose open they are known."""
Filter = Callable[[list[ETFConstituentData]], Iterable[str]]


class UniverseDefinitions(Snake):
    """An algorithm's ``universe``.

    Args:
        members: Of each fund.
    """

    def __init__(self, members: dict[str, Members]) -> None:
        self._members = members

    def etf(
        self,
        symbol: str,
        *given: Any,
        universe_settings: Any = None,
        universe_filter_func: Filter | None = None,
    ) -> "Universe":
        """The members of a fund, or what a function names of them."""
        chosen = [one for one in given if callable(one)]
        return self.of_fund(str(symbol), chosen[0] if chosen else universe_filter_func)

    def of_fund(self, symbol: str, select: Filter | None) -> "Universe":
        """The same.

        Raises:
            Unsupported: Who the members are is not known.
        """
        if symbol not in self._members:
            raise Unsupported(f"the members of {symbol}, which the market data do not have")
        members = self._members[symbol]

        def chosen(time: datetime.datetime) -> list[str]:
            known = members[max(day for day in members if day <= time.date())]
            return [one.symbol for one in known] if select is None else list(select(known))

        return Universe(chosen, set(members), may_be_unknown=True)


class ETFConstituentsUniverseSelectionModel(Snake):
    """The members of a fund, or what a function names of them."""

    def __init__(
        self, etf_symbol: str, universe_settings: Any = None, universe_filter_func: Any = None
    ) -> None:
        if callable(universe_settings):
            universe_settings, universe_filter_func = None, universe_settings
        self._symbol, self._select = str(etf_symbol), universe_filter_func

    def universe(
        self, open_days: Sequence[datetime.date], definitions: UniverseDefinitions
    ) -> "Universe":
        return definitions.of_fund(self._symbol, self._select)


class Universe:
    """Shares that a function names.

    Args:
        select: A time → tickers; it is asked before a day's open.
        days: On which it is asked, closed ones at the next open; None: on every one.
        may_be_unknown: Whether shares that the market data do not have are passed over.
    """

    def __init__(
        self,
        select: Select,
        days: set[datetime.date] | None = None,
        may_be_unknown: bool = False,
    ) -> None:
        self._select, self._days, self.may_be_unknown = select, days, may_be_unknown
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
