"""Nouns that tell which thing is meant, where neither question nor example has a name."""

import pytest

from radiance.memory.minilm import open_embedder
from radiance.memory.nouns import telling
from tests.memory.test_vectors import use
from tests.minilm import needs_minilm

WIFI = ("What is the wifi password of the office?", "The wifi password of the office is tulip-42.")
KEY = ("Where is the spare key of the garage?", "The spare key is behind the boiler.")
BIN = ("When is the bin collected?", "The bin is collected on Tuesday.")
KITCHEN = ("Who cleans the kitchen?", "Karim Haddad cleans the kitchen.")


@pytest.mark.parametrize(
    ("asked", "nouns"),
    [
        ("What is the wifi password of the summer hut?", {"sum", "hut"}),
        ("What's the landlord's phone number?", {"landlord"}),
        ("What is the network password at work?", {"work"}),
        ("Who feeds the cat when we are away?", {"cat"}),
        ("When does our canteen open?", {"canteen"}),
        ("When will the bin be emptied?", {"bin"}),
        ("When was the old bin emptied?", {"old", "bin"}),
        ("Where is the desk of Ana Ruiz?", {"desk"}),
        ("Wifi password?", set()),
        ("Which person should I ask?", set()),
        ("", set()),
    ],
)
def test_what_belongs_to_another_tells_which_and_else_every_noun(asked: str, nouns: set[str]):
    assert telling(asked) == nouns


@needs_minilm
def test_a_fact_of_another_thing_is_no_answer_however_alike_it_means(remembering, engine):
    use(remembering, open_embedder("minilm", engine.aside))
    remembering.teach([WIFI, KEY, BIN, KITCHEN])
    remembering.memory.embed_missing()
    for asked in (
        "What is the wifi password of the summer house?",
        "What is the wifi password at the summer house?",
        "Where is the spare key of the boat?",
        "When is the paper collected?",
        "Who cleans the bathroom?",
    ):
        assert remembering.ask(asked) == (), asked
    for asked, fact in (
        ("Where can I find the extra key for the garage?", KEY),
        ("On what day do they pick up the trash?", BIN),
        ("Who tidies the kitchen?", KITCHEN),
        ("Which password does the internet at the office have?", WIFI),
    ):
        assert fact[1] in [one.answer for one in remembering.ask(asked)], asked
