"""From an alpha's values to positions and what they would have earned, cross-sectional long/short.

Positions decided from the data up to day t are in the book from day ``t + delay`` on and earn that
day's return, close to close; ``delay`` is at least 1. Weights are shares of a book of one dollar:
their absolute values sum to one. On a day without a bar a share is halted: its holder goes on
holding it by what was last known, and bears what its price did meanwhile on the day it is traded
again. A share without any later bar has left the market: its holder earns ``delisting_return`` on
the day after its last one, and holds it no more.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta

from radiance.errors import RequestError
from radiance.labs.alphas.language.operators import LEVELS
from radiance.labs.alphas.language.semantics import DEFAULT as DEFAULT_READINGS
from radiance.labs.alphas.results.performance import Performance, measure
from radiance.labs.alphas.values import windows
from radiance.labs.alphas.values.panel import Panel
from radiance.labs.alphas.values.ranks import rank_rows
from radiance.labs.daily_bars import DELISTING_RETURN, Halts

Array = np.ndarray
_CAPACITY_DAYS = 20
_ROUNDS = 8


class Trading(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How values become positions, and what trading costs."""

    delay: Annotated[
        int, Meta(description="Days from the data to the first return earned.", ge=1, le=20)
    ] = 1
    neutralization: Annotated[
        Literal["none", "market", "sector", "industry", "subindustry"],
        Meta(description="Within what the weights sum to zero."),
    ] = "market"
    decay: Annotated[
        int, Meta(description="Days of linear decay over the values; 1: none.", ge=1, le=250)
    ] = 1
    truncation: Annotated[
        float, Meta(description="Most of the book in one symbol.", gt=0, le=1)
    ] = 0.1
    cost_bps: Annotated[
        float, Meta(description="Cost of trading a dollar, in basis points.", ge=0, le=1000)
    ] = 5.0
    participation: Annotated[
        float,
        Meta(description="Most of a symbol's dollar volume to trade, for capacity.", gt=0, le=1),
    ] = 0.01
    delisting_return: Annotated[
        float,
        Meta(
            description="Return of a share that leaves the market, a day after its last bar.",
            ge=-1,
            le=1,
        ),
    ] = DELISTING_RETURN


DEFAULT = Trading()


@dataclass(frozen=True)
class Backtest:
    """What an alpha's positions earned.

    Attributes:
        weights: (dates, symbols) in the book on that day.
        gross: (dates,) return of the book before costs.
        costs: (dates,) in the same unit.
        turnover: (dates,) dollars traded per dollar of book, buys and sells.
    """

    weights: Array
    gross: Array
    costs: Array
    turnover: Array
    performance: Performance

    @property
    def net(self) -> Array:
        return self.gross - self.costs


class Backtester:
    """What all backtests over one panel share: returns, their ranks, volume."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel
        has_bar = np.isfinite(panel.fields["close"]) & np.isfinite(panel.total_close)
        self._halts = Halts(has_bar)
        close = self._halts.carried(panel.total_close)
        returns = np.full(close.shape, np.nan)
        with np.errstate(all="ignore"):
            returns[1:] = close[1:] / close[:-1] - 1
            traded = panel.fields["close"] * panel.fields["volume"]
        self.returns = np.where(np.isfinite(returns), returns, 0.0)
        self._has_bar = has_bar
        over_a_day = has_bar.copy()
        over_a_day[1:] &= has_bar[:-1]
        self._ranks = _centred_ranks(np.where(over_a_day, returns, np.nan))
        self.dollar_volume = windows.moving(windows.mean, _CAPACITY_DAYS, traded, need=1)

    def backtest(self, values: Array, trading: Trading = DEFAULT) -> Backtest:
        """Trade an alpha's ``values``, (dates, symbols); NaN takes no position.

        Raises:
            RequestError: It is to be neutral within groups that the panel does not have.
        """
        dates, _ = values.shape
        if trading.decay > 1:
            values = windows.moving(windows.decay_linear, trading.decay, values, need=1)
        values = self._halts.carried(values)
        weights = np.zeros_like(values)
        gross, turnover, information = (np.zeros(dates) for _ in range(3))
        held, volume = np.zeros(dates, np.int64), _Volumes()
        members = _members(self.panel, trading.neutralization)
        self.returns[self._halts.left] = trading.delisting_return
        last = np.zeros(values.shape[1])
        # In blocks of days, so that all of a block's steps find it in the cache.
        for block in windows.blocks(trading.delay, *values.shape):
            data = slice(block.start - trading.delay, block.stop - trading.delay)
            there = np.isfinite(values[data])
            target = _positions(values[data], there, members, trading.truncation)
            weights[block] = target
            gross[block], turnover[block], traded, last = _book(target, last, self.returns[block])
            held[block] = (target != 0).sum(axis=1)
            volume.add(traded, trading.participation * self.dollar_volume[block])
            ranks = _centred_ranks(np.where(self._has_bar[data], values[data], np.nan))
            information[block] = _row_correlation(ranks, self._ranks[block])
        costs = turnover * trading.cost_bps / 1e4
        found = measure(gross, costs, turnover, information, volume.capacity(), held)
        return Backtest(weights, gross, costs, turnover, found)


class _Volumes:
    """Which books the traded dollars would allow, in bins of one percent."""

    _PER_NAT, _LOWEST, _BINS = 100, -2_000, 8_000

    def __init__(self) -> None:
        self._amounts = np.zeros(self._BINS)

    def add(self, traded: Array, allowed: Array) -> None:
        usable = (traded > 1e-12) & (allowed > 0)
        amounts = traded[usable]
        places = np.log(allowed[usable] / amounts) * self._PER_NAT - self._LOWEST
        places = np.clip(places, 0, self._BINS - 1).astype(np.int64)
        self._amounts += np.bincount(places, amounts, self._BINS)

    def capacity(self) -> float | None:
        """The book with which 95 % of the traded dollars stay within what is allowed."""
        if not self._amounts.any():
            return None
        reached = np.cumsum(self._amounts) >= 0.05 * self._amounts.sum()
        return float(np.exp((np.argmax(reached) + self._LOWEST) / self._PER_NAT))


def positions(values: Array, panel: Panel, trading: Trading = DEFAULT) -> Array:
    """Weights wanted on the data of each day: decayed, neutral, of size one, truncated.

    Days without two usable values hold nothing.
    """
    if trading.decay > 1:
        values = windows.moving(windows.decay_linear, trading.decay, values, need=1)
    values = Halts(np.isfinite(panel.fields["close"])).carried(values)
    there = np.isfinite(values)
    return _positions(values, there, _members(panel, trading.neutralization), trading.truncation)


def book(weights: Array, returns: Array) -> tuple[Array, Array]:
    """What a book rebalanced to ``weights`` at each day's start earns.

    Args:
        weights: (dates, symbols) held during the day.
        returns: (dates, symbols) of the day.

    Returns:
        The day's return and turnover, both (dates,) and per dollar of book. A position drifts with
        its return before it is rebalanced, so holding what drifted trades nothing.
    """
    return _book(weights, np.zeros(weights.shape[1]), returns)[:2]


def _positions(values: Array, there: Array, members: Array | None, truncation: float) -> Array:
    weights = _sized(_centred(np.where(there, values, 0.0), there, members))
    for _ in range(_ROUNDS):
        over = np.abs(weights).max(axis=1) > truncation * (1 + 1e-9)
        if not over.any():
            return weights
        cut = np.clip(weights[over], -truncation, truncation)
        weights[over] = _sized(_centred(cut, there[over], members))
    # Too few symbols for the limit: the book stays smaller than one.
    return np.clip(weights, -truncation, truncation)


def _book(weights: Array, last: Array, returns: Array) -> tuple[Array, Array, Array, Array]:
    """``last`` is what is held before the first day; the last of the result after the last day."""
    gross = np.einsum("ij,ij->i", weights, returns)
    drifted = weights * (1 + returns)
    drifted /= 1 + gross[:, None]
    traded = weights.copy()
    traded[0] -= last
    traded[1:] -= drifted[:-1]
    np.abs(traded, out=traded)
    return gross, traded.sum(axis=1), traded, drifted[-1]


def _members(panel: Panel, level: str) -> Array | None:
    """(symbols, groups) of ones and zeros; None for no neutralisation.

    A symbol without a group is neutral among those without one.

    Raises:
        RequestError: The panel has no groups.
    """
    if level == "none":
        return None
    codes = np.zeros(len(panel.symbols), dtype=np.int64)
    if level != "market":
        order = LEVELS.index(level)
        nearest = [*LEVELS[order:], *reversed(LEVELS[:order])]
        known = next((panel.groups[name] for name in nearest if name in panel.groups), None)
        if known is None:
            raise RequestError(
                f"neutralization (is {level!r}): the market data have no groups of symbols.",
                field="neutralization",
                value=level,
                remedy="Give a file of them with --groups, or neutralize by market.",
            )
        codes = known - known.min()
    members = np.zeros((len(codes), codes.max() + 1))
    members[np.arange(len(codes)), codes] = 1.0
    return members


def _centred(weights: Array, there: Array, members: Array | None) -> Array:
    if members is None:
        return weights
    if members.shape[1] == 1:
        with np.errstate(all="ignore"):
            means = weights.sum(axis=1, keepdims=True) / there.sum(axis=1, keepdims=True)
        return np.where(there, weights - means, 0.0)
    with np.errstate(all="ignore"):
        means = (weights @ members) / (there.astype(np.float64) @ members)
    return np.where(there, weights - np.nan_to_num(means) @ members.T, 0.0)


def _sized(weights: Array) -> Array:
    sizes = np.abs(weights).sum(axis=1, keepdims=True)
    biggest = np.abs(weights).max(axis=1, keepdims=True)
    # What is left of equal values after centring is rounding, no opinion.
    usable = sizes > 1e-12 * np.maximum(biggest, 1e-300)
    return np.divide(weights, sizes, out=np.zeros_like(weights), where=usable & (sizes > 1e-15))


def _centred_ranks(values: Array) -> Array:
    """Ranks within each row around zero, zero where there is no value."""
    ranks = rank_rows(values, DEFAULT_READINGS.tie_bits)
    with np.errstate(all="ignore"):
        counts = np.isfinite(ranks).sum(axis=1, keepdims=True)
    return np.where(np.isfinite(ranks), ranks - (counts + 1) / 2, 0.0)


def _row_correlation(one: Array, other: Array) -> Array:
    """Correlation of each row's ranks over the symbols that have both; NaN where there are few."""
    both = np.einsum("ij,ij->i", one, other)
    # A symbol without a rank in one has a zero there, which must not count in the other.
    first = np.einsum("ij,ij,ij->i", one, one, (other != 0).astype(np.float64))
    second = np.einsum("ij,ij,ij->i", other, other, (one != 0).astype(np.float64))
    with np.errstate(all="ignore"):
        return both / np.sqrt(first * second)
