"""The models of QuantConnect's framework, one step a day.

Alphas say, portfolio models want, risk models object, execution models order. Each may be the
algorithm's own. Insights live in ``insights``.
"""

import datetime
from collections.abc import Callable, Iterable
from typing import Any

from radiance.labs.alphas.strategies.insights import (
    GeneratedInsightsCollection,
    Insight,
    InsightManager,
)
from radiance.labs.alphas.strategies.market import Security
from radiance.labs.alphas.strategies.naming import Event, Snake, Unsupported, named
from radiance.labs.alphas.strategies.scheduling import DateRule
from radiance.labs.alphas.strategies.targets import PortfolioTarget, is_worth_it
from radiance.labs.alphas.strategies.universes import SecurityChanges

Time = datetime.datetime
_RESOLUTIONS = {
    "daily": datetime.timedelta(days=1),
    "hour": datetime.timedelta(hours=1),
    "minute": datetime.timedelta(minutes=1),
}


class AlphaModel(Snake):
    """What an algorithm's own alphas inherit from: ``update`` gives insights."""

    name = ""

    def update(self, algorithm: Any, data: Any) -> Iterable[Insight]:
        return ()

    def on_securities_changed(self, algorithm: Any, changes: SecurityChanges) -> None:
        """Overridden, where it is needed."""


class NullAlphaModel(AlphaModel):
    """Says nothing."""


class CompositeAlphaModel(AlphaModel):
    """What several say, one after the other."""

    def __init__(self, *models: Any) -> None:
        self.models = list(models)

    def update(self, algorithm: Any, data: Any) -> Iterable[Insight]:
        return [i for model in self.models for i in named(model, "update")(algorithm, data) or ()]

    def on_securities_changed(self, algorithm: Any, changes: SecurityChanges) -> None:
        for model in self.models:
            tell(model, algorithm, changes)


class ConstantAlphaModel(AlphaModel):
    """The same of every share, again when its time is over."""

    def __init__(
        self,
        type: int,
        direction: int,
        period: datetime.timedelta,
        magnitude: float | None = None,
        confidence: float | None = None,
        weight: float | None = None,
    ) -> None:
        self._says = (type, direction, magnitude, confidence, None, weight)
        self._period = period
        self._securities: list[Security] = []
        self._said: dict[str, Time] = {}

    def update(self, algorithm: Any, data: Any) -> list[Insight]:
        found = []
        for security in self._securities:
            said = self._said.get(security.symbol)
            if security.price == 0 or (said and algorithm.utc_time - said < self._period):
                continue
            self._said[security.symbol] = algorithm.utc_time
            found.append(Insight(security.symbol, self._period, *self._says))
        return found

    def on_securities_changed(self, algorithm: Any, changes: SecurityChanges) -> None:
        gone = [security.symbol for security in changes.removed_securities]
        self._securities = [one for one in self._securities if one.symbol not in gone]
        self._securities += changes.added_securities
        for symbol in gone:
            self._said.pop(symbol, None)


class ExecutionModel(Snake):
    """What an algorithm's own execution inherits from: ``execute`` orders what targets ask for."""

    def execute(self, algorithm: Any, wanted: list[PortfolioTarget]) -> None:
        """Overridden."""

    def on_securities_changed(self, algorithm: Any, changes: SecurityChanges) -> None:
        """Overridden, where it is needed."""


class NullExecutionModel(ExecutionModel):
    """Orders nothing."""


class ImmediateExecutionModel(ExecutionModel):
    """Market orders for what is missing, until it is there; what frees money first."""

    def __init__(self, asynchronous: bool = True) -> None:
        self._targets: dict[str, PortfolioTarget] = {}

    def execute(self, algorithm: Any, wanted: list[PortfolioTarget]) -> None:
        self._targets.update({target.symbol: target for target in wanted})
        if algorithm.is_warming_up:
            return
        ranked = []
        for target in self._targets.values():
            security, now = algorithm.securities[target.symbol], self._now(algorithm, target)
            missing = target.quantity - now
            if security.has_data and abs(missing) >= 1:
                reduces = now != 0 and abs(target.quantity) < abs(now)
                ranked.append((not reduces, -abs(missing * security.price), target))
        for _, _, target in sorted(ranked, key=lambda row: row[:2]):
            security = algorithm.securities[target.symbol]
            quantity = float(int(target.quantity - self._now(algorithm, target)))
            margin = quantity * security.price / security.leverage
            if quantity and is_worth_it(margin, algorithm.portfolio, algorithm.settings):
                algorithm.market_order(target.symbol, quantity, tag=target.tag)
        self._targets = {
            symbol: target
            for symbol, target in self._targets.items()
            if abs(target.quantity - algorithm.portfolio[symbol].quantity) >= 1
        }

    def _now(self, algorithm: Any, target: PortfolioTarget) -> float:
        return algorithm.transactions.projected(target.symbol)


class PortfolioConstructionModel(Snake):
    """What an algorithm's own portfolios inherit from.

    ``determine_target_percent`` gives each active insight its part of the portfolio.
    """

    rebalance_on_insight_changes = rebalance_on_security_changes = True
    algorithm: Any = None
    _next: Callable[[Time], Any] | None = None
    _due: Time | None = None
    _changed = False

    def create_targets(self, algorithm: Any, insights: list[Insight]) -> list[PortfolioTarget]:
        self.algorithm, now = algorithm, algorithm.utc_time
        if not named(self, "is_rebalance_due")(insights, now):
            return []
        manager: InsightManager = algorithm.insights
        active = named(self, "get_target_insights")()
        percents = named(self, "determine_target_percent")(active)
        found, failed = [], set()
        for insight in active:
            if insight in percents:
                target = PortfolioTarget.percent(algorithm, insight.symbol, percents[insight])
                found.append(target) if target else failed.add(insight.symbol)
        ended = dict.fromkeys(one.symbol for one in manager.remove_expired_insights(now))
        return found + [
            PortfolioTarget(symbol, 0)
            for symbol in ended
            if symbol not in failed and not manager.has_active_insights(symbol, now)
        ]

    def on_securities_changed(self, algorithm: Any, changes: SecurityChanges) -> None:
        self.algorithm = algorithm
        self._changed = changes.count > 0
        algorithm.insights.expire([one.symbol for one in changes.removed_securities])

    def get_target_insights(self) -> list[Insight]:
        """The newest active one of each share."""
        newest: dict[str, Insight] = {}
        for insight in self.algorithm.insights.get_active_insights(self.algorithm.utc_time):
            if named(self, "should_create_target_for_insight")(insight):
                before = newest.get(insight.symbol)
                if before is None or insight.generated_time_utc >= before.generated_time_utc:
                    newest[insight.symbol] = insight
        return list(newest.values())

    def should_create_target_for_insight(self, insight: Insight) -> bool:
        return True

    def determine_target_percent(self, insights: list[Insight]) -> dict[Insight, float]:
        raise Unsupported(f"{type(self).__name__} without determine_target_percent")

    def set_rebalancing_func(self, rebalance: Any) -> None:
        """When to rebalance: a function of the time, a span, a resolution, a date rule or None."""
        if isinstance(rebalance, DateRule):
            self._next = lambda now: rebalance.next_after(now, self.algorithm.open_days)
        else:
            self._next = rebalancing(rebalance)

    def is_rebalance_due(self, insights: list[Insight], now: Time) -> bool:
        """Whether its time has come, or a share or an insight came or went; always without rule."""
        if self._next is None:
            self._changed = False
            return True
        if self._due is None:
            self._due = self._next(now)
            if self._due is not None and self._due <= now:
                self._due, self._changed = None, False
                return True
        ends = self.algorithm.insights.get_next_expiry_time()
        if (
            (self._due is not None and self._due <= now)
            or (self._heeds("security") and self._changed)
            or (self._heeds("insight") and (insights or (ends and ends < now)))
        ):
            self._due, self._changed = self._next(now), False
            return True
        return False

    def _heeds(self, what: str) -> bool:
        """Whether a change of shares or insights is a reason; an algorithm's settings go first."""
        said = getattr(self.algorithm.settings, f"rebalance_portfolio_on_{what}_changes")
        return getattr(self, f"rebalance_on_{what}_changes") if said is None else said


def rebalancing(rebalance: Any) -> Callable[[Time], Any] | None:
    """A span, a resolution or a function as a function of the time that gives the next time."""
    if rebalance in _RESOLUTIONS:
        rebalance = _RESOLUTIONS[rebalance]
    if isinstance(rebalance, datetime.timedelta):
        return lambda now: now + rebalance
    if rebalance is None or callable(rebalance):
        return rebalance
    raise Unsupported(f"rebalancing by {type(rebalance).__name__}")


class NullPortfolioConstructionModel(PortfolioConstructionModel):
    """Wants nothing."""

    def create_targets(self, algorithm: Any, insights: list[Insight]) -> list[PortfolioTarget]:
        return []


class RiskManagementModel(Snake):
    """What an algorithm's own risk management inherits from.

    ``manage_risk`` gives targets that go before those of the portfolio.
    """

    def manage_risk(self, algorithm: Any, wanted: list[PortfolioTarget]) -> list[PortfolioTarget]:
        return []

    def on_securities_changed(self, algorithm: Any, changes: SecurityChanges) -> None:
        """Overridden, where it is needed."""


class NullRiskManagementModel(RiskManagementModel):
    """Objects to nothing."""


def tell(model: Any, algorithm: Any, changes: SecurityChanges) -> None:
    """Let a model know what came and what went, where it wants to."""
    try:
        told = named(model, "on_securities_changed")
    except (AttributeError, Unsupported):
        return
    told(algorithm, changes)


class Framework:
    """The models of one algorithm, and the step that they take together.

    Attributes:
        generated: Is told what is said, before anybody trades on it.
    """

    def __init__(self) -> None:
        self.alpha: Any = NullAlphaModel()
        self.portfolio_construction: Any = NullPortfolioConstructionModel()
        self.execution: Any = ImmediateExecutionModel()
        self.risk_management: list[Any] = []
        self.generated = Event()

    def add_alpha(self, model: Any) -> None:
        if isinstance(self.alpha, NullAlphaModel):
            self.alpha = model
        elif isinstance(self.alpha, CompositeAlphaModel):
            self.alpha.models.append(model)
        else:
            self.alpha = CompositeAlphaModel(self.alpha, model)

    def tell(self, algorithm: Any, changes: SecurityChanges) -> None:
        """Let all models know what came and what went."""
        models = (self.alpha, self.portfolio_construction, self.execution, *self.risk_management)
        for model in models:
            tell(model, algorithm, changes)

    def step(self, algorithm: Any, data: Any) -> None:
        """What the alphas say today becomes orders."""
        self.process(algorithm, list(named(self.alpha, "update")(algorithm, data) or ()))

    def process(self, algorithm: Any, insights: list[Insight]) -> None:
        """Make targets of insights, and orders of targets; risk goes first."""
        for insight in insights:
            price = algorithm.securities[insight.symbol].price
            insight.begin(algorithm.time, price, algorithm.open_hours)
        if insights:
            algorithm.insights.add_range(insights)
            self.generated(algorithm, GeneratedInsightsCollection(algorithm.utc_time, insights))
        create = named(self.portfolio_construction, "create_targets")
        wanted = list(create(algorithm, insights) or ())
        objections = [
            target
            for model in self.risk_management
            for target in named(model, "manage_risk")(algorithm, wanted) or ()
        ]
        first: dict[str, PortfolioTarget] = {}
        for target in objections + wanted:
            first.setdefault(target.symbol, target)
        named(self.execution, "execute")(algorithm, list(first.values()))
