"""How sure a match by meaning is, and what is asked back: laws of the decision itself."""

from dataclasses import replace

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from radiance.memory import closer
from radiance.memory.analysis import take_apart, without_names
from radiance.memory.embedders import Tokens
from radiance.memory.matching import LEAST_SHARE, MatchLimits, decide, rank
from radiance.memory.scope import Candidate, in_scope

QUESTION = "Which prize did Ada Brook win?"


def candidate(number: int, similarity: float) -> Candidate:
    question = f"What prize {number} did Ada Brook win?"
    words = take_apart(question)
    return Candidate(
        example=f"job_000001.{number}",
        job=1,
        question=question,
        answer=f"The {number}th.",
        asked=frozenset(words.content),
        said=frozenset(),
        names=words.names,
        name="brook",
        question_hash=str(number),
        answer_hash=str(number),
        similarity=similarity,
        contrast=similarity,
    )


def ranked(*similarities: float):
    candidates = [candidate(number, value) for number, value in enumerate(similarities)]
    return rank(QUESTION, take_apart(QUESTION), candidates, lambda stem: 1.0)


_similarities = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8)


@given(_similarities)
def test_shares_add_up_and_the_likeliest_is_first(similarities):
    found = ranked(*similarities)
    assert abs(sum(found.shares) - 1) < 1e-9
    assert list(found.shares) == sorted(found.shares, reverse=True)
    assert 0 <= found.sureness <= 1


@given(_similarities, st.floats(0.0, 1.0))
def test_another_that_fits_makes_it_less_sure(similarities, other):
    best = max(similarities)
    more, less = ranked(*similarities, min(other, best)), ranked(*similarities)
    assert more.shares[0] <= less.shares[0] + 1e-9


@given(_similarities, st.floats(0.01, 1.0))
def test_one_answers_from_the_limit_on_and_else_up_to_three_are_asked_back(similarities, limit):
    found = ranked(*similarities)
    decided = decide(found, MatchLimits(meaning=limit))
    if found.sureness >= limit:
        assert (decided.how, len(decided.candidates)) == ("sure", 1)
    else:
        assert decided.how in ("close", "vague")
        assert 1 <= len(decided.candidates) <= 3
    assert decided.candidates == found.candidates[: len(decided.candidates)]


def test_one_clear_match_is_sure_and_two_alike_are_not():
    assert ranked(0.9, 0.5).sureness == 0.9
    assert ranked(0.9, 0.89).sureness == 0
    assert ranked(0.4).sureness == 1.0  # nothing else is in scope, and it shares a word
    assert replace(ranked(0.9), candidates=()).sureness == 0


def test_what_only_an_answer_says_and_what_is_asked_for_tell_which_is_meant():
    question = "In which city was Ada Brook born?"
    alike = [
        replace(candidate(0, 0.8), question="When was Ada Brook born?", answer="In May 1950."),
        replace(candidate(1, 0.8), question="Where was Ada Brook born?", answer="In Bergen."),
    ]
    for order in (alike, alike[::-1]):
        found = rank(question, take_apart(question), order, lambda stem: 1.0)
        assert found.candidates[0].answer == "In Bergen."
    question = "Did Ada Brook win the Kestrel medal?"
    said = [candidate(0, 0.8), replace(candidate(1, 0.8), said=frozenset({"kestrel", "medal"}))]
    found = rank(question, take_apart(question), said, lambda stem: 1.0)
    assert found.candidates[0] == said[1]
    assert found.shares[0] > 0.8


def test_another_one_is_told_from_one():
    taught = ("Can you name a book by Ada Brook?", "Can you name another book by Ada Brook?")
    for question, meant in (
        ("Which book did Ada Brook write?", taught[0]),
        ("Which other book did Ada Brook write?", taught[1]),
        ("What else did Ada Brook write?", taught[1]),
    ):
        alike = [replace(candidate(n, 0.8), question=one) for n, one in enumerate(taught)]
        for order in (alike, alike[::-1]):
            found = rank(question, take_apart(question), order, lambda stem: 1.0)
            assert found.candidates[0].question == meant
            assert found.shares[0] > 0.8


@pytest.mark.parametrize("similarity", [None, 0.0, 0.3, 0.54])
def test_one_word_in_common_answers_nothing_where_no_name_is(similarity):
    asked = "How do I open a bank account?"
    taught = "When does the canteen open?"
    words = take_apart(taught)
    nameless = replace(
        candidate(0, 0.0),
        question=taught,
        asked=frozenset(words.content),
        names=words.names,
        name="",
        similarity=similarity,
    )
    found = [nameless] if in_scope(asked, take_apart(asked), nameless, lambda stem: True) else []
    ranked = rank(asked, take_apart(asked), found, lambda stem: 1.0)
    assert decide(ranked, MatchLimits(alone=0.0)).candidates == ()
    again = "When does the canteen open today?"
    alike = None if similarity is None else 0.9
    assert in_scope(again, take_apart(again), replace(nameless, similarity=alike), bool)
    ranked = rank(again, take_apart(again), [nameless], lambda stem: 1.0)
    assert ranked.sureness == (similarity or 0.0)  # as alike as it is, and no surer


def test_a_second_look_follows_the_tokens_that_tell_the_few_apart():
    first = ranked(0.9, 0.89, 0.2)
    a, b, c = np.eye(3, dtype=np.float32)
    name, prize, year = (1, a), (2, b), (3, c)

    def tokens(*every):
        return Tokens([number for number, _ in every], np.stack([vector for _, vector in every]))

    asked = tokens(name, year)
    taught = [tokens(name, prize), tokens(name, year), tokens(name, prize)]
    found = closer.look(first, take_apart(QUESTION), asked, taught)
    assert found.candidates[:2] == first.candidates[1::-1]
    assert (found.best, found.others) == (first.scores[1], first.scores[0])
    assert found.shares[0] > LEAST_SHARE > first.shares[0]
    alike = closer.look(first, take_apart(QUESTION), asked, [taught[0]] * 3)
    assert alike.candidates == first.candidates
    assert closer.is_unclear(first)
    assert not closer.is_unclear(ranked(0.9))
    assert not closer.is_unclear(ranked(0.9, 0.2))


def test_a_question_without_its_names_is_what_is_asked_of_them():
    assert without_names("Who founded Zorbel Labs?") == "Who founded"
    assert without_names("What is Ada Brook's door code?") == "What is door code?"
    assert without_names("Zorbel Labs") == "Zorbel Labs"


@pytest.mark.parametrize(
    "forms",
    [
        "Saturday Saturdays",
        "survey surveys surveyed",
        "monkey monkeys",
        "library libraries",
        "family families",
        "supply supplies supplied",
        "address addresses addressed",
        "class classes",
        "found founded founder",
    ],
)
def test_forms_of_one_word_have_one_stem(forms: str) -> None:
    assert len(take_apart(forms.casefold()).content) == 1
