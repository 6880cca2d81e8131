"""From where on a match is sure enough: measured on the examples themselves. Pure.

Three kinds of questions are asked of the memory. *Reworded*: an example's own question in other
words, by the rules of rewording; right is its answer. *Near*: what nobody taught of a known name:
an example's question while its answer is taken not to be known, and a few questions that may be
asked of anything; right is no answer. *Foreign*: questions of the taught kind about names that were
never taught; right is no answer. The limits are the lowest that keep the share of wrong answers
within what is promised: of reworded and foreign ones the one, of near ones the other, which is
larger, for a question that means nearly the same cannot be told from one that does. Where none do,
only the very same question is answered.
"""

import itertools
import math
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from radiance.memory.analysis import take_apart
from radiance.memory.matching import MatchLimits, Ranked
from radiance.memory.scope import Candidate, is_about
from radiance.records import Example
from radiance.training import augmentation, rewording
from radiance.training.untaught import untaught_questions

MOST = 150
"""Examples that are asked about."""
_SHORTER, _REWORDED = 1, 4  # wordings of each example
_LEAST_SEEN = 10  # wrong ones that could be, before what was assumed gives way to what is measured
_ASSUMED = MatchLimits()
_NEVER = 1.01
_ALONE = np.arange(_ASSUMED.alone, 1.0, 0.05)
_AMONG = np.arange(0.3, 1.0, 0.05)
_MARGINS = np.arange(0.02, 0.5, 0.02)
_NAMELESS = np.arange(_ASSUMED.nameless, 1.0, 0.05)
_MEANINGS = np.arange(0.7, 1.0, 0.01)
# What may be asked of anything, and says little of what was taught.
_OF_ANYTHING = (
    "Who insures {}?",
    "What is {} famous for?",
    "Which language is spoken at {}?",
    "How far away is {}?",
    "Is {} open on Sundays?",
    "What is the weight of {}?",
)
_NAME = re.compile(r"[A-Z\d][\w'.-]*(?: [A-Z\d][\w'.-]*)*")
Kind = Literal["reworded", "near", "foreign"]


class Calibration(msgspec.Struct, frozen=True):
    """The limits in force, and what they were measured on.

    Attributes:
        limits: From where on a match answers.
        by_words: The same where the embedder, if there is one, has no part in the scores.
        max_wrong: What was promised when they were measured; 0 before they were. So is
            ``max_near``, of near questions.
        size: How many keys the index had.
        ranked_by: The rules and the embedder that ranked what was found.
        asked: Questions of each kind; so are ``right``, answered, and ``wrong``.
    """

    limits: MatchLimits = _ASSUMED
    by_words: MatchLimits = _ASSUMED
    max_wrong: float = 0.0
    max_near: float = 0.0
    size: int = 0
    asked: dict[str, int] = {}
    right: dict[str, int] = {}
    wrong: dict[str, int] = {}
    ranked_by: str = ""


@dataclass(frozen=True)
class KnownProbe:
    """A question whose right answer is known.

    Attributes:
        answer: Identity of the right answer; "" where none is right.
        without: Identities of answers that are taken not to be known.
    """

    kind: Kind
    question: str
    answer: str = ""
    without: frozenset[str] = frozenset()


def weights(count: Callable[[str], int], size: int) -> Callable[[str], float]:
    """How much a word says, by how many of all keys have it: the fewer, the more."""
    return lambda stem: math.log(1 + (size + 8) / (1 + count(stem)))


def probes(known: Sequence[tuple[Candidate, Example]], seed: int = 0) -> list[KnownProbe]:
    """The questions that are asked: of all kinds, made from some examples."""
    examples = [example for _, example in known]
    bags = [augmentation.words(augmentation.question(example)) for example in examples]
    common = augmentation.common_words(map(augmentation.question, examples))
    found = []
    for candidate, example in known:
        others = augmentation.shorter(example, common, bags, _SHORTER, seed)
        others += rewording.reworded(example, bags, _REWORDED)
        wordings = map(augmentation.question, others)
        # A name that many questions have counts as common: what has lost it asks for nothing.
        found += [
            KnownProbe("reworded", wording, candidate.answer_hash)
            for wording in wordings
            if candidate.names <= frozenset(take_apart(wording).content)
        ]
        own = frozenset((candidate.answer_hash,))
        found.append(KnownProbe("near", candidate.question, without=own))
        if asked := _of_anything(candidate, len(found)):
            found.append(KnownProbe("near", asked))
    untaught = untaught_questions(examples, (), seed, MOST)
    found += [KnownProbe("foreign", augmentation.question(u.anchor.example)) for u in untaught]
    return found


def _of_anything(candidate: Candidate, number: int) -> str | None:
    """A question about an example's name that shares nothing else with it; None without a name."""
    names = [m[0] for m in _NAME.finditer(candidate.question) if m.start()]
    if not names:
        return None
    for offset in range(len(_OF_ANYTHING)):
        place = (number + offset) % len(_OF_ANYTHING)
        asked = _OF_ANYTHING[place].format(max(names, key=len))
        if not is_about(take_apart(asked), candidate):
            return asked
    return None


def calibrate(
    asked: Iterable[KnownProbe],
    ask: Callable[[str, Collection[str]], Ranked],
    max_wrong: float,
    max_near: float,
    size: int,
) -> Calibration:
    """The limits that keep what is promised, and what was measured under them.

    Args:
        asked: The questions.
        ask: What is in scope of one, where some answers are not known.
        max_wrong: Share of wrong answers that each kind may have, but for
        max_near: The share that near questions may have, of those where anything is in scope.
        size: How many keys the index has.
    """
    outcomes = [(probe, ask(probe.question, probe.without)) for probe in asked]
    table = _Table(outcomes)
    # One near question answered is all of them, where there is one: that tells nothing.
    promised = {
        kind: max_near if kind == "near" else max_wrong
        for kind, count in table.asked.items()
        if kind != "near" or count >= _LEAST_SEEN
    }
    best: tuple[tuple[float, ...], MatchLimits] | None = None
    for limits in table.grid(max_wrong):
        right, wrong = table.under(limits)
        if any(wrong[kind] > share * table.asked[kind] for kind, share in promised.items()):
            continue
        # As many right answers as may be; of equal ones those that answer most.
        values = msgspec.structs.astuple(limits)
        rank = (float(sum(right.values())), *(-float(value) for value in values))
        if best is None or rank > best[0]:
            best = rank, limits
    limits = best[1] if best else MatchLimits(_NEVER, _NEVER, 0.0, _NEVER, _NEVER)
    right, wrong = table.under(limits)
    return Calibration(limits, limits, max_wrong, max_near, size, table.asked, right, wrong)


class _Table:
    """What was asked and found, in columns."""

    def __init__(self, outcomes: Sequence[tuple[KnownProbe, Ranked]]) -> None:
        # Where nothing is in scope, a near question shows nothing.
        outcomes = [o for o in outcomes if o[0].kind != "near" or o[1].candidates]
        self._kinds = np.array([probe.kind for probe, _ in outcomes])
        self.asked = {str(kind): int(np.sum(self._kinds == kind)) for kind in set(self._kinds)}
        self._by_words = np.array([ranked.is_by_words for _, ranked in outcomes], dtype=bool)
        self._sureness = np.array([ranked.sureness for _, ranked in outcomes])
        self._best = np.array([ranked.best for _, ranked in outcomes])
        others = [math.nan if r.others is None else r.others for _, r in outcomes]
        self._others = np.array(others, dtype=float)
        self._found = np.array([bool(ranked.candidates) for _, ranked in outcomes], dtype=bool)
        self._named = np.array([ranked.is_named for _, ranked in outcomes], dtype=bool)
        vague = [r.is_by_words and not r.is_about for _, r in outcomes]
        self._vague = np.array(vague, dtype=bool)
        self._right = np.array(
            [
                bool(ranked.candidates) and ranked.candidates[0].answer_hash == probe.answer
                for probe, ranked in outcomes
            ],
            dtype=bool,
        )

    def nameless(self, max_wrong: float) -> float:
        """The least score of what has no name in common with its question, nor a rival.

        It is told by those alone: they are found by most of their words, others by a name.
        """
        nameless = self._found & ~self._named & np.isnan(self._others)
        kinds = [nameless & (self._kinds == kind) for kind in ("reworded", "foreign")]
        for least in _NAMELESS:
            given = self._best >= least
            if all(np.sum(k & given & ~self._right) <= max_wrong * np.sum(k) for k in kinds):
                return round(float(least), 2)
        return _NEVER

    def grid(self, max_wrong: float) -> Iterable[MatchLimits]:
        """The limits to try: of words or of meaning, whichever the questions were compared by."""
        if not np.all(self._by_words | ~self._found):
            # Below what is assumed only where near questions say that it may be.
            least = 0.0 if self.asked.get("near", 0) >= _LEAST_SEEN else _ASSUMED.meaning
            tried = [round(float(value), 2) for value in _MEANINGS]
            return [MatchLimits(meaning=value) for value in tried if value >= least]
        wrong = np.sum(self._found & ~self._right & ~self._vague & ~np.isnan(self._others))
        among = wrong >= _LEAST_SEEN
        grids = (
            _ALONE,
            _AMONG if among else (_ASSUMED.among,),
            _MARGINS if among else (_ASSUMED.margin,),
        )
        nameless = self.nameless(max_wrong)
        return [
            MatchLimits(*(round(float(value), 2) for value in values), nameless=nameless)
            for values in itertools.product(*grids)
        ]

    def under(self, limits: MatchLimits) -> tuple[dict[str, int], dict[str, int]]:
        """Right and wrong answers of each kind, as ``matching.decide`` gives them."""
        alone = np.isnan(self._others)
        lead = self._best - np.where(alone, 0.0, self._others)
        given = np.where(
            alone,
            self._best >= np.where(self._named, limits.alone, limits.nameless),
            (self._best >= limits.among) & (lead >= limits.margin),
        )
        given = np.where(self._by_words, given & ~self._vague, self._sureness >= limits.meaning)
        given &= self._found
        right, wrong = (
            {kind: int(np.sum(given & is_it & (self._kinds == kind))) for kind in self.asked}
            for is_it in (self._right, ~self._right)
        )
        return right, wrong
