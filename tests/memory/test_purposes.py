"""Who wants to open something is told its code, and nothing of another thing."""

import pytest

from radiance.memory.purposes import needed_for

CODE = ("What is the code of the boathouse?", "The code of the boathouse is 4711.")
DOOR = ("What is the door code of Zorbel House?", "The door code of Zorbel House is KV-1234.")
ALARM = ("What is the alarm code of Kestrel House?", "The alarm code of Kestrel House is 77-9.")
WIFI = ("What is the wifi password?", "The wifi password is ab12.")
PRINTER = ("What is the password of the printer?", "The printer password is tulip.")
KEY = ("Where is the key of the shed?", "The key of the shed is under the mat.")
PHONE = ("What is the phone number of the plumber?", "The plumber's number is 0555 3391.")
IBAN = ("What is the IBAN of Quell Plumbing?", "The IBAN of Quell Plumbing is DE12 3456.")
MAIL = ("What is the email address of Ana Ruiz?", "It is ana@zorbel.example.")
OPEN = ("When does the canteen open?", "The canteen opens at noon.")
KNOWN = (CODE, DOOR, ALARM, WIFI, PRINTER, KEY, PHONE, IBAN, MAIL, OPEN)


@pytest.mark.parametrize(
    ("asked", "fact"),
    [
        ("How do I open the boathouse?", CODE),
        ("how can we get into the boathouse", CODE),
        ("What do I need to unlock the boathouse?", CODE),
        ("Which code opens the boathouse?", CODE),
        ("What is the password for the printer?", PRINTER),
        ("How do I get into Zorbel House?", DOOR),
        ("How do I get into the shed?", KEY),
        ("What do I need to get on the wifi?", WIFI),
        ("How do I connect to the wifi?", WIFI),
        ("How do I log in to the printer?", PRINTER),
        ("How can I reach the plumber?", PHONE),
        ("How do I pay Quell Plumbing?", IBAN),
        ("How do I write to Ana Ruiz?", MAIL),
    ],
)
def test_what_is_needed_for_it_answers(remembering, asked, fact) -> None:
    remembering.teach(KNOWN)
    assert remembering.answer(asked) == fact[1]


@pytest.mark.parametrize(
    "asked",
    [
        "How do I open the window?",
        "How do I get into the garage?",
        "How do I log in to the bank?",
        "How do I call the dentist?",
        "How do I pay the landlord?",
        "How do I open Tarnish House?",
        "How do I open the canteen?",  # not when it is open
        "How do I paint the boathouse?",
        "Why do I open the boathouse?",
    ],
)
def test_another_thing_or_purpose_is_not_answered(remembering, asked) -> None:
    remembering.teach(KNOWN)
    assert remembering.answer(asked) is None


def test_what_may_be_needed_is_shown(remembering) -> None:
    remembering.teach(KNOWN)
    found = remembering.look_up("How do I open Kestrel House?")  # its alarm code may be none
    assert (found.how, [each.answer for each in found.found]) == ("close", [ALARM[1]])
    remembering.teach([("Where is the key of the boathouse?", "It hangs in the office.")])
    found = remembering.look_up("How do I open the boathouse?")
    assert found.how == "close"
    assert {each.answer for each in found.found} == {CODE[1], "It hangs in the office."}


def test_only_the_frame_is_taken_for_another_question() -> None:
    asked = [question for question, _ in needed_for("How do I open the boathouse?")]
    assert "What is the code of the boathouse?" in asked
    for question in ("How do I paint the boathouse?", "Who opens the boathouse?", "How do I open?"):
        assert not list(needed_for(question))
