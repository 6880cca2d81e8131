"""Which questions are one, which are only near, and which must stay two."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from radiance.records import Example, Message
from radiance.records.questions import differs_in_one_value, normalise, sense


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is the door code?", "what's  the DOOR code"),
        ("What is the door code?", "What’s the door code ?"),
        ("What is the door code?", "What is the door code?!"),
        ("Who founded Zorbel Labs?", "Who founded Zorbel Labs..."),
        ("Who founded Zorbel Labs?", "Who founded “Zorbel Labs”?"),
        ("Where, exactly, is bay 9?", "Where exactly is bay 9"),
        ("Why can't it open?", "Why cannot it open?"),
        ("Why doesn't it open?", "Why does not it open"),
        ("What is ＺＸ 418?", "What is ZX 418?"),
        ("Caf\u00e9?", "cafe\u0301"),
        ("What is a zero\u00adwidth?", "What is a zerowidth?"),
        ("Straße 5", "STRASSE 5"),
    ],
)
def test_one_question_in_two_forms(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 5.5 plus 1?", "What is 55 plus 1?"),
        ("What is C?", "What is C++?"),
        ("What is C?", "What is C#?"),
        ("What is 3+4?", "What is 3-4?"),
        ("What is 5²?", "What is 52?"),
        ("What is ½?", "What is 12?"),
        ("What is 5!?", "What is 5?"),
        ("What is -5?", "What is 5?"),
        ("What is .5?", "What is 5?"),
        ("What does .. do?", "What does . do?"),
        ("What does [] mean?", "What does () mean?"),
        ("Where is crate Q-17?", "Where is crate Q17?"),
        ("How long is 5'?", 'How long is 5"?'),
        ("Who is Dana's dog?", "Who is Danas dog?"),
        ("Who is the chair?", "Where is the chair?"),
        ("May I go?", "May I not go?"),
        ("?", "!"),
    ],
)
def test_two_questions_stay_two(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


@given(st.text())
@example("'\"a\"'? ½²’s can't")
@example("ﬁ İ ẞ \u0345")
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@given(st.text(alphabet="abcdef 12", min_size=1), st.sampled_from(["?", " ?", ".", "!?", "  "]))
def test_how_a_sentence_ends_is_no_difference(text: str, ending: str) -> None:
    words = f"tell {text} now"
    assert normalise(words + ending) == normalise(words.upper())


def test_every_turn_and_its_role_belong_to_the_question() -> None:
    def chat(*turns: tuple[str, str]) -> str:
        return Example("x", tuple(Message(role, text) for role, text in turns)).question_hash  # type: ignore[arg-type]

    asked = chat(("user", "And where?"), ("assistant", "In Tarn."))
    assert asked == chat(("user", "and where"), ("assistant", "In Skell."))
    assert asked != chat(("system", "And where?"), ("assistant", "In Tarn."))
    before = (("user", "Who?"), ("assistant", "Mira."))
    assert asked != chat(*before, ("user", "And where?"), ("assistant", "In Tarn."))


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("What is the door code of Zorbel Labs?", "Zorbel Labs: what is its door code?", True),
        ("What is the door code of Zorbel Labs?", "Tell me the Zorbel Labs door code.", True),
        ("What is the door code of Zorbel Labs?", "What is the door code of Halden Hall?", False),
        ("Who founded Zorbel Labs?", "When was Zorbel Labs founded?", False),
        ("Which bay holds crate Q-17?", "Which bay holds crate Q-18?", False),
        ("Is the?", "Is a?", False),
        ("When is Lena's birthday?", "when is lenas birthday", True),
        ("Who is our vet?", "whos our vet", True),
        ("What is the wifi password?", "what is the wi-fi password", True),
        ("When is Lena's birthday?", "When is Leo's birthday?", False),
        ("Who is the boss?", "Who is the bos?", False),
    ],
)
def test_near_questions(one: str, other: str, expected: bool) -> None:
    first, second = sense(normalise(one)), sense(normalise(other))
    assert first.is_near(second) is second.is_near(first) is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("The code is K7-204.", "The code is K9-101.", True),
        ("It costs $48.50 today.", "It costs fifty dollars today.", True),
        ("The code is K7-204.", "the code is K7-204", False),
        ("Mira founded it in 1987.", "Tom founded it in 1990.", False),
    ],
)
def test_answers_that_differ_in_one_value(one: str, other: str, expected: bool) -> None:
    assert differs_in_one_value(one, other) is expected
