"""Market data that nobody traded: prices that walk at random, for tests, benches and smoke checks.

An alpha that runs on them runs on real data of the same fields; what it earns means nothing.
"""

import numpy as np

from radiance.labs.alphas.values.panel import Panel

DAYS, SYMBOLS = 756, 60
"""Three years of a small market: what alphas are backtested on where no bars are given."""


def made_up(days: int = DAYS, symbols: int = SYMBOLS, seed: int = 0) -> Panel:
    """Prices in cents and volumes in shares; a tenth of the symbols lists later."""
    rng = np.random.default_rng(seed)
    market = rng.normal(0, 0.01, (days, 1))
    close = 40 * np.exp(np.cumsum(market + rng.normal(0, 0.015, (days, symbols)), axis=0))
    open_ = close * np.exp(rng.normal(0, 0.007, close.shape))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, 0.005, close.shape)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, 0.005, close.shape)))
    volume = np.round(np.exp(rng.normal(13, 0.5, close.shape)))
    fields = {"open": open_, "high": high, "low": low, "close": close}
    fields = {name: np.round(values, 2) for name, values in fields.items()} | {"volume": volume}
    listed = np.where(rng.random(symbols) < 0.1, rng.integers(0, max(1, days // 2), symbols), 0)
    missing = np.arange(days)[:, None] < listed
    groups = {"sector": rng.integers(0, 11, symbols), "industry": rng.integers(0, 60, symbols)}
    groups["subindustry"] = rng.integers(0, 120, symbols)
    return Panel(
        np.datetime64("2005-01-03") + np.arange(days),
        tuple(f"S{number:04}" for number in range(symbols)),
        {name: np.where(missing, np.nan, values) for name, values in fields.items()},
        groups,
    )
