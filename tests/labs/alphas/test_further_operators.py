"""Operators that other dialects have and the paper has not, beside pandas."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.labs.alphas.data.describing import describe
from radiance.labs.alphas.language.operators import FURTHER_OPERATORS
from radiance.labs.alphas.language.parser import parse
from radiance.labs.alphas.values.evaluator import Evaluator
from radiance.labs.alphas.values.panel import Panel
from radiance.labs.alphas.values.synthetic import made_up
from tests.example_counts import examples

PANEL = made_up(90, 24)
CLOSE, VOLUME = (pd.DataFrame(PANEL.fields[name]) for name in ("close", "volume"))
RETURNS = CLOSE.pct_change(fill_method=None)
SECTOR = PANEL.groups["sector"]


def grouped(frame, function):
    return frame.T.groupby(SECTOR).transform(function).T


def standardized(row):
    return (row - row.mean()) / row.std(ddof=0)


def slope(days):
    x, y = RETURNS, pd.DataFrame(np.log(VOLUME))
    y = y.where(x.notna())
    return x.rolling(days).cov(y) / y.rolling(days).var()


def traded():
    held, rows = pd.Series(np.nan, index=CLOSE.columns), []
    for day in CLOSE.index:
        held = CLOSE.loc[day].where(RETURNS.loc[day] > 0.0103, held)
        held = held.mask(RETURNS.loc[day] < -0.0203)
        rows.append(held)
    return pd.DataFrame(rows)


CASES = {
    "zscore(close)": lambda: CLOSE.apply(standardized, axis=1),
    "normalize(close)": lambda: CLOSE.sub(CLOSE.mean(axis=1), axis=0),
    "winsorize(close, 1)": lambda: CLOSE.clip(
        CLOSE.mean(axis=1) - CLOSE.std(axis=1, ddof=0),
        CLOSE.mean(axis=1) + CLOSE.std(axis=1, ddof=0),
        axis=0,
    ),
    "group_mean(close, sector)": lambda: grouped(CLOSE, "mean").where(CLOSE.notna()),
    "group_rank(close, sector)": lambda: grouped(CLOSE, lambda g: g.rank(pct=True)),
    "group_zscore(close, sector)": lambda: grouped(CLOSE, standardized),
    "ts_backfill(returns, 5)": lambda: RETURNS.ffill(limit=4),
    "ts_skewness(returns, 12)": lambda: RETURNS.rolling(12).apply(
        lambda w: ((w - w.mean()) ** 3).mean() / w.std(ddof=0) ** 3
    ),
    "ts_kurtosis(returns, 12)": lambda: RETURNS.rolling(12).apply(
        lambda w: ((w - w.mean()) ** 4).mean() / w.std(ddof=0) ** 4 - 3
    ),
    "ts_slope(returns, log(volume), 10)": lambda: slope(10),
    "ts_percentile(returns, 10, 0.3)": lambda: RETURNS.rolling(10).quantile(0.3),
    "ewm(returns, 0.2)": lambda: RETURNS.ewm(alpha=0.2, adjust=False, ignore_na=True).mean(),
    "ts_step(1) + 0 * close": lambda: 0 * CLOSE.add(0) + np.arange(1.0, 91)[:, None],
    "trade_when(returns > 0.0103, close, returns < -0.0203)": traded,
}


@pytest.mark.parametrize("text", CASES)
def test_it_equals_pandas(text):
    found = Evaluator(PANEL).evaluate(text)
    wanted = CASES[text]().to_numpy()
    # Windows with holes have values here and none in pandas.
    both = np.isfinite(wanted) & np.isfinite(found)
    assert (np.isfinite(found) | ~np.isfinite(wanted)).all()
    assert both.sum() > 400
    np.testing.assert_allclose(found[both], wanted[both], rtol=1e-9, atol=1e-9)


def test_every_one_is_compared_and_said():
    assert {text.partition("(")[0] for text in CASES} == set(FURTHER_OPERATORS)
    for text in CASES:
        assert "{" not in describe(parse(text), 0)


@examples(12)
@given(st.sampled_from(sorted(CASES)), st.integers(30, 80), st.integers(0, 9))
def test_none_sees_the_future(text, first, seed):
    rng = np.random.default_rng(seed)
    changed = {
        name: np.vstack(
            [values[:first], values[first:] * rng.uniform(0.5, 2, values[first:].shape)]
        )
        for name, values in PANEL.fields.items()
    }
    other = Panel(PANEL.dates, PANEL.symbols, changed, PANEL.groups)
    one, two = (Evaluator(panel).evaluate(text)[:first] for panel in (PANEL, other))
    np.testing.assert_array_equal(one, two)
