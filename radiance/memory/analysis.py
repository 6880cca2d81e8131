"""What a text is about, as words: its stems, and the names and codes that tell it apart. Pure.

A word is compared by its stem, in lower case and without accents, so that "founded" is found by
"founder". Words that any question may have (function words, question words) are left out. A name is
a word with a capital letter or a digit, but for the first word of a sentence; where everything is
written in capitals, only digits tell. Text without capitals has no names of its own: then the one
that is asked has to say which name it is about.
"""

import functools
import itertools
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from radiance.records.questions import FUNCTION_WORDS
from radiance.records.text import remembered
from radiance.training.synonyms import GROUPS

_ASKING = frozenset(
    """
    who whom whose when where why how does did has have had many much long which any there be been
    about as from he she they his her their him them my our we i if or not no but also
    whats whos whens wheres hows whys
    """.split()  # noqa: SIM905 - as a list it would take a screen
)
COMMON = FUNCTION_WORDS | _ASKING
"""Words that any question may have."""
_MOST_TEXTS = 1024  # remembered: some 2 KB each, as questions are; candidates come again
_ENDINGS = (
    *("lies", "lied"),  # as "ly": "families" is "family"
    *("ered", "ering"),  # as "er": "delivered" is "delivers"
    *("ations", "ation", "ings", "ing", "ers", "ors", "ies", "ied"),
    *("er", "or", "ed", "es", "s", "ly", "y", "e"),
)
_LEAST_STEM, _LEAST_STEMMED = 3, 4
_NO_ENDING = re.compile(r"(?:[aeou]y|ss)$")  # "Saturdays" is "Saturday", "addresses" "address"
WORD = re.compile(r"[^\W_]+")
_IN_TWO = re.compile(r"\b(wi|e)[- ](fi|mail)", re.IGNORECASE)
_POSSESSIVE = re.compile(r"['’]s\b")
_SENTENCE = re.compile(r"(?:[.!?:|]\s|\n)\s*\S")  # or a line of a list, or a cell of a table
_SAYING_NOTHING = frozenset(
    "defin definition mean describ detail info inform information thing anything something".split()  # noqa: SIM905
)
_APART = frozenset("\n|:;,?!")  # "Manager: Ada Brook": the first word is no part of the name
KIND_NOUNS = {
    "person": "person people man men woman women individual guy lady gentleman"
    " colleague colleagues member members employee employees",
    "place": "place location spot city town village country nation",
    "time": "date day weekday month year time hour",
}
"""Nouns that only say which kind of thing is asked for, by kind: "which person" is "who"."""
_PLAINEST = frozenset("place location spot".split())  # noqa: SIM905 - "what place" is "where"
_NOUN = {noun: kind for kind, nouns in KIND_NOUNS.items() for noun in nouns.split()}
_OF_KIND = re.compile(
    rf"\b(?:what|which)(?: of (?:the|our|my|your|their))? ({'|'.join(_NOUN)})\b"
    rf"|\bthe ({'|'.join(_NOUN)}) (?:who|whom|that|where|when)\b"
)
_WORD_OF = {"person": "who", "place": "where", "time": "when"}
_RANKS = (
    *("vice", "deputy", "assistant", "associate", "acting", "interim", "honorary", "junior"),
    *("former", "previous", "ex", "co"),
)
_RANK = re.compile(rf"\b({'|'.join(_RANKS)})[ -]+(\w+)")
_FORMS = {"who": "person", "whom": "person", "whose": "person", "where": "place", "when": "time"}
_DOUBLED = frozenset(2 * letter for letter in "bdgmnprt")  # "swimming" is "swim"; "call" stays


@dataclass(frozen=True)
class Words:
    """A text taken apart.

    Attributes:
        content: Stems of the words that carry meaning, in the order of the text.
        names: Those among them that are names or codes.
        pairs: Stems of words that stand side by side, nothing and no possessive between them.
        senses: Groups of synonyms (``training.synonyms``) of each word that is no name, "where" and
            "when" among them, by its stem.
        kinds: What a noun asks for that says no more: person of "which person", by its stem.
        forms: Kinds that are asked for by no more than the form, as in "who" and "which person".
        ranks: What makes somebody or something another one of its kind, and the stem of the kind:
            vice and "president", former and "code".
    """

    content: tuple[str, ...]
    names: frozenset[str]
    pairs: frozenset[tuple[str, str]] = frozenset()
    senses: Mapping[str, frozenset[int]] = field(default_factory=dict, hash=False, compare=False)
    kinds: Mapping[str, str] = field(default_factory=dict, hash=False, compare=False)
    forms: frozenset[str] = frozenset()
    ranks: frozenset[tuple[str, str]] = frozenset()

    def said_by_form(self, other: "Words") -> frozenset[str]:
        """Stems of this text that say no more than the form of another: "person" of "who"."""
        return frozenset(stem for stem, kind in self.kinds.items() if kind in other.forms)

    @functools.cached_property
    def relation(self) -> frozenset[str]:
        """What is asked of the names: stems of content that are none and say something."""
        return frozenset(self.content) - self.names - _SAYING_NOTHING

    @functools.cached_property
    def groups(self) -> frozenset[int]:
        """All groups of synonyms."""
        return frozenset().union(*self.senses.values())


@remembered(_MOST_TEXTS)
def take_apart(text: str) -> Words:
    """The words of a text."""
    text = _IN_TWO.sub(r"\1\2", text)
    marked, text = _POSSESSIVE.sub(" | ", text), _POSSESSIVE.sub("", text)
    openings = {0, *(found.end() - 1 for found in _SENTENCE.finditer(text))}
    found = [(match[0], match.start()) for match in WORD.finditer(text)]
    is_shouted = len(found) > 1 and text.upper() == text
    content, names, senses = [], {}, {}
    for place, (word, start) in enumerate(found):
        folded = plain(word)
        stem = stemmed(folded)
        if groups := GROUPS.get(folded) or _groups_by_stem().get(stem):
            senses[folded] = groups
        if folded in COMMON:
            continue
        content.append(folded)
        if any(c.isdigit() for c in word):
            names[folded] = stem
        elif word[0].isupper() or not word.islower():
            follows, at = found[place + 1] if place + 1 < len(found) else ("", 0)
            is_beside = not _APART & set(text[start + len(word) : at])
            # A sentence may begin with a name: "Zorbel Labs was founded by whom?"
            may_be = start not in openings or (
                is_beside and follows[:1].isupper() and follows != "I"
            )
            if may_be and not is_shouted and any(c.isupper() for c in word):
                names[folded] = stem
    stems = frozenset(names.values())

    def told(folded: str) -> str:
        """Its stem; all of it where that is a name's, as in "Where does Liv live?"."""
        stem = stemmed(folded)
        return folded if stem in stems and folded not in names else stem

    senses = {told(word): groups for word, groups in senses.items() if told(word) not in stems}
    kinds, forms = _kinds(text.casefold())
    for stem, kind in kinds.items():
        senses[stem] = senses.get(stem, frozenset()) | GROUPS.get(_WORD_OF[kind], frozenset())
    ranks = frozenset((rank, stemmed(plain(kind))) for rank, kind in _RANK.findall(text.casefold()))
    content = tuple(dict.fromkeys(map(told, content)))
    return Words(content, stems, _pairs(marked), senses, kinds, forms, ranks)


def _kinds(folded: str) -> tuple[dict[str, str], frozenset[str]]:
    """What a text asks for by nouns, by their stems; and by its form."""
    nouns = [noun for found in _OF_KIND.findall(folded) for noun in found if noun]
    asked = {_FORMS[word] for word in WORD.findall(folded) if word in _FORMS}
    asked |= {_NOUN[noun] for noun in nouns if noun in _PLAINEST or _NOUN[noun] == "person"}
    return {stemmed(noun): _NOUN[noun] for noun in nouns}, frozenset(asked)


@functools.cache
def _groups_by_stem() -> Mapping[str, frozenset[int]]:
    """Groups of synonyms by stems: the table has "manages", and "managed" is a form of it."""
    found: dict[str, frozenset[int]] = {}
    for word, groups in GROUPS.items():
        stem = stemmed(word)
        found[stem] = found.get(stem, frozenset()) | groups
    return found


def is_of_relation(stem: str) -> bool:
    """Whether a word stands in the table of synonyms: it says what is asked of a name, or told."""
    return stem in _groups_by_stem()


def of_groups(groups: frozenset[int]) -> frozenset[str]:
    """Stems of all words of some groups of synonyms."""
    return frozenset().union(*(_stems_by_group()[group] for group in groups))


@functools.cache
def _stems_by_group() -> Mapping[int, frozenset[str]]:
    found: dict[int, frozenset[str]] = {}
    for stem, groups in _groups_by_stem().items():
        for group in groups:
            found[group] = found.get(group, frozenset()) | {stem}
    return found


def _pairs(text: str) -> frozenset[tuple[str, str]]:
    parts = [WORD.findall(part) for part in text.split()]
    stems = [stemmed(plain(part[0])) if len(part) == 1 else "" for part in parts]
    return frozenset(pair for pair in itertools.pairwise(stems) if all(pair))


@remembered(_MOST_TEXTS)
def without_names(text: str) -> str:
    """A text without its names and codes; all of it where it is nothing else."""
    text = _POSSESSIVE.sub("", text)
    names = take_apart(text).names
    kept = [
        part
        for part in text.split()
        if not names.intersection(stemmed(plain(word)) for word in WORD.findall(part))
    ]
    return " ".join(kept) or text


class WrittenWord(NamedTuple):
    """A word as it stands in a text, with its stem, and what it is a part of between spaces."""

    stem: str
    word: str
    whole: str


def as_written(text: str) -> list[WrittenWord]:
    """Every word of a text, function words among them; in order."""
    return [
        WrittenWord(stemmed(plain(word)), word, whole)
        for whole in _POSSESSIVE.sub("", text).split()
        for word in WORD.findall(whole)
    ]


def plain(word: str) -> str:
    """A word in small letters, without accents."""
    if word.isascii():
        return word.casefold()
    apart = unicodedata.normalize("NFKD", word.casefold())
    return "".join(c for c in apart if not unicodedata.combining(c))


def stemmed(word: str) -> str:
    """A word of ``plain`` without its ending, if it has one that leaves three letters."""
    is_short = len(word) < _LEAST_STEMMED
    if is_short or _NO_ENDING.search(word) or any(c.isdigit() for c in word):
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _LEAST_STEM:
            stem = word[: -len(ending)]
            is_doubled = len(stem) > _LEAST_STEM and stem[-2:] in _DOUBLED
            return stem[:-1] if is_doubled else stem
    return word


RANK_STEMS = frozenset(map(stemmed, _RANKS))
"""Stems of words that make something another one of its kind."""
LIGHT = frozenset(
    map(
        stemmed,
        """
        keep have get go find use need take put come call see ask more should must shall might
        kept got gone went took taken came seen may up off out responsible
        """.split(),  # noqa: SIM905 - as a list it would take a screen
    )
)
"""Stems of what is done with anything, or ought to be: it tells nothing of what is asked."""
