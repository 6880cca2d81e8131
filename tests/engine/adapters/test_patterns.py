"""Patterns of modules: they mean what Python's own mean, and take no time."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.engine.adapters.patterns import Patterns

PIECES = st.tuples(
    st.sampled_from(["a", "b", r"\.", ".", r"\d", r"\w", "[ab]", "[0-3]"]),
    st.sampled_from(["", "*", "+", "?"]),
).map("".join)
NAMES = st.lists(st.text("ab12", min_size=1, max_size=4), min_size=1, max_size=4).map(".".join)


KEYS = st.lists(PIECES, min_size=1, max_size=6).map("".join)


@given(key=KEYS.filter(lambda key: not re.fullmatch("[ab.]+", key)), module=NAMES)
def test_a_key_means_what_it_means_to_peft(key: str, module: str) -> None:
    wanted = re.match(rf"(.*\.)?({key})$", module) is not None
    assert (Patterns({key: 1.0}).value(module, 0.0) == 1.0) == wanted


@given(module=NAMES)
def test_a_name_means_itself_and_what_ends_with_it(module: str) -> None:
    found = Patterns({module: 1.0})
    assert found.value(module, 0.0) == found.value(f"x.{module}", 0.0) == 1.0
    assert found.value(f"x{module}", 0.0) == 0.0


def test_the_first_key_that_matches_counts() -> None:
    keys = {r"layers\.\d+\.q": 1.0, "layers.3.q": 2.0, "q": 3.0}
    found = Patterns(keys)
    assert [found.value(name, 0.0) for name in ("m.layers.3.q", "x.q", "v")] == [1.0, 3.0, 0.0]
    assert Patterns(dict(reversed(keys.items()))).value("m.layers.3.q", 0.0) == 3.0


def test_a_key_from_the_beginning_matches_the_whole_name() -> None:
    found = Patterns({r"^model\.\d": 1.0})
    assert (found.value("model.1", 0.0), found.value("x.model.1", 0.0)) == (1.0, 0.0)


def test_what_python_would_never_be_done_with_is_matched() -> None:
    key = r"\w*" * 30 + "#"
    with pytest.raises(ValueError, match="no pattern"):
        Patterns({key: 1.0})
    assert Patterns({r"\w*" * 30 + "-": 1.0}).value("a" * 1000, 0.0) == 0.0


@pytest.mark.parametrize("key", ["(((", "a{3}", "(a|b)+", "a$b", "é", "[z-a]", "", "*"])
def test_other_keys_are_refused(key: str) -> None:
    if key:
        with pytest.raises(ValueError, match="pattern"):
            Patterns({key: 1.0})
