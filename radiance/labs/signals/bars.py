"""Real daily bars: read, turned into what a model sees, and cut into calm and stress by rule.

Everything of a day is known at its close. What scales a feature is taken over days before it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radiance.errors import ConfigError
from radiance.labs import daily_bars
from radiance.labs.splits import Treatment
from radiance.labs.tables import Table, read_table

FEATURES = (
    "return_1",
    "return_5",
    "return_21",
    "return_63",
    "momentum_252_21",
    "volatility_ratio",
    "volume_ratio",
    "range",
    "gap",
    "close_in_range",
    "below_high_252",
)
INDICATORS = ("volatility", "fall", "correlation", "gap", "volume", "dispersion")
_MIN_COVERAGE = 0.99
_STRESS_VOLATILITY, _STRESS_FALL = 1.8, -0.10
_MERGE_DAYS, _LEAST_DAYS = 21, 10
WARM_UP = 273
"""Days until every feature is there."""


@dataclass(frozen=True)
class Bars:
    """Daily bars of the symbols that are always there.

    Attributes:
        dates: (days,) datetime64[D].
        close: Adjusted for dividends where the file says so, (days, symbols).
        said: What is to be said of the file it was read from, in lines.
    """

    dates: np.ndarray
    symbols: tuple[str, ...]
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class Period:
    """A run of stress, found by ``stress_periods``; ``last`` is the last day in it."""

    first: int
    last: int
    name: str


def read_bars(
    path: Path,
    most: int,
    history_days: int,
    delisting_return: float = daily_bars.DELISTING_RETURN,
    least_coverage: float = _MIN_COVERAGE,
    splits: Treatment = "keep",
) -> Bars:
    """Read a table with a row per date and symbol, as ``daily_bars`` does.

    Args:
        path: Columns date, symbol, open, high, low, close, volume; adj_close where there is one.
        most: Symbols to keep: those with the largest dollar volume in the history.
        history_days: Days at the start that this is judged on.
        delisting_return: What a share that leaves the market earns on the day after its last bar.
        least_coverage: Share of the days on which a symbol must have a bar to be kept.
        splits: What becomes of splits that prices were not adjusted for.

    Raises:
        ConfigError: It cannot be read, a column is missing, or too little is left.
    """
    table = daily_bars.read_bars(path, splits)
    dates, raw = table.dates, table.fields
    adjusted = raw.get("adj_close", raw["close"])
    is_good = (raw["close"] > 0) & (adjusted > 0) & (raw["open"] > 0) & (raw["volume"] >= 0)
    usable = np.flatnonzero(is_good.mean(axis=0) >= least_coverage)
    least = history_days + 252
    if len(usable) < 4 or len(dates) < least:
        raise ConfigError(
            f"{path}: has {len(usable)} symbols with a bar on {least_coverage:.0%} of "
            f"{len(dates)} days. At least 4 symbols and {least} days are needed."
        )
    dollars = np.nanmean((raw["close"] * raw["volume"])[:history_days], axis=0)[usable]
    kept = np.sort(usable[np.argsort(-dollars, kind="stable")[:most]])
    ratio = adjusted / raw["close"]
    # From then on a share that has left is worth what the delisting left of its last price.
    worth = np.ones(adjusted.shape)
    for day, column in zip(*daily_bars.left_after(is_good), strict=True):
        worth[day:, column] = 1 + delisting_return
    fields = {
        name: (_filled(raw[name] * ratio) * worth)[:, kept] for name in ("open", "high", "low")
    }
    few = len(table.symbols) - len(usable)
    left_out = f"Left out: {few} symbols without a bar on {least_coverage:.0%} of the days."
    return Bars(
        dates,
        tuple(table.symbols[place] for place in kept),
        close=(_filled(adjusted) * worth)[:, kept],
        volume=np.nan_to_num(raw["volume"])[:, kept],
        said=(*table.said, left_out) if few else table.said,
        **fields,
    )


def read_features(path: Path, bars: Bars) -> dict[str, np.ndarray]:
    """Features of one's own by name, each (days, symbols) of the bars, NaN where none is known.

    Args:
        path: A table of date, symbol, and a column for each feature, as known at that day's close.
        bars: Whose days and symbols are kept.

    Raises:
        ConfigError: It cannot be read, has no feature, or no row of a day and symbol of the bars.
    """
    names = {"date": ("day", "datetime", "timestamp"), "symbol": ("ticker", "code", "asset")}
    table = read_table(path, names, keeps_further=True)
    table.require(("date", "symbol"))
    place, there = placed(table, bars)
    found = {}
    for name, cells in table.further_numbers(names):
        found[name] = np.full(bars.close.shape, np.nan)
        found[name][place[0][there], place[1][there]] = cells[there]
    if not found:
        raise ConfigError(f"{path}: has no column of numbers beside date and symbol.")
    return found


def placed(table: Table, bars: Bars) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """The day and the symbol of the bars that each row of a table is of, and which rows have both.

    Raises:
        ConfigError: No row has.
    """
    days, (codes, symbols) = table.days("date"), table.texts("symbol")
    places = {symbol: place for place, symbol in enumerate(bars.symbols)}
    columns = np.array([places.get(symbol, -1) for symbol in symbols])[codes]
    rows = np.minimum(np.searchsorted(bars.dates, days), len(bars.dates) - 1)
    there = (columns >= 0) & (bars.dates[rows] == days)
    if not there.any():
        raise ConfigError(
            f"{table.path}: has no row of a day and a symbol of the bars, which are of "
            f"{bars.symbols[0]}, … from {bars.dates[0]} to {bars.dates[-1]}. Write both alike."
        )
    return (rows, columns), there


def day_inputs(bars: Bars, own: Mapping[str, np.ndarray] | None = None) -> np.ndarray:
    """What the model sees at each close, (days, symbols, features + indicators + 1) float32.

    Features are standardised over the symbols of a day, indicators over the days before; both are
    clipped. Days of the warm-up are zero. ``own`` features, (days, symbols) each, take the place of
    the lab's.
    """
    volatility = daily_volatility(bars)
    chosen = _features(bars, volatility) if own is None else list(own.values())
    features = np.stack([_across(f) for f in chosen], axis=-1)
    indicators = np.stack([_over_time(i) for i in _indicators(bars, volatility)], axis=-1)
    wide = np.broadcast_to(indicators[:, None], (*features.shape[:2], indicators.shape[-1]))
    one = np.ones((*features.shape[:2], 1))
    inputs = np.concatenate([features, wide, one], axis=-1)
    inputs[:WARM_UP, :, :-1] = 0.0
    return inputs.astype(np.float32)


def daily_volatility(bars: Bars) -> np.ndarray:
    """Of each symbol, over the last 63 days up to each close, (days, symbols)."""
    found = _rolling_std(_returns(bars.close, 1), 63)
    return np.maximum(np.nan_to_num(found, nan=0.02), 1e-3)


def labels(bars: Bars, horizon: int) -> np.ndarray:
    """The return over the days after each close, less the market's, in its own standard deviations.

    (days, symbols) float32; NaN for the last ``horizon`` days, which nobody knows yet.
    """
    later = np.full(bars.close.shape, np.nan)
    later[:-horizon] = bars.close[horizon:] / bars.close[:-horizon] - 1
    excess = later - np.nanmean(np.where(np.isnan(later), 0, later), axis=1, keepdims=True)
    return np.clip(excess / (daily_volatility(bars) * np.sqrt(horizon)), -4, 4).astype(np.float32)


def next_returns(bars: Bars) -> np.ndarray:
    """From each close to the next, (days, symbols); zero on the last day."""
    found = np.zeros(bars.close.shape)
    found[:-1] = bars.close[1:] / bars.close[:-1] - 1
    return found


def is_stress(bars: Bars) -> np.ndarray:
    """Whether a day is one of stress, by what is known at its close, (days,).

    The volatility of the equal-weighted market over 21 days is above 1.8 times its median over the
    two years before, or the market is 10 % below its highest close of a year.
    """
    market = _returns(bars.close, 1).mean(axis=1)
    level = np.cumprod(1 + np.nan_to_num(market))
    volatility = _rolling_std(np.nan_to_num(market)[:, None], 21)[:, 0]
    found = np.zeros(len(market), dtype=bool)
    for day in range(63, len(market)):
        before = volatility[max(21, day - 504) : day]
        peak = level[max(0, day - 252) : day + 1].max()
        found[day] = (
            volatility[day] > _STRESS_VOLATILITY * np.nanmedian(before)
            or level[day] / peak - 1 < _STRESS_FALL
        )
    return found


def stress_periods(days: np.ndarray, dates: np.ndarray) -> list[Period]:
    """Runs of stress days: those a month apart are one, those under ten days are none."""
    places = np.flatnonzero(days)
    runs: list[tuple[int, int]] = []
    for place in places.tolist():
        if runs and place - runs[-1][1] <= _MERGE_DAYS:
            runs[-1] = (runs[-1][0], place)
        else:
            runs.append((place, place))
    return [
        Period(first, last, f"{dates[first]} to {dates[last]}")
        for first, last in runs
        if days[first : last + 1].sum() >= _LEAST_DAYS
    ]


def _features(bars: Bars, volatility: np.ndarray) -> list[np.ndarray]:
    close = bars.close
    spread = np.maximum(bars.high - bars.low, 1e-9)
    gap = np.zeros_like(close)
    gap[1:] = bars.open[1:] / close[:-1] - 1
    momentum = np.zeros_like(close)
    momentum[252:] = close[231:-21] / close[:-252] - 1
    volume = np.log1p(bars.volume)
    return [
        *(_returns(close, n) / (volatility * np.sqrt(n)) for n in (1, 5, 21, 63)),
        momentum,
        _rolling_std(_returns(close, 1), 21) / volatility,
        volume - _rolling_mean(volume, 21),
        spread / close / volatility,
        gap / volatility,
        (close - bars.low) / spread,
        close / _rolling_max(close, 252) - 1,
    ]


def _indicators(bars: Bars, volatility: np.ndarray) -> list[np.ndarray]:
    returns = np.nan_to_num(_returns(bars.close, 1))
    market = returns.mean(axis=1, keepdims=True)
    spread_of_market = _rolling_std(market, 21)[:, 0]
    own = np.nan_to_num(_rolling_std(returns, 21), nan=0.01).mean(axis=1)
    gap = np.zeros_like(returns)
    gap[1:] = bars.open[1:] / bars.close[:-1] - 1
    volume = np.log1p(bars.volume)
    level = np.cumprod(1 + market[:, 0])
    return [
        np.log(np.maximum(np.nan_to_num(spread_of_market, nan=0.01), 1e-4)),
        level / _rolling_max(level[:, None], 63)[:, 0] - 1,
        (np.nan_to_num(spread_of_market) / np.maximum(own, 1e-4)) ** 2,
        _rolling_mean(np.abs(gap / volatility).mean(axis=1, keepdims=True), 5)[:, 0],
        (volume - _rolling_mean(volume, 252)).mean(axis=1),
        (returns / volatility).std(axis=1),
    ]


def _returns(close: np.ndarray, days: int) -> np.ndarray:
    found = np.zeros_like(close)
    found[days:] = close[days:] / close[:-days] - 1
    return found


def _across(values: np.ndarray) -> np.ndarray:
    """Standardised over the symbols of each day."""
    values = np.nan_to_num(values)
    centred = values - values.mean(axis=1, keepdims=True)
    return np.clip(centred / np.maximum(values.std(axis=1, keepdims=True), 1e-9), -3, 3)


def _over_time(values: np.ndarray) -> np.ndarray:
    """Standardised by the mean and spread of all days before."""
    values = np.nan_to_num(values)
    count = np.maximum(1, np.arange(len(values)))
    total = np.concatenate([[0.0], np.cumsum(values)[:-1]])
    squares = np.concatenate([[0.0], np.cumsum(values**2)[:-1]])
    mean = total / count
    spread = np.sqrt(np.maximum(squares / count - mean**2, 1e-12))
    return np.clip((values - mean) / np.maximum(spread, 1e-6), -8, 8)


def _windows(values: np.ndarray, width: int) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(values, width, axis=0)


def _rolling_std(values: np.ndarray, width: int) -> np.ndarray:
    found = np.full(values.shape, np.nan)
    found[width - 1 :] = _windows(values, width).std(axis=-1)
    return found


def _rolling_mean(values: np.ndarray, width: int) -> np.ndarray:
    found = np.array(values, dtype=np.float64)
    found[width - 1 :] = _windows(values, width).mean(axis=-1)
    return found


def _rolling_max(values: np.ndarray, width: int) -> np.ndarray:
    found = np.maximum.accumulate(values, axis=0)
    found[width - 1 :] = _windows(values, width).max(axis=-1)
    return found


def _filled(values: np.ndarray) -> np.ndarray:
    """A missing bar repeats the last one; before the first, the first."""
    found = values.copy()
    for day in range(1, len(found)):
        found[day] = np.where(np.isfinite(found[day]), found[day], found[day - 1])
    for day in range(len(found) - 2, -1, -1):
        found[day] = np.where(np.isfinite(found[day]), found[day], found[day + 1])
    return found
