"""How values read: numbers as people set them, the same in every room."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.web import wording
from radiance.web.rendering import environment

PARTS: Any = environment().globals["parts"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("-0.029 [-0.5, .18]", "\N{MINUS SIGN}0.029 [\N{MINUS SIGN}0.5, .18]"),
        ("95%", "95\N{NARROW NO-BREAK SPACE}%"),
        ("3.531e-08", "3.531·10⁻⁸"),
        ("x181", "×181"),
        ("/8.5", "÷8.5"),
        ("-", "–"),
        ("A_2026-11-28_0006", "A_2026-11-28_0006"),
        ("LoRA, routed + budget", "LoRA, routed + budget"),
        ("re-run 3", "re-run 3"),
    ],
)
def test_numbers_in_a_text_read_as_people_set_them(written: str, read: str) -> None:
    assert wording.typeset(written) == read


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_never_shows_how_a_program_writes_it(value: float) -> None:
    shown = wording.number(value)
    assert "e" not in shown
    assert "-" not in shown


@given(st.text("a`<", max_size=9))
def test_what_stands_between_backticks_is_code_and_markup_is_text(text: str) -> None:
    shown = PARTS.ticks(text)
    assert "`" not in shown
    assert shown.count("<code>") == shown.count("</code>") == (text.count("`") + 1) // 2
    assert str(shown).replace("<code>", "").replace("</code>", "").count("<") == 0


def test_a_checkpoint_is_numbered_as_charts_number_it() -> None:
    assert wording.numbered("A_2026-11-28_0012") == "#12"
    assert wording.numbered("base") == "base"


@pytest.mark.parametrize(
    ("step", "usual", "left", "told", "bar"),
    [
        (10, 80, 7.0, "cycles took 80 lately, so about 7.0 s are left.", 'max="80" value="10"'),
        (90, 80, None, "cycles took 80 lately. It ends", 'max="80" aria'),
        (10, None, None, "step 10. It ends once everything is learned", 'max="400" value="10"'),
    ],
)
def test_a_running_cycle_says_what_cycles_took_lately(
    step: int, usual: int | None, left: float | None, told: str, bar: str
) -> None:
    progress = {
        "step": step,
        "max_steps": 400,
        "usual_steps": usual,
        "usual_seconds_left": left,
        "most_seconds_left": 60.0,
    }
    assert told in PARTS.steps(progress)
    assert "after 400 steps at the latest (60 s)." in PARTS.steps(progress)
    assert bar in PARTS.bar(progress)
