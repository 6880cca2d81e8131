"""Bounds hold as often as they say, also on the skewed data they are meant for."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from radiance.gate import intervals

values = arrays.arrays(
    np.float64, st.integers(2, 60), elements=st.floats(-8, 8, allow_subnormal=False)
)


@pytest.mark.parametrize(
    ("freedom", "table"), [(1, 6.3138), (2, 2.9200), (3, 2.3534), (10, 1.8125), (99, 1.6604)]
)
def test_quantile_of_t_is_the_table_s(freedom: int, table: float) -> None:
    assert intervals.t_quantile(0.95, freedom) == pytest.approx(table, abs=5e-5)
    assert intervals.t_quantile(0.05, freedom) == pytest.approx(-table, abs=5e-5)


@given(values, st.floats(0.6, 0.99))
def test_mean_lies_between_its_bounds(x: np.ndarray, confidence: float) -> None:
    found = intervals.mean(x, confidence)
    assert found.value == pytest.approx(x.mean())
    assert found.low <= found.value <= found.high
    tail = intervals.tail_mean(x, 0.1, confidence)
    assert tail.low <= tail.value <= tail.high
    assert tail.value >= found.value - 1e-9


@given(values, st.floats(-4, 4), st.floats(0.1, 10))
def test_bounds_of_a_mean_move_with_the_data(x: np.ndarray, shift: float, scale: float) -> None:
    if x.std() < 1e-3:
        return
    plain = intervals.mean(x, 0.95)
    moved = intervals.mean(shift + scale * x, 0.95)
    assert moved.high == pytest.approx(shift + scale * plain.high, rel=1e-4, abs=1e-4)
    assert moved.low == pytest.approx(shift + scale * plain.low, rel=1e-4, abs=1e-4)


@given(values)
def test_mirrored_data_have_mirrored_bounds(x: np.ndarray) -> None:
    plain, mirrored = intervals.mean(x, 0.95), intervals.mean(-x, 0.95)
    assert mirrored.high == pytest.approx(-plain.low, rel=1e-6, abs=1e-6)


def test_upper_bound_misses_a_skewed_mean_hardly_more_often_than_it_says() -> None:
    """Anchors of which one in ten breaks by about a nat; plain t misses in 9 % instead of 5 %."""
    generator = np.random.default_rng(0)
    drawn = generator.exponential(1.0, (2000, 100)) * (generator.random((2000, 100)) < 0.1)
    truth = 0.1
    misses = np.mean([intervals.mean(row, 0.95).high < truth for row in drawn])
    t = intervals.t_quantile(0.95, 99)
    plain = np.mean(drawn.mean(axis=1) + t * drawn.std(axis=1, ddof=1) / 10 < truth)
    assert misses < 0.07 < plain


def test_tail_mean_is_the_mean_of_the_worst() -> None:
    x = np.random.default_rng(1).exponential(1.0, 200)
    found = intervals.tail_mean(x, 0.1, 0.95)
    assert found.value == pytest.approx(np.sort(x)[-20:].mean())
    assert intervals.tail_mean(x, 1.0, 0.95).value == pytest.approx(x.mean())
    # Of 25 values the worst tenth is two and a half.
    ordered = np.arange(25.0)
    assert intervals.tail_mean(ordered, 0.1, 0.95).value == pytest.approx((24 + 23 + 11) / 2.5)


def test_what_cannot_be_bounded_says_so() -> None:
    assert intervals.mean([3.0], 0.95) == intervals.Estimate(3.0, -math.inf, math.inf)
    assert intervals.mean([0.5] * 9, 0.95) == intervals.Estimate(0.5, 0.5, 0.5)


@given(st.integers(1, 400), st.data(), st.floats(0.6, 0.99))
def test_proportion_s_bounds_are_exact(trials: int, data: st.DataObject, confidence: float) -> None:
    """At a bound, what was seen or worse has exactly the probability that is left over."""
    hits = data.draw(st.integers(0, trials))
    found = intervals.proportion(hits, trials, confidence)
    assert found.low <= found.value <= found.high
    if hits < trials:
        assert _at_most(hits, trials, found.high) == pytest.approx(1 - confidence, rel=1e-6)
    if hits:
        assert 1 - _at_most(hits - 1, trials, found.low) == pytest.approx(1 - confidence, rel=1e-6)


@given(st.integers(1, 400), st.data(), st.floats(0.6, 0.99))
def test_bounds_of_proportions_are_scipy_s(
    trials: int, data: st.DataObject, confidence: float
) -> None:
    from scipy import stats  # slow to import, and every worker collects

    hits = data.draw(st.integers(0, trials))
    reference = stats.binomtest(hits, trials)
    for bounds, method in ((intervals.proportion, "exact"), (intervals.wilson, "wilson")):
        found = bounds(hits, trials, confidence)
        expected = reference.proportion_ci(2 * confidence - 1, method)
        assert (found.low, found.high) == pytest.approx(tuple(expected), rel=1e-9, abs=1e-12)


@given(values, values, st.floats(0.6, 0.99))
def test_bounds_of_a_difference_are_scipy_s(
    first: np.ndarray, second: np.ndarray, confidence: float
) -> None:
    from scipy import stats

    if min(first.std(), second.std()) < 1e-3:
        return
    found = intervals.difference(first, second, confidence)
    test = stats.ttest_ind(second, first, equal_var=False)
    expected = test.confidence_interval(2 * confidence - 1)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-6)


def _at_most(hits: int, trials: int, p: float) -> float:
    return sum(math.comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(hits + 1))


def test_a_difference_of_too_few_or_of_equal_values() -> None:
    alone = intervals.difference([1.0], [4.0, 5.0], 0.95)
    assert (alone.value, alone.low, alone.high) == (3.5, -math.inf, math.inf)
    steady = intervals.difference([1.0, 1.0], [3.0, 3.0, 3.0], 0.95)
    assert (steady.value, steady.low, steady.high) == (2.0, 2.0, 2.0)
