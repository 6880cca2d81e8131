"""What a series of daily returns is worth, and how much of it is luck.

Ratios are annual (252 days). A Sharpe ratio that was the best of many trials is deflated by what
the best of as many worthless ones would show.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

Array = np.ndarray
DAYS_PER_YEAR = 252
_EULER = 0.5772156649015329
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Performance:
    """A backtest in numbers; None where there is too little to say.

    Attributes:
        days: With positions.
        sharpe: Of returns net of costs; ``gross_sharpe`` before them.
        return_per_year: Net, as a ratio of the book.
        turnover: Dollars traded per dollar of book and day, mean.
        drawdown: Deepest fall of the compounded net value from its peak, a ratio.
        ic: Mean rank correlation of the values with the returns they are held for.
        ic_t: Its t statistic.
        margin_bps: Gross profit per dollar traded, in basis points.
        capacity_usd: Largest book within the participation limit.
        skewness: Of daily net returns, as ``kurtosis`` (3 for a normal distribution).
    """

    days: int
    sharpe: float | None
    gross_sharpe: float | None
    return_per_year: float
    volatility: float
    turnover: float
    drawdown: float
    ic: float | None
    ic_t: float | None
    margin_bps: float | None
    capacity_usd: float | None
    skewness: float | None
    kurtosis: float | None


def measure(
    gross: Array,
    costs: Array,
    turnover: Array,
    information: Array,
    capacity_usd: float | None,
    held: Array,
) -> Performance:
    """The figures of one backtest, from the first day with positions on. All arrays (dates,)."""
    active = np.flatnonzero(held > 0)
    first = active[0] if len(active) else len(gross)
    gross, costs, turnover = gross[first:], costs[first:], turnover[first:]
    net = gross - costs
    traded = float(turnover.sum())
    known = information[first:][np.isfinite(information[first:])]
    ic_t = None
    if len(known) > 2 and known.std(ddof=1) > 0:
        ic_t = float(known.mean() / known.std(ddof=1) * math.sqrt(len(known)))
    third, fourth = moments(net)
    return Performance(
        days=len(active),
        sharpe=sharpe_ratio(net),
        gross_sharpe=sharpe_ratio(gross),
        return_per_year=float(net.mean() * DAYS_PER_YEAR) if len(net) else 0.0,
        volatility=float(net.std(ddof=1) * math.sqrt(DAYS_PER_YEAR)) if len(net) > 1 else 0.0,
        turnover=float(turnover.mean()) if len(turnover) else 0.0,
        drawdown=drawdown(net),
        ic=float(known.mean()) if len(known) else None,
        ic_t=ic_t,
        margin_bps=float(gross.sum() / traded * 1e4) if traded > 0 else None,
        capacity_usd=capacity_usd,
        skewness=third,
        kurtosis=fourth,
    )


def sharpe_ratio(returns: Array) -> float | None:
    """Annual Sharpe ratio of daily returns over a riskless rate of zero; None if they are flat."""
    if len(returns) < 2:
        return None
    spread = returns.std(ddof=1)
    if spread <= 1e-15:
        return None
    return float(returns.mean() / spread * math.sqrt(DAYS_PER_YEAR))


def drawdown(returns: Array) -> float:
    """Deepest fall of the compounded value from a peak before it, as a ratio."""
    if not len(returns):
        return 0.0
    value = np.concatenate([[1.0], np.cumprod(1 + returns)])
    return float((1 - value / np.maximum.accumulate(value)).max())


def moments(returns: Array) -> tuple[float | None, float | None]:
    """Skewness and kurtosis (3 for a normal distribution)."""
    if len(returns) < 4 or returns.std() <= 1e-15:
        return None, None
    off = (returns - returns.mean()) / returns.std()
    return float((off**3).mean()), float((off**4).mean())


def expected_best_sharpe(trials: int, spread: float) -> float:
    """The Sharpe ratio that the best of so many worthless trials is expected to show.

    ``spread`` is the standard deviation of the trials' Sharpe ratios, in the unit of the result.

    Source: Bailey and López de Prado, The Deflated Sharpe Ratio, J. Portfolio Management 40(5),
    2014, eq. 1.
    """
    if trials < 2:
        return 0.0
    return spread * (
        (1 - _EULER) * _NORMAL.inv_cdf(1 - 1 / trials)
        + _EULER * _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    )


def deflated_sharpe(
    found: Performance, trials: int, others: Sequence[float | None] = ()
) -> float | None:
    """Probability that the true Sharpe ratio is above what the best of ``trials`` has by luck.

    ``trials`` is how many were tried in the study, this one among them; ``others`` are their annual
    Sharpe ratios, for their spread. With fewer than two it is that of estimating a ratio of zero.

    Source: as above, eq. 2: the probabilistic Sharpe ratio against ``expected_best_sharpe``.
    """
    if found.sharpe is None or found.days < 4 or found.skewness is None or found.kurtosis is None:
        return None
    ratio = found.sharpe / math.sqrt(DAYS_PER_YEAR)
    known = [other / math.sqrt(DAYS_PER_YEAR) for other in others if other is not None]
    spread = float(np.std(known, ddof=1)) if len(known) > 1 else 1 / math.sqrt(found.days - 1)
    luck = expected_best_sharpe(trials, spread)
    variance = 1 - found.skewness * ratio + (found.kurtosis - 1) / 4 * ratio**2
    if variance <= 0:
        return None
    return _NORMAL.cdf((ratio - luck) * math.sqrt(found.days - 1) / math.sqrt(variance))
