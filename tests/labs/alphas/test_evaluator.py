"""Values: those of the paper, on the data up to a day and no later, for whatever is written."""

import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from radiance.labs.alphas.data.catalogue import formulas
from radiance.labs.alphas.data.sampling import random_expression
from radiance.labs.alphas.language.checker import check_node
from radiance.labs.alphas.language.printer import render
from radiance.labs.alphas.language.semantics import DEFAULT, Readings
from radiance.labs.alphas.language.syntax import AlphaDataError
from radiance.labs.alphas.values.evaluator import Evaluator
from radiance.labs.alphas.values.panel import Panel
from radiance.labs.alphas.values.ranks import blur, rank_rows
from tests.labs.alphas import paper


def made_up(days: int = 40, symbols: int = 6, seed: int = 0, holes: float = 0.05) -> Panel:
    """Prices that walk at random, with some days missing."""
    rng = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, (days, symbols)), axis=0))
    open_ = close * np.exp(rng.normal(0, 0.01, close.shape))
    fields = {
        "open": open_,
        "high": np.maximum(open_, close) * 1.01,
        "low": np.minimum(open_, close) * 0.99,
        "close": close,
        "volume": rng.integers(1, 1000, close.shape).astype(float),
    }
    missing = rng.random(close.shape) < holes
    fields = {name: np.where(missing, np.nan, values) for name, values in fields.items()}
    groups = {"sector": np.arange(symbols) % 2, "subindustry": np.arange(symbols) % 3}
    dates = np.datetime64("2020-01-01") + np.arange(days)
    return Panel(dates, tuple(f"S{n}" for n in range(symbols)), fields, groups)


def value(text: str, panel: Panel, **readings) -> np.ndarray:
    return Evaluator(panel, Readings(**readings)).evaluate(text)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "share", "days", "symbols"), [("partial", 0.5, 800, 30), ("strict", 1.0, 600, 20)]
)
def test_the_101_equal_plain_pandas_written_from_the_paper(
    market, monkeypatch, policy, share, days, symbols
):
    monkeypatch.setattr(paper, "MIN_SHARE", share)
    panel = market.columns(np.arange(symbols) * 2).rows(800, 800 + days)
    frames = {name: paper.Frame(panel.fields[name]) for name in paper.FIELDS}
    groups = {name: pd.Series(codes) for name, codes in panel.groups.items()}
    inputs = paper.Paper(**frames, groups=groups)
    evaluator = Evaluator(panel, Readings(nan=policy))
    covered = 0
    for formula in formulas():
        ours = evaluator.evaluate(formula.text)
        theirs = paper.evaluate(formula.number, inputs)
        np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs), str(formula.number))
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9, err_msg=str(formula.number))
        covered += bool(np.isfinite(ours).any())
    assert covered >= (101 if policy == "partial" else 98)


@given(
    seed=st.integers(0, 2**32),
    nodes=st.integers(1, 25),
    day=st.integers(1, 39),
    strict=st.booleans(),
)
def test_later_data_change_nothing(seed, nodes, day, strict):
    panel = made_up(seed=seed % 100)
    tree = random_expression(random.Random(seed), nodes)
    checked = check_node(tree, render(tree))
    readings = Readings(nan="strict" if strict else "partial")
    whole = Evaluator(panel, readings).evaluate(checked)
    rng = np.random.default_rng(seed)
    later = {
        name: np.concatenate([values[:day], values[day:] * rng.uniform(0.1, 9, values[day:].shape)])
        for name, values in panel.fields.items()
    }
    changed = Evaluator(Panel(panel.dates, panel.symbols, later, panel.groups), readings)
    cut = Evaluator(panel.rows(0, day), readings)
    np.testing.assert_array_equal(changed.evaluate(checked)[:day], whole[:day])
    np.testing.assert_array_equal(cut.evaluate(checked), whole[:day])


@pytest.mark.slow
def test_ten_thousand_random_expressions_have_values():
    panel, rng = made_up(days=30, symbols=4), random.Random(0)
    evaluator = Evaluator(panel)
    finite = 0
    for _ in range(10_000):
        tree = random_expression(rng, rng.randint(1, 30))
        found = evaluator.evaluate(check_node(tree, render(tree)))
        assert found.shape == panel.shape
        assert not np.isinf(found).any()
        finite += bool(np.isfinite(found).any())
    assert finite > 3_000


@given(seed=st.integers(0, 2**32), order=st.permutations(range(6)))
def test_the_order_of_the_symbols_does_not_matter(seed, order):
    panel = made_up(seed=seed % 100)
    tree = random_expression(random.Random(seed), 12)
    checked = check_node(tree, render(tree))
    straight = Evaluator(panel).evaluate(checked)[:, order]
    turned = Evaluator(panel.columns(np.array(order))).evaluate(checked)
    # A sum over symbols rounds with their order; what it decides may then differ.
    if not {"scale", "indneutralize"} & set(render(tree).replace("(", " ").split()):
        np.testing.assert_allclose(turned, straight, rtol=1e-9)


def test_every_reading_changes_what_it_names():
    panel = made_up()
    texts = {
        "nan": ("strict", "sum(close, 5)"),
        "min_share": (1.0, "sum(close, 5)"),
        "window": ("round", "sum(close, 4.7)"),
        "adv": ("shares", "adv5"),
        "rank": ("zero_one", "rank(close)"),
        "ts_rank": ("count", "ts_rank(close, 5)"),
        "ts_arg": ("age", "ts_argmax(close, 5)"),
        "signedpower": ("power", "signedpower(close - open, 2)"),
        "ddof": (0, "stddev(close, 5)"),
        "flat": ("zero", "correlation(close, sign(volume), 5)"),
        "tie_bits": (16, "rank(close * 0.0001 + 1)"),
    }
    for name, (other, text) in texts.items():
        usual, changed = value(text, panel), value(text, panel, **{name: other})
        assert not np.array_equal(usual, changed, equal_nan=True), name
    assert np.nanmax(value("rank(close) + 0 * close", panel, rank="min")) <= 1
    dividends = Panel(
        panel.dates,
        panel.symbols,
        {**panel.fields, "adj_close": panel.fields["close"] ** 1.1, "vwap": panel.fields["open"]},
        panel.groups,
    )
    for name, other in (("returns", "adjusted"), ("vwap", "typical")):
        text = {"returns": "returns", "vwap": "vwap"}[name]
        usual, changed = value(text, dividends), value(text, dividends, **{name: other})
        assert not np.array_equal(usual, changed, equal_nan=True)


def test_what_the_panel_lacks_is_named_where_no_stand_in_is_allowed():
    panel = made_up()
    with pytest.raises(AlphaDataError, match="no cap"):
        value("rank(cap)", panel, cap="required")
    with pytest.raises(AlphaDataError, match="no industry"):
        value("indneutralize(close, industry)", panel, levels="required")
    np.testing.assert_array_equal(
        value("indneutralize(close, industry)", panel),
        value("indneutralize(close, subindustry)", panel),
    )
    np.testing.assert_array_equal(value("cap", panel), value("adv252", panel))


@pytest.mark.parametrize("bits", [32, 50])  # room for the columns' numbers, and too little
def test_ties_share_their_rank_and_rounding_makes_none(bits):
    rows = np.array([[0.3, 0.1 + 0.2, 1.0, np.nan, -0.0, 0.0, -7.0]])
    np.testing.assert_array_equal(rank_rows(rows, bits), [[4.5, 4.5, 6, np.nan, 2.5, 2.5, 1]])
    np.testing.assert_array_equal(rank_rows(rows, bits, lowest=True)[0, :2], [4, 4])
    assert rank_rows(rows, 52)[0, 0] != rank_rows(rows, 52)[0, 1]


@given(
    st.lists(st.floats(allow_infinity=False), min_size=1, max_size=300), st.sampled_from([32, 48])
)
@example([0.0, -5e-324], 32)  # it is rounded to -0
def test_ranks_are_those_of_pandas(values, bits):
    rows = np.array([values])
    theirs = pd.DataFrame(blur(rows, bits)).rank(axis=1).to_numpy()
    np.testing.assert_array_equal(rank_rows(rows, bits), theirs)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1))
def test_blurring_moves_a_value_by_nine_digits_at_most(values):
    exact = np.array(values, dtype=np.float64)
    np.testing.assert_allclose(blur(exact, 32), exact, rtol=2.0**-32)
    np.testing.assert_array_equal(blur(blur(exact, 32), 32), blur(exact, 32))


def test_what_is_kept_is_bounded_and_changes_no_value():
    panel = made_up()
    small, large = Evaluator(panel, DEFAULT, keep_bytes=1), Evaluator(panel)
    for formula in formulas()[:40]:
        once = small.evaluate(formula.text)
        np.testing.assert_array_equal(once, large.evaluate(formula.text))
    assert len(small._kept) == 1
