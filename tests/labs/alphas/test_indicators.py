"""Indicators of strategies beside plain pandas, and what is told of orders."""

import numpy as np
import pandas as pd
import pytest

from radiance.labs.alphas.strategies import api, composing, indicators, market, running
from radiance.labs.alphas.values.panel import Panel
from tests.labs.alphas.sandboxed import needs_sandbox

DAYS = 80


def bars() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, DAYS)))
    opened = close * np.exp(rng.normal(0, 0.01, DAYS))
    high, low = np.maximum(opened, close) * 1.01, np.minimum(opened, close) * 0.99
    return pd.DataFrame({"open": opened, "high": high, "low": low, "close": close})


BARS = bars()
C, H, L = BARS["close"], BARS["high"], BARS["low"]
RANGE = pd.Series(np.fmax(H, C.shift(1)) - np.fmin(L, C.shift(1)))
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


def ema(values: pd.Series, days: int) -> pd.Series:
    """Begun with the mean of the first days, then recursive over all that follow."""
    begun = values.copy()
    begun[days - 1] = values[:days].mean()
    found = begun[days - 1 :].ewm(alpha=2 / (days + 1), adjust=False).mean()
    return found.reindex(values.index)


def macd() -> pd.Series:
    return ema(C, 5) - ema(C, 12)


CASES = {
    "ema": ((9,), lambda: ema(C, 9)),
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
    "atr": ((14,), lambda: RANGE.rolling(14).mean()),
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
    np.testing.assert_allclose(fed(indicator)[0], np.asarray(oracle()), rtol=1e-9, atol=1e-9)


def fed(indicator, *parts) -> list[list[float]]:
    """An indicator's values by day, and those of its parts, NaN where one is not ready."""
    found: list[list[float]] = [[] for _ in range(1 + len(parts))]
    for row in BARS.to_numpy().tolist():
        indicator.update(market.Bar("A", None, [*row, 1.0]))
        for values, one in zip(found, (indicator, *parts), strict=True):
            values.append(float(one) if one.is_ready else np.nan)
    return found


def test_a_mean_with_all_history_forgets_nothing_however_long_it_runs():
    rng = np.random.default_rng(5)
    values = pd.Series(50 * np.exp(np.cumsum(rng.normal(0, 0.02, 3_000))))
    mean = indicators.Ema(200)
    found = []
    for value in values.tolist():
        mean.feed(value)
        found.append(float(mean) if mean.is_ready else np.nan)
    np.testing.assert_allclose(found, np.asarray(ema(values, 200)), rtol=1e-12)


def test_macd_has_its_signal_from_the_day_both_means_are_ready():
    indicator = api.QCAlgorithm().macd("A", 5, 12, 4, indicators.MovingAverageType.EXPONENTIAL)
    line, signal, histogram = fed(indicator, indicator.signal, indicator.histogram)
    known = macd().dropna().reset_index(drop=True)
    expected = np.concatenate([np.full(11, np.nan), np.asarray(ema(known, 4))])
    np.testing.assert_allclose(signal, expected, rtol=1e-9)
    ready = np.isfinite(expected)
    np.testing.assert_allclose(line, np.where(ready, macd(), np.nan), rtol=1e-9)
    np.testing.assert_allclose(histogram, np.asarray(line) - expected, rtol=1e-9, atol=1e-12)


def test_bollinger_bands_equal_pandas():
    indicator = api.QCAlgorithm().bb("A", 10, 1.5)
    found = fed(indicator, indicator.lower_band, indicator.middle_band, indicator.upper_band)
    middle, spread = C.rolling(10).mean(), 1.5 * C.rolling(10).std(ddof=0)
    for values, expected in zip(found[1:], (middle - spread, middle, middle + spread), strict=True):
        np.testing.assert_allclose(values, expected, rtol=1e-9)


def test_an_indicator_of_ones_own_is_fed_by_time_and_value_or_bar():
    made = indicators.CLASSES
    plain, named = made["SimpleMovingAverage"](3), made["ExponentialMovingAverage"]("mine", 3)
    for value in (1.0, 2.0, 6.0):
        plain.update(None, value)
        named.update(indicators.IndicatorDataPoint(None, value))
    assert (float(plain), float(named), named.is_ready) == (3.0, 3.0, True)
    ranged = made["AverageTrueRange"](14)
    np.testing.assert_allclose(fed(ranged)[0], wilder_range(), rtol=1e-9)
    with pytest.raises(indicators.Unsupported, match="of bars"):
        ranged.update(None, 3.0)


def test_a_delay_is_the_value_so_many_days_ago_also_of_another_indicator():
    late, mean = composing.Delay(3), indicators.CLASSES["SimpleMovingAverage"](2)
    composed = composing.IndicatorExtensions.of(composing.Delay("of a mean", 1), mean)
    told = []
    for value in (1.0, 3.0, 5.0, 7.0, 9.0):
        late.update(None, value)
        mean.update(None, value)
        told.append((float(late), late.is_ready, float(composed), composed.is_ready))
    assert told == [
        (1.0, False, 0.0, False),
        (1.0, False, 2.0, False),
        (1.0, False, 2.0, True),
        (1.0, True, 4.0, True),
        (3.0, True, 6.0, True),
    ]
    with pytest.raises(indicators.Unsupported, match="two indicators"):
        composing.IndicatorExtensions.of(late, 3)


def wilder_range() -> pd.Series:
    begun = RANGE.copy()
    begun[13] = RANGE[:14].mean()
    return begun[13:].ewm(alpha=1 / 14, adjust=False).mean().reindex(RANGE.index)


@pytest.mark.parametrize(
    ("name", "arguments", "further"),
    [
        ("sma", (5, market.Resolution.HOUR), {}),
        ("sma", (5,), {"resolution": market.Resolution.MINUTE}),
        ("sma", (5, None, lambda bar: bar.high), {}),
        ("rsi", (5, indicators.MovingAverageType.SIMPLE), {}),
        ("macd", (5, 9, 3), {"moving_average_type": indicators.MovingAverageType.WILDERS}),
    ],
)
def test_what_an_indicator_cannot_be_made_of_is_unsupported(name, arguments, further):
    with pytest.raises(indicators.Unsupported, match=name):
        getattr(api.QCAlgorithm(), name)("A", *arguments, **further)


def test_a_rolling_window_has_the_newest_first():
    window = indicators.RollingWindow[float](3)
    for value in range(5):
        window.add(value)
        assert window.is_ready == (value >= 2)
    assert list(window) == [4, 3, 2]
    assert (window[0], window.Count, len(window)) == (4, 3, 3)


def test_a_kind_of_mean_that_is_not_there_is_named():
    with pytest.raises(indicators.Unsupported, match="atr with this kind of mean"):
        api.QCAlgorithm().atr("A", 14, "hull")


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


@needs_sandbox
def test_a_strategy_hears_of_its_fills_and_orders_on_them():
    dates = np.datetime64("2020-01-01") + np.arange(DAYS)
    names = ("open", "high", "low", "close")
    fields: dict[str, np.ndarray] = {name: np.array(BARS[[name]]) for name in names}
    panel = Panel(dates, ("A",), {**fields, "volume": np.full((DAYS, 1), 1e6)})
    found = running.judge(FOLLOWING, panel, check_types=False)
    assert found.outcome == "backtested", found.detail
    assert found.orders > 10
