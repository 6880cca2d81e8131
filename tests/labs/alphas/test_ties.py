"""What is equal in exact arithmetic is equal here: against integers, in every cell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.labs.alphas.values.evaluator import Evaluator
from radiance.labs.alphas.values.panel import Panel

DAYS, SYMBOLS = 60, 12


def market(seed: int) -> Panel:
    """Prices of few values, so that ranks tie often, and windows of ranks lie still."""
    rng = np.random.default_rng(seed)
    fields = {
        name: np.repeat(rng.integers(10, 16, (DAYS // 3, SYMBOLS)), 3, axis=0).astype(float)
        for name in ("open", "high", "low", "close", "volume")
    }
    dates = np.datetime64("2020-01-01") + np.arange(DAYS)
    return Panel(dates, tuple("ABCDEFGHIJKL"), fields)


def twice_ranked(values: np.ndarray) -> np.ndarray:
    """Twice the mean rank in each row, a whole number: ``rank`` times 2 * SYMBOLS."""
    below = (values[:, None, :] < values[:, :, None]).sum(axis=2)
    equal = (values[:, None, :] == values[:, :, None]).sum(axis=2)
    return 2 * below + equal + 1


def over(days: int, function, *arrays: np.ndarray) -> np.ndarray:
    """A whole number of each window; days before the first full one are left out."""
    return np.array(
        [function(*(x[t - days + 1 : t + 1] for x in arrays)) for t in range(days - 1, DAYS)]
    )


def covariance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The covariance of whole numbers, times what all have in common."""
    return len(x) * (x * y).sum(axis=0) - x.sum(axis=0) * y.sum(axis=0)


def ranks(panel: Panel) -> dict[str, np.ndarray]:
    return {name: twice_ranked(values.astype(int)) for name, values in panel.fields.items()}


CASES = {
    "rank(rank(close) + rank(open) - rank(high) - rank(low))": lambda r: (
        r["close"] + r["open"] - r["high"] - r["low"]
    ),
    "rank(rank(close) - rank(open) * 0.5 - rank(high) * 0.5)": lambda r: (
        2 * r["close"] - r["open"] - r["high"]
    ),
    "rank(covariance(rank(close), rank(volume), 5))": lambda r: over(
        5, covariance, r["close"], r["volume"]
    ),
    "rank(covariance(rank(high), rank(volume), 5))": lambda r: over(
        5, covariance, r["high"], r["volume"]
    ),
    "rank(sum(rank(close) - rank(open), 4))": lambda r: over(
        4, lambda x: x.sum(axis=0), r["close"] - r["open"]
    ),
    "rank(decay_linear(rank(close) - rank(open), 3))": lambda r: over(
        3, lambda x: x[0] + 2 * x[1] + 3 * x[2], r["close"] - r["open"]
    ),
    "rank(delta(rank(close), 4))": lambda r: r["close"][4:] - r["close"][:-4],
    "rank(normalize(rank(close) * rank(open)))": lambda r: (
        SYMBOLS * r["close"] * r["open"] - (r["close"] * r["open"]).sum(axis=1, keepdims=True)
    ),
}


@pytest.mark.parametrize("text", CASES)
@given(seed=st.integers(0, 2**32))
def test_ranks_are_those_of_whole_numbers_in_every_cell(text, seed):
    panel = market(seed)
    exact = twice_ranked(CASES[text](ranks(panel))) / (2 * SYMBOLS)
    found = Evaluator(panel).evaluate(text)[-len(exact) :]
    np.testing.assert_array_equal(found, exact)


@given(seed=st.integers(0, 2**32))
def test_what_is_zero_in_whole_numbers_equals_zero(seed):
    panel = market(seed)
    r = ranks(panel)
    found = Evaluator(panel).evaluate("rank(close) + rank(open) - rank(high) - rank(low) == 0")
    np.testing.assert_array_equal(found, r["close"] + r["open"] - r["high"] - r["low"] == 0)
    moved = over(4, covariance, r["close"], r["open"])
    correlated = Evaluator(panel).evaluate("correlation(rank(close), rank(open), 4)")[3:]
    np.testing.assert_array_equal(np.sign(correlated)[np.isfinite(correlated)],
                                  np.sign(moved)[np.isfinite(correlated)])  # fmt: skip
