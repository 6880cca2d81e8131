"""Which passages say what is asked, by their words, and how much of it. Pure."""

from collections.abc import Sequence

from radiance.memory import asking
from radiance.memory.analysis import Words
from radiance.memory.passage_words import (
    Weight,
    covered,
    headed,
    is_headed_so,
    is_ours,
    is_said_at_once,
    near,
    words_of,
)
from radiance.storage.sqlite import Row

_LEAST_OF_RELATION = 0.6  # of what is asked of a name that stands in one passage alone
_LEAST_AMONG = 0.9  # the same where others have the name, too
LEAST_LEAD = 0.1
"""Over other passages of the same document."""
_LEAST_WITHOUT_NAME = 0.85  # of a question that has no name
_LEAST_WORDS = 2  # that such a question shares
Scored = tuple[float, Row]
_Ranked = tuple[tuple[float, ...], Row]


def best(question: str, asked: Words, rows: Sequence[Row], weight: Weight) -> Scored | None:
    """The one that is surely asked for, with its score."""
    found = ranked(question, asked, rows, weight)
    if not found or _is_close(found):
        return None
    (score, *_), row = found[0]
    return score, row


def ranked(
    question: str,
    asked: Words,
    rows: Sequence[Row],
    weight: Weight,
    least_words: int = _LEAST_WORDS,
) -> list[_Ranked]:
    """All that say enough of what is asked, with their ranks, the best first.

    Args:
        question: What somebody asks.
        asked: The same, taken apart.
        rows: Passages, with the stems of what they say and of what they stand under.
        weight: Of a word.
        least_words: That a question without a name shares with a passage.
    """
    found: list[_Ranked] = []
    least = _LEAST_AMONG if share_a_name(asked, rows) else _LEAST_OF_RELATION
    for row in rows:
        score = _score(question, asked, row, weight, least, least_words)
        if score is None:
            continue
        own = frozenset(row["said"].split())
        said = covered(asked, frozenset(asked.content), own, row["text"], weight)
        found.append(((round(score, 6), round(said, 6), row["document"], -row["place"]), row))
    return sorted(found, key=lambda each: each[0], reverse=True)


def share_a_name(asked: Words, rows: Sequence[Row]) -> bool:
    """Whether several passages have the names of a question in their own text.

    A name that stands above all of a document tells none of its passages from another. Of a
    question without names a passage must have nearly all, whatever others have.
    """
    if not asked.names:
        return False
    saying = {row["text"] for row in rows if asked.names <= frozenset(row["said"].split())}
    return len(saying) > 1


def _is_close(found: Sequence[_Ranked]) -> bool:
    """Whether another passage of the same document says about as much of what is asked.

    Of two documents that do, the newer one's counts.
    """
    (first, row), *others = found
    return any(
        first[0] - rank[0] < LEAST_LEAD
        and other["document"] == row["document"]
        and other["text"] != row["text"]
        for rank, other in others
    )


def _score(
    question: str, asked: Words, row: Row, weight: Weight, least: float, least_words: int
) -> float | None:
    """How much of a question a passage covers; None where that is not enough.

    Args:
        question: What somebody asks.
        asked: The same, taken apart.
        row: The passage, with the stems of what it says and of what it stands under.
        weight: Of a word.
        least: Share of what is asked of a name that must be covered.
        least_words: As for ``ranked``.
    """
    words, text = words_of(row), row["text"]
    if not asked.names <= words or not asking.fits_kind(question, "", text):
        return None
    if asked.names:
        # The passage has a time where one is asked for; "what year" asks for no more than "when".
        silent = {s for s, kind in asked.kinds.items() if kind == "time" or kind in asked.forms}
        wanted = asked.relation - silent or asked.relation
        is_said = wanted & words or asked.names <= near(row) or is_headed_so(asked, wanted, row)
        if wanted and not is_said:
            return None  # under a title much is said of other things, and a synonym is soon found
    else:
        wanted = frozenset(asked.content)
        wanted -= asking.saying_little(question) - words
        if len(words & wanted) + is_ours(asked, text) < least_words:
            return None
        least = _LEAST_WITHOUT_NAME
    if wanted and not is_said_at_once(asked, wanted, row, weight, least):
        return None
    silent = frozenset() if asked.names else frozenset(asked.content) - wanted
    wanted = frozenset(asked.content) - silent
    return covered(asked, wanted, words, text, weight, headed(asked, row))
