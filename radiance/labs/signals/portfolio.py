"""From signals to positions and what they earn: the allocation layer, every choice of it a knob.

A position is decided at a day's close from what is known there, and earns the next day's return.
Nothing here looks further: the loop is handed one day after another. Assets are treated alike, so
their order does not matter, and costs are taken from what was earned, never given.
"""

from dataclasses import dataclass

import numpy as np

from radiance.labs.signals.settings import PortfolioSettings

DAYS_PER_YEAR = 252
_BPS = 1e-4
_VOLATILITY_MEMORY = 0.94  # RiskMetrics' decay of daily variance
_BURN_IN = 20  # days until the estimate stands on its own


@dataclass(frozen=True)
class Outcome:
    """What a strategy did; days are those whose returns were earned.

    Attributes:
        weights: Held over each day, (rows, days, assets).
        returns: Earned after cost, (rows, days).
        costs: Paid, as a share of the book, (rows, days).
        turnover: Sum of the sizes of all trades, (rows, days).
        equity: Of one unit at first, at each day's end, (rows, days).
        drawdown: Equity over its highest so far, less one: at most 0, (rows, days).
    """

    weights: np.ndarray
    returns: np.ndarray
    costs: np.ndarray
    turnover: np.ndarray
    equity: np.ndarray
    drawdown: np.ndarray


def estimate_volatility(returns: np.ndarray, first: float) -> np.ndarray:
    """Daily volatility as known at each day's close, of the returns that came before.

    Args:
        returns: Of the day *after* each close, (..., days, assets).
        first: What is assumed before there are any.

    Returns:
        (..., days, assets); day t uses returns up to t - 1.
    """
    variance = np.full(returns[..., 0, :].shape, first**2)
    found = np.empty_like(returns)
    for day in range(returns.shape[-2]):
        found[..., day, :] = np.sqrt(variance)
        decay = min(_VOLATILITY_MEMORY, 1 - 1 / (day + _BURN_IN))
        variance = decay * variance + (1 - decay) * returns[..., day, :] ** 2
    return found


def simulate(
    expected: np.ndarray,
    returns: np.ndarray,
    volatility: np.ndarray,
    spread: np.ndarray,
    event: np.ndarray,
    settings: PortfolioSettings,
) -> Outcome:
    """Trade.

    Args:
        expected: Forecast of the return after each close, (rows, days, assets).
        returns: That return, (rows, days, assets).
        volatility: Daily, as estimated at each close, (rows, days, assets).
        spread: Multiple of the ordinary spread at each close, (rows, days).
        event: Whether stress began or ended at a close, (rows, days).
        settings: The knobs.
    """
    rows, days, assets = expected.shape
    held = np.zeros((rows, assets))
    weights, earned = np.empty((rows, days, assets)), np.empty((rows, days))
    costs, turnover = np.empty((rows, days)), np.empty((rows, days))
    for day in range(days):
        target, scale = _target(expected[:, day], volatility[:, day], settings)
        trade = settings.speed * (target - held)
        trade *= _is_due(day, held, target, event[:, day], settings)[:, None]
        price = _cost(trade, spread[:, day], settings)
        if settings.qualification:
            gain = _gain(held, trade, target, volatility[:, day], scale, settings)
            trade = np.where(gain >= settings.qualification * price, trade, 0.0)
            price = _cost(trade, spread[:, day], settings)
        held = held + trade
        weights[:, day] = held
        costs[:, day], turnover[:, day] = _total(price)[:, 0], _total(np.abs(trade))[:, 0]
        gross = _total(held * returns[:, day])[:, 0]
        earned[:, day] = gross - costs[:, day]
        # Prices move what is held; not by what was paid, lest costs move positions.
        held = held * (1 + returns[:, day]) / np.maximum(1 + gross, 1e-3)[:, None]
    equity = np.cumprod(np.maximum(1 + earned, 1e-6), axis=1)
    peak = np.maximum(np.maximum.accumulate(equity, axis=1), 1.0)
    return Outcome(weights, earned, costs, turnover, equity, equity / peak - 1)


def _target(
    expected: np.ndarray, volatility: np.ndarray, settings: PortfolioSettings
) -> tuple[np.ndarray, np.ndarray]:
    """The weights aimed at, (rows, assets), and by what they were scaled, (rows, 1).

    Forecast over variance, scaled to the volatility aimed at as if assets were independent; then
    the limits: of one asset, of the net, of the gross.
    """
    direction = expected / volatility**2
    risk = np.sqrt(_total((direction * volatility) ** 2))
    scale = settings.target_volatility / np.sqrt(DAYS_PER_YEAR) / np.maximum(risk, 1e-12)
    target = np.clip(direction * scale, -settings.max_weight, settings.max_weight)
    net = _total(target)
    excess = net - np.clip(net, -settings.max_net, settings.max_net)
    with_it = np.where(target * excess > 0, np.abs(target), 0.0)
    target = target - excess * with_it / np.maximum(_total(with_it), 1e-12)
    gross = _total(np.abs(target))
    return target * np.minimum(1.0, settings.max_gross / np.maximum(gross, 1e-12)), scale


def _total(values: np.ndarray) -> np.ndarray:
    """Sum over assets, (rows, 1), the same to the last bit in whatever order they stand."""
    return np.sort(values, axis=1).sum(axis=1, keepdims=True)


def _is_due(
    day: int, held: np.ndarray, target: np.ndarray, event: np.ndarray, settings: PortfolioSettings
) -> np.ndarray:
    """Whether each row rebalances today, (rows,)."""
    regular = np.full(len(held), day % settings.every_days == 0)
    match settings.rebalance:
        case "daily":
            return np.ones(len(held), dtype=bool)
        case "every":
            return regular
        case "event":
            return regular | event
        case "threshold":
            return _total(np.abs(target - held))[:, 0] > settings.threshold


def _cost(trade: np.ndarray, spread: np.ndarray, settings: PortfolioSettings) -> np.ndarray:
    """Of each asset's trade, as a share of the book, (rows, assets).

    Half the spread, and an impact that grows with the square root of the size (Almgren et al.,
    Direct Estimation of Equity Market Impact, 2005); both are wider when the spread is.
    """
    size = np.abs(trade)
    half = settings.spread_bps / 2 * size
    return _BPS * spread[:, None] * (half + settings.impact_bps * size**1.5)


def _gain(
    held: np.ndarray,
    trade: np.ndarray,
    target: np.ndarray,
    volatility: np.ndarray,
    scale: np.ndarray,
    settings: PortfolioSettings,
) -> np.ndarray:
    """What a trade brings over the horizon in mean-variance utility, (rows, assets).

    Staying away from the optimum by d costs ``variance d² / (2 scale)`` a day, since the target is
    the forecast over variance, times scale: scale is the inverse of the risk aversion.
    """
    before, after = target - held, target - held - trade
    return settings.horizon_days * volatility**2 * (before**2 - after**2) / (2 * scale)


# ── What is said about an outcome ───────────────────────────────────────────────────────────────

TAIL = 0.05


def max_drawdown(outcome: Outcome) -> np.ndarray:
    """The deepest fall below the highest equity so far, at most 0, (rows,)."""
    return outcome.drawdown.min(axis=1)


def cvar(returns: np.ndarray, share: float = TAIL) -> np.ndarray:
    """The mean of the worst ``share`` of the days' returns, (rows,)."""
    count = max(1, round(share * returns.shape[-1]))
    return np.sort(returns, axis=-1)[..., :count].mean(axis=-1)


def sharpe_ratio(returns: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Yearly mean over volatility on the days marked, (rows,); NaN for fewer than five.

    Args:
        returns: (rows, days).
        days: (rows, days) bool.
    """
    found = np.full(len(returns), np.nan)
    for row in range(len(returns)):
        chosen = returns[row, days[row]]
        if len(chosen) >= 5 and chosen.std() > 0:
            found[row] = chosen.mean() / chosen.std(ddof=1) * np.sqrt(DAYS_PER_YEAR)
    return found


def worst_day(returns: np.ndarray, days: np.ndarray) -> np.ndarray:
    """The lowest return on the days marked, (rows,); NaN where there are none."""
    found = np.where(days, returns, np.inf).min(axis=1)
    return np.where(np.isfinite(found), found, np.nan)
