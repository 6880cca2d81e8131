"""What is asked for: "which person" as "who", a place where one is asked for, whether it is so."""

import pytest

LABS = ("Who founded Zorbel Labs?", "Zorbel Labs was founded by Mira Quell.")
OPENED = ("When did Zorbel Labs open?", "Zorbel Labs opened in 1987.")
SEAT = ("Where is Zorbel Labs?", "Zorbel Labs is in Bergen.")
EMAIL = ("What is Ana Ruiz's email?", "Ana Ruiz's email is ana@zorbel.example.")
DESK = ("Which desk has Ana Ruiz?", "Ana Ruiz has desk 12.")
KITCHEN = ("Who cleans the kitchen?", "Karim Haddad cleans the kitchen.")


@pytest.mark.parametrize(
    ("asked", "fact"),
    [
        ("Which person founded Zorbel Labs?", LABS),
        ("What person was Zorbel Labs founded by?", LABS),
        ("Who is the woman who founded Zorbel Labs?", LABS),
        ("In which year did Zorbel Labs open?", OPENED),
        ("What day did Zorbel Labs open?", OPENED),
        ("Which city is Zorbel Labs in?", SEAT),
        ("In what town is Zorbel Labs?", SEAT),
        ("In which country can I find Zorbel Labs?", SEAT),
        ("Which person cleans the kitchen?", KITCHEN),
        ("Which colleague tidies the kitchen?", KITCHEN),
    ],
)
def test_a_noun_that_only_says_the_kind_asks_as_who_where_and_when_do(remembering, asked, fact):
    remembering.teach([LABS, OPENED, SEAT, EMAIL, DESK, KITCHEN])
    for _ in range(2):
        assert remembering.answer(asked) == fact[1]
        remembering.memory.calibrate()


def test_a_noun_that_was_taught_tells_more_than_its_kind(remembering):
    city = ("Which city is Zorbel Labs in?", "Zorbel Labs is in Bergen.")
    country = ("Which country is Zorbel Labs in?", "Zorbel Labs is in Norway.")
    remembering.teach([city, country])
    for asked, answer in (city, country):
        assert remembering.answer(asked.replace("is", "was")) == answer
    assert len(remembering.ask("Where is Zorbel Labs?")) == 2


@pytest.mark.parametrize(
    "asked",
    [
        "Where was Zorbel Labs founded?",
        "In which city was Zorbel Labs founded?",
        "Where did Zorbel Labs open?",  # in 1987 is no place
        "Which person opened Zorbel Labs?",
        "In what town does Karim Haddad clean the kitchen?",
    ],
)
def test_no_fact_of_another_kind_answers(remembering, asked):
    remembering.teach([LABS, OPENED, KITCHEN])
    for _ in range(2):
        assert remembering.answer(asked) is None, asked
        remembering.memory.calibrate()


@pytest.mark.parametrize(
    ("taught", "answer"),
    [
        ("What is the address of Zorbel Labs?", "Zorbel Labs has the address 14 Harbour Road."),
        ("How do I get to Zorbel Labs?", "Take tram 4 to the harbour."),
        ("What did Zorbel Labs move to?", "The old mill."),
        ("Which house has Zorbel Labs?", "Zorbel Labs has rooms at 14 Harbour Road."),
    ],
)
def test_a_place_is_told_in_many_ways(remembering, taught, answer):
    remembering.teach([(taught, answer), EMAIL])
    found = remembering.ask("Where is Zorbel Labs?")
    assert [one.answer for one in found] == [answer]


@pytest.mark.parametrize(
    "asked",
    [
        "Is Ana Ruiz married?",
        "Does Ana Ruiz have children?",
        "Do you know whether Ana Ruiz can swim?",
        "Will Ana Ruiz come to the party?",
        "Is Zorbel Labs rich?",
    ],
)
def test_whether_something_is_so_that_no_fact_is_about_is_left_to_the_model(remembering, asked):
    remembering.teach([LABS, OPENED, EMAIL, DESK])
    for _ in range(2):
        assert remembering.ask(asked) == ()
        remembering.memory.calibrate()


@pytest.mark.parametrize(
    ("asked", "fact"),
    [
        ("Is Ana Ruiz's desk 14?", DESK),
        ("Do you know if Ana Ruiz has desk 14?", DESK),
        ("Was Zorbel Labs founded by Peter Falk?", LABS),
    ],
)
def test_whether_a_fact_is_so_is_answered_with_it(remembering, asked, fact):
    remembering.teach([LABS, OPENED, EMAIL, DESK])
    assert remembering.answer(asked) == fact[1]
