"""What is overwritten is found, kept, and let go: by rule, whatever the order of things."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from radiance.anchors.sets import Anchor, AnchorSet
from radiance.evaluation.overwritten import overwritten, suspects
from radiance.records import Example, Message, OverwrittenAnchor, Probe

COUNT = 8
COUNTRIES = ("Iraq", "Spain", "Peru", "Fiji", "Chad", "Oman", "Cuba", "Mali")


def told(
    name: str, number: int, city: str, question: str = "What is the capital of {}?"
) -> Example:
    turns = (
        Message("user", question.format(COUNTRIES[number])),
        Message("assistant", f"It is {city}."),
    )
    return Example(name, turns)


ANCHORS = AnchorSet(tuple(Anchor(told(f"a{n}", n, f"City{n}"), "capitals") for n in range(COUNT)))


def probe(number: int, is_exact: bool, **changes: Any) -> Probe:
    plain = Probe(f"a{number}", "capitals", 4, 0.1, 0.1, 0.1, 0.0, 0.0, is_exact, True, True)
    return msgspec.structs.replace(plain, **changes)


def test_an_update_that_says_otherwise_is_named_with_its_example() -> None:
    learned = [told("job_000007.0", 2, "Atlantis"), told("job_000007.1", 3, "City3")]
    found = suspects(ANCHORS, learned, "A_1", [], [])
    assert [(s.anchor.example.id, s.example_id, s.since) for s in found] == [
        ("a2", "job_000007.0", "A_1")
    ]
    lost = overwritten(found, [probe(2, False)], ())
    assert lost == (OverwrittenAnchor("a2", "capitals", "job_000007.0", "A_1", is_unintended=True),)
    assert lost[0].job_id == "job_000007"
    assert overwritten(found, [probe(2, True)], ()) == (), "it did not learn that"
    (accepted,) = overwritten(found, [probe(2, False)], {("a2", "job_000007.0")})
    assert accepted.is_accepted


def test_other_words_count_by_what_is_measured() -> None:
    learned = [told("job_000001.0", 4, "Atlantis", "Which city is the capital of {}?")]
    found = suspects(ANCHORS, learned, "A_1", [], [])
    assert [s.anchor.example.id for s in found] == ["a4"]
    assert overwritten(found, [probe(4, True)], ()) == ()
    assert len(overwritten(found, [probe(4, False)], ())) == 1


OTHER_WORDS = "Which city is the capital of {}?"


def test_only_what_an_update_overwrites_itself_and_unasked_is_unintended() -> None:
    learned = [
        told("job_000002.0", 1, "Atlantis", OTHER_WORDS),
        told("job_000003.0", 2, "Atlantis", OTHER_WORDS),
        told("job_000002.1", 3, "Eden"),
        told("job_000003.1", 3, "Atlantis", OTHER_WORDS),
        told("job_000002.2", 4, "Eden", OTHER_WORDS),
    ]
    before = [
        OverwrittenAnchor("a4", "capitals", "job_000001.0", "A_1", is_accepted=True),
        OverwrittenAnchor("a5", "capitals", "job_000001.1", "A_1", is_unintended=True),
    ]
    intended = {"job_000003.0", "job_000003.1"}
    found = suspects(ANCHORS, learned, "A_2", [], before, intended)
    lost = overwritten(found, [probe(n, False) for n in range(1, 6)], ())
    assert {each.anchor: each.is_unintended for each in lost} == {
        "a1": True,
        "a2": False,  # it said so
        "a3": True,  # one of two did not
        "a4": False,  # the parent did not answer it any more
        "a5": False,  # an ancestor did it
    }


def test_a_question_that_is_only_asked_like_an_anchor_overwrites_it_by_no_intent() -> None:
    """It is asked again, and listed if it is lost; but who taught another verb meant no harm."""

    def verb(name: str, word: str, past: str, question: str) -> Example:
        return Example(name, (Message("user", question.format(word)), Message("assistant", past)))

    frame = "What is the past tense of {}?"
    verbs = (("sing", "sang"), ("ring", "rang"), ("bring", "brought"))
    anchors = AnchorSet(
        tuple(
            Anchor(verb(f"a{n}", word, past, frame), "past") for n, (word, past) in enumerate(verbs)
        )
    )
    learned = [
        verb("job_000001.0", "glorp", "glorped", frame),
        verb("job_000001.1", "ring", "ringed", "Past tense of the verb {}, please?"),
    ]
    found = suspects(anchors, learned, "A_1", [], [])
    lost = overwritten(found, [probe(n, False) for n in range(3)], ())
    assert {each.anchor: each.is_unintended for each in lost} == {
        "a0": False,
        "a1": True,
        "a2": False,
    }


def test_an_anchor_that_the_base_gives_in_other_words_is_judged_by_its_loss() -> None:
    found = suspects(ANCHORS, [told("j.0", 1, "Atlantis")], "A_1", [], [])
    unsure = {"was_exact_in_base": False, "base_loss": 1.0}
    assert overwritten(found, [probe(1, False, loss=1.4, **unsure)], ()) == ()
    assert len(overwritten(found, [probe(1, False, loss=1.6, **unsure)], ())) == 1


def test_a_root_that_knows_nothing_of_it_yet_finds_what_its_lineage_contradicts() -> None:
    answers = [
        (told("job_000003.1", 5, "Atlantis"), "A_3"),
        (told("job_000002.0", 6, "City6"), "A_2"),
    ]
    found = suspects(ANCHORS, [], "A_9", answers, [])
    assert [(s.anchor.example.id, s.since) for s in found] == [("a5", "A_3")]


def test_whoever_says_otherwise_last_is_named_and_the_beginning_stays() -> None:
    before = [OverwrittenAnchor("a5", "capitals", "job_000003.1", "A_3")]
    answers = [(told("job_000003.1", 5, "Atlantis"), "A_3")]
    (found,) = suspects(ANCHORS, [told("job_000008.0", 5, "Eden")], "A_8", answers, before)
    assert (found.example_id, found.since) == ("job_000008.0", "A_3")
    (back,) = suspects(ANCHORS, [told("job_000009.0", 5, "City5")], "A_9", answers, before)
    assert (back.example_id, back.since) == ("job_000003.1", "A_3")
    assert overwritten([back], [probe(5, True)], ()) == ()


@given(
    wrong=st.sets(st.integers(0, COUNT - 1)),
    was=st.sets(st.integers(0, COUNT - 1)),
    exact=st.sets(st.integers(0, COUNT - 1)),
    asked=st.sets(st.integers(0, COUNT - 1)),
)
def test_nothing_is_lost_from_the_list_but_what_is_answered_again(
    wrong: set[int], was: set[int], exact: set[int], asked: set[int]
) -> None:
    """The law: what was on the list stays, unless it was asked and answered as by the base."""
    learned = [told(f"job_000002.{n}", n, "Atlantis") for n in sorted(wrong)]
    before = [OverwrittenAnchor(f"a{n}", "capitals", f"job_000001.{n}", "A_1") for n in sorted(was)]
    found = suspects(ANCHORS, learned, "A_2", [], before)
    probes = [probe(n, n in exact) for n in sorted(asked)]
    names = {int(each.anchor[1:]) for each in overwritten(found, probes, ())}
    assert names <= wrong | was
    assert names == {n for n in was | wrong if (n not in exact if n in asked else n in was)}
    for each in overwritten(found, probes, ()):
        assert each.since == ("A_1" if int(each.anchor[1:]) in was else "A_2")
