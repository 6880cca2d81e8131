"""Whether what somebody asks is what an example answers: scope, then score, then how sure. Pure.

*Scope.* Every name and code of the question stands in the example, and the example's own name in
the question. What is not in scope is about something else, however alike it sounds.
*Score.* How much of the question the example covers, and how much of the example's question is
asked; rare words count more. Where there is an embedder, its similarity is most of it.
With an embedder it must mean much the same, and have most of all likelihood in scope: that follows
from how much more alike it is than what else is in scope, from words that its answer has, and from
what is asked for. The limits are calibrated (``calibration``).
"""

import math
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from radiance.memory.analysis import Words, take_apart
from radiance.memory.asking import (
    asks_for_another,
    asks_for_other,
    asks_in_general,
    fits_how_often,
    fits_kind,
    kinds_asked,
    saying_little,
    states,
    wants_work,
)
from radiance.memory.scope import (
    Candidate,
    is_about,
    is_asked_whole,
    is_named,
    is_of_other_rank,
)

RULES = "9"
"""Rises with every change of how what was found is ranked: limits are measured anew then."""
_OF_QUESTION, _OF_ANSWER = 0.7, 0.6  # weights: covering what is asked; a word only the answer has
_OF_SYNONYM = 0.6  # weight of a word that only a synonym stands for
_OF_MEANING = 0.95  # weight of the embedder's similarity beside the words
_MOST_MEANINGS = 3
_MEANT = 0.9  # of all likelihood, that those which are asked back have together
# What tells which of several is meant, in nats, and what share of all likelihood keeps wrong ones
# within 2 %: fitted on 400 facts of 20 authors of TOFU, none of them among those it is judged on.
_OF_CONTRAST, _OF_ANSWER_ALONE, _OF_OTHER_KIND, _OF_ANOTHER = 8.5, 4.8, -0.7, -1.7
LEAST_SHARE = 0.85
"""Of all likelihood, from which on a match by meaning is clear."""
_CLEAR = 0.7  # a similarity from which on only another kind of question is looked at
# Without a name in common one word says nothing: "open" is of canteens and of bank accounts.
LEAST_NAMELESS = 0.75
_OF_WORK = 0.9  # a score from which on an order is one that was taught
_LEAST_ASKED = 0.5  # of what a nameless example asks, by weight
_FEW = 3
_NONE: frozenset[int] = frozenset()
Match = Literal["sure", "close", "vague"]
Weight = Callable[[str], float]


class MatchLimits(msgspec.Struct, frozen=True):
    """From where on a match answers.

    Attributes:
        alone: Least score where nothing else is in scope, and the question has its name.
        nameless: The same where the two have no name in common.
        among: Least score where another answer is.
        margin: Least lead over that.
        meaning: Least similarity where an embedder has a part in the scores; then it alone counts.
    """

    alone: float = 0.15
    among: float = 0.7
    margin: float = 0.04
    meaning: float = 0.75
    nameless: float = LEAST_NAMELESS


@dataclass(frozen=True)
class Found:
    """What was found for a question, the best first; none: nothing is sure enough.

    Attributes:
        candidates: The one that answers, or those that the question could mean.
        scores: Theirs, in [0, 1].
        how: sure: the first one answers. close: the question asks for one of them. vague: it shares
            nothing but the name, and may want to know anything.
    """

    candidates: tuple[Candidate, ...] = ()
    scores: tuple[float, ...] = ()
    how: Match = "close"


@dataclass(frozen=True)
class Ranked:
    """The best score, the best other answer's, and the candidates in order.

    Attributes:
        others: The best score of another answer in scope; None where there is none.
        best: The first one's score.
        is_about: Whether the first one shares more with the question than names; else the question
            may want to know anything of them.
        is_named: Whether it shares a name.
        is_stated: Whether the question says something and asks nothing.
        is_work: Whether it asks for something to be made, such as a summary.
        is_whether: Whether it asks if something is so.
        is_of_other_rank: Whether it is about another one of a kind, the vice president say.
        shares: The candidates' shares of all likelihood in scope, where an embedder has a part.
    """

    candidates: tuple[Candidate, ...] = ()
    scores: tuple[float, ...] = ()
    others: float | None = None
    best: float = field(default=0.0)
    is_about: bool = False
    is_named: bool = False
    is_stated: bool = False
    is_work: bool = False
    is_whether: bool = False
    is_of_other_rank: bool = False
    shares: tuple[float, ...] = ()

    @property
    def sureness(self) -> float:
        """The similarity of the first one, where most of the likelihood is its own; else 0.

        1 where nothing else about a name is in scope, and words say, too, that it is asked for.
        """
        if self.is_by_words or self.shares[0] < LEAST_SHARE or self.is_of_other_rank:
            return 0.0
        if self.others is None and self.is_about and self.is_named:
            return 1.0
        return self.candidates[0].similarity or 0.0

    @property
    def is_by_words(self) -> bool:
        """Whether no embedder had a part in the scores."""
        return not self.candidates or self.candidates[0].similarity is None


def score(
    asked: Words, candidate: Candidate, weight: Weight, silent: Collection[str] = ()
) -> float:
    """How alike a question and an example are, in [0, 1].

    Args:
        asked: The question.
        candidate: The example.
        weight: Of a word.
        silent: Stems of the question that say nothing where the example has not got them; those of
            the example say nothing where the question has not.
    """
    words, own, taught = set(asked.content), set(candidate.asked), take_apart(candidate.question)
    own -= taught.said_by_form(asked) - words
    words -= asked.said_by_form(taught) - candidate.asked - candidate.said
    if silent:
        own -= saying_little(candidate.question) - words
        words -= set(silent) - candidate.asked - candidate.said
    shared = sum(map(weight, words & own))
    only_said = sum(map(weight, (words & candidate.said) - candidate.asked))
    rest = words - candidate.asked - candidate.said
    meant = sum(weight(w) for w in rest if asked.senses.get(w, _NONE) & candidate.groups)
    covered = shared + _OF_ANSWER * only_said + _OF_SYNONYM * meant
    of_question = covered / max(sum(map(weight, words)), 1e-9)
    rest = own - words
    meant = sum(weight(w) for w in rest if candidate.senses.get(w, _NONE) & asked.groups)
    of_candidate = (shared + _OF_SYNONYM * meant) / max(sum(map(weight, own)), 1e-9)
    by_words = _OF_QUESTION * of_question + (1 - _OF_QUESTION) * of_candidate
    if candidate.similarity is None:
        return by_words
    return (1 - _OF_MEANING) * by_words + _OF_MEANING * candidate.similarity


def _asks_for_less(asked: Words, candidate: Candidate, weight: Weight) -> bool:
    """Whether a question has little of what an example asks: "How do I get to the office?"."""
    words = set(asked.content)
    having = [
        stem
        for stem in candidate.asked
        if stem in words or candidate.senses.get(stem, _NONE) & asked.groups
    ]
    return sum(map(weight, having)) < _LEAST_ASKED * sum(map(weight, candidate.asked))


def _says_more(asked: Words, candidate: Candidate, known: Collection[str]) -> bool:
    """Whether a question if something is so says what no example does: "Is the key rusty?"."""
    if candidate.similarity is not None or is_named(asked, candidate):
        return False
    more = set(asked.content) - set(known)
    return any(not asked.senses.get(stem, _NONE) & candidate.groups for stem in more)


def rank(question: str, asked: Words, candidates: Iterable[Candidate], weight: Weight) -> Ranked:
    """Candidates in scope, the best first, each answer once."""
    candidates = [
        candidate
        for candidate in candidates
        if fits_kind(question, candidate.question, candidate.answer)
        or (
            (candidate.similarity or 0.0) >= _CLEAR
            and not asks_for_other(question, candidate.question)
        )
    ]
    likely, silent = _likelihoods(question, asked, candidates), saying_little(question)
    is_whether, is_general = "whether" in kinds_asked(question), asks_in_general(question)
    in_any = frozenset().union(silent, *(each.asked | each.said for each in candidates))
    found: dict[str, tuple[float, float, Candidate]] = {}
    for candidate, likelihood in zip(candidates, likely, strict=True):
        value = score(asked, candidate, weight)
        if is_whether and _says_more(asked, candidate, in_any):
            continue
        if is_whether and candidate.similarity is None and not is_asked_whole(asked, candidate):
            continue  # whether she is married tells no fact that is about something else
        if is_general and not (candidate.names or asks_in_general(candidate.question)):
            continue  # what a vet is says no fact about our vet
        if candidate.similarity is None and value < LEAST_NAMELESS:
            value = score(asked, candidate, weight, silent)
        is_nameless = candidate.similarity is None and not is_named(asked, candidate)
        if is_nameless and (value < LEAST_NAMELESS or _asks_for_less(asked, candidate, weight)):
            continue
        if is_nameless and not fits_how_often(question, candidate.answer):
            continue
        # Without an embedder all are as likely, and the score alone counts.
        entry = likelihood, value, candidate
        best = found.get(candidate.answer_hash)
        if best is None or (*entry[:2], best[2].example) > (*best[:2], candidate.example):
            found[candidate.answer_hash] = entry
    ordered = sorted(found.values(), key=lambda each: (-each[0], -each[1], each[2].example))
    if not ordered:
        return Ranked()
    return _ranked(asked, ordered, states(question), wants_work(question), is_whether)


def reordered(ranked: Ranked, asked: Words, likely: Sequence[float]) -> Ranked:
    """The same candidates by other likelihoods, in nats and up to a constant."""
    every = zip(likely, ranked.scores, ranked.candidates, strict=True)
    ordered = sorted(every, key=lambda each: (-each[0], -each[1], each[2].example))
    return _ranked(asked, ordered, ranked.is_stated, ranked.is_work, ranked.is_whether)


def _ranked(
    asked: Words,
    ordered: Sequence[tuple[float, float, Candidate]],
    is_stated: bool,
    is_work: bool,
    is_whether: bool,
) -> Ranked:
    first = ordered[0][2]
    weights = [math.exp(likelihood - ordered[0][0]) for likelihood, _, _ in ordered]
    return Ranked(
        tuple(candidate for _, _, candidate in ordered),
        tuple(value for _, value, _ in ordered),
        ordered[1][1] if len(ordered) > 1 else None,
        ordered[0][1],
        is_asked_whole(asked, first) if is_whether else is_about(asked, first),
        is_named(asked, first),
        is_stated,
        is_work,
        is_whether,
        is_of_other_rank(asked, first),
        tuple(weight / sum(weights) for weight in weights),
    )


def _likelihoods(question: str, asked: Words, candidates: Sequence[Candidate]) -> list[float]:
    """How likely each is meant, in nats and up to a constant; 0 of all without an embedder."""
    if any(candidate.similarity is None for candidate in candidates):
        return [0.0] * len(candidates)
    count = len(candidates)
    having = Counter(stem for each in candidates for stem in each.asked | each.said)

    def tells(stem: str) -> float:
        """The more, the fewer in scope have a word; of very few none tells more than another."""
        return math.log((count + 1) / (1 + having[stem])) if count > _FEW else 1.0

    words, kinds = frozenset(asked.content), kinds_asked(question)
    is_another = asks_for_another(question)
    all_words = max(sum(map(tells, words)), 1e-9)
    return [
        _OF_CONTRAST * each.contrast
        + _OF_ANSWER_ALONE * sum(map(tells, (words & each.said) - each.asked)) / all_words
        + _OF_OTHER_KIND * len(kinds ^ kinds_asked(each.question))
        + _OF_ANOTHER * (is_another != asks_for_another(each.question))
        for each in candidates
    ]


def decide(ranked: Ranked, limits: MatchLimits) -> Found:
    """The match that answers, or those that the question could mean, or none.

    Who asks nothing and names nothing is not asked what was meant: a text like that is an input.
    Nor is who wants something made; that is known where it was taught in nearly these words.
    """
    if ranked.is_work and ranked.best < _OF_WORK:
        return Found()
    found = _decide(ranked, limits)
    is_answered = found.how == "sure" or ranked.is_named or not ranked.is_stated
    return found if is_answered else Found()


def _decide(ranked: Ranked, limits: MatchLimits) -> Found:
    if not ranked.candidates:
        return Found()
    if not ranked.is_by_words:
        return _by_meaning(ranked, limits)
    if not ranked.is_about:
        return _first(ranked, _MOST_MEANINGS, "vague")
    alone = limits.alone if ranked.is_named else limits.nameless
    if ranked.others is None and ranked.best >= alone:
        return _first(ranked, 1, "sure")
    if ranked.others is not None and ranked.best >= limits.among:
        if ranked.best - ranked.others >= limits.margin:
            return _first(ranked, 1, "sure")
    elif not ranked.is_named:
        return Found()
    close = sum(ranked.best - value < limits.margin for value in ranked.scores)
    return _first(ranked, min(close, _MOST_MEANINGS))


def _by_meaning(ranked: Ranked, limits: MatchLimits) -> Found:
    if ranked.sureness >= limits.meaning:
        return _first(ranked, 1, "sure")
    if not ranked.is_about:
        return Found() if ranked.is_whether else _first(ranked, _MOST_MEANINGS, "vague")
    likely, count = 0.0, 0
    for share in ranked.shares[:_MOST_MEANINGS]:
        likely, count = likely + share, count + 1
        if likely >= _MEANT:
            break
    return _first(ranked, count)


def _first(ranked: Ranked, count: int, how: Match = "close") -> Found:
    return Found(ranked.candidates[:count], ranked.scores[:count], how)
