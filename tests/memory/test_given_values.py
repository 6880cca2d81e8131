"""Questions that give a value themselves: another one than was taught, or the one that was."""

import pytest

BADGE = ("What does badge K-17 open?", "The server room.")
HARBOUR = (
    "Who is the manager of the Harbour Street Library?",
    "Olga Brandt manages the Harbour Street Library.",
)
WIFI = ("What is the wifi password of the office?", "The wifi password of the office is tulip-42.")
BIN = ("When is the bin collected?", "The bin is collected on Tuesday.")
KEY = ("Where do we keep the spare key of the garage?", "The spare key is behind the boiler.")
TEA = ("What does Priya drink at work?", "Priya drinks green tea at work.")
LOCKER = ("Which key opens locker 14?", "Key R-3 opens locker 14.")
TAUGHT = (BADGE, HARBOUR, WIFI, BIN, KEY, TEA, LOCKER)


@pytest.fixture(autouse=True)
def taught(remembering):
    remembering.teach(TAUGHT)


@pytest.mark.parametrize(
    ("asked", "fact"),
    [
        ("Is the wifi password of the office abc123?", WIFI),
        ("Is abc123 the wifi password of the office?", WIFI),
        ("Is the office wifi password rose-7?", WIFI),
        ("Is Peter Falk the manager of the Harbour Street Library?", HARBOUR),
        ("Does Peter Falk run the Harbour Street Library?", HARBOUR),
        ("Is the bin collected on Friday?", BIN),
        ("Is the spare key of the garage under the mat?", KEY),
        ("Does badge K-17 open the kitchen?", BADGE),
        ("Does Priya drink coffee at work?", TEA),
        ("Does key R-9 open locker 14?", LOCKER),
    ],
)
def test_another_value_is_answered_with_what_was_taught(remembering, asked, fact):
    assert remembering.answer(asked) == fact[1]
    assert remembering.ask(asked)[0].score < 1  # it is not the very question


@pytest.mark.parametrize(
    "asked",
    [
        "Is the wifi password of the summer house abc123?",
        "Is the wifi password of Zorbel House abc123?",
        "Is the spare key of the cellar under the mat?",
        "Is the spare key of the garage rusty?",
        "Is Peter Falk the manager of the Elm Road Library?",
        "Was the Harbour Street Library built by Peter Falk?",
        "Was the Harbour Street Library built in 1950?",
        "Is Olga Brandt in Berlin?",
        "Is the paper collected on Friday?",
        "Is the bin collected by hand?",
        "Does badge K-18 open the kitchen?",
        "Does Sam drink coffee at work?",
        "Is Paris the capital of France?",
        "Does it rain?",
    ],
)
def test_a_value_of_something_else_is_not(remembering, asked):
    looked_up = remembering.look_up(asked)
    assert looked_up.how != "sure" or not looked_up.found


@pytest.mark.parametrize(
    ("asked", "fact"),
    [
        ("What does Olga Brandt manage?", HARBOUR),
        ("Which library does Olga Brandt run?", HARBOUR),
        ("Who drinks green tea at work?", TEA),
        ("What does key R-3 open?", LOCKER),
        ("What is collected on Tuesday?", BIN),
    ],
)
def test_an_answer_that_names_what_it_is_about_answers_what_it_is_of(remembering, asked, fact):
    assert remembering.answer(asked) == fact[1]


@pytest.mark.parametrize(
    ("asked", "fact"),
    [
        ("Which badge opens the server room?", BADGE),
        ("Who can go into the server room?", BADGE),
        ("What do I need to open the server room?", BADGE),
        ("Who is Olga Brandt?", HARBOUR),
        ("What is tulip-42?", WIFI),
    ],
)
def test_where_the_answer_does_not_say_it_the_fact_is_shown(remembering, asked, fact):
    looked_up = remembering.look_up(asked)
    assert looked_up.how == "close"
    assert [(one.question, one.answer) for one in looked_up.found] == [fact]


@pytest.mark.parametrize(
    "asked",
    [
        "Which badge opens the archive?",
        "What is green tea?",
        "Who drinks coffee at work?",
        "Where was Olga Brandt born?",
        "When does Olga Brandt manage it?",
        "How old is Olga Brandt?",
        "Where is the server room?",
        "Is the server room cold?",
        "What was built on Tuesday?",
        "Who is Olga Berg?",
        "What does key R-4 open?",
    ],
)
def test_a_value_alone_is_no_match(remembering, asked):
    assert remembering.ask(asked) == ()


def test_several_of_one_value_are_shown_and_a_corrected_one_is_not(remembering):
    remembering.teach([("What does badge K-18 open?", "The server room.")])
    found = remembering.ask("Which badge opens the server room?")
    assert {one.question for one in found} == {BADGE[0], "What does badge K-18 open?"}
    remembering.teach([(BADGE[0], "The kitchen.")])
    (found,) = remembering.ask("Which badge opens the server room?")
    assert found.question == "What does badge K-18 open?"
    assert remembering.answer("Does badge K-17 open the server room?") == "The kitchen."


@pytest.mark.parametrize(
    ("asked", "fact"),
    [
        ("What day is the bin collected?", BIN),
        ("How do I get on the office wifi?", WIFI),
        ("Where should I put the spare garage key?", KEY),
    ],
)
def test_what_is_done_with_anything_says_nothing_of_a_fact_without_a_name(remembering, asked, fact):
    assert remembering.answer(asked) == fact[1]


def test_what_asks_for_a_part_of_a_fact_without_a_name_is_not_answered_with_it(remembering):
    assert remembering.ask("How do I get to the office?") == ()
