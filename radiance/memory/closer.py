"""A second look at the few that a question may mean, token by token.

One vector of a whole text says what it is about; of two questions about one name that differ in a
word it says little. So where none is clearly meant, the first few are compared with the question
token by token: how well each token of the one is found in the other, those of the question that
tell the few apart counting most.

Source: late interaction, the largest similarity of each token (ColBERT, Khattab and Zaharia, 2020,
section 3.3), here in both directions, with weights by the inverse document frequency among the few.
"""

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from radiance.errors import Cancelled, EngineFailed, Unavailable
from radiance.memory.analysis import Words
from radiance.memory.embedders import Embedder, Tokens
from radiance.memory.matching import LEAST_SHARE, Ranked, reordered

LOOKED_AT = 3
"""So many of the first ones are looked at again; the question itself is a fourth text."""
_LEAST_TELLING = 0.05  # weight of a token that all of them have
# Of the first look, and of the tokens of each side that the other has: fitted on 2,000 facts of
# 100 authors of TOFU, none of them among those it is judged on.
_OF_FIRST, _OF_ASKED, _OF_TAUGHT = 0.73, 9.1, 5.0


def is_unclear(ranked: Ranked) -> bool:
    """Whether a second look may tell more: several are compared by meaning, and none is clear."""
    return not ranked.is_by_words and len(ranked.shares) > 1 and ranked.shares[0] < LEAST_SHARE


def look_again(ranked: Ranked, question: str, words: Words, embedder: Embedder) -> Ranked:
    """After a second look, where one may tell more and the embedder can take it now."""
    if not is_unclear(ranked):
        return ranked
    taught = [candidate.question for candidate in ranked.candidates[:LOOKED_AT]]
    try:
        asked, *others = embedder.tokens([question, *taught])
    except (Cancelled, EngineFailed, Unavailable):
        return ranked
    return look(ranked, words, asked, others)


def look(ranked: Ranked, words: Words, asked: Tokens, taught: Sequence[Tokens]) -> Ranked:
    """The same candidates in the order of both looks.

    Args:
        ranked: The first look.
        words: The question's words.
        asked: Its tokens.
        taught: Those of the questions of its first candidates.
    """
    found = _found_in(asked, taught)
    mean = sum(found) / len(found)
    likely = [_OF_FIRST * math.log(max(share, 1e-300)) for share in ranked.shares]
    for place, value in enumerate(found):
        likely[place] += value - mean
    return reordered(ranked, words, likely)


def _found_in(asked: Tokens, taught: Sequence[Tokens]) -> list[float]:
    """How much of the question each has and the reverse, in nats and up to a constant.

    Args:
        asked: Of the question: vectors (n, dimensions).
        taught: Of each question that may be meant: vectors (m, dimensions), m its own.
    """
    having = Counter(token for each in taught for token in set(each.ids))
    telling = [
        math.log((len(taught) + 1) / (1 + having[token])) + _LEAST_TELLING for token in asked.ids
    ]
    weights = np.array(telling) / max(sum(telling), 1e-9)
    values = []
    for each in taught:
        if not len(each.ids) or not len(asked.ids):
            values.append(0.0)
            continue
        alike = np.einsum("ik,jk->ij", asked.vectors, each.vectors)
        of_asked, of_taught = weights @ alike.max(axis=1), alike.max(axis=0).mean()
        values.append(float(_OF_ASKED * of_asked + _OF_TAUGHT * of_taught))
    return values
