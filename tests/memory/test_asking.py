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
        "In which year was Ana Ruiz born?",  # a time is said of her, and of something else
    ],
)
def test_no_fact_of_another_kind_answers(remembering, asked):
    starts = ("When does Ana Ruiz come in?", "Ana Ruiz comes in at 8:30.")
    remembering.teach([LABS, OPENED, KITCHEN, starts])
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


def test_whether_she_is_married_is_about_her_husband_and_tall_not_about_her_shoes(remembering):
    husband = ("Who is Ana Ruiz's husband?", "Ana Ruiz's husband is Tom Li.")
    remembering.teach([husband, ("What is Ana Ruiz's shoe size?", "Ana Ruiz's shoe size is 34.")])
    assert remembering.answer("Is Ana Ruiz married?") == husband[1]
    assert remembering.ask("Is Ana Ruiz tall?") == ()


def test_what_a_thing_is_in_general_and_what_its_name_is_is_no_question_for_facts_of_it(
    remembering,
):
    vet = ("Who is our vet?", "Our vet is Dr. Maja Sund.")
    hut = ("What is a tarn hut?", "A tarn hut is a shelter of the hiking club.")
    dog = ("What does the dog eat?", "The dog eats dry food in the morning.")
    remembering.teach([vet, hut, dog, LABS])
    for asked in ("What is a vet?", "What's a dog?", "What is the name of the dog?"):
        assert remembering.ask(asked) == (), asked
    assert remembering.answer("What is the name of the vet?") == vet[1]
    assert remembering.answer("What's a tarn hut?") == hut[1]


def test_how_often_and_parts_of_a_kind_say_no_more_than_the_kind(remembering):
    clean = ("When do we clean the boathouse?", "We clean the boathouse every first Saturday.")
    email = ("What is the email of the treasurer?", "The treasurer's email is kasse@tarn.example.")
    built = ("When was the boathouse built?", "The boathouse was built in 1950.")
    jackets = ("Where are the life jackets?", "The life jackets hang behind the door.")
    remembering.teach([clean, email, built, jackets])
    assert remembering.answer("How often do we clean the boathouse?") == clean[1]
    assert remembering.answer("What's the treasurer's email address?") == email[1]
    assert remembering.answer("In which place are the life jackets kept?") == jackets[1]
    assert remembering.answer("How often was the boathouse built?") is None


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
