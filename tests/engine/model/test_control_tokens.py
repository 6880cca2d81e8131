"""Names of control tokens are found in a text, the longest first, however many there are."""

import re

from hypothesis import given
from hypothesis import strategies as st

from radiance.engine.model.control_tokens import _any_of

_TEXTS = st.text("ab<|.*", max_size=40)


@given(st.lists(st.text("ab<|.*", min_size=1, max_size=6), max_size=12), _TEXTS)
def test_what_is_found_is_what_the_names_side_by_side_would_find(
    names: list[str], text: str
) -> None:
    longest_first = sorted(names, key=len, reverse=True)
    plain = re.compile("|".join([*map(re.escape, longest_first), r"b\*+"]))
    found = [match.span() for match in _any_of(names, r"b\*+").finditer(text)]
    assert found == [match.span() for match in plain.finditer(text)]


@given(_TEXTS)
def test_of_no_names_none_is_found(text: str) -> None:
    assert not _any_of([]).search(text)


def test_names_that_begin_alike_are_tried_together() -> None:
    """Gemma's 6,000 unused tokens: a pattern that grows by them one by one takes seconds."""
    names = [f"<unused{number}>" for number in range(6000)]
    pattern = _any_of([*names, "<b>"])
    assert pattern.pattern.count("unused") == 1
    assert [m.group() for m in pattern.finditer("<unused17><b><unused6000><unused5999>")] == [
        "<unused17>", "<b>", "<unused5999>",
    ]  # fmt: skip
