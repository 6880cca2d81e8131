"""Shorter wordings of a question, so that what is learned is also known when asked otherwise.

An adapter that only ever sees one wording ties the answer to all of its words. So a part of the
rows asks with some common words left out ("founded Zorbel Labs?" for "Who founded Zorbel Labs?"),
which leaves the answer to hang on the words that make the question this one. Common words are those
that several texts of the anchors and own samples have; a wording that would fit another known
question as well is not used.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import msgspec
import numpy as np

from radiance.records import Example, Message

_DROP_RATIO = 0.5
_TRIES_PER_WORDING = 3
_LEAST_TEXTS = 2  # a word is common from so many texts on
_WORD = re.compile(r"\w+")


def question(example: Example) -> str:
    """The last turn before the answer; "" for a plain text, and where tools are in it."""
    if len(example.messages) < 2 or example.has_tools:
        return ""
    return example.messages[-2].content


def common_words(texts: Iterable[str]) -> frozenset[str]:
    """Words that at least two of the texts have, in lower case."""
    counts = Counter(word for text in texts for word in _words(text))
    return frozenset(word for word, count in counts.items() if count >= _LEAST_TEXTS)


def shorter(
    example: Example,
    common: Collection[str],
    others: Sequence[frozenset[str]],
    count: int,
    seed: int,
) -> list[Example]:
    """At most ``count`` wordings of an example with some common words left out.

    Args:
        example: What is to be learned; a plain text has no wordings.
        common: Words that may be left out.
        others: ``words`` of every other question that must not be mistaken for this one.
        count: Most wordings.
        seed: They follow from it and the example's question.
    """
    asked = question(example)
    parts = asked.split()
    digest = int(example.question_hash[:12], 16)
    draw = np.random.default_rng([seed, digest])
    found: list[str] = []
    mine = words(asked)
    rivals = [bag for bag in others if bag != mine]
    for _ in range(count * _TRIES_PER_WORDING if parts else 0):
        kept = [p for p in parts if not (_is_common(p, common) and draw.random() < _DROP_RATIO)]
        wording = " ".join(kept)
        bag = words(wording)
        if wording in ("", asked, *found) or not bag or any(bag <= rival for rival in rivals):
            continue
        found.append(wording)
        if len(found) == count:
            break
    return [asking(example, wording) for wording in found]


def words(text: str) -> frozenset[str]:
    """The words of a text, in lower case, without their order."""
    return frozenset(_words(text))


def _words(text: str) -> set[str]:
    return {word.casefold() for word in _WORD.findall(text)}


def _is_common(part: str, common: Collection[str]) -> bool:
    own = _words(part)
    return bool(own) and all(word in common for word in own)


def asking(example: Example, wording: str) -> Example:
    """An example with another wording of its question."""
    *before, asked, answer = example.messages
    turns = (*before, Message(asked.role, wording), answer)
    return msgspec.structs.replace(example, messages=turns)
