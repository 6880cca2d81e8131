"""What counts as text."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.memory import analysis
from radiance.records.text import clean, forbidden, remembered

TEXTS = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ["\r\r\n", "\u212b \r", " \u0344\u200b", "e\u0301", "\x85", "\u2000a"]
)


@given(TEXTS)
def test_cleaning_twice_changes_nothing(text):
    once = clean(text)
    assert clean(once) == once
    assert "\r" not in once
    assert unicodedata.is_normalized("NFC", once)


@pytest.mark.parametrize(
    ("text", "found"),
    [("a\tb\nc\r", None), ("nul \x00", "U+0000"), ("\ud800", "U+D800"), ("é\u200b", None)],
)
def test_what_is_no_text_is_found(text: str, found: str | None) -> None:
    assert forbidden(text) == found


def test_what_is_remembered_of_texts_is_bounded_by_what_they_take() -> None:
    """A cache of so many texts holds what the longest of them have."""
    asked: list[int] = []

    @remembered(2)
    def length(text: str) -> int:
        asked.append(len(text))
        return len(text)

    for text in ("a", "a", "bb", "a", "bb", "ccc", "a"):
        assert length(text) == len(text)
    assert asked == [1, 2, 3, 1]
    long = "word " * 1000
    held = sys.getrefcount(long)
    assert length(long) == length(long) == 5000
    assert asked[4:] == [5000, 5000]
    assert sys.getrefcount(long) == held


def test_a_long_question_is_not_kept_once_it_is_taken_apart() -> None:
    long = "What opens the door of Zorbel Labs? " * 100
    held = sys.getrefcount(long)
    assert "zorbel" in analysis.take_apart(long).names
    assert analysis.without_names(long)
    assert sys.getrefcount(long) == held


@pytest.mark.parametrize("place", [0, (1 << 16) - 1, 1 << 16, (1 << 17) + 5])
def test_what_no_text_may_hold_is_found_anywhere_in_a_long_one(place: int) -> None:
    assert forbidden("a" * place + "\x00" + "b" * 70_000) == "U+0000"
