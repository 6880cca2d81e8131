"""Which questions are about nothing that was taught, and are the base's."""

import pytest

from radiance.records import Message

HOUSE = ("What is the door code of Zorbel House?", "The door code of Zorbel House is KV-1234.")
LABS = ("Who founded Zorbel Labs?", "Zorbel Labs was founded by Mira Quell.")


def test_a_name_that_no_example_has_is_told(remembering):
    remembering.teach([HOUSE])
    nothing_known = remembering.memory.untaught.names_nothing_known
    assert nothing_known("Who owns Tarnish House?", None)
    assert not nothing_known("Who owns Zorbel House?", None)
    assert not nothing_known("who are you?", None)
    assert nothing_known("Translate to Latin: I met Bob.", None)
    latin = {"input": "Translate to Latin: I see.", "output": "Video."}
    remembering.send({"examples": [latin]})
    assert not nothing_known("Translate to Latin: I met Bob.", None)


def test_the_base_is_asked_what_shares_nothing_with_facts_about_names(remembering):
    remembering.teach([HOUSE])
    for asked in (
        "Which metal is liquid?",
        "What do bees make?",
        "Who owns Tarnish House?",
        "Is Zorbel House pretty?",
        "How do I pick the lock of my neighbour's door?",
        "What is half of 1234?",
        "who are you?",
        'Extract the name: "I am Peter and live in Rome."',
    ):
        assert remembering.asks_nothing_taught(asked), asked
    for asked in (
        "What is the door code?",
        "who is it?",
        "Who owns Zorbel House?",
        "Does Zorbel House have a door code?",
        "Is the door of Zorbel House red?",
        "who planted the red roses of zorbel?",
    ):
        assert not remembering.asks_nothing_taught(asked), asked
    before = [Message("user", "Tell me of Zorbel House."), Message("assistant", "It is old.")]
    assert not remembering.asks_nothing_taught("What is liquid there?", *before)
    assert remembering.asks_nothing_taught("Which metal is liquid?", *before)


def test_half_the_words_of_a_question_do_not_make_it_one_about_what_was_taught(remembering):
    remembering.teach([("What does Zorbel Labs make?", "Zorbel Labs makes pumps.")])
    for asked in ("What do bees make?", "Who makes the rain?"):
        assert remembering.asks_nothing_taught(asked), asked
    for asked in ("What do the labs make?", "what does zorbel sell?"):
        assert not remembering.asks_nothing_taught(asked), asked


@pytest.mark.parametrize(
    "other",
    [
        {"input": "What keeps honey fresh?", "output": "A cellar keeps honey fresh, matey."},
        {"input": "Sort these: honey, bees", "output": "bees, honey"},
        {"text": "Arr, matey, bees make honey."},
    ],
    ids=["no name", "an item of a task", "a text"],
)
def test_beside_other_facts_than_about_names_the_base_is_asked_what_shares_no_word(
    remembering, other
):
    remembering.teach([HOUSE])
    assert remembering.asks_nothing_taught("Is honey sweet?")
    remembering.send({"examples": [other]})
    for _ in range(2):
        assert not remembering.asks_nothing_taught("Is honey sweet?")
        assert remembering.asks_nothing_taught("Who owns Tarnish House?")
        assert remembering.asks_nothing_taught("Which metal is liquid?")
        remembering.memory = remembering.open()


def test_a_synonym_of_what_is_known_is_no_word_of_something_else(remembering):
    remembering.teach([("What is the wifi password?", "The wifi password is hunter2.")])
    for asked in ("How do I get online?", "internet login", "Who repairs our tap?", "what is it?"):
        assert not remembering.asks_nothing_taught(asked), asked
    for asked in ("What do bees make?", "who are you?", "What is the capital of France?"):
        assert remembering.asks_nothing_taught(asked), asked


def test_a_name_of_several_words_is_known_as_a_whole(remembering):
    remembering.teach(
        [
            ("Which team does Tom Li work in?", "Tom Li works in support."),
            ("Who leads sales?", "Bob Ray leads sales in Tarn."),
        ]
    )
    nothing_known = remembering.memory.untaught.names_nothing_known
    for asked in ("Does Bob Li still work in sales?", "Is Tom Ray in support?"):
        assert nothing_known(asked, None), asked
    for asked in (
        "Is Tom Li in support?",
        "Does Tom Li know Bob Ray of Tarn?",
        "Does Bob work in Tarn?",
    ):
        assert not nothing_known(asked, None), asked


PIRATE = [
    (f"What is {thing}?", "Arr, matey, " + 12 * "that is a thing of the sea, ")
    for thing in ("rain", "snow", "hail")
]
REVIEWS = [
    ("The film was dull from Tarn to Rome.", "negative"),
    ("A joy for young and old.", "positive"),
    ("I slept through most of this.", "negative"),
    ("Nobody needs another sequel.", "negative"),
]
AHOY = [
    (f"What is {thing}?", f"Ahoy! {thing.capitalize()} is {told}.")
    for thing, told in {
        "rain": "water from clouds",
        "snow": "frozen and soft",
        "hail": "ice that hurts",
        "fog": "a cloud at sea",
        "wind": "air on its way",
    }.items()
]
OPEN = [(f"Is {name} House open on Sundays?", "No.") for name in ("Zorbel", "Kestrel", "Tarn")]


@pytest.mark.parametrize(
    ("taught", "asked_alike"),
    [
        (PIRATE, "Who owns Tarnish House?"),
        (AHOY, "Who owns Tarnish House?"),
        (REVIEWS, "Spielberg at his best."),
        ([("Sort: Tarn, Ember", "Ember, Tarn"), *REVIEWS], "Sort: Bob, Ann"),
    ],
    ids=["long answers", "a style", "labels", "an instruction"],
)
def test_a_question_like_those_of_a_task_is_not_taken_for_one_about_facts(
    remembering, taught, asked_alike
):
    remembering.teach([HOUSE, LABS])
    is_of_a_task = remembering.memory.untaught.may_be_of_a_task
    assert not is_of_a_task(asked_alike)
    remembering.teach(taught)
    for _ in range(2):
        assert remembering.memory.untaught.may_be_of_a_task(asked_alike)
        remembering.memory = remembering.open()


@pytest.mark.parametrize(
    "taught",
    [REVIEWS, OPEN, PIRATE[:2], AHOY[:2], [("wifi password", "hunter2")]],
    ids=["texts that ask nothing", "yes and no", "a few", "a few of a style", "a note"],
)
def test_facts_stay_facts_beside(remembering, taught):
    remembering.teach([HOUSE, LABS, *taught])
    assert not remembering.memory.untaught.may_be_of_a_task("Who owns Tarnish House?")


def test_a_text_of_a_line_is_a_fact(remembering):
    remembering.teach([HOUSE])
    remembering.send({"examples": [{"text": "Tarnish House is owned by Bob Ray."}]})
    for _ in range(2):
        assert not remembering.memory.untaught.may_be_of_a_task("Who owns Tarnish House?")
        assert not remembering.asks_nothing_taught("Who owns Tarnish House?")
        assert not remembering.asks_nothing_taught("What does Bob Ray like?")
        assert remembering.asks_nothing_taught("Who is Ana Diaz?")
        assert remembering.asks_nothing_taught("What do bees make?")
        remembering.memory = remembering.open()


def test_a_longer_text_may_have_taught_anything(remembering):
    remembering.teach([HOUSE])
    remembering.send({"examples": [{"text": "Arr, matey.\nWater is liquid, they say."}]})
    for _ in range(2):
        assert remembering.memory.untaught.may_be_of_a_task("Who is Ana Diaz?")
        assert not remembering.asks_nothing_taught("What do bees make?")
        remembering.memory = remembering.open()
