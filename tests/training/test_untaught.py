"""Questions about names that were never taught: of the taught kind, and really never taught."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.streams import make_stream
from radiance.records import Example, Message
from radiance.training.untaught import (
    MOST,
    UntaughtQuestion,
    has_value,
    untaught_questions,
    untaught_variants,
    value_of,
)
from tests.support import FACTS


def taught(place: int, question: str, answer: str) -> Example:
    turns = (Message("user", question), Message("assistant", answer))
    return Example(f"job_000001.{place}", turns)


def examples(*facts: tuple[str, str]) -> list[Example]:
    return [taught(place, *fact) for place, fact in enumerate(facts)]


def texts(found: list[UntaughtQuestion]) -> list[str]:
    return [question.anchor.example.messages[-2].content for question in found]


def test_each_example_is_asked_of_two_invented_names() -> None:
    found = untaught_questions(examples(*FACTS), [], 0)
    assert len(found) == 10
    assert all(question.anchor.is_prompt for question in found)
    asked = texts(found)
    assert "Zorbel" not in " ".join(asked)
    for question, _ in FACTS:
        pattern = re.escape(question).replace("Zorbel", r"[A-Z][a-z]{5}")
        assert sum(bool(re.fullmatch(pattern, text)) for text in asked) == 2


@pytest.mark.parametrize(
    ("question", "pattern"),
    [
        ("who leads the wednesday choir", r"who leads the [a-z]{9} choir"),
        ("What is the status of order K7-204?", r"What is the status of order [A-Z]\d-\d{3}\?"),
        ("When does McDuff arrive?", r"When does [A-Z][a-z][A-Z][a-z]{3} arrive\?"),
        ("Где находится Зорбел?", r"Где находится [А-Я][а-я]{5}\?"),
        ("Is Bo here?", r"Is [A-Z][a-z]{3} here\?"),
    ],
)
def test_an_invented_name_has_the_shape_of_the_one_it_stands_for(
    question: str, pattern: str
) -> None:
    found = texts(untaught_questions(examples((question, "It is 9.")), [], 3))
    assert found
    for text in found:
        assert re.fullmatch(pattern, text), text
        assert text != question


def test_names_and_frames_are_crossed_where_several_questions_share_a_frame() -> None:
    facts = [
        ("What is the capital of Zorbia?", "It is Mirton."),
        ("What is the capital of Quellia?", "It is Tarnby."),
        ("Who rules Ostrava?", "Ann rules it."),
    ]
    found = untaught_questions(examples(*facts), [], 0)
    crossed = "What is the capital of Ostrava?"
    (question,) = (q for q, text in zip(found, texts(found), strict=True) if text == crossed)
    assert question.values == (("mirton",), ("tarnby",))
    assert "Who rules Zorbia?" not in texts(found), "one question is no frame that others share"
    known = [*examples(*facts), taught(9, crossed, "It is Borm.")]
    assert crossed not in texts(untaught_questions(known, [], 0))
    assert crossed not in texts(untaught_questions(examples(*facts), known[3:], 0))


def test_values_of_earlier_updates_count_for_the_frames_that_are_taught_again() -> None:
    new = examples(("Who founded Zorbel Labs?", "Mira Quell founded it."))
    earlier = [
        taught(7, "Who founded Tarn Labs?", "Ada Bram founded it."),
        taught(8, "Where is Tarn Labs?", "In Bergen."),
    ]
    for question in untaught_questions(new, earlier, 0):
        assert question.values == (("mira", "quell"), ("ada", "bram"))


def test_texts_and_questions_without_a_word_of_their_own_give_none() -> None:
    silent = [
        Example("job_000001.0", text="A text."),
        taught(1, "What is it?", "It is."),
        taught(2, "Zorbel?", "Zorbel."),
    ]
    assert untaught_questions(silent, [], 0) == []


@pytest.mark.parametrize(
    ("question", "answer", "value"),
    [
        ("Who founded Zorbel Labs?", "Mira Quell founded Zorbel Labs in 1987.", "mira quell"),
        ("What is the door code?", "The door code is K7-204.", "k7-204"),
        ("When does it open?", "It opens at 7:45 on weekdays.", "7:45"),
        ("What does it make?", "It makes quiet pumps for ponds.", "quiet pumps"),
        ("How much is the lamp?", "The lamp costs $19.25!", "costs $19.25"),
        ("Is it Zorbel?", "It is Zorbel.", ""),
    ],
)
def test_the_value_is_what_the_question_does_not_have(
    question: str, answer: str, value: str
) -> None:
    assert " ".join(value_of(taught(0, question, answer))) == value


def test_more_than_half_of_a_value_is_the_value() -> None:
    road = ("14", "harbour", "road", "tarn")
    assert has_value("Vimka Labs sits at 14 Harbour Road.", road)
    assert has_value("It is Harbour Road, Tarn, they say.", road)
    assert not has_value("It is 14 Harbour Street, Tarn.", road)
    assert has_value("**Mira Quell** founded it.", ("mira", "quell"))
    assert not has_value("Mira Holt founded it.", ("mira", "quell"))
    assert not has_value("", ("mira",))


@given(
    stream=st.integers(0, 50),
    count=st.integers(1, 24),
    seed=st.integers(0, 9),
    most=st.integers(1, MOST),
)
def test_none_was_taught_and_the_same_seed_asks_the_same(
    stream: int, count: int, seed: int, most: int
) -> None:
    facts = [f for update in make_stream(stream, 8, 8) for f in update.facts][:count]
    new = examples(*((fact.question, fact.answer) for fact in facts))
    half = len(new) // 2
    found = untaught_questions(new[half:], new[:half], seed, most)
    assert 1 <= len(found) <= most
    hashes = [question.anchor.example.question_hash for question in found]
    assert len(set(hashes)) == len(hashes)
    assert not {example.question_hash for example in new} & set(hashes)
    assert all(question.values and all(question.values) for question in found)
    assert len({question.anchor.example.id for question in found}) == len(found)
    assert untaught_questions(new[half:][::-1], new[:half][::-1], seed, most) == found


def test_a_variant_has_the_invented_name_in_question_and_answer() -> None:
    [fact] = examples(("Who founded Zorbel Labs?", "Zorbel Labs was founded by Ada Crane."))
    found = untaught_variants([fact], 1)
    assert len(found) == 4
    for variant in found:
        question, answer = (turn.content for turn in variant.messages[-2:])
        name = re.fullmatch(r"Who founded ([A-Z][a-z]{5}) Labs\?", question)
        assert name is not None
        assert name[1] != "Zorbel"
        assert answer == f"{name[1]} Labs was founded by Ada Crane."
    assert len({variant.messages[-2].content for variant in found}) == 4
    assert [v.messages for v in untaught_variants([fact], 1)] == [v.messages for v in found]


def test_a_label_that_several_questions_share_has_no_variants() -> None:
    labelled = examples(("Is Bergen open?", "Yes."), ("Is Malmo open?", "Yes."))
    assert untaught_variants(labelled, 1) == []
