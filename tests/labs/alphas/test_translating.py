"""Expressions in the spelling of other places."""

import contextlib

import pytest

from radiance.labs.alphas.data.catalogue import formulas
from radiance.labs.alphas.language.syntax import AlphaTypeError
from radiance.labs.alphas.language.translating import translate


@pytest.mark.parametrize(
    ("text", "dialect", "wanted"),
    [
        ("-delta(close, 5)", "brain", "(-ts_delta(close, 5))"),
        ("indneutralize(returns, sector)", "brain", "group_neutralize(returns, sector)"),
        ("winsorize(close)", "brain", "winsorize(close, std=4)"),
        ("close > open ? 1 : 0", "brain", "if_else((close > open), 1, 0)"),
        ("close > open ? 1 : 0", "qlib", "If(($close > $open), 1, 0)"),
        ("close > open ? 1 : 0", "gtja", "((CLOSE > OPEN)?1:0)"),
        ("delay(close, 5) / close", "qlib", "(Ref($close, 5) / $close)"),
        ("returns", "qlib", "($close / Ref($close, 1) - 1)"),
        ("correlation(returns, volume, 6)", "gtja", "CORR(RET, VOLUME, 6)"),
        ("adv20", "gtja", "MEAN(CLOSE * VOLUME, 20)"),
        ("close^2", "brain", "power(close, 2)"),
    ],
)
def test_it_is_written_as_there(text, dialect, wanted):
    assert translate(text, dialect).text == wanted


@pytest.mark.parametrize(
    ("text", "dialect", "name"),
    [
        ("ts_argmax(close, 5)", "brain", "ts_argmax"),  # an age there, a place here
        ("rank(close)", "qlib", "rank"),  # there over days, here over symbols
        ("indneutralize(close, sector)", "gtja", "indneutralize"),
        ("cap", "qlib", "cap"),
    ],
)
def test_what_means_otherwise_there_is_refused_with_its_place(text, dialect, name):
    with pytest.raises(AlphaTypeError, match=name) as raised:
        translate(f"1 + {text}", dialect)
    assert raised.value.column == 5


def test_a_difference_in_scale_is_said():
    assert translate("rank(close)", "brain").notes
    assert not translate("delta(close, 2)", "brain").notes


@pytest.mark.parametrize(("dialect", "least"), [("brain", 95), ("gtja", 72), ("qlib", 17)])
def test_of_the_101_all_are_written_that_a_place_has_operators_for(dialect, least):
    written = 0
    for found in formulas():
        with contextlib.suppress(AlphaTypeError):
            written += bool(translate(found.text, dialect).text)
    assert written == least
