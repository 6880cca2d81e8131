"""The part of QuantConnect's Python API that daily bars can serve; the rest is Unsupported.

Supported: ``initialize``, ``on_data``, ``on_order_event``, ``on_securities_changed``,
``on_end_of_algorithm``; ``set_start_date``, ``set_end_date``, ``set_cash``, ``set_warm_up``;
``add_equity`` and ``add_security`` at daily resolution; universes by list: ``add_universe`` with a
name and a function of the time, ``set_universe_selection`` and ``add_universe_selection`` with
``ManualUniverseSelectionModel`` or ``ScheduledUniverseSelectionModel``, ``active_securities``;
``set_holdings`` of a share or of ``PortfolioTarget``, ``settings`` (what of the portfolio stays
free), ``market_order``, ``buy``, ``sell``, ``liquidate``; ``portfolio``, ``securities``,
``time``; ``history`` of one symbol; the sixteen indicators of ``indicators.BY_METHOD`` and their
classes (``indicators.CLASSES``), ``Delay``, ``IndicatorExtensions.of``; ``RollingWindow``;
``consolidate``, ``TradeBarConsolidator``, ``Calendar``, ``subscription_manager``,
``register_indicator``; ``schedule.on`` with the rules of
``scheduling``; ``set_fee_model`` and ``set_slippage_model`` with the models of ``costs`` or the
algorithm's own, ``set_security_initializer``, ``set_brokerage_model`` of Interactive Brokers;
``log``, ``debug``, ``error``, ``plot``, ``emit_insights`` and ``set_benchmark``, which do nothing.
Names in PascalCase are the same. A market order is filled at the next open. This runs in the
sandbox: it must import nothing that is not loaded before.
"""

import datetime
import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from radiance.labs.alphas.strategies.consolidators import SubscriptionManager, TradeBarConsolidator
from radiance.labs.alphas.strategies.costs import InteractiveBrokersFeeModel
from radiance.labs.alphas.strategies.indicators import (
    BY_METHOD,
    Indicator,
    Names,
    Snake,
    Unsupported,
    named,
)
from radiance.labs.alphas.strategies.market import (
    Bar,
    OrderEvent,
    Portfolio,
    Resolution,
    Securities,
    Security,
    SecurityType,
    Slice,
)
from radiance.labs.alphas.strategies.scheduling import DateRules, Schedule, TimeRules
from radiance.labs.alphas.strategies.targets import AlgorithmSettings, PortfolioTarget, order_for
from radiance.labs.alphas.strategies.universes import (
    SecurityChanges,
    Universe,
    UniverseSettings,
)

_RESOLUTIONS = ("daily", "hour", "minute", "second", "tick")


class BrokerageName(Names):
    INTERACTIVE_BROKERS_BROKERAGE = InteractiveBrokersBrokerage = "Interactive Brokers"


class AccountType(Names):
    MARGIN = Margin = "margin"
    CASH = Cash = "cash"


class QCAlgorithm(Snake):
    """What an algorithm inherits from; see the module for what is there.

    Args:
        known: The tickers that the market data have.
        open_days: The days on which there are bars, in order.
        past: A symbol → its bars up to now, the newest first.
    """

    known: frozenset[str] = frozenset()
    live_mode = False
    open_days: Sequence[datetime.date] = ()

    def __init__(self) -> None:
        self.portfolio = Portfolio()
        self.securities = Securities()
        self.schedule = Schedule(self.open_days)
        self.date_rules, self.time_rules = DateRules(), TimeRules()
        self.universe_settings, self.settings = UniverseSettings(), AlgorithmSettings()
        self.subscription_manager = SubscriptionManager()
        self.time = datetime.datetime(2000, 1, 1)
        self.start_date: datetime.datetime | None = None
        self.end_date: datetime.datetime | None = None
        self.is_warming_up = False
        self.warm_up: int | datetime.timedelta = 0
        self.orders: list[tuple[str, float]] = []
        self.indicators: list[tuple[str, Indicator]] = []
        self.past: Callable[[str], Iterable[Bar]] = lambda symbol: ()
        self._universes: list[Universe] = []
        self._added: set[str] = set()
        self._active: set[str] = set()
        self._initializer: Callable[[Security], Any] | None = None

    def initialize(self) -> None:
        """Overridden."""

    def on_data(self, data: Slice) -> None:
        """Overridden, where it is needed."""

    def on_order_event(self, event: OrderEvent) -> None:
        """Overridden."""

    def on_securities_changed(self, changes: SecurityChanges) -> None:
        """Overridden, where it is needed."""

    def on_end_of_algorithm(self) -> None:
        """Overridden, where it is needed."""

    # Settings

    def set_start_date(self, year: Any, month: int = 1, day: int = 1) -> None:
        self.start_date = _date(year, month, day)

    def set_end_date(self, year: Any, month: int = 1, day: int = 1) -> None:
        self.end_date = _date(year, month, day)

    def set_cash(self, starting_cash: float) -> None:
        self.portfolio.cash = float(starting_cash)

    def set_warm_up(self, days: Any, resolution: str = Resolution.DAILY) -> None:
        if resolution != Resolution.DAILY:
            raise Unsupported(f"{resolution} resolution")
        self.warm_up = days if isinstance(days, datetime.timedelta) else int(days)

    def set_brokerage_model(self, name: Any, account: str = AccountType.MARGIN) -> None:
        if name != BrokerageName.INTERACTIVE_BROKERS_BROKERAGE or account != AccountType.MARGIN:
            raise Unsupported(f"a brokerage model of {name}, {account}")
        self.set_security_initializer(lambda one: one.set_fee_model(InteractiveBrokersFeeModel()))

    def set_security_initializer(self, initializer: Callable[[Security], Any]) -> None:
        if not callable(initializer):
            raise Unsupported("set_security_initializer of an object")
        self._initializer = initializer

    def set_benchmark(self, *_: Any) -> None:
        """Accepted and of no effect."""

    # Shares

    def add_equity(self, ticker: str, resolution: str = Resolution.DAILY, *_: Any) -> Security:
        if resolution != Resolution.DAILY:
            raise Unsupported(f"{resolution} resolution")
        self._added.add(str(ticker))
        return self._follow(str(ticker))

    def add_security(self, kind: str, ticker: str, *rest: Any, **named_ones: Any) -> Security:
        if kind != SecurityType.EQUITY:
            raise Unsupported(f"a security of the type {kind}")
        return self.add_equity(ticker, *rest, **named_ones)

    def remove_security(self, symbol: str) -> None:
        self._added.discard(str(symbol))
        self.liquidate(symbol)

    def add_universe(self, *given: Any) -> None:
        select = given[-1] if given else None
        if len(given) not in (2, 3) or not isinstance(given[0], str) or not callable(select):
            raise Unsupported("add_universe of anything but a name and a function of the time")
        if len(given) == 3 and given[1] != Resolution.DAILY:
            raise Unsupported(f"{given[1]} resolution")
        self._universes.append(Universe(select))

    def add_universe_selection(self, model: Any) -> None:
        make = getattr(type(model), "universe", None)
        if make is None:
            raise Unsupported(f"the universe {type(model).__name__}")
        self._universes.append(make(model, self.open_days))

    def set_universe_selection(self, model: Any) -> None:
        self._universes.clear()
        self.add_universe_selection(model)

    @property
    def active_securities(self) -> Securities:
        return Securities((n, one) for n, one in self.securities.items() if n in self._active)

    def is_followed(self, symbol: str) -> bool:
        """Whether the day's bar of a share reaches the algorithm."""
        waiting = any(symbol == ordered for ordered, _ in self.orders)
        return symbol in self._active or self.portfolio[symbol].invested or waiting

    def choose(self) -> None:
        """Ask the universes, and tell the algorithm what came and what left."""
        for universe in self._universes:
            universe.ask(self.time)
        wanted = self._added.union(*(universe.chosen for universe in self._universes))
        added, removed = sorted(wanted - self._active), sorted(self._active - wanted)
        for symbol in added:
            self._follow(symbol)
        self._active = wanted
        if added or removed:
            both = [[self.securities[symbol] for symbol in names] for names in (added, removed)]
            named(self, "on_securities_changed")(SecurityChanges(*both))

    def _follow(self, ticker: str) -> Security:
        if ticker not in self.known:
            raise Unsupported(f"the share {ticker}, which the market data do not have")
        if ticker not in self.securities:
            self.securities[ticker] = Security(ticker, self.portfolio)
            if self._initializer is not None:
                self._initializer(self.securities[ticker])
        return self.securities[ticker]

    # Orders

    def market_order(self, symbol: str, quantity: float, *_: Any) -> None:
        if symbol not in self.securities:
            raise Unsupported(f"an order for {symbol}, which was not added")
        if not math.isfinite(quantity):
            raise ValueError(f"the quantity {quantity} is not finite")
        if quantity:
            self.orders.append((str(symbol), float(quantity)))

    def buy(self, symbol: str, quantity: float) -> None:
        self.market_order(symbol, abs(quantity))

    def sell(self, symbol: str, quantity: float) -> None:
        self.market_order(symbol, -abs(quantity))

    def set_holdings(
        self,
        symbol: Any,
        percentage: Any = None,
        liquidate_existing_holdings: bool = False,
        *_: Any,
        tag: str = "",
    ) -> None:
        if isinstance(symbol, str):
            targets = [PortfolioTarget(symbol, percentage)]
        elif all(isinstance(one, PortfolioTarget) for one in symbol):
            targets, liquidate_existing_holdings = list(symbol), bool(percentage)
        else:
            raise Unsupported("set_holdings of anything but a share or a list of PortfolioTarget")
        if liquidate_existing_holdings:
            for other in list(self.portfolio.held):
                if other not in [target.symbol for target in targets]:
                    self.liquidate(other)
        for target in targets:
            if target.symbol not in self.securities:
                raise Unsupported(f"an order for {target.symbol}, which was not added")
            security = self.securities[target.symbol]
            if security.price > 0:
                quantity = order_for(target.quantity, security, self.portfolio, self.settings)
                self.market_order(target.symbol, quantity)

    def liquidate(self, symbol: str | None = None, *_: Any) -> None:
        gone = set(self.portfolio.held) if symbol is None else {str(symbol)}
        self.orders[:] = [
            order for order in self.orders if symbol is not None and order[0] not in gone
        ]
        for held in sorted(gone):
            if self.portfolio[held].invested:
                self.market_order(held, -self.portfolio[held].quantity)

    # Data

    def history(self, symbol: Any, periods: Any, resolution: str = Resolution.DAILY) -> Any:
        import pandas

        if not isinstance(symbol, str) or resolution != Resolution.DAILY:
            raise Unsupported("this form of history")
        newest = self.past(str(symbol))
        if isinstance(periods, datetime.timedelta):
            since = self.time - periods
            newest = itertools.takewhile(lambda bar: bar.time > since, newest)
        elif isinstance(periods, int):
            newest = itertools.islice(newest, max(0, periods))
        else:
            raise Unsupported("this form of history")
        bars = [*newest][::-1]
        columns = ("open", "high", "low", "close", "volume")
        rows = {name: [getattr(bar, name) for bar in bars] for name in columns}
        return pandas.DataFrame(rows, index=[bar.time for bar in bars])

    def consolidate(self, symbol: str, period: Any, *handlers: Any) -> TradeBarConsolidator:
        if len(handlers) != 1 or not callable(handlers[0]):
            raise Unsupported("this form of consolidate")
        [handler] = handlers
        made = TradeBarConsolidator(period)
        made.data_consolidated += lambda sender, bar: handler(bar)
        self.subscription_manager.add_consolidator(symbol, made)
        return made

    def register_indicator(
        self, symbol: str, indicator: Any, period: Any = Resolution.DAILY, *selector: Any
    ) -> None:
        if selector or not isinstance(indicator, Indicator):
            raise Unsupported("this form of register_indicator")
        is_made = isinstance(period, TradeBarConsolidator)
        made = period if is_made else TradeBarConsolidator(period)
        made.data_consolidated += lambda sender, bar: indicator.update(bar)
        self.subscription_manager.add_consolidator(symbol, made)

    def indicator(self, name: str, symbol: str, *given: Any, **further: Any) -> Indicator:
        """Make an indicator that is fed each day's bar of a symbol.

        Raises:
            Unsupported: It is asked for of other bars than daily ones, or of a selector.
        """
        resolution = further.pop("resolution", None) or Resolution.DAILY
        further = {"kind" if "average" in key else key: value for key, value in further.items()}
        arguments = []
        for argument in given:
            if argument in _RESOLUTIONS:
                resolution = argument
            elif callable(argument):
                raise Unsupported(f"{name} with a selector")
            elif argument is not None:
                arguments.append(argument)
        if resolution != Resolution.DAILY:
            raise Unsupported(f"{name} at {resolution} resolution")
        if further.pop("selector", None) is not None:
            raise Unsupported(f"{name} with a selector")
        made = BY_METHOD[name](*arguments, **further)
        self.indicators.append((str(symbol), made))
        return made

    def log(self, *_: Any, **__: Any) -> None:
        """Accepted and thrown away."""

    debug = error = plot = plot_indicator = emit_insights = log


def _indicator_method(name: str) -> Callable[..., Indicator]:
    def method(self: QCAlgorithm, symbol: str, *given: Any, **further: Any) -> Indicator:
        return self.indicator(name, symbol, *given, **further)

    return method


for _name in BY_METHOD:
    setattr(QCAlgorithm, _name, _indicator_method(_name))


def _date(year: Any, month: int, day: int) -> datetime.datetime:
    if isinstance(year, datetime.datetime):
        return year
    return datetime.datetime(int(year), int(month), int(day))
