"""QuantConnect's models of what part of the portfolio each insight gets, and what risk closes."""

import itertools
from typing import Any

import numpy

from radiance.labs.alphas.strategies.framework import (
    PortfolioConstructionModel,
    RiskManagementModel,
)
from radiance.labs.alphas.strategies.indicators import Indicator, mean
from radiance.labs.alphas.strategies.insights import Insight, PortfolioBias
from radiance.labs.alphas.strategies.market import Security
from radiance.labs.alphas.strategies.naming import Unsupported
from radiance.labs.alphas.strategies.targets import PortfolioTarget
from radiance.labs.alphas.strategies.universes import SecurityChanges

Percents = dict[Insight, float]


class EqualWeightingPortfolioConstructionModel(PortfolioConstructionModel):
    """The same to every share that something is said of."""

    def __init__(
        self, rebalance: Any = "daily", portfolio_bias: int = PortfolioBias.LONG_SHORT
    ) -> None:
        self._bias = portfolio_bias
        self.set_rebalancing_func(rebalance)

    def determine_target_percent(self, insights: list[Insight]) -> Percents:
        count = sum(self._side(insight) != 0 for insight in insights)
        return {insight: self._side(insight) / max(count, 1) for insight in insights}

    def _side(self, insight: Insight) -> int:
        fits = self._bias in (PortfolioBias.LONG_SHORT, insight.direction)
        return insight.direction if fits else 0


class InsightWeightingPortfolioConstructionModel(EqualWeightingPortfolioConstructionModel):
    """The weight that an insight says, less where all say more than the whole."""

    def should_create_target_for_insight(self, insight: Insight) -> bool:
        return self._value(insight) is not None

    def determine_target_percent(self, insights: list[Insight]) -> Percents:
        total = sum(abs(self._value(one) or 0.0) for one in insights if self._side(one))
        scale = 1 / max(total, 1.0)
        return {one: self._side(one) * abs(self._value(one) or 0.0) * scale for one in insights}

    def _value(self, insight: Insight) -> float | None:
        return insight.weight


class ConfidenceWeightedPortfolioConstructionModel(InsightWeightingPortfolioConstructionModel):
    """The same by what an insight is sure of."""

    def _value(self, insight: Insight) -> float | None:
        return insight.confidence


class _Closes(Indicator):
    """The last closes of a share."""

    def __init__(self, most: int) -> None:
        super().__init__(most, lambda values: values[-1])

    @property
    def values(self) -> list[float]:
        return list(self._values)


class _OfCloses(EqualWeightingPortfolioConstructionModel):
    """A model that knows the last closes of each share, from before it came on.

    Args:
        most: How many.
        first: How many from before.
    """

    def __init__(self, rebalance: Any, portfolio_bias: int, most: int, first: int) -> None:
        super().__init__(rebalance, portfolio_bias)
        if portfolio_bias == PortfolioBias.SHORT:
            raise ValueError(f"{type(self).__name__} must be allowed long positions")
        self._most, self._first = most, first
        self._closes: dict[str, _Closes] = {}

    def on_securities_changed(self, algorithm: Any, changes: SecurityChanges) -> None:
        super().on_securities_changed(algorithm, changes)
        for security in changes.removed_securities:
            algorithm.unregister_indicator(self._closes.pop(security.symbol))
        for security in changes.added_securities:
            closes = self._closes[security.symbol] = _Closes(self._most)
            newest = itertools.islice(algorithm.past(security.symbol), self._first)
            for bar in [*newest][::-1]:
                closes.update(bar)
            algorithm.indicators.append((security.symbol, closes))


class MeanReversionPortfolioConstructionModel(_OfCloses):
    """More of what is below its mean: on-line moving average reversion (Li and Hoi, 2012)."""

    def __init__(
        self,
        rebalance: Any = "daily",
        portfolio_bias: int = PortfolioBias.LONG_SHORT,
        reversion_threshold: float = 1,
        window_size: int = 20,
        resolution: str = "daily",
    ) -> None:
        super().__init__(rebalance, portfolio_bias, int(window_size), int(window_size))
        self._threshold = reversion_threshold
        self._weights = numpy.zeros(0)

    def determine_target_percent(self, insights: list[Insight]) -> Percents:
        closes = [self._closes[insight.symbol].values for insight in insights]
        if not insights or any(len(known) < self._most for known in closes):
            return {}
        count = len(insights)
        if len(self._weights) != count:
            self._weights = numpy.full(count, 1 / count)
        relative = numpy.array(
            [
                known[-1] / mean(known)
                if insight.magnitude is None
                else 1 + insight.magnitude * insight.direction
                for insight, known in zip(insights, closes, strict=True)
            ]
        )
        apart = relative - relative.mean()
        square = float(apart @ apart)
        step = max(0.0, (self._weights @ relative - self._threshold) / square) if square else 0.0
        self._weights = on_simplex(self._weights - step * apart)
        return dict(zip(insights, self._weights.tolist(), strict=True))


def on_simplex(weights: numpy.ndarray) -> numpy.ndarray:
    """The nearest weights that are not negative and sum to one (Duchi and others, 2008)."""
    falling = numpy.sort(weights)[::-1]
    over = (numpy.cumsum(falling) - 1) / numpy.arange(1, len(weights) + 1)
    return numpy.maximum(weights - over[numpy.nonzero(falling > over)[0][-1]], 0.0)


class RiskParityPortfolioConstructionModel(_OfCloses):
    """What bears the same risk in every share (Spinu, 2013)."""

    def __init__(
        self,
        rebalance: Any = "daily",
        portfolio_bias: int = PortfolioBias.LONG_SHORT,
        lookback: int = 1,
        period: int = 252,
        resolution: str = "daily",
        optimizer: Any = None,
    ) -> None:
        if optimizer is not None:
            raise Unsupported("RiskParityPortfolioConstructionModel with an optimizer")
        self._lookback, first = int(lookback), int(lookback) * int(period)
        super().__init__(rebalance, portfolio_bias, int(period) + self._lookback, first)

    def determine_target_percent(self, insights: list[Insight]) -> Percents:
        if not insights:
            return {}
        closes = [numpy.array(self._closes[insight.symbol].values) for insight in insights]
        returns = [known[self._lookback :] / known[: -self._lookback] - 1 for known in closes]
        shortest = min(len(known) for known in returns)
        rows = numpy.stack([known[len(known) - shortest :] for known in returns])
        weights = equal_risk(numpy.atleast_2d(numpy.cov(rows)))
        return dict(zip(insights, weights.tolist(), strict=True))


def equal_risk(covariance: numpy.ndarray) -> numpy.ndarray:
    """Long weights that sum to one, each share with the same part of the variance; by Newton."""
    count = len(covariance)
    if count == 1:
        return numpy.ones(1)
    weights = budget = numpy.full(count, 1 / count)
    before, now, steps = numpy.inf, -numpy.inf, 0
    while abs(now - before) > 1e-11 and steps < 15_000:
        gradient = covariance @ weights - budget / weights
        curvature = covariance + numpy.diag(budget / weights**2)
        weights = weights - numpy.linalg.solve(curvature, gradient)
        before, now = now, weights @ covariance @ weights / 2 - budget @ numpy.log(weights)
        steps += 1
    return numpy.maximum(weights / weights.sum(), 1e-5)


class MaximumDrawdownPercentPerSecurity(RiskManagementModel):
    """Close what has lost more than a share of what was paid."""

    def __init__(self, maximum_drawdown_percent: float = 0.05) -> None:
        self._most = abs(maximum_drawdown_percent)

    def manage_risk(self, algorithm: Any, wanted: list[PortfolioTarget]) -> list[PortfolioTarget]:
        return _close(algorithm, [o for o in _invested(algorithm) if self._is_over(o)])

    def _is_over(self, security: Security) -> bool:
        return security.holdings.unrealized_profit_percent < -self._most


class MaximumUnrealizedProfitPercentPerSecurity(MaximumDrawdownPercentPerSecurity):
    """Close what has won more than a share of what was paid."""

    def __init__(self, maximum_unrealized_profit_percent: float = 0.05) -> None:
        super().__init__(maximum_unrealized_profit_percent)

    def _is_over(self, security: Security) -> bool:
        return security.holdings.unrealized_profit_percent > self._most


class TrailingStopRiskManagementModel(RiskManagementModel):
    """Close what has fallen by more than a share from the best that it was worth."""

    def __init__(self, maximum_drawdown_percent: float = 0.05) -> None:
        self._most = abs(maximum_drawdown_percent)
        self._best: dict[str, tuple[bool, float]] = {}

    def manage_risk(self, algorithm: Any, wanted: list[PortfolioTarget]) -> list[PortfolioTarget]:
        invested = _invested(algorithm)
        self._best = {one.symbol: self._best_of(one) for one in invested}
        fallen = []
        for security in invested:
            _, best = self._best[security.symbol]
            if abs(best - security.holdings.absolute_holdings_value) / best > self._most:
                fallen.append(security)
        return _close(algorithm, fallen)

    def _best_of(self, security: Security) -> tuple[bool, float]:
        holdings = security.holdings
        now, is_long = holdings.absolute_holdings_value, holdings.is_long
        was_long, before = self._best.get(security.symbol, (not is_long, 0.0))
        if was_long != is_long:
            before = abs(holdings.holdings_cost)
        return is_long, max(before, now) if is_long else min(before, now)


def _invested(algorithm: Any) -> list[Security]:
    return [security for security in algorithm.securities.values() if security.invested]


def _close(algorithm: Any, securities: list[Security]) -> list[PortfolioTarget]:
    """Nothing of these shares, and what was said of them holds no more."""
    symbols = [security.symbol for security in securities]
    algorithm.insights.expire(symbols)
    return [PortfolioTarget(symbol, 0) for symbol in symbols]
