"""A question taken for another one, where as it stands nothing surely answers it.

Mistyped words are mended (``spelling``), and who wants to open something is told its code
(``purposes``). What that finds is no more than what the other question does, and never has the
score of the very same one.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from radiance.memory import purposes, tasks
from radiance.memory.analysis import take_apart
from radiance.memory.matching import Found
from radiance.memory.scope import Candidate
from radiance.memory.spelling import Corrected, Spelling

_MOST_ALIKE = 0.99  # a score of 1 is the very same question's alone
_MOST_SHOWN = 3


def found_otherwise(
    question: str,
    found: Found,
    match: Callable[[str], Found],
    spelling: Spelling,
    is_known: Callable[[str], bool],
) -> Found | None:
    """What is found for what a question was to be; None where that is no surer.

    Args:
        question: What somebody asks.
        found: What is found for it as it stands.
        match: What is found for another question.
        spelling: The words that are known.
        is_known: Whether anything has a stem.
    """
    if not tasks.is_plain(question):
        return None
    mended = spelling.correct(question, is_known)
    told = None if mended is None else _mended(mended, found, match)
    return told or _needed(question, match)


def _mended(mended: Corrected, found: Found, match: Callable[[str], Found]) -> Found | None:
    """What is found for a question without its mistakes; None where that is no surer."""
    other = match(mended.text)
    if not other.candidates or (found.candidates and other.how != "sure"):
        return None
    # A name is asked back: the answer shows which one is meant.
    is_named = any(mended.stems & each.every_name for each in other.candidates)
    how = "close" if is_named or mended.is_of_name else other.how
    return replace(other, scores=_below_same(other.scores), how=how)


def _needed(question: str, match: Callable[[str], Found]) -> Found | None:
    """What somebody needs for what they want to do; several things, or of another, are shown."""
    found: dict[str, tuple[Candidate, float, bool]] = {}
    for other, needed in purposes.needed_for(question):
        matched = match(other)
        if matched.how != "sure" or not matched.candidates:
            continue
        first, score = matched.candidates[0], matched.scores[0]
        if needed <= first.asked:
            is_it = purposes.is_of_nothing_else(take_apart(other), needed, first)
            found.setdefault(first.answer_hash, (first, score, is_it))
    if not found:
        return None
    shown = list(found.values())[:_MOST_SHOWN]
    candidates, scores, are_it = zip(*shown, strict=True)
    is_sure = len(found) == 1 and are_it[0]
    return Found(candidates, _below_same(scores), "sure" if is_sure else "close")


def _below_same(scores: Sequence[float]) -> tuple[float, ...]:
    return tuple(min(score, _MOST_ALIKE) for score in scores)
