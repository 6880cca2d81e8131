"""The language: what reads, what does not and where, and that printing loses nothing."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.errors import NotFound
from radiance.labs.alphas.data.catalogue import CITATION, formula, formulas
from radiance.labs.alphas.data.sampling import random_expression
from radiance.labs.alphas.language import dialects
from radiance.labs.alphas.language.checker import check, check_node
from radiance.labs.alphas.language.operators import PAPER_OPERATORS
from radiance.labs.alphas.language.parser import parse
from radiance.labs.alphas.language.printer import render
from radiance.labs.alphas.language.semantics import Readings
from radiance.labs.alphas.language.syntax import (
    MAX_DEPTH,
    AlphaError,
    AlphaSyntaxError,
    AlphaTypeError,
    Binary,
    Call,
    Name,
    Number,
    Ternary,
    Unary,
    size,
    walk,
)

CLOSE, OPEN = Name("close"), Name("open")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("close", CLOSE),
        ("-close^2", Unary(Binary("^", CLOSE, Number(2)))),
        ("close^-open^2", Binary("^", CLOSE, Unary(Binary("^", OPEN, Number(2))))),
        ("close - open - 1", Binary("-", Binary("-", CLOSE, OPEN), Number(1))),
        ("close + open * .5", Binary("+", CLOSE, Binary("*", OPEN, Number(0.5)))),
        (
            "open < close || open == 1 ? 1. : close < 2 ? 2e0 : 3",
            Ternary(
                Binary("||", Binary("<", OPEN, CLOSE), Binary("==", OPEN, Number(1))),
                Number(1),
                Ternary(Binary("<", CLOSE, Number(2)), Number(2), Number(3)),
            ),
        ),
        ("Ts_Rank(IndNeutralize(close, IndClass.sector), 5.5)",
         Call("ts_rank", (Call("indneutralize", (CLOSE, Name("sector"))), Number(5.5)))),
    ],
)  # fmt: skip
def test_precedence_is_that_of_c_and_names_are_the_papers(text, tree):
    assert parse(text) == tree
    assert parse(render(tree)) == tree


@pytest.mark.parametrize(
    ("text", "line", "column", "says"),
    [
        ("", 1, 1, "ends where a number"),
        ("rank(close", 1, 11, "')' is expected"),
        ("rank(\n  clse)", 2, 3, "no field 'clse'"),
        ("rnk(close)", 1, 1, "no operator 'rnk'"),
        ("close = open", 1, 7, "'='"),
        ("close $ open", 1, 7, "'$'"),
        ("open < close < 1", 1, 14, "do not chain"),
        ("close close", 1, 7, "an operator or the end is expected"),
        ("rank", 1, 1, "is an operator"),
        ("close * 1e999", 1, 9, "too large"),
        ("(" * 500 + "close" + ")" * 500, 1, MAX_DEPTH + 1, "deep"),
        ("-" * 500 + "close", 1, MAX_DEPTH + 1, "deep"),
        ("close" + "^close" * 500, 1, None, "deep"),
        ("close" + "+close" * 500, 1, None, "deep"),
        ("close?1:" * 500 + "1", 1, None, "deep"),
        ("1" * 9000, 1, 8001, "9000 characters"),
    ],
)
def test_a_syntax_error_says_where(text, line, column, says):
    with pytest.raises(AlphaSyntaxError) as raised:
        parse(text)
    error = raised.value
    assert says in str(error)
    assert error.line == line
    assert column in (None, error.column)
    assert error.picture.endswith("^")
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("−1 × close ÷ open · 2", "-1 * close / open * 2"),  # as typesetters have them
        ("close ≥ open and volume ≤ adv20 or open ≠ low ? 1 : 0",
         "close >= open && volume <= adv20 || open != low ? 1 : 0"),
        ("close > open and (low > 1 or high > 2) ? 1 : 0",
         "close > open && (low > 1 || high > 2) ? 1 : 0"),
        ("and(close > open, low > 1) ? 1 : 0", "close > open && low > 1 ? 1 : 0"),
        ("rank(close) ** 2", "rank(close) ^ 2"),
    ],
)  # fmt: skip
def test_signs_and_words_of_other_places_are_read(text, same):
    assert render(parse(text)) == render(parse(same))


@pytest.mark.parametrize(
    "text",
    [
        "close // 2",
        "rank(close)//2 + open",
        "rank(close // 2)",
        "ts_mean(close // open, 5)",
        "rank(\n  close\n  // open\n)",
        "a = close; open // a",
        "close // (open\n + 1)",
        "close // -ts_mean(adv20, 3) # half",
        "close // IndClass.sector",
    ],
)
def test_whole_division_is_not_read_as_a_comment(text):
    with pytest.raises(AlphaSyntaxError, match="'//' can divide or begin a comment") as raised:
        parse(text)
    assert raised.value.at == text.index("//")


@pytest.mark.parametrize(
    "comment",
    [
        "// a mean over 20 days", "// 20-day reversal", "// 5 days", "// (Alpha 12)",
        "// close, volume", "// rank by close", "// reversal", "// don't", "// -----",
        "//", "// -> the mean", "# 2", "/* 2 */",
        "// TODO: close / 2", "// https://example.org/close", "\n// rank(open)\n// 2",
    ],
)  # fmt: skip
def test_comments_are_left_out(comment):
    assert parse(f"close {comment}") == CLOSE
    assert parse(f"{comment}\nclose") == CLOSE


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        ("rank(close, 2)", 1, "takes 1 argument"),
        ("correlation(close, open)", 1, "takes 3 arguments, not 2"),
        ("scale(close, open)", 14, "literal"),
        ("delta(close, open)", 14, "not a literal number of days"),
        ("delta(close, 0.9)", 14, "0 days"),
        ("stddev(close, 1)", 15, "1 days"),
        ("ts_max(close, 5000)", 15, "5000 days"),
        ("sector", 1, "level of industries"),
        ("indneutralize(close, volume)", 22, "no level"),
        ("close ? 1 : 2", 1, "condition is a number"),
        ("open < close && volume ? 1 : 2", 17, "side of &&"),
        ("1 + 2", 1, "no data"),
    ],
)
def test_a_type_error_says_where(text, column, says):
    with pytest.raises(AlphaTypeError) as raised:
        check(text)
    assert says in str(raised.value)
    assert raised.value.column == column


def test_units_are_advice_unless_asked_for():
    mixed = check("close + volume")
    assert [warned.reason for warned in mixed.warnings] == ["+ mixes dollar share^-1 and share"]
    assert check("close * volume + adv20").warnings == ()
    assert check("close * volume + adv20", Readings(adv="shares")).warnings
    assert check("rank(close) + 0.5 * sign(volume) - returns").warnings == ()
    assert check("(high * low)^0.5 - vwap").warnings == ()
    with pytest.raises(AlphaTypeError, match="mixes"):
        check("close + volume", strict_units=True)


def test_what_an_expression_needs_and_how_far_it_looks_back():
    found = check("delay(sum(returns, 5), 10) * rank(indneutralize(adv20, sector))")
    assert found.fields == {"returns", "adv20", "sector"}
    assert found.lookback == max(10 + 4 + 1, 19)
    assert check("rank(close) < 0.5").type == "boolean"


def test_all_101_check_and_read_back():
    assert [found.number for found in formulas()] == list(range(1, 102))
    for found in formulas():
        checked = found.checked()
        assert render(checked.node) == found.text
        assert parse(render(parse(found.text))) == parse(found.text)
        check(found.text, Readings(window="round"))
    assert "1601.00991" in CITATION
    assert {found.number for found in formulas() if found.delay == 0} == {42, 48, 53, 54}
    used = {
        n.function for found in formulas() for n in walk(parse(found.text)) if isinstance(n, Call)
    }
    assert used == set(PAPER_OPERATORS)
    with pytest.raises(NotFound, match="no alpha 102"):
        formula(102)


@given(seed=st.integers(0, 2**32), nodes=st.integers(1, 60))
def test_printing_and_reading_give_the_same_tree(seed, nodes):
    tree = random_expression(random.Random(seed), nodes)
    text = render(tree)
    assert parse(text) == tree
    assert render(parse(text)) == text
    check_node(tree, text)
    assert size(tree) <= 2 * nodes + 4


@given(st.text(alphabet="closervankt_(),.<>=?:|&^*/+-0123456789e \n$é", max_size=60))
def test_any_text_reads_or_is_refused_with_a_place(text):
    tree, column = None, 1
    try:
        tree = parse(text)
    except AlphaError as error:
        column = error.column
    assert 1 <= column <= len(text) + 1
    assert tree is None or parse(render(tree)) == tree


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("ts_mean(close, 5)", "sum(close, 5) / 5"),
        ("Mean($close, 5) / $close", "sum(close, 5) / 5 / close"),
        ("ts_std_dev(returns, 20)", "stddev(returns, 20)"),
        ("Std(returns, 20)", "stddev(returns, 20)"),
        ("ts_zscore(volume, 9)", "(volume - sum(volume, 9) / 9) / stddev(volume, 9)"),
        ("-ts_delta(close, 3)", "-delta(close, 3)"),
        ("Ref($close, 1) / $close", "delay(close, 1) / close"),
        ("TSMAX(HIGH, 5)", "ts_max(high, 5)"),
        ("Corr($close, Log($volume), 5)", "correlation(close, log(volume), 5)"),
        ("COVIANCE(RANK(HIGH), RANK(VOLUME), 5)", "covariance(rank(high), rank(volume), 5)"),
        ("COUNT(CLOSE > DELAY(CLOSE, 1), 20)", "sum(close > delay(close, 1) ? 1 : 0, 20)"),
        ("if_else(close > open, 1, -volume)", "close > open ? 1 : -volume"),
        ("If(And(close > open, volume > 1), 1, 2)", "close > open && volume > 1 ? 1 : 2"),
        ("group_neutralize(ts_sum(close, 2), sector)", "indneutralize(sum(close, 2), sector)"),
        ("signed_power(returns, 2)", "signedpower(returns, 2)"),
        ("divide(reverse(close), sqrt(open))", "-1 * close / open^0.5"),
        ("Greater($open, $close)", "max(open, close)"),
        ("ts_decay_linear(rank(close), 7)", "decay_linear(rank(close), 7)"),
        ("DECAYLINEAR(RANK(CLOSE), 7)", "decay_linear(rank(close), 7)"),
    ],
)
def test_operators_of_other_places_are_what_they_mean_here(theirs: str, ours: str) -> None:
    assert render(parse(theirs)) == ours
    assert parse(ours) == parse(theirs)
    check(theirs)


@pytest.mark.parametrize("name", dialects.REFUSALS)
def test_operators_without_a_meaning_name_the_nearest(name: str) -> None:
    with pytest.raises(AlphaSyntaxError, match=f"no operator '{name}'") as caught:
        check(f"{name}(close, 5)")
    assert caught.value.remedy == dialects.REFUSALS[name]


def test_an_operator_of_another_place_says_how_many_arguments_it_takes() -> None:
    with pytest.raises(AlphaSyntaxError, match="column 6: ts_mean has 1 arguments and takes 2"):
        check("rank(ts_mean(close))")


@pytest.mark.parametrize("name", ["min", "max"])
def test_two_numbers_are_not_taken_for_a_window_without_a_word(name: str) -> None:
    (warned,) = check(f"rank({name}(delta(close, 3), 5))").warnings
    assert f"ts_{name}(x, 5)" in warned.reason
    assert warned.is_misreading
    for text in (f"{name}(5, volume)", f"{name}(returns, 0.5)", f"{name}(volume, adv20 / adv5)"):
        assert not any(warned.is_misreading for warned in check(text).warnings)


@pytest.mark.parametrize(
    "label", ["Alpha#12: ", "alpha 12: ", " Alpha_101:", "GTJA #7 : ", "Alpha12:\n"]
)
def test_the_number_that_a_paper_gives_an_expression_is_none_of_it(label: str) -> None:
    assert parse(f"{label}rank(close)") == parse("rank(close)")
    with pytest.raises(AlphaSyntaxError) as caught:
        parse(f"{label}rank(close")
    assert caught.value.picture.splitlines()[-1].endswith("^")


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("close[1]", "delay(x, d)"),
        ("rank(Δ(close, 5))", "delta(x, d)"),
        ("“rank(close)”", "quotation marks"),
        ("20 % * close", "0.2 for 20 %"),
        ("rank(close) if volume > 0 else 0", "condition ? x : y"),
        ("close.shift(1)", "delay(close, 1)"),
        ("np.log(close)", "Write log without np."),
        ("SMA(close, 20)", "ts_mean(x, d)"),
    ],
)
def test_what_is_pasted_from_a_program_or_a_paper_says_what_to_write(
    text: str, remedy: str
) -> None:
    with pytest.raises(AlphaSyntaxError) as caught:
        check(text)
    assert remedy in caught.value.remedy
