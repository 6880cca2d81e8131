"""Nouns of a question that tell which thing it is about, though they are no names. Pure.

What follows an article is a noun phrase: "the wifi password", "our spare key". Where one of them
belongs to another, by a preposition or a possessive ("of the office", "the landlord's number"), the
latter tells which one is meant, and the former may be said in other words. Where none does, all do.
"""

import re
from collections.abc import Iterator, Sequence

from radiance.memory.analysis import COMMON, LIGHT, plain, stemmed, take_apart
from radiance.records.text import remembered

_MOST_TEXTS = 1024
_TOKEN = re.compile(r"['’]s\b|[^\W_]+(?:['’](?!s\b)\w+)?|[^\w\s]")
_POSSESSIVE = frozenset(("'s", "’s"))
_ARTICLES = frozenset("the our my your his her their this that a an".split())  # noqa: SIM905
_BELONGING = frozenset(
    "of at in on for from to with into near inside about by behind under over".split()  # noqa: SIM905
)
_WITHOUT_ARTICLE = frozenset("work home school".split())  # noqa: SIM905 - "at work"
_DOING = frozenset("do does did can could will would should must may".split())  # noqa: SIM905
_VERB_FORM = re.compile(r"\w{2,}(?:ed|ing)$")


@remembered(_MOST_TEXTS)
def telling(question: str) -> frozenset[str]:
    """Stems of the nouns that tell which thing a question is about; none of its names."""
    tokens = [plain(token) for token in _TOKEN.findall(question)]
    phrases = list(_phrases(tokens))
    belonging = [words for words, belongs in phrases if belongs] or [words for words, _ in phrases]
    words = take_apart(question)
    found = {stemmed(word) for phrase in belonging for word in phrase}
    return frozenset(found & set(words.content) - words.names - words.kinds.keys() - LIGHT)


def _phrases(tokens: Sequence[str]) -> Iterator[tuple[Sequence[str], bool]]:
    """The words of each noun phrase, and whether another one belongs to it."""
    for place, token in enumerate(tokens):
        before = tokens[place - 1] if place else ""
        if token in _WITHOUT_ARTICLE and before in _BELONGING:
            yield (token,), True
        if token not in _ARTICLES:
            continue
        end = place + 1
        while end < len(tokens) and _is_of_phrase(tokens[end]):
            end += 1
        words = list(tokens[place + 1 : end])
        is_owner = end < len(tokens) and tokens[end] in _POSSESSIVE
        while len(words) > 1 and _VERB_FORM.match(words[-1]):
            words.pop()
        if len(words) > 1 and before in _DOING and not is_owner:
            words.pop()  # "when does the canteen open"
        yield words, is_owner or before in _BELONGING


def _is_of_phrase(token: str) -> bool:
    return token[0].isalnum() and token not in COMMON and token not in _BELONGING
