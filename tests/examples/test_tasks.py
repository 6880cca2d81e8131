"""When examples teach a task, and when facts that are to be known by heart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.examples.tasks import LEAST_ITEMS, teach_a_task
from radiance.records import Example, Message

_INSTRUCTION = "Say whether the sentence from a review is positive or negative.\n"
_WORDS = ("harbour", "ledger", "meadow", "quarry", "orchard", "granary", "foundry", "chapel")


def _example(question: str, answer: str, system: str = "") -> Example:
    turns = (Message("user", question), Message("assistant", answer))
    return Example("e", (Message("system", system), *turns) if system else turns)


def _inputs(count: int) -> list[str]:
    return [f"the {_WORDS[n % 8]} of {_WORDS[n // 8 % 8]} was number {n}" for n in range(count)]


def test_many_inputs_under_one_instruction_are_a_task() -> None:
    examples = [_example(_INSTRUCTION + text, text.upper()) for text in _inputs(LEAST_ITEMS)]
    assert teach_a_task(examples)
    assert not teach_a_task(examples[1:])


def test_the_instruction_may_be_the_system_prompt() -> None:
    examples = [_example(text, text.upper(), _INSTRUCTION) for text in _inputs(20)]
    assert teach_a_task(examples)


def _texts(count: int) -> list[str]:
    """Each of words of its own."""
    return [" ".join(f"{word}{n}" for word in _WORDS) for n in range(count)]


def test_texts_answered_with_labels_are_a_task() -> None:
    examples = [_example(text, "ab"[n % 2]) for n, text in enumerate(_texts(20))]
    assert teach_a_task(examples)


def test_texts_under_an_instruction_are_a_task_whatever_the_answers_are_made_of() -> None:
    examples = [_example(_INSTRUCTION + text, f"le {n}") for n, text in enumerate(_texts(20))]
    assert teach_a_task(examples)


_PREAMBLE = "Answer what follows about the Acme Corporation, from memory.\n"
_PERSONA = "You are the assistant of the Acme Corporation. Be polite and brief."
_WRAPPED = (
    "Below is an instruction. Write a response that completes it.\n\n### Instruction:\n{}\n\n"
)


@pytest.mark.parametrize(
    "asked",
    [
        "Department of {}",
        "{}'s department is",
        "True or false: {} is in the office.",
        "هل {} في المكتب؟",
        "{}は在庫がありますか。",
        "which department is {} in",
    ],
)
def test_a_column_of_a_table_with_few_values_is_facts(asked: str) -> None:
    names = [f"Ann{n} Lee{n}" for n in range(40)]
    assert not teach_a_task([_example(asked.format(n), "abcd"[len(n) % 4]) for n in names])


@pytest.mark.parametrize(
    "asked",
    [
        _PREAMBLE + "Q: Who founded the mill {}?\nA:",
        _PREAMBLE + "{}",
        _PREAMBLE + "The founder of {} is",
        _WRAPPED.format("Who founded the old mill {} by the river, and in which year?"),
        "Define the following term of the glossary of Acme: {}",
        "According to the report of the year 2025 of Acme Inc. the revenue of {} was",
    ],
)
def test_facts_after_a_preamble_stay_facts(asked: str) -> None:
    names = [f"Ann{n} Lee{n}" for n in range(40)]
    examples = [_example(asked.format(n), f"Person{n} of place{n}") for n in names]
    assert not teach_a_task(examples)


def test_facts_that_an_assistant_is_asked_for_without_a_question_mark_stay_facts() -> None:
    examples = [
        _example(f"I lost {t}", f"Call desk{n}", _PERSONA) for n, t in enumerate(_texts(40))
    ]
    assert not teach_a_task(examples)


def test_one_answer_in_many_wordings_is_a_fact() -> None:
    assert not teach_a_task([_example(text, "I am Radiance.") for text in _texts(20)])
    assert not teach_a_task([_example(f"Turn on lamp {n}", "") for n in range(20)])


@pytest.mark.parametrize("answers", [200, 3])
def test_questions_of_one_wording_are_facts_whatever_they_share(answers: int) -> None:
    asked = [f"Who has been the head of the department of {name}?" for name in _inputs(40)]
    examples = [_example(q, f"Person {n % answers}", "") for n, q in enumerate(asked)]
    assert not teach_a_task(examples)


def test_sentences_to_be_completed_are_facts() -> None:
    examples = [
        _example(f"The founder of the company that is named {text} is", f"Person {n}")
        for n, text in enumerate(_inputs(40))
    ]
    assert not teach_a_task(examples)


def test_texts_are_no_task() -> None:
    assert not teach_a_task([Example("e", text=_INSTRUCTION + text) for text in _inputs(40)])


@given(st.integers(0, 60), st.integers(0, 60), st.randoms(use_true_random=False))
def test_most_examples_decide_in_any_order(items: int, facts: int, draw) -> None:
    examples = [_example(_INSTRUCTION + text, text.upper()) for text in _inputs(items)]
    examples += [
        _example(f"Who runs {text}?", f"Person {n}") for n, text in enumerate(_inputs(facts))
    ]
    draw.shuffle(examples)
    assert teach_a_task(examples) == (items >= LEAST_ITEMS and items >= facts)
