"""Plain texts that were taught, asked: found as passages are, valid as examples are."""

from collections.abc import Sequence

import pytest

from radiance.memory import texts
from radiance.memory.texts import is_correction
from tests.memory.conftest import Remembering

BOATHOUSE = "The boathouse code is 4711."
PLUMBER = (
    "Our plumber is Karl Webb, 0555 3391. He comes on Tuesdays. The boiler is serviced in October."
)
LABS = "Zorbel Labs was founded by Mira Quell in 1987. It makes lamps."
SHEDS = ("The code of the north shed is 11.", "The code of the south shed is 22.")


def teach(remembering: Remembering, *said: str) -> str:
    return remembering.send({"examples": [{"text": text} for text in said]})


def said(remembering: Remembering, question: str) -> Sequence[str]:
    found = remembering.memory.look_up_text(question, remembering.tip).found
    return [each.answer for each in found]


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("What is the boathouse code?", BOATHOUSE),
        ("What is the code of the boathouse?", BOATHOUSE),
        ("whats the boathouse cdoe? ", None),
        ("whats the code of the boat house", BOATHOUSE),
        ("Who is the plumber?", "Our plumber is Karl Webb, 0555 3391."),
        ("When is the boiler serviced?", "The boiler is serviced in October."),
        ("When is the bolier serviced?", "The boiler is serviced in October."),
        ("Who founded Zorbel Labs?", "Zorbel Labs was founded by Mira Quell in 1987."),
        ("Who founded Zarbel Labs?", None),
        ("Who founded Zrobel Labs?", None),
        ("What colour is the boathouse?", None),
        ("What is a boathouse?", None),
        ("Where is the plumber?", None),
        ("The boathouse code", None),
        ("What is the weather?", None),
    ],
)
def test_the_sentence_that_says_it_answers(
    remembering: Remembering, asked: str, answer: str | None
) -> None:
    teach(remembering, BOATHOUSE, PLUMBER, LABS)
    assert said(remembering, asked) == ([] if answer is None else [answer])


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("Which code opens the boathouse?", BOATHOUSE),
        ("what code unlocks the boathouse", BOATHOUSE),
        ("Which code gets me into the boathouse?", BOATHOUSE),
        ("How do I open the boathouse?", BOATHOUSE),
        ("Which password is for the wifi?", "The wifi password is tulip-9."),
        ("How do I connect to the wifi?", "The wifi password is tulip-9."),
        ("How do I get to the boathouse?", None),
        ("How do I paint the boathouse?", None),
        ("Which key opens the boathouse?", None),
        ("Which code opens the garage?", None),
        ("Which code opens the sauna?", None),  # its alarm's
        ("Who opens the boathouse?", None),
    ],
)
def test_what_is_needed_for_it_answers(
    remembering: Remembering, asked: str, answer: str | None
) -> None:
    teach(remembering, BOATHOUSE, "The wifi password is tulip-9.", "The sauna alarm code is 77.")
    found = remembering.memory.look_up_text(asked, remembering.tip)
    sure = [each.answer for each in found.found] if found.how == "sure" else []
    assert sure == ([] if answer is None else [answer])


def test_where_no_sentence_says_all_of_it_the_text_answers(remembering: Remembering) -> None:
    teach(remembering, LABS)
    assert said(remembering, "What does Zorbel Labs make?") == [LABS]


def test_two_that_say_as_much_are_both_shown(remembering: Remembering) -> None:
    teach(remembering, *SHEDS)
    assert said(remembering, "What is the code of the shed?") == list(SHEDS[::-1])
    assert said(remembering, "What is the code of the north shed?") == [SHEDS[0]]


def test_the_same_with_another_value_is_a_correction(remembering: Remembering) -> None:
    teach(remembering, BOATHOUSE)
    job = teach(remembering, "The boathouse code is 9-20.")
    assert said(remembering, "What is the boathouse code?") == ["The boathouse code is 9-20."]
    remembering.jobs.cancel(job)
    assert said(remembering, "What is the boathouse code?") == [BOATHOUSE]


def test_what_is_a_correction() -> None:
    assert is_correction("The plumber is Ines Falk.", "The plumber is Karl Webb, 0555 3391.")
    assert is_correction("Ines Falk repairs our boiler.", "Karl Webb repairs our boiler.")
    assert is_correction("The code KV-9 opens the shed.", "The code QX-1 opens the shed.")
    assert not is_correction(*SHEDS)
    assert not is_correction("The north shed is red.", "The south shed is red.")
    assert not is_correction("The boathouse code is 4711.", "The boathouse is red.")


def test_what_was_rolled_back_or_removed_is_not_said(remembering: Remembering) -> None:
    job = teach(remembering, BOATHOUSE)
    remembering.jobs.cancel(job)
    assert said(remembering, "What is the boathouse code?") == []
    other = teach(remembering, BOATHOUSE.replace("4711", "9-20"))
    assert said(remembering, "What is the boathouse code?") == ["The boathouse code is 9-20."]
    with remembering.db.transaction() as connection:
        remembering.memory.remove(connection, [f"{other}.0"])
    remembering.memory.compact()
    assert said(remembering, "What is the boathouse code?") == []
    assert remembering.db.read("SELECT COUNT(*) FROM text_keys")[0][0] == 1


def test_it_is_made_anew_where_it_was_made_by_other_rules(
    remembering: Remembering, monkeypatch: pytest.MonkeyPatch
) -> None:
    teach(remembering, BOATHOUSE)
    remembering.memory = remembering.open()
    assert said(remembering, "What is the boathouse code?") == [BOATHOUSE]
    with remembering.db.transaction() as connection:
        connection.execute("DELETE FROM text_keys")
    monkeypatch.setattr(texts, "RULES", "another")
    remembering.memory = remembering.open()
    assert said(remembering, "What is the boathouse code?") == [BOATHOUSE]
    assert remembering.memory.texts.size == 1
