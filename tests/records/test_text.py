"""What counts as text."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.records.text import clean, forbidden

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
