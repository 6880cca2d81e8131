"""Which questions within a chat are looked up as if they were asked alone."""

import pytest

from radiance.memory.chats import stands_alone
from radiance.records import Message

DESK = "What is the desk of Ana Ruiz?"
MAIL = (Message("user", "What is the e-mail address of Ana Ruiz?"), Message("assistant", "a@b.c"))


def after(*said: str) -> bool:
    roles = ("user", "assistant")
    return stands_alone([Message(roles[n % 2], text) for n, text in enumerate(said)])


@pytest.mark.parametrize(
    "before",
    [
        (),
        ("Hello!", "Hello. How do you do."),
        ("Thank you very much.", "Not at all."),
        ("What is the e-mail address of Ana Ruiz?", "It is a@b.c."),
        ("Who are the guards?", "Some men.", "ok", "Good."),
    ],
)
def test_after_questions_and_pleasantries_it_stands_alone(before: tuple[str, ...]) -> None:
    assert after(*before, DESK)


@pytest.mark.parametrize(
    "before",
    [
        ("Answer in French.", "Oui."),
        ("Could you answer in one word?", "Yes."),
        ("Ana Ruiz has moved to desk 9.", "I see."),
        ("Who is it?\nAna Ruiz sits at desk 9.", "I see."),
        ("Answer in French, ok?", "Oui."),
        ("What if Ana Ruiz moved to desk 9?", "She would sit there."),
        ("Suppose Ana Ruiz moved to desk 9?", "I see."),
        ("Is it true that Ana Ruiz moved to desk 9?", "Yes."),
        ("Hello!", "Whose desk do you want to know?"),
    ],
)
def test_what_was_said_may_change_the_answer(before: tuple[str, ...]) -> None:
    assert not after(*before, DESK)


@pytest.mark.parametrize(
    "question",
    [
        "And her desk?",
        "And the desk of Ana Ruiz?",
        "What did she do at Zorbel House?",
        "What is the desk of Ana Ruiz then?",
        "Is that the same desk as Bob Li has?",
        "Which desk is it?",
        "Ana Ruiz.",
        "What is the desk of Ana Ruiz?\nAnswer in one word.",
    ],
)
def test_what_leans_on_what_was_said_does_not(question: str) -> None:
    assert not stands_alone([*MAIL, Message("user", question)])


def test_a_system_prompt_or_a_tool_speaks_before_it() -> None:
    for role in ("system", "tool"):
        assert not stands_alone([Message(role, "Hello."), Message("user", DESK)])
