"""A question taken for another one, where as it stands nothing surely answers it.

Mistyped words are mended (``spelling``). What that finds is no more than what the other question
does, and never has the score of the very same one.
"""

from collections.abc import Callable
from dataclasses import replace

from radiance.memory import tasks
from radiance.memory.matching import Found
from radiance.memory.spelling import Spelling

_MOST_ALIKE = 0.99  # a score of 1 is the very same question's alone


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
    if mended is None:
        return None
    other = match(mended.text)
    if not other.candidates or (found.candidates and other.how != "sure"):
        return None
    # A name is asked back: the answer shows which one is meant.
    is_named = any(mended.stems & each.every_name for each in other.candidates)
    how = "close" if is_named or mended.is_of_name else other.how
    scores = tuple(min(score, _MOST_ALIKE) for score in other.scores)
    return replace(other, scores=scores, how=how)
