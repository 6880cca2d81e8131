"""Which questions within a chat are looked up as if they were asked alone."""

import pytest

from radiance.memory.chats import Standing, reminded, standing, telling, without_instruction
from radiance.records import Message

DESK = "What is the desk of Ana Ruiz?"
MAIL = (Message("user", "What is the e-mail address of Ana Ruiz?"), Message("assistant", "a@b.c"))


HOW = ("How can I help you today?", "What can I do for you?", "Is there anything else I can do?")


def after(*said: str) -> Standing:
    roles = ("user", "assistant")
    return standing([Message(roles[n % 2], text) for n, text in enumerate(said)])


def prompted(prompt: str, *said: str) -> Standing:
    roles = ("user", "assistant")
    turns = [Message(roles[n % 2], text) for n, text in enumerate(said)]
    return standing([Message("system", prompt), *turns])


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
    assert after(*before, DESK) == "alone"


@pytest.mark.parametrize(
    "before",
    [
        ("Ana Ruiz has moved to desk 9.", "I see."),
        ("Who is it?\nAna Ruiz sits at desk 9.", "I see."),
        ("What if Ana Ruiz moved to desk 9?", "She would sit there."),
        ("Suppose Ana Ruiz moved to desk 9?", "I see."),
        ("Is it true that Ana Ruiz moved to desk 9?", "Yes."),
        ("Hello!", "Whose desk do you want to know?"),
    ],
)
def test_what_was_said_may_change_the_answer(before: tuple[str, ...]) -> None:
    assert after(*before, DESK) == "unknown"


@pytest.mark.parametrize(
    "before",
    [
        ("Answer in French.", "Oui."),
        ("Could you answer in one word?", "Yes."),
        ("Answer in French, ok?", "Oui."),
        ("Hello!", "Hello!", "Please write like a pirate from now on.", "Arr!"),
    ],
)
def test_an_instruction_says_how_to_answer_and_no_more(before: tuple[str, ...]) -> None:
    assert after(*before, DESK) == "told how"
    assert after("Answer in French. Ana Ruiz has moved.", "Oui.", DESK) == "unknown"


@pytest.mark.parametrize("offer", HOW)
def test_an_offer_to_help_asks_for_nothing(offer: str) -> None:
    for said in (f"Hello! {offer}", offer):
        assert after("Hello!", said, DESK) == "alone"
        assert after("Hello!", said, "What is the wifi password?") == "alone"


def test_a_question_without_a_name_may_lean_on_another_question() -> None:
    asked = "What is the phone number?"
    assert after(asked) == after("Hi", "Hello!", asked) == "alone"
    assert after("Who is our landlord?", "Mr Webb.", asked) == "same"


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
    assert standing([*MAIL, Message("user", question)]) == "unknown"


def test_a_tool_speaks_before_it() -> None:
    assert standing([Message("tool", "Hello."), Message("user", DESK)]) == "unknown"


def test_a_system_prompt_changes_nothing_or_says_how_or_speaks_of_it() -> None:
    neutral = "You are a helpful assistant."
    for asked in (DESK, "What is the wifi password?", "And her desk?"):  # nothing was said before
        assert prompted(neutral, asked) == "alone"
        assert prompted("Answer in French.", asked) == "told how"
    assert prompted("The desk of Ana Ruiz is 9.", DESK) == "unknown"
    assert prompted("Ana Ruiz\n- desk: 9\n- phone: 12", DESK) == "unknown"
    assert prompted("The wifi password is ab12.", "What is the wifi password?") == "unknown"
    mail, told = MAIL
    assert prompted(neutral, mail.content, told.content, DESK) == "alone"
    assert prompted("Answer in French.", mail.content, told.content, DESK) == "told how"
    assert prompted(neutral, mail.content, told.content, "And her desk?") == "unknown"
    assert prompted("Answer in French.", "Who is it?", "Bob.", "What is the code?") == "unknown"


def test_a_prompt_that_changes_nothing_is_left_out_of_a_chat() -> None:
    chat = (*MAIL, Message("user", "And her desk?"))
    assert telling([Message("system", "Be concise."), *chat]) == list(chat)
    other = [Message("system", "Answer in French."), *chat]
    assert telling(other) == other


def test_what_is_known_stands_before_the_question() -> None:
    system = Message("system", "Answer in French.")
    *before, last = reminded([system, Message("user", DESK)], "Ana Ruiz sits at desk 9.")
    assert before == [system]
    assert last.role == "user"
    assert last.content.endswith(DESK)
    assert "Ana Ruiz sits at desk 9." in last.content


@pytest.mark.parametrize(
    ("text", "apart"),
    [
        (f"{DESK} Answer in French.", (DESK, True)),
        (f"{DESK}\nAnswer in one word.", (DESK, True)),
        (f"Reply with JSON. {DESK}", (DESK, True)),
        (f"Hello! {DESK} Thanks!", (DESK, False)),
        (f"Be concise. {DESK}", (DESK, False)),
        (DESK, None),
        (f"Ana Ruiz has moved. {DESK}", None),
        (f"Answer as if Ana Ruiz had moved. {DESK}", None),
        (f"Translate this into French. {DESK}", None),
        (f"Who is she? {DESK}", None),
        ("Answer in French. Hello!", None),
    ],
)
def test_an_instruction_in_the_message_itself(text: str, apart: tuple[str, bool] | None) -> None:
    assert without_instruction(text) == apart


@pytest.mark.parametrize(
    "prompt",
    [
        "You are a translator.",
        "Translate what the user says into English.",
        "Summarize the text that is sent.",
        "Classify each message as a question or a statement.",
        "You correct grammar.",
    ],
)
def test_what_is_worked_on_is_no_question(prompt: str) -> None:
    assert prompted(prompt, DESK) == "unknown"
    assert prompted("Translate all your answers into German.", DESK) == "told how"
