"""Indicators of strategies beside plain pandas, and what is told of orders."""

import numpy as np
import pandas as pd
import pytest

from radiance.labs.alphas.strategies import api, indicators, running
from radiance.labs.alphas.values.panel import Panel
from radiance.platform import sandbox

DAYS = 80


def bars() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, DAYS)))
    opened = close * np.exp(rng.normal(0, 0.01, DAYS))
    high, low = np.maximum(opened, close) * 1.01, np.minimum(opened, close) * 0.99
    return pd.DataFrame({"open": opened, "high": high, "low": low, "close": close})


BARS = bars()
C, H, L = BARS["close"], BARS["high"], BARS["low"]
SPANS = np.maximum(H, C.shift(1)) - np.minimum(L, C.shift(1))
RANGE = pd.Series(SPANS)
TYPICAL = (H + L + C) / 3


def wilder(moves: pd.Series, days: int) -> pd.Series:
    """Wilder's mean: a plain one of the first days, then recursive."""
    found, value = [], np.nan
    for count, move in enumerate(moves):
        if count <= days:
            value = moves[1 : count + 1].mean()
        else:
            value += (move - value) / days
        found.append(value)
    return pd.Series(found)


def rsi(days: int) -> pd.Series:
    move = C.diff()
    rise, fall = wilder(move.clip(lower=0), days), wilder(-move.clip(upper=0), days)
    return (100 - 100 / (1 + rise / fall)).where(pd.Series(np.arange(DAYS) >= days))


CASES = {
    "sma": ((10,), lambda: C.rolling(10).mean()),
    "lwma": (
        (5,),
        lambda: C.rolling(5).apply(lambda w: (w * np.arange(1, 6)).sum() / 15, raw=True),
    ),
    "std": ((10,), lambda: C.rolling(10).std(ddof=0)),
    "rsi": ((14,), lambda: rsi(14)),
    "mom": ((7,), lambda: C.diff(7)),
    "roc": ((7,), lambda: C.pct_change(7)),
    "rocp": ((7,), lambda: 100 * C.pct_change(7)),
    "momp": ((7,), lambda: 100 * C.pct_change(7)),
    "atr": ((14,), lambda: RANGE.where(C.shift(1).notna()).rolling(14).mean()),
    "cci": (
        (20,),
        lambda: (
            (TYPICAL - TYPICAL.rolling(20).mean())
            / (0.015 * TYPICAL.rolling(20).apply(lambda w: np.abs(w - w.mean()).mean(), raw=True))
        ),
    ),
    "wilr": (
        (14,),
        lambda: -100 * (H.rolling(14).max() - C) / (H.rolling(14).max() - L.rolling(14).min()),
    ),
    "max": ((9,), lambda: H.rolling(9).max()),
    "min": ((9,), lambda: L.rolling(9).min()),
}


@pytest.mark.parametrize("name", CASES)
def test_an_indicator_equals_pandas_from_the_day_it_is_ready(name):
    arguments, oracle = CASES[name]
    indicator = getattr(api.QCAlgorithm(), name)("A", *arguments)
    found = []
    for row in BARS.to_numpy().tolist():
        indicator.update(api.Bar("A", None, [*row, 1.0]))
        found.append(float(indicator) if indicator.is_ready else np.nan)
    np.testing.assert_allclose(found, np.asarray(oracle()), rtol=1e-9, atol=1e-9)


def test_a_rolling_window_has_the_newest_first():
    window = indicators.RollingWindow[float](3)
    for value in range(5):
        window.add(value)
        assert window.is_ready == (value >= 2)
    assert list(window) == [4, 3, 2]
    assert (window[0], window.Count, len(window)) == (4, 3, 3)


def test_a_kind_of_mean_that_is_not_there_is_named():
    with pytest.raises(indicators.Unsupported, match="atr with a kind of mean"):
        api.QCAlgorithm().atr("A", 14, "wilders")


FOLLOWING = """
from AlgorithmImports import *


class Following(QCAlgorithm):
    def Initialize(self):
        self.symbol = self.AddEquity("A", Resolution.Daily).Symbol
        self.range = self.ATR(self.symbol, 5)
        self.window = RollingWindow[float](2)
        self.told = 0

    def OnData(self, data):
        self.window.Add(data[self.symbol].Close)
        if self.window.IsReady and self.range.IsReady and not self.Portfolio.Invested:
            self.MarketOrder(self.symbol, 10)

    def OnOrderEvent(self, event):
        if event.Status == OrderStatus.Filled and event.FillQuantity > 0:
            self.MarketOrder(event.Symbol, -event.FillQuantity)
"""


@pytest.mark.skipif(not sandbox.is_available(), reason="this system has no sandbox")
def test_a_strategy_hears_of_its_fills_and_orders_on_them():
    dates = np.datetime64("2020-01-01") + np.arange(DAYS)
    names = ("open", "high", "low", "close")
    fields: dict[str, np.ndarray] = {name: np.array(BARS[[name]]) for name in names}
    panel = Panel(dates, ("A",), {**fields, "volume": np.full((DAYS, 1), 1e6)})
    found = running.judge(FOLLOWING, panel, check_types=False)
    assert found.outcome == "backtested", found.detail
    assert found.orders > 10
