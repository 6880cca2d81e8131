"""The part of QuantConnect's Python API that daily bars can serve; the rest is Unsupported.

Supported: ``initialize``, ``on_data``, ``on_order_event``, ``on_securities_changed``,
``on_dividends``, ``on_splits``, ``on_delistings``, ``on_end_of_algorithm``; ``set_start_date``,
``set_end_date``, ``set_cash``, ``set_warm_up``, ``quit``, ``train``;
``add_equity`` and ``add_security`` at daily resolution; universes by list: ``add_universe`` with a
name and a function of the time, ``universe.etf`` where the members are given,
``set_universe_selection`` and ``add_universe_selection`` with ``ManualUniverseSelectionModel``,
``CustomUniverseSelectionModel``, ``ETFConstituentsUniverseSelectionModel`` or
``ScheduledUniverseSelectionModel``, ``active_securities``, ``universe_manager``;
``set_holdings`` of a share or of ``PortfolioTarget``, ``settings`` (what of the portfolio stays
free, the least order, when to rebalance), orders of every type of ``orders.OrderType`` with their
tickets (``trading``), ``transactions`` (``book``), ``liquidate``, margin of a leverage of 2;
``portfolio``, ``securities``, ``time``, ``utc_time``; ``history`` of symbols; the indicators of
``indicators.BY_METHOD`` and their classes (``indicators.CLASSES``), ``warm_up_indicator``,
``Delay``, ``IndicatorExtensions.of``; ``RollingWindow``; ``consolidate``,
``TradeBarConsolidator``, ``ClassicRenkoConsolidator``, ``RangeConsolidator``, ``Calendar``,
``subscription_manager``, ``register_indicator``; ``schedule.on`` with the rules of
``scheduling``; ``set_fee_model`` and ``set_slippage_model`` with the models of ``costs`` or the
algorithm's own, ``set_security_initializer``, ``set_brokerage_model`` of Interactive Brokers or the
algorithm's own (``brokerage``); the framework: ``set_alpha``, ``add_alpha``, ``emit_insights``,
``set_portfolio_construction``, ``set_execution``, ``set_risk_management`` with the models of
``framework`` and ``portfolios`` or the algorithm's own, ``insights``;
``log``, ``debug``, ``error``, ``plot`` and ``set_benchmark``, which do nothing.
Names in PascalCase are the same. A market order is filled at the next open. This runs in the
sandbox: it must import nothing that is not loaded before.
"""

import collections
import datetime
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from radiance.labs.alphas.strategies.book import Book
from radiance.labs.alphas.strategies.brokerage import AccountType, Benchmark, model_of
from radiance.labs.alphas.strategies.consolidators import SubscriptionManager
from radiance.labs.alphas.strategies.framework import Framework
from radiance.labs.alphas.strategies.hours import OpenHours, utc
from radiance.labs.alphas.strategies.indicators import Indicator
from radiance.labs.alphas.strategies.insights import Insight, InsightManager
from radiance.labs.alphas.strategies.market import (
    Bar,
    Portfolio,
    Resolution,
    Securities,
    Security,
    SecurityType,
)
from radiance.labs.alphas.strategies.naming import Event, Unsupported, named
from radiance.labs.alphas.strategies.orders import OrderEvent
from radiance.labs.alphas.strategies.scheduling import DateRules, Schedule, TimeRules
from radiance.labs.alphas.strategies.slices import Slice
from radiance.labs.alphas.strategies.studies import Studies
from radiance.labs.alphas.strategies.targets import AlgorithmSettings
from radiance.labs.alphas.strategies.trading import OrderMethods
from radiance.labs.alphas.strategies.universes import (
    Members,
    SecurityChanges,
    Universe,
    UniverseDefinitions,
    UniverseManager,
    UniverseSettings,
)


class QCAlgorithm(OrderMethods, Studies):
    """What an algorithm inherits from; see the module for what is there.

    Args:
        known: The tickers that the market data have.
        members: Of each fund, those known before a day's open.
        open_days: The days on which there are bars, in order.
        past: A symbol → its bars up to now, the newest first.

    Attributes:
        open_hours: When these shares trade.
        unknown: Members of funds that the market data do not have.
        has_quit: Whether it wants to end.
    """

    known: frozenset[str] = frozenset()
    live_mode = False
    open_days: Sequence[datetime.date] = ()
    open_hours = OpenHours(())
    members: dict[str, Members] = {}  # noqa: RUF012 - set before there is an algorithm
    past: Callable[[str], Iterable[Bar]] = staticmethod(lambda symbol: ())

    def __init__(self) -> None:
        self.portfolio = Portfolio()
        self.securities = Securities()
        self.schedule = Schedule(self.open_days)
        self.date_rules, self.time_rules = DateRules(), TimeRules()
        self.universe_settings, self.settings = UniverseSettings(), AlgorithmSettings()
        self.subscription_manager = SubscriptionManager()
        self.transactions = Book(
            self.portfolio,
            self.securities,
            self._hear,
            lambda: self.utc_time,
            lambda: self.is_warming_up,
        )
        self.insights = InsightManager(lambda: self.utc_time)
        self.framework = Framework()
        self.insights_generated: Event = self.framework.generated
        self.time = datetime.datetime(2000, 1, 1)
        self.start_date: datetime.datetime | None = None
        self.end_date: datetime.datetime | None = None
        self.is_warming_up = self.has_quit = False
        self.warm_up: int | datetime.timedelta = 0
        self.indicators: list[tuple[str, Indicator]] = []
        self.current_slice = Slice(self.time, {})
        self.brokerage_model: Any = None
        self.benchmark = Benchmark(lambda time: 0.0)
        self._heard: collections.deque[OrderEvent] = collections.deque()
        self._is_telling = False
        self._universes: list[Universe] = []
        self.universe_manager = UniverseManager(self)
        self.universe = UniverseDefinitions(self.members)
        self.unknown: set[str] = set()
        self._added: set[str] = set()
        self._active: set[str] = set()
        self._initializer: Callable[[Security], Any] | None = None

    @property
    def utc_time(self) -> datetime.datetime:
        return utc(self.time)

    def initialize(self) -> None:
        """Overridden."""

    def on_data(self, data: Slice) -> None:
        """Overridden, where it is needed."""

    def on_order_event(self, event: OrderEvent) -> None:
        """Overridden."""

    def on_securities_changed(self, changes: SecurityChanges) -> None:
        """Overridden, where it is needed."""

    def on_dividends(self, dividends: Any) -> None:
        """Overridden, where it is needed."""

    def on_splits(self, splits: Any) -> None:
        """Overridden, where it is needed."""

    def on_delistings(self, delistings: Any) -> None:
        """Overridden, where it is needed."""

    def on_end_of_algorithm(self) -> None:
        """Overridden, where it is needed."""

    # Settings

    def set_start_date(self, year: Any, month: int = 1, day: int = 1) -> None:
        self.start_date = self.time = _date(year, month, day)

    def set_end_date(self, year: Any, month: int = 1, day: int = 1) -> None:
        self.end_date = _date(year, month, day)

    def set_cash(self, starting_cash: float) -> None:
        self.portfolio.cash = float(starting_cash)

    def set_warm_up(self, days: Any, resolution: str = Resolution.DAILY) -> None:
        if resolution != Resolution.DAILY:
            raise Unsupported(f"{resolution} resolution")
        self.warm_up = days if isinstance(days, datetime.timedelta) else int(days)

    def set_brokerage_model(self, brokerage: Any, account: str = AccountType.MARGIN) -> None:
        self.brokerage_model = self.transactions.brokerage = model_of(brokerage, account)
        chosen = named(self.brokerage_model, "get_benchmark")(self.securities)
        self.benchmark = self.benchmark if chosen is None else chosen

    def set_security_initializer(self, initializer: Callable[[Security], Any]) -> None:
        if not callable(initializer):
            raise Unsupported("set_security_initializer of an object")
        self._initializer = initializer

    def set_benchmark(self, *_: Any) -> None:
        """Accepted and of no effect."""

    def train(self, *given: Any) -> None:
        """Call a function now, or on the days and at the time of the rules before it."""
        if len(given) == 1:
            given[0]()
        else:
            self.schedule.on(*given)

    def quit(self, *_: Any) -> None:
        """End with this day."""
        self.has_quit = True

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
        if len(given) == 1 and isinstance(given[0], Universe):
            self._universes.append(given[0])
            return
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
        self._universes.append(make(model, self.open_days, self.universe))

    def set_universe_selection(self, model: Any) -> None:
        self._universes.clear()
        self.add_universe_selection(model)

    @property
    def active_securities(self) -> Securities:
        return Securities((n, one) for n, one in self.securities.items() if n in self._active)

    def is_followed(self, symbol: str) -> bool:
        """Whether the day's bar of a share reaches the algorithm."""
        waiting = self.transactions.get_open_orders(symbol)
        return symbol in self._active or self.portfolio[symbol].invested or bool(waiting)

    def choose(self) -> None:
        """Ask the universes, and tell the algorithm what came and what left."""
        for universe in self._universes:
            universe.ask(self.time)
            if universe.may_be_unknown:
                self.unknown |= universe.chosen - self.known
                universe.chosen &= self.known
        wanted = self._added.union(*(universe.chosen for universe in self._universes))
        added, removed = sorted(wanted - self._active), sorted(self._active - wanted)
        for symbol in added:
            self._follow(symbol)
        self._active = wanted
        if added or removed:
            both = [[self.securities[symbol] for symbol in names] for names in (added, removed)]
            changes = SecurityChanges(*both)
            named(self, "on_securities_changed")(changes)
            self.framework.tell(self, changes)

    def _follow(self, ticker: str) -> Security:
        if ticker not in self.known:
            raise Unsupported(f"the share {ticker}, which the market data do not have")
        if ticker not in self.securities:
            made = self.securities[ticker] = Security(ticker, self.portfolio)
            if self.brokerage_model is not None:
                made.set_fee_model(named(self.brokerage_model, "get_fee_model")(made))
            if self._initializer is not None:
                self._initializer(made)
        return self.securities[ticker]

    # The framework

    def set_alpha(self, model: Any) -> None:
        self.framework.alpha = model

    def add_alpha(self, model: Any) -> None:
        self.framework.add_alpha(model)

    def set_portfolio_construction(self, model: Any) -> None:
        self.framework.portfolio_construction = model

    def set_execution(self, model: Any) -> None:
        self.framework.execution = model

    def set_risk_management(self, model: Any) -> None:
        self.framework.risk_management = [model]

    def add_risk_management(self, model: Any) -> None:
        self.framework.risk_management.append(model)

    def emit_insights(self, *insights: Any) -> None:
        """Say something of shares, beside the alpha models; not while warming up."""
        given = insights[0] if len(insights) == 1 and isinstance(insights[0], list) else insights
        if not all(isinstance(insight, Insight) for insight in given):
            raise Unsupported("emit_insights of anything but insights")
        if not self.is_warming_up:
            self.framework.process(self, list(given))

    def _hear(self, event: OrderEvent) -> None:
        """Tell the algorithm what became of an order, one event after the other."""
        self._heard.append(event)
        if self._is_telling:
            return
        self._is_telling = True
        try:
            while self._heard:
                named(self, "on_order_event")(self._heard.popleft())
        finally:
            self._is_telling = False

    def log(self, *_: Any, **__: Any) -> None:
        """Accepted and thrown away."""

    debug = error = plot = plot_indicator = log


def _date(year: Any, month: int, day: int) -> datetime.datetime:
    if isinstance(year, datetime.datetime):
        return year
    return datetime.datetime(int(year), int(month), int(day))
