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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from radiance.records.questions import FUNCTION_WORDS
from radiance.records.text import remembered
from radiance.training.synonyms import GROUPS

_ASKING = frozenset(
    """
    who whom whose when where why how does did has have had many much long which any there be been
    about as from he she they his her their him them my our we i if or not no but also
    """.split()  # noqa: SIM905 - as a list it would take a screen
)
_COMMON = FUNCTION_WORDS | _ASKING
_MOST_TEXTS = 1024  # remembered: some 2 KB each, as questions are; candidates come again
_ENDINGS = (
    *("lies", "lied"),  # as "ly": "families" is "family"
    *("ered", "ering"),  # as "er": "delivered" is "delivers"
    *("ations", "ation", "ings", "ing", "ers", "ors", "ies", "ied"),
    *("er", "or", "ed", "es", "s", "ly", "y", "e"),
)
_LEAST_STEM, _LEAST_STEMMED = 3, 4
_NO_ENDING = re.compile(r"(?:[aeou]y|ss)$")  # "Saturdays" is "Saturday", "addresses" "address"
_WORD = re.compile(r"[^\W_]+")
_POSSESSIVE = re.compile(r"['’]s\b")
_SENTENCE = re.compile(r"(?:[.!?:|]\s|\n)\s*\S")  # or a line of a list, or a cell of a table
_SAYING_NOTHING = frozenset(
    "defin definition mean describ detail info inform information thing anything something".split()  # noqa: SIM905
)
_APART = frozenset("\n|:;,?!")  # "Manager: Ada Brook": the first word is no part of the name
_MONTHS = frozenset(
    "january february march april may june july august september october november december".split()  # noqa: SIM905
)
_NUMBERS = frozenset(
    """
    one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred
    thousand million half dozen free nothing
    """.split()  # noqa: SIM905 - as a list it would take a screen
)
_TIMES = frozenset(
    """
    noon midnight morning afternoon evening night today tomorrow weekdays weekends daily weekly
    monthly yearly hour hours day days week weeks month months year years spring summer autumn
    winter easter christmas am pm
    """.split()  # noqa: SIM905 - as a list it would take a screen
)
_DATE = re.compile(r"(?<![\w-])(?:1\d|20)\d\ds?\b|\b\d{1,2}[:./]\d{1,2}\b")
_NUMBER = re.compile(r"(?<![\w-])\d")
_DAYS = frozenset(
    "monday tuesday wednesday thursday friday saturday sunday".split()  # noqa: SIM905 - as a list it would take a screen
)
_AMOUNT = re.compile(r"\bhow (?:much|many|old|long|far|tall|high)\b|\bwhat (?:price|number)\b")
_WORK = re.compile(
    r"\s*(?:please |can you |could you |would you |now |help me )*"
    r"(?:(?:re)?write|compose|draft|summari[sz]e|translate|rephrase|paraphrase|proofread|shorten"
    r"|generate|create|invent|imagine|pretend|brainstorm|make up|continue|complete)\b"
)
_WHAT_TIME = re.compile(r"\b(?:what|which) (date|day|year|month|time)\b")
_WHAT_KIND = re.compile(r"\b(kind|sort|type)s? of\b|\b(name|called)\b")
_DOUBLED = frozenset(2 * letter for letter in "bdgmnprt")  # "swimming" is "swim"; "call" stays
_TIME = re.compile(rf"\bwhen\b|{_WHAT_TIME.pattern}|\bby when\b")
_WHY, _REASON = re.compile(r"\bwhy\b"), re.compile(r"\b(?:because|since|due|as|so|for|to)\b")
_PERSON = re.compile(r"\bwho(?:m|se)?\b")
_ASKS = re.compile(
    r"\?|\b(?:who|whom|whose|what|which|when|where|why|how)\b"
    r"|\b(?:know|wonder|tell|need|want|looking for)\b"
    r"|^\W*(?:name|give|say|show|list|find|explain|describe|please|is|are|was|were|do|does|did|has"
    r"|have|had|can|could|would|will|should|may)\b"
)
_VERB = r"am|is|are|was|were|be|has|have|had|do|does|did|can|could|will|would|should|may|might|must"
_STATES = re.compile(
    rf"\w\W+(?:{_VERB})\W+\w|^\W*(?:i|i['’]?m|i['’]?ve|we|you|he|she|it|they)\W+\w"
)
_ANOTHER = re.compile(
    r"\b(?:another|others?|else|different|further|additional|more|alternative|second)\b"
)
_ASKED = {
    "time": re.compile(
        r"\bwhen\b|\b(?:what|which) (?:date|day|year|month|time)\b|\b(?:birth)?date\b|\bbirthday\b"
    ),
    "place": re.compile(
        r"\bwhere\b|\b(?:what|which) (?:city|country|place|nation|town)\b|\bbirthplace\b"
        r"|\bhometown\b"
    ),
    "person": re.compile(r"\bwho(?:m|se)?\b|\bname\b"),
    "reason": re.compile(r"\bwhy\b|\breasons?\b"),
    "amount": re.compile(r"\bhow (?:many|much|old|long)\b|\bnumber of\b"),
    "way": re.compile(r"\bhow\b|\bin (?:what|which) ways?\b"),
    "whether": re.compile(
        r"^(?:is|are|was|were|do|does|did|has|have|had|can|could|would)\b(?! you)"
    ),
}


@dataclass(frozen=True)
class Words:
    """A text taken apart.

    Attributes:
        content: Stems of the words that carry meaning, in the order of the text.
        names: Those among them that are names or codes.
        pairs: Stems of words that stand side by side, nothing and no possessive between them.
        senses: Groups of synonyms (``training.synonyms``) of each word that is no name, "where" and
            "when" among them, by its stem.
    """

    content: tuple[str, ...]
    names: frozenset[str]
    pairs: frozenset[tuple[str, str]] = frozenset()
    senses: Mapping[str, frozenset[int]] = field(default_factory=dict, hash=False, compare=False)

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
    marked, text = _POSSESSIVE.sub(" | ", text), _POSSESSIVE.sub("", text)
    openings = {0, *(found.end() - 1 for found in _SENTENCE.finditer(text))}
    found = [(match[0], match.start()) for match in _WORD.finditer(text)]
    is_shouted = len(found) > 1 and text.upper() == text
    content, names, senses = [], set(), {}
    for place, (word, start) in enumerate(found):
        plain = _plain(word)
        stem = _stem(plain)
        if groups := GROUPS.get(plain) or _groups_by_stem().get(stem):
            senses[stem] = groups
        if plain in _COMMON:
            continue
        content.append(stem)
        if any(c.isdigit() for c in word):
            names.add(stem)
        elif word[0].isupper() or not word.islower():
            follows, at = found[place + 1] if place + 1 < len(found) else ("", 0)
            is_beside = not _APART & set(text[start + len(word) : at])
            # A sentence may begin with a name: "Zorbel Labs was founded by whom?"
            may_be = start not in openings or (
                is_beside and follows[:1].isupper() and follows != "I"
            )
            if may_be and not is_shouted and any(c.isupper() for c in word):
                names.add(stem)
    senses = {stem: groups for stem, groups in senses.items() if stem not in names}
    return Words(tuple(dict.fromkeys(content)), frozenset(names), _pairs(marked), senses)


@functools.cache
def _groups_by_stem() -> Mapping[str, frozenset[int]]:
    """Groups of synonyms by stems: the table has "manages", and "managed" is a form of it."""
    found: dict[str, frozenset[int]] = {}
    for word, groups in GROUPS.items():
        stem = _stem(word)
        found[stem] = found.get(stem, frozenset()) | groups
    return found


def _pairs(text: str) -> frozenset[tuple[str, str]]:
    parts = [_WORD.findall(part) for part in text.split()]
    stems = [_stem(_plain(part[0])) if len(part) == 1 else "" for part in parts]
    return frozenset(pair for pair in itertools.pairwise(stems) if all(pair))


@remembered(_MOST_TEXTS)
def without_names(text: str) -> str:
    """A text without its names and codes; all of it where it is nothing else."""
    text = _POSSESSIVE.sub("", text)
    names = take_apart(text).names
    kept = [
        part
        for part in text.split()
        if not names.intersection(_stem(_plain(word)) for word in _WORD.findall(part))
    ]
    return " ".join(kept) or text


def fits_kind(question: str, asked: str, answer: str) -> bool:
    """Whether an answer can be one to what is asked for: a person, an amount, a time, a reason.

    Args:
        question: What somebody asks.
        asked: The question that the answer was given to; if it asks for the same, it fits.
        answer: The answer.
    """
    question, asked = question.casefold(), asked.casefold()
    kinds = (
        (_PERSON, _has_name),
        (_AMOUNT, _has_number),
        (_TIME, _has_time),
        (_WHY, _has_reason),
    )
    for kind, has in kinds:
        if kind.search(question) and not kind.search(asked) and not has(asked, answer):
            return False
    return True


def kinds_asked(question: str) -> frozenset[str]:
    """What a question asks for, as far as its words tell: a time, a place, a person and so on."""
    folded = question.casefold()
    return frozenset(kind for kind, pattern in _ASKED.items() if pattern.search(folded))


def time_words(question: str) -> frozenset[str]:
    """Stems of words that only say that a time is asked for: "what year" is "when".

    What ``fits_kind`` has one, whether or not it has the word.
    """
    return frozenset(_stem(found) for found in _WHAT_TIME.findall(question.casefold()))


class Written(NamedTuple):
    """A word as it stands in a text, with its stem, and what it is a part of between spaces."""

    stem: str
    word: str
    whole: str


def as_written(text: str) -> list[Written]:
    """Every word of a text, function words among them; in order."""
    return [
        Written(_stem(_plain(word)), word, whole)
        for whole in _POSSESSIVE.sub("", text).split()
        for word in _WORD.findall(whole)
    ]


def kinds_of_value(words: Sequence[Written]) -> frozenset[str]:
    """What words of an answer are: a time, digits, a name, and where they are none of that, words.

    Four digits may be a year, and a month has a name.
    """
    plain = {_plain(each.word) for each in words}
    is_of = {
        "time": _has_time("", " ".join(each.whole for each in words)),
        "digits": any(map(str.isdigit, "".join(plain))) or bool(plain & _NUMBERS),
        "name": any(
            each.word[0].isupper() and _plain(each.word) not in _MONTHS | _DAYS for each in words
        ),
    }
    return frozenset(kind for kind, found in is_of.items() if found) or frozenset({"words"})


def saying_little(question: str) -> frozenset[str]:
    """Stems of words that say nothing of what a question is about.

    What is done with anything, what ought to be, and what only says for which kind of thing is
    asked: "what day", "the name of".
    """
    folded = question.casefold()
    kinds = [kind for found in _WHAT_KIND.findall(folded) for kind in found if kind]
    return LIGHT | {_stem(kind) for kind in (*_WHAT_TIME.findall(folded), *kinds)}


def asks(text: str) -> bool:
    """Whether the form of a text asks for something: a question, or a request."""
    return _ASKS.search(text.casefold()) is not None


def wants_work(text: str) -> bool:
    """Whether a text asks for something to be made, not told: "Write a poem about Ana Ruiz."."""
    return _WORK.match(text.casefold()) is not None


def states(text: str) -> bool:
    """Whether the form of a text says something and asks for nothing: "bread is made of flour"."""
    return not asks(text) and _STATES.search(text.casefold()) is not None


def asks_for_another(question: str) -> bool:
    """Whether a question asks for another one of something: of two alike, that tells which."""
    return _ANOTHER.search(question.casefold()) is not None


def _has_name(asked: str, answer: str) -> bool:
    """Whether the answer has a word with a capital letter, and no digit, that was not asked."""
    known = {_plain(word) for word in _WORD.findall(asked)}
    words = _WORD.findall(" ".join(w for w in answer.split() if not any(map(str.isdigit, w))))
    known |= _MONTHS | _DAYS
    return any(
        word[0].isupper() and word.isalpha() and len(word) > 1 and _plain(word) not in known
        for word in words[1:] or words
    )


def _has_number(asked: str, answer: str) -> bool:
    words = {_plain(word) for word in _WORD.findall(answer)}
    return bool(_NUMBER.search(answer) or words & _NUMBERS)


def _has_reason(asked: str, answer: str) -> bool:
    return _REASON.search(answer.casefold()) is not None


def _has_time(asked: str, answer: str) -> bool:
    words = {_plain(word) for word in _WORD.findall(answer)}
    return bool(_DATE.search(answer) or words & (_MONTHS | _DAYS | _TIMES))


def _plain(word: str) -> str:
    if word.isascii():
        return word.casefold()
    apart = unicodedata.normalize("NFKD", word.casefold())
    return "".join(c for c in apart if not unicodedata.combining(c))


def _stem(word: str) -> str:
    is_short = len(word) < _LEAST_STEMMED
    if is_short or _NO_ENDING.search(word) or any(c.isdigit() for c in word):
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _LEAST_STEM:
            stem = word[: -len(ending)]
            is_doubled = len(stem) > _LEAST_STEM and stem[-2:] in _DOUBLED
            return stem[:-1] if is_doubled else stem
    return word


LIGHT = frozenset(
    map(
        _stem,
        """
        keep have get go find use need take put come call see ask more should must shall might
        up off out responsible
        """.split(),  # noqa: SIM905 - as a list it would take a screen
    )
)
"""Stems of what is done with anything, or ought to be: it tells nothing of what is asked."""
