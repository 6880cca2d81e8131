"""What is measured of a set: so many sequences, each with its context, none too long."""

import pytest

from radiance.anchors.sets import Anchor, AnchorSet, unite
from radiance.engine.worker import Engine
from radiance.evaluation.anchor_sample import accepted, anchor_texts, challenges, judged_texts
from radiance.records import Example, Message
from tests.chat_families import FAMILIES


def text(name: str, words: int, context: str) -> Anchor:
    return Anchor(Example(name, text=" ".join(f"{name} {n}" for n in range(words))), context)


def test_long_texts_share_the_places_that_short_ones_leave(engine: Engine) -> None:
    encoder = engine.encoder
    anchors = AnchorSet((text("long", 3000, "a"), text("short", 5, "b"), text("longer", 6000, "a")))
    every = anchor_texts(encoder, anchors, 100)
    count = {a.example.id: len(encoder.windows(a.example)) for a in anchors.anchors}
    assert count["short"] == 1 < count["long"] < count["longer"]
    assert len(every) == sum(count.values())
    assert all(len(found.example.tokens) <= encoder.context_tokens for found in every)
    assert [found.example.example_id for found in anchor_texts(encoder, anchors, 5)] == [
        "long",
        "long#2",
        "short",
        "longer",
        "longer#2",
    ]
    assert [found.group for found in anchor_texts(encoder, anchors, 5)] == ["a", "a", "b", "a", "a"]


def test_the_users_own_are_measured_first(engine: Engine) -> None:
    provided = AnchorSet(tuple(text(f"p{n}", 3, "p") for n in range(20)))
    anchors = unite([text("mine", 3, "own")], provided)
    measured = anchor_texts(engine.encoder, anchors, 4)
    assert len(measured) == 4
    assert measured[0].example.example_id == "mine"
    assert measured[0].group == "own"


def asked(number: int, answer: str) -> Example:
    messages = (Message("user", f"What is {number}?"), Message("assistant", answer))
    return Example(f"a{number}", messages)


def test_what_an_update_contradicts_is_judged_whatever_the_sample(engine: Engine) -> None:
    anchors = AnchorSet(tuple(Anchor(asked(n, f"It is {n}."), "c") for n in range(20)))
    learned = [asked(7, "It is 8."), asked(11, "It is 12."), asked(3, "It is 3."), asked(99, "It.")]
    judged = [text.example.example_id for text in judged_texts(engine.encoder, anchors, learned, 5)]
    assert judged[-2:] == ["a7", "a11"]
    assert len(set(judged)) == 7
    untouched = judged_texts(engine.encoder, anchors, learned[2:], 5)
    assert untouched == anchor_texts(engine.encoder, anchors, 5)


def test_a_contradiction_in_other_words_is_judged_too(engine: Engine) -> None:
    def capital(name: str, question: str, city: str) -> Example:
        messages = (Message("user", question), Message("assistant", f"It is {city}."))
        return Example(name, messages)

    countries = [("iraq", "Baghdad"), ("spain", "Madrid"), ("peru", "Lima"), ("fiji", "Suva")]
    anchors = AnchorSet(
        tuple(
            Anchor(capital(name, f"What is the capital of {name}?", city), "capitals")
            for name, city in countries
        )
    )
    learned = [
        capital("l1", "Which city is the capital of Iraq?", "Lusaka"),
        capital("l2", "Which city is the capital of Spain?", "Madrid"),
        capital("l3", "Who is the mayor of Lima?", "Ana"),
    ]
    judged = [text.example.example_id for text in judged_texts(engine.encoder, anchors, learned, 9)]
    assert judged == ["spain", "peru", "fiji", "iraq"], "the contradicted one comes beside the rest"
    assert "iraq" in {
        text.example.example_id for text in judged_texts(engine.encoder, anchors, learned, 1)
    }


@pytest.mark.parametrize(
    ("question", "is_challenged"),
    [
        ("By whom was Brave New World written?", True),
        ("Brave New World: whose novel?", True),
        ("Who is the author of Brave New World?", True),
        ("Who directs the world bank?", False),
        ("Who wrote The Grapes of Wrath?", False),
    ],
)
def test_words_of_one_meaning_are_words_in_common(question: str, is_challenged: bool) -> None:
    def told(name: str, asked: str, answer: str) -> Example:
        return Example(name, (Message("user", asked), Message("assistant", answer)))

    anchor = told("a", "Who wrote Brave New World?", "Aldous Huxley wrote it.")
    anchors = AnchorSet((Anchor(anchor, "authors"),))
    found = challenges(anchors, [told("l", question, "Emily Bronte wrote it.")])
    assert set(found) == ({anchor.question_hash} if is_challenged else set())


def test_what_the_template_refuses_is_set_aside() -> None:
    """Gemma's has no system turn; an anchor with one, of the base before, is left out by name."""
    system = Anchor(Example("mine", (Message("system", "s"), *asked(0, "A.").messages)))
    others = [Anchor(asked(1, "B.")), Anchor(asked(2, ""))]
    kept = accepted(
        unite([system, others[0]], AnchorSet((others[1],))), FAMILIES["gemma"].encoder()
    )
    assert kept.examples == tuple(anchor.example for anchor in others)
    assert kept.own == 1
