"""What a passage says of what is asked: how much of it, where, and in which words. Pure."""

import itertools
import re
from collections.abc import Callable

from radiance.documents.passages import sentences
from radiance.documents.store import to_passage
from radiance.memory import analysis, asking
from radiance.memory.analysis import Words
from radiance.storage.sqlite import Row

_OF_SYNONYM = 0.6  # weight of a word that only a synonym stands for
_ITEM, _ENDS = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+"), re.compile(r"[.!?][\"'”’)\]]*$")
_OURS = frozenset({"my", "our"})
_NONE: frozenset[int] = frozenset()
Weight = Callable[[str], float]


def words_of(row: Row) -> frozenset[str]:
    """Stems of a passage and of all that it stands under."""
    return frozenset(row["about"].split()) | frozenset(row["said"].split())


def near(row: Row) -> frozenset[str]:
    """Stems of a passage and of the heading right above it."""
    headings = to_passage(row).headings
    above = analysis.take_apart(headings[-1]).content if headings else row["about"].split()
    return frozenset(row["said"].split()) | frozenset(above)


def headed(asked: Words, row: Row) -> str:
    """The headings of a passage that have none of a question's names: what it says of them.

    In small letters, as in "Opening Hours" no word is a name.
    """
    found = [
        heading
        for heading in to_passage(row).headings
        if not asked.names & frozenset(analysis.take_apart(heading).content)
    ]
    return " ; ".join(found).casefold()


def is_headed_so(asked: Words, wanted: frozenset[str], row: Row) -> bool:
    """Whether a heading has a synonym of what is asked, so that all under it is about that."""
    groups = analysis.take_apart(headed(asked, row)).groups
    return any(asked.senses.get(stem, _NONE) & groups for stem in wanted)


def covered(
    asked: Words,
    wanted: frozenset[str],
    words: frozenset[str],
    text: str,
    weight: Weight,
    heading: str = "",
) -> float:
    """The share of some words of a question that a text has, by weight.

    Args:
        asked: The question.
        wanted: Those of its words.
        words: Stems of the text and of what stands above it.
        text: It, whose synonyms count, too.
        weight: Of a word.
        heading: What stands above it, as far as its synonyms are to count.
    """
    groups = analysis.take_apart(text).groups
    if heading:
        groups |= analysis.take_apart(heading).groups
    shared = sum(map(weight, wanted & words))
    meant = sum(weight(w) for w in wanted - words if asked.senses.get(w, _NONE) & groups)
    return (shared + _OF_SYNONYM * meant) / max(sum(map(weight, wanted)), 1e-9)


def is_ours(asked: Words, text: str) -> bool:
    """Whether a question asks for something of ours that a text has as such: "our dentist"."""
    ours = {pair for pair in asked.pairs if pair[0] in _OURS}
    return bool(ours & analysis.take_apart(text).pairs)


def is_said_at_once(
    asked: Words, wanted: frozenset[str], row: Row, weight: Weight, least: float
) -> bool:
    """Whether two sentences in a row of one line have enough of what is wanted.

    A line is a paragraph, or an item of a list of things that have nothing to do with each other.
    """
    words, text, heading = words_of(row), row["text"], headed(asked, row)
    if round(covered(asked, wanted, words, text, weight, heading), 6) < least:
        return False
    above, lines = frozenset(row["about"].split()), text.splitlines()
    columns = next((line for line in lines if "|" in line), "")
    pairs = [pair for line in lines for pair in itertools.pairwise([*sentences(line), ""])]
    for first, second in pairs:
        said = "\n".join((columns if "|" in first else "", first, second))
        own = above | frozenset(analysis.take_apart(said).content)
        if round(covered(asked, wanted, own, said, weight, heading), 6) >= least:
            return True
    return False


def sentence(question: str, asked: Words, row: Row, weight: Weight) -> str:
    """The sentence that says most of what is asked, and then of the names; the first that does.

    One that has a time where one is asked for goes first. What stands above the passage is said of
    all its sentences, and tells none.
    """
    above = frozenset(row["about"].split())

    def covers(sentence: str) -> tuple[bool, float, float]:
        own = frozenset(analysis.take_apart(sentence).content)
        of_relation, of_all = (
            covered(asked, wanted - above, own, sentence, weight)
            for wanted in (asked.relation, frozenset(asked.content))
        )
        return asking.fits_kind(question, "", sentence), of_relation, of_all

    return max(sentences(row["text"]), key=covers)


def stands_alone(question: str, asked: Words, sentence: str, row: Row, weight: Weight) -> bool:
    """Whether a sentence is a line by itself that alone covers as much as its passage."""
    lines = [_ITEM.sub("", line).strip() for line in row["text"].splitlines()]
    if len(lines) == 1 or _ITEM.sub("", sentence) not in lines or not _ENDS.search(sentence):
        return False
    above, wanted = frozenset(row["about"].split()), frozenset(asked.content)

    def covers(said: str) -> float:
        own = above | frozenset(analysis.take_apart(said).content)
        return round(covered(asked, wanted, own, said, weight), 6)

    fitting = [one for one in sentences(row["text"]) if asking.fits_kind(question, "", one)]
    by_others = [covers(one) for one in fitting if one != sentence]
    return covers(row["text"]) <= covers(sentence) > max(by_others, default=0.0)
