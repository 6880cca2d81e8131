"""Wordings by rule: what they keep, what they never are, and which questions have some."""

import re

import hypothesis.strategies as st
import pytest
from hypothesis import given

from radiance.records import Example, Message, questions
from radiance.training.augmentation import words
from radiance.training.rewording import MOST, reworded

NAMES = ("Zorbel Labs", "the Kestrel fund", "Ada Brook", "project X-7", "14 Harbour Road")
FORMS = (
    "What is the door code of {n}?",
    "Who is the head of {n}?",
    "What is {n}'s address?",
    "Who founded {n}?",
    "Who leads {n}?",
    "Who chairs {n}?",
    "Who carries {n}?",
    "Where is {n} kept?",
    "When was {n} founded?",
    "Where was {n} born?",
    "Where is {n}?",
    "When does {n} open?",
    "What does {n} make?",
    "How much does {n} cost?",
    "How many people work at {n}?",
    "When is the deadline of {n}?",
    "Who is the doctor in {n}?",
    "What is the {n} factor?",
)
PURPOSES = {
    "What is the door code of Zorbel House?": "How do I open the door of Zorbel House?",
    "What is the alarm code of the barn?": "How do I turn off the alarm of the barn?",
    "What is the wifi password at Tarn Hall?": "How do I connect to the wifi at Tarn Hall?",
    "What is the wifi password?": "How do I connect to the wifi?",
    "What is the printer's login?": None,  # of no known network or door
    "What is the billing portal password of Zorbel Labs?": (
        "How do I log in to the billing portal of Zorbel Labs?"
    ),
    "What is Ada Brook's phone number?": "How do I call Ada Brook?",
    "What is the email address of Ada Brook?": "How do I write to Ada Brook?",
    "What is the key of the piece?": None,
}


def example(question: str) -> Example:
    return Example("job_000001.0", (Message("user", question), Message("assistant", "It is K7.")))


def wordings(question: str, others: tuple[str, ...] = ()) -> list[str]:
    return [e.messages[-2].content for e in reworded(example(question), map(words, others))]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_several_wordings_and_each_keeps_the_name(form):
    for name in NAMES:
        found = wordings(form.format(n=name))
        least = 4 if form.startswith("How many") else 6
        assert least <= len(found) <= MOST, found
        plain = re.sub("^the ", "", name).casefold()
        assert all(plain in wording.casefold() for wording in found), found


@pytest.mark.parametrize("asked", PURPOSES)
def test_what_a_thing_is_for_asks_for_it(asked):
    for_what = [wording for wording in wordings(asked) if wording.startswith("How do I")]
    wanted = PURPOSES[asked]
    assert (wanted in for_what) if wanted else for_what == []


@given(st.sampled_from(FORMS), st.sampled_from(NAMES), st.sampled_from(FORMS))
def test_no_wording_is_the_question_twice_there_or_fits_another(form, name, other):
    asked, rival = form.format(n=name), other.format(n=name)
    found = wordings(asked, (asked, rival))
    assert found == wordings(asked, (asked, rival))
    plain = [questions.normalise(wording) for wording in found]
    assert questions.normalise(asked) not in plain
    assert len(set(plain)) == len(plain)
    if rival != asked:
        assert not any(words(wording) <= words(rival) for wording in found)


@given(st.text(max_size=60))
def test_any_text_is_taken(text):
    for wording in wordings(text):
        assert wording.strip()


def test_active_becomes_passive_and_a_word_another():
    found = wordings("Who wrote The Glass Tide?")
    assert "By whom was The Glass Tide written?" in found
    assert "Who was the author of The Glass Tide?" in found
    assert "What is the price of the Kestrel lamp?" in wordings(
        "How much does the Kestrel lamp cost?"
    )
    assert "Who heads the Kestrel team?" in wordings("Who leads the Kestrel team?")


def test_regular_verbs_have_a_passive_and_nouns_are_no_verbs():
    assert "By whom is the Kestrel council chaired?" in wordings("Who chairs the Kestrel council?")
    assert "By whom is the Kestrel flag carried?" in wordings("Who carries the Kestrel flag?")
    assert "By whom is the Kestrel wall brushed?" in wordings("Who brushes the Kestrel wall?")
    assert "By whom was Zorbel Labs closed?" in wordings("Who closed Zorbel Labs?")
    assert wordings("Who works at Zorbel Labs?") == wordings("Who throws the Kestrel ball?") == []
    kept = wordings("Where is the key to Zorbel Cellar kept?")
    assert "Tell me where the key to Zorbel Cellar is kept." in kept
    for place in ("kitchen", "shed", "field", "code"):
        found = wordings(f"Where is the Zorbel {place}?")
        assert f"Tell me where the Zorbel {place} is." in found
        assert not any(f"is {place}" in wording for wording in found)


def test_what_is_no_question_of_the_grammar_has_none():
    for asked in ("Translate to Tarnish: the red house", "Hello!", "Why?", ""):
        assert wordings(asked) == []
    assert reworded(Example("job_000001.0", text="A text."), []) == []
