"""Stop strings end an answer wherever its text happens to be cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.engine.decoding.stopping import StopScanner

LETTERS = st.text("ab\n", max_size=40)
STOPS = st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3)


def scan(stops: list[str], pieces: list[str]) -> tuple[str, str | None]:
    scanner = StopScanner(stops)
    shown = "".join(scanner.feed(piece) for piece in pieces)
    return shown + scanner.flush(), scanner.found


def first_stop(text: str, stops: list[str]) -> tuple[str, str | None]:
    """What must come out, by looking at the whole text: the stop that is complete first counts."""
    ends = [
        (place + len(stop), -len(stop), stop)
        for stop in stops
        for place in range(len(text))
        if text.startswith(stop, place)
    ]
    if not ends:
        return text, None
    end, _, stop = min(ends)
    return text[: end - len(stop)], stop


@given(LETTERS, STOPS, st.lists(st.integers(0, 40), max_size=8))
def test_the_same_however_it_is_cut(text: str, stops: list[str], cuts: list[int]) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in pairwise(places)]
    assert scan(stops, pieces) == first_stop(text, stops)


@given(LETTERS, STOPS)
def test_nothing_is_shown_that_is_taken_back(text: str, stops: list[str]) -> None:
    """Whatever was shown letter by letter is a beginning of what comes out in the end."""
    scanner, shown, whole = StopScanner(stops), "", scan(stops, [text])[0]
    for letter in text:
        shown += scanner.feed(letter)
        assert whole.startswith(shown)


def test_only_what_may_become_a_stop_is_held_back() -> None:
    scanner = StopScanner(["END."])
    assert [scanner.feed(piece) for piece in ("The E", "N", "A. Then EN", "D", ". More")] == [
        "The ",
        "",
        "ENA. Then ",
        "",
        "",
    ]
    assert scanner.found == "END."


@pytest.mark.parametrize("stops", [[], ["never"]])
def test_without_a_stop_all_of_it_comes_out(stops: list[str]) -> None:
    assert scan(stops, ["one ", "nev", " two"]) == ("one nev two", None)
