"""Positions and what they earn: by hand, by another library, and by what must always hold."""

import importlib
import math
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.errors import RequestError
from radiance.labs.alphas.results.backtest import Backtester, Trading, book, positions
from radiance.labs.alphas.results.performance import (
    Performance,
    deflated_sharpe,
    drawdown,
    expected_best_sharpe,
    sharpe_ratio,
)
from radiance.labs.alphas.strategies.running import FilledOrder, account
from radiance.labs.alphas.values.evaluator import Evaluator
from radiance.labs.alphas.values.panel import Panel, read
from radiance.labs.signals import bars as signal_bars

SEEDS = st.integers(0, 2**32)


def panel(days: int = 60, symbols: int = 8, seed: int = 0) -> Panel:
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (days, symbols)), axis=0))
    close[rng.random(close.shape) < 0.03] = np.nan
    fields = dict.fromkeys(("open", "high", "low", "close"), close)
    volume = rng.integers(1_000, 9_000, close.shape).astype(float)
    groups = {"sector": np.arange(symbols) % 2}
    dates = np.datetime64("2020-01-01") + np.arange(days)
    names = tuple(f"S{number}" for number in range(symbols))
    return Panel(dates, names, {**fields, "volume": volume}, groups)


def values(seed: int, days: int = 60, symbols: int = 8) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = rng.normal(size=(days, symbols))
    found[rng.random(found.shape) < 0.1] = np.nan
    return found


def test_two_symbols_by_hand():
    close = np.array([[100.0, 100.0], [110.0, 100.0], [110.0, 90.0], [121.0, 90.0]])
    fields = dict.fromkeys(("open", "high", "low", "close"), close)
    data = Panel(
        np.datetime64("2020-01-01") + np.arange(4),
        ("A", "B"),
        {**fields, "volume": np.full((4, 2), 1e6)},
    )
    signal = np.array([[2.0, 1.0], [2.0, 1.0], [1.0, 2.0], [1.0, 2.0]])
    found = Backtester(data).backtest(signal, Trading(truncation=0.5, cost_bps=10))
    np.testing.assert_allclose(found.weights, [[0, 0], [0.5, -0.5], [0.5, -0.5], [-0.5, 0.5]])
    np.testing.assert_allclose(found.gross, [0, 0.05, 0.05, -0.05])
    # Day 2: 0.55 / 1.05 and -0.5 / 1.05 are held before it is rebalanced.
    second = abs(0.5 - 0.55 / 1.05) + abs(-0.5 + 0.5 / 1.05)
    third = abs(-0.5 - 0.5 / 1.05) + abs(0.5 + 0.45 / 1.05)
    np.testing.assert_allclose(found.turnover, [0, 1, second, third])
    np.testing.assert_allclose(found.costs, found.turnover * 1e-3)
    assert found.performance.days == 3
    assert found.performance.turnover == pytest.approx((1 + second + third) / 3)


def test_the_profit_is_that_of_another_library_on_the_same_weights(market):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bt = pytest.importorskip("bt", reason="bt (group peers) is not installed")
        importlib.import_module("ffn")
        data = market.columns(np.arange(0, 150, 5)).rows(1000, 1300)
        signal = Evaluator(data).evaluate("-1 * rank(delta(close, 5)) * rank(volume)")
        found = Backtester(data).backtest(signal, Trading(cost_bps=0))
        prices = pd.DataFrame(data.total_close, pd.DatetimeIndex(data.dates), list(data.symbols))
        # What is held on a day was bought at the close before it.
        wanted = pd.DataFrame(found.weights[1:], prices.index[:-1], prices.columns)
        strategy = bt.Strategy("ours", [bt.algos.WeighTarget(wanted), bt.algos.Rebalance()])
        theirs = bt.Backtest(
            strategy, prices, integer_positions=False, initial_capital=1e6, progress_bar=False
        )
        bt.run(theirs)
        value = theirs.strategy.values.to_numpy()
    # bt puts a day before the first; values in dollars, hence relative to them.
    returns = value[2:] / value[1:-1] - 1
    np.testing.assert_allclose(found.gross[1:], returns, rtol=0, atol=1e-12)
    assert np.abs(found.gross).max() > 1e-3


@given(seed=SEEDS, level=st.sampled_from(["none", "market", "sector"]), most=st.floats(0.05, 1))
def test_a_book_is_neutral_of_size_one_and_truncated(seed, level, most):
    data = panel()
    signal = values(seed)
    found = positions(signal, data, Trading(neutralization=level, truncation=most))
    sizes = np.abs(found).sum(axis=1)
    assert (np.abs(found) <= most * (1 + 1e-9)).all()
    assert (sizes <= 1 + 1e-9).all()
    has_bar = np.isfinite(data.fields["close"])  # on a halt what was known before counts
    assert (found[np.isnan(signal) & has_bar] == 0).all()
    untouched = Trading(neutralization=level, truncation=1.0)
    whole = positions(signal, data, untouched)
    usable = np.abs(whole).sum(axis=1) > 0
    np.testing.assert_allclose(np.abs(whole).sum(axis=1)[usable], 1)
    if level != "none":
        np.testing.assert_allclose(whole.sum(axis=1), 0, atol=1e-9)
    if level == "sector":
        np.testing.assert_allclose(whole[:, ::2].sum(axis=1), 0, atol=1e-9)


@given(seed=SEEDS, day=st.integers(1, 59), delay=st.integers(1, 4), decay=st.integers(1, 5))
def test_positions_use_no_later_data(seed, day, delay, decay):
    data, signal = panel(), values(seed)
    trading = Trading(delay=delay, decay=decay)
    whole = Backtester(data).backtest(signal, trading)
    changed = signal.copy()
    changed[day:] = values(seed + 1)[day:]
    other = Backtester(data).backtest(changed, trading)
    np.testing.assert_array_equal(other.weights[: day + delay], whole.weights[: day + delay])
    cut = Backtester(data.rows(0, day)).backtest(signal[:day], trading)
    np.testing.assert_allclose(cut.net, whole.net[:day], atol=1e-15)


@given(seed=SEEDS, dearer=st.floats(0, 100), scale=st.floats(1e-3, 1e3))
def test_costs_take_and_the_size_of_the_values_does_not_matter(seed, dearer, scale):
    market, signal = Backtester(panel()), values(seed)
    free = market.backtest(signal, Trading(cost_bps=0))
    paid = market.backtest(signal, Trading(cost_bps=dearer))
    assert (paid.net <= free.net).all()
    np.testing.assert_allclose(free.net, free.gross)
    larger = market.backtest(signal * scale, Trading(cost_bps=0))
    np.testing.assert_allclose(larger.weights, free.weights, atol=1e-12)


def test_holding_what_drifted_trades_nothing():
    returns = np.array([[0.1, -0.2], [0.3, 0.05], [0.0, 0.1]])
    weights = [np.array([0.6, 0.4])]
    for day in returns[:-1]:
        weights.append(weights[-1] * (1 + day) / (1 + weights[-1] @ day))
    gross, turnover = book(np.array(weights), returns)
    np.testing.assert_allclose(turnover, [1, 0, 0], atol=1e-15)
    np.testing.assert_allclose(np.prod(1 + gross), 0.6 * 1.43 + 0.4 * 0.8 * 1.05 * 1.1)


def test_knowing_tomorrow_shows_in_every_figure():
    data = panel(days=300)
    market = Backtester(data)
    tomorrow = np.vstack([market.returns[1:], np.zeros((1, 8))])
    found = market.backtest(tomorrow, Trading(cost_bps=0)).performance
    assert found.ic is not None
    assert found.ic > 0.99
    assert found.sharpe is not None
    assert found.sharpe > 20
    assert found.capacity_usd is not None
    assert 1e3 < found.capacity_usd < 1e5  # a hundredth of some $250,000 a day, for shares traded
    assert found.drawdown < 0.01
    nothing = market.backtest(np.full(data.shape, np.nan)).performance
    assert (nothing.days, nothing.sharpe, nothing.ic, nothing.capacity_usd) == (0, None, None, None)


def test_ratios_are_the_textbooks():
    returns = np.array([0.01, -0.02, 0.03, 0.0])
    assert sharpe_ratio(returns) == pytest.approx(
        returns.mean() / returns.std(ddof=1) * math.sqrt(252)
    )
    assert sharpe_ratio(np.zeros(5)) is None
    assert drawdown(np.array([0.1, -0.5, 0.2, -0.4, 0.9])) == pytest.approx(1 - 0.5 * 1.2 * 0.6)


def test_the_deflated_sharpe_ratio_is_that_of_its_paper():
    # Bailey and López de Prado (2014), the example of section 4: 5 years, 100 trials.
    found = Performance(1250, 2.5 * math.sqrt(252 / 250), *[0.0] * 9, skewness=-3, kurtosis=10)
    luck = expected_best_sharpe(100, math.sqrt(0.5 / 250))
    assert luck == pytest.approx(0.1132, abs=1e-4)
    spread = math.sqrt(0.5 * 252 / 250)
    others = [spread * value for value in (-1 / math.sqrt(2), 1 / math.sqrt(2))]
    assert np.std(others, ddof=1) == pytest.approx(spread)
    assert deflated_sharpe(found, 100, others) == pytest.approx(0.9004, abs=1e-3)
    chances = [deflated_sharpe(found, trials) or 0.0 for trials in (1, 10, 1000)]
    assert chances == sorted(set(chances), reverse=True)


@pytest.mark.parametrize("days", [1, 5, 40])
def test_a_halt_is_borne_by_the_holder(days):
    """A share that halves while it has no bars costs what it would with bars that stand still."""
    rng = np.random.default_rng(3)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, (120, 6)), axis=0))
    halted = slice(60, 60 + days)
    still = close.copy()
    still[halted, 2] = close[59, 2]
    still[60 + days :, 2] /= 2
    gone = still.copy()
    gone[halted, 2] = np.nan
    signal = np.zeros(close.shape)
    signal[:, 2] = 1.0
    dates = np.datetime64("2020-01-01") + np.arange(len(close))
    found = []
    for prices in (still, gone):
        fields = dict.fromkeys(("open", "high", "low", "close"), prices)
        volume = np.where(np.isfinite(prices), 1e6, np.nan)
        data = Panel(dates, tuple("ABCDEF"), {**fields, "volume": volume})
        given = np.where(np.isfinite(prices), signal, np.nan)
        found.append(Backtester(data).backtest(given, Trading(truncation=1)))
    np.testing.assert_allclose(found[1].net, found[0].net, atol=1e-12)
    assert found[1].gross[60 + days] < -0.2


@pytest.mark.parametrize("lost", [-0.3, -1.0, 0.0])
def test_a_share_that_leaves_the_market_costs_its_holder_the_delisting_return(lost):
    close = np.full((12, 3), 10.0)
    close[3:, 0] = np.nan
    fields = dict.fromkeys(("open", "high", "low", "close"), close)
    data = Panel(
        np.datetime64("2020-01-01") + np.arange(12),
        ("A", "B", "C"),
        {**fields, "volume": np.full(close.shape, 1e6)},
    )
    signal = np.where(np.isfinite(close), [[2.0, 1.0, 0.0]], np.nan)
    found = Backtester(data).backtest(signal, Trading(truncation=1, delisting_return=lost))
    assert found.weights[3, 0] > 0
    assert not found.weights[4:, 0].any()
    np.testing.assert_allclose(
        found.gross, np.where(np.arange(12) == 3, found.weights[3, 0] * lost, 0)
    )


def test_a_share_that_lacks_the_newest_bars_has_not_left():
    close = np.full((12, 3), 10.0)
    close[9:, 0] = np.nan
    fields = dict.fromkeys(("open", "high", "low", "close"), close)
    dates = np.datetime64("2020-01-01") + np.arange(12)
    data = Panel(dates, ("A", "B", "C"), {**fields, "volume": np.full(close.shape, 1e6)})
    signal = np.where(np.isfinite(close), [[2.0, 1.0, 0.0]], np.nan)
    found = Backtester(data).backtest(signal, Trading(truncation=1))
    assert (found.weights[2:, 0] > 0).all()
    assert not found.gross.any()


def test_the_same_halt_and_delisting_cost_the_same_in_the_desk_the_strategies_and_the_signal_lab(
    tmp_path,
):
    """A third of the book in each of three shares: one halves in a halt, one leaves the market."""
    rng = np.random.default_rng(0)
    days = 700
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, (days, 5)), axis=0))
    close[600:605, 0] = np.nan
    close[605:, 0] *= 0.5
    close[650:, 1] = np.nan
    dates = np.datetime64("2018-01-01") + np.arange(days)
    path = tmp_path / "bars.csv"
    rows = ["date,symbol,open,high,low,close,volume"]
    rows += [
        f"{dates[day]},{name},{price},{price},{price},{price},1000"
        for day in range(days)
        for name, price in zip("ABCDE", close[day].tolist(), strict=True)
        if price == price
    ]
    path.write_text("\n".join(rows))
    data = read(path)
    held = np.zeros(close.shape)
    held[:, :2] = 0.5
    desk = Backtester(data)
    desk.backtest(held, Trading())  # the delisting return is the default's
    earned = 1 + desk.returns[500:]
    bars = signal_bars.read_bars(path, 5, 252, least_coverage=0.2)
    lab = 1 + signal_bars.next_returns(bars)[499:-1]
    fills = [FilledOrder(499, 0, 10.0), FilledOrder(499, 1, 10.0)]
    equity = account(fills, data, 0.0)
    for column in range(2):
        one = account([FilledOrder(499, column, 10.0)], data, 0.0)
        alone = (one[499:] - one[499] + 10 * close[499, column]) / (10 * close[499, column])
        np.testing.assert_allclose(np.cumprod(earned[:, column]), alone[1:], rtol=1e-9)
        np.testing.assert_allclose(np.cumprod(lab[:, column]), alone[1:], rtol=1e-9)
        assert alone.min() < 0.75
    assert equity[-1] < equity[499]
    assert earned[105, 0] < 0.7  # the day on which it is traded again
    assert earned[150, 1] == pytest.approx(0.7)


@pytest.mark.parametrize("level", ["sector", "industry", "subindustry"])
def test_neutral_within_groups_that_nobody_gave_is_an_error(level):
    data = panel()
    bare = Panel(data.dates, data.symbols, data.fields)
    with pytest.raises(RequestError, match=f"neutralization .*{level}.* no groups"):
        Backtester(bare).backtest(values(0), Trading(neutralization=level))
    assert Backtester(bare).backtest(values(0), Trading(neutralization="market")).gross.any()
