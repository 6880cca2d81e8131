"""The laws of the allocation layer: no look ahead, no gain from cost, no order of assets."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.labs.signals import portfolio
from radiance.labs.signals.settings import PortfolioSettings
from tests.example_counts import examples

ROWS, DAYS, ASSETS = 2, 25, 4


@st.composite
def markets(draw: Any) -> dict[str, np.ndarray]:
    source = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    returns = 0.02 * source.standard_normal((ROWS, DAYS, ASSETS))
    return {
        "expected": 0.002 * source.standard_normal((ROWS, DAYS, ASSETS)),
        "returns": returns,
        "spread": 1 + source.exponential(size=(ROWS, DAYS)),
        "event": source.random((ROWS, DAYS)) < 0.2,
    }


knobs = st.builds(
    PortfolioSettings,
    rebalance=st.sampled_from(["daily", "every", "threshold", "event"]),
    every_days=st.integers(1, 10),
    threshold=st.floats(0, 1),
    speed=st.floats(0.05, 1),
    spread_bps=st.floats(0, 100),
    impact_bps=st.floats(0, 500),
    qualification=st.sampled_from([0.0, 0.5, 2.0]),
    max_net=st.floats(0, 1),
    max_gross=st.floats(0.1, 3),
)


def trade(market: dict[str, np.ndarray], settings: PortfolioSettings) -> portfolio.Outcome:
    volatility = portfolio.estimate_volatility(market["returns"], 0.02)
    return portfolio.simulate(
        market["expected"],
        market["returns"],
        volatility,
        market["spread"],
        market["event"],
        settings,
    )


@examples(60)
@given(markets(), knobs, st.integers(0, DAYS - 1), st.integers(0, 2**32 - 1))
def test_what_comes_after_a_day_changes_no_position_up_to_it(market, knob, day, seed):
    before = trade(market, knob)
    source = np.random.default_rng(seed)
    changed = {name: values.copy() for name, values in market.items()}
    # The return after close t is not known at t; all else of the days after it neither.
    changed["returns"][:, day:] = 0.5 * source.standard_normal(changed["returns"][:, day:].shape)
    for name in ("expected", "spread", "event"):
        changed[name][:, day + 1 :] = changed[name][:, day + 1 :][:, ::-1]
    after = trade(changed, knob)
    assert np.array_equal(before.weights[:, : day + 1], after.weights[:, : day + 1])
    assert np.array_equal(before.costs[:, : day + 1], after.costs[:, : day + 1])


@examples(60)
@given(markets(), knobs)
def test_costs_never_raise_what_is_earned(market, knob):
    found = trade(market, knob)
    assert (found.costs >= 0).all()
    gross = np.prod(np.maximum(1 + found.returns + found.costs, 1e-6), axis=1)
    assert (found.equity[:, -1] <= gross + 1e-12).all()


@examples(40)
@given(markets(), knobs, st.floats(1, 10))
def test_dearer_trades_of_the_same_positions_earn_less(market, knob, factor):
    import msgspec

    cheap = msgspec.structs.replace(knob, qualification=0.0)
    dear = msgspec.structs.replace(
        cheap, spread_bps=cheap.spread_bps * factor, impact_bps=cheap.impact_bps * factor
    )
    first, second = trade(market, cheap), trade(market, dear)
    assert np.array_equal(first.weights, second.weights)
    assert (second.equity <= first.equity + 1e-12).all()


@examples(60)
@given(markets(), knobs, st.permutations(range(ASSETS)))
def test_the_order_of_assets_does_not_matter(market, knob, order):
    turned = {
        name: values[:, :, list(order)] if values.ndim == 3 else values
        for name, values in market.items()
    }
    first, second = trade(market, knob), trade(turned, knob)
    assert np.array_equal(first.weights[:, :, list(order)], second.weights)
    assert np.array_equal(first.equity, second.equity)


@examples(60)
@given(markets(), knobs)
def test_targets_keep_the_limits(market, knob):
    volatility = portfolio.estimate_volatility(market["returns"], 0.02)
    for day in range(DAYS):
        target, _ = portfolio._target(market["expected"][:, day], volatility[:, day], knob)
        assert (np.abs(target) <= knob.max_weight + 1e-9).all()
        assert (np.abs(target).sum(axis=1) <= knob.max_gross + 1e-9).all()
        assert (np.abs(target.sum(axis=1)) <= knob.max_net + 1e-9).all()


def test_policies_trade_when_they_say() -> None:
    source = np.random.default_rng(0)
    market = {
        "expected": 0.002 * source.standard_normal((1, DAYS, ASSETS)),
        "returns": np.zeros((1, DAYS, ASSETS)),
        "spread": np.ones((1, DAYS)),
        "event": np.arange(DAYS)[None] == 7,
    }
    days = {
        name: np.flatnonzero(
            trade(market, PortfolioSettings(rebalance=name, every_days=5)).turnover[0]
        )
        for name in ("daily", "every", "event")
    }
    assert days["daily"].tolist() == list(range(DAYS))
    assert days["every"].tolist() == [0, 5, 10, 15, 20]
    assert days["event"].tolist() == [0, 5, 7, 10, 15, 20]
    never = trade(market, PortfolioSettings(rebalance="threshold", threshold=4.0))
    assert not never.turnover.any()
    assert not trade(market, PortfolioSettings(qualification=100.0, spread_bps=500)).turnover.any()


def test_figures_are_those_worked_by_hand() -> None:
    """One asset, forecasts of one sign, no limit in the way: every figure on paper."""
    settings = PortfolioSettings(
        speed=1.0, spread_bps=10, impact_bps=0, max_weight=4, max_gross=4, max_net=4,
        target_volatility=0.01 * np.sqrt(252),
    )  # fmt: skip
    volatility = np.full((1, 3, 1), 0.01)
    found = portfolio.simulate(
        np.full((1, 3, 1), 0.001),
        np.array([0.02, -0.04, 0.0])[None, :, None],
        volatility,
        np.ones((1, 3)),
        np.zeros((1, 3), dtype=bool),
        settings,
    )
    assert np.allclose(found.weights[0, :, 0], 1.0)
    assert np.allclose(found.turnover[0], [1.0, 0.0, 0.0])
    assert np.allclose(found.returns[0], [0.02 - 0.0005, -0.04, 0.0])
    assert found.equity[0, -1] == pytest.approx(1.0195 * 0.96)
    assert portfolio.max_drawdown(found)[0] == pytest.approx(-0.04)
    assert portfolio.cvar(found.returns)[0] == pytest.approx(-0.04)
    assert portfolio.worst_day(found.returns, np.array([[True, False, True]]))[0] == 0.0


def test_sharpe_of_too_few_days_is_not_given() -> None:
    returns = np.array([[0.01, -0.01, 0.02, 0.01, 0.0, 0.01]])
    every = np.ones_like(returns, dtype=bool)
    expected = returns.mean() / returns.std(ddof=1) * np.sqrt(252)
    assert portfolio.sharpe_ratio(returns, every)[0] == pytest.approx(expected)
    every[0, :3] = False
    assert np.isnan(portfolio.sharpe_ratio(returns, every)[0])
