"""When two questions are the same question, and when they are nearly the same. Pure.

Two notions. ``normalise`` decides identity, and what it calls equal may be dropped from replay, so
it removes only what cannot change the meaning: letter case, Unicode's several forms of one
character, space, contractions that have one reading, and the punctuation of sentences. What stands
inside a word, a number or a code stays: 5.5 is not 55, C is not C++, 5² is not 52.
``Sense`` only suspects, and whoever asks it may only hint.
"""

import difflib
import re
import unicodedata
from dataclasses import dataclass

_NOT_ALIKE = ("<super>", "<sub>", "<fraction>")  # NFKC would make 5² and 52 one number
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff"))
_PLAIN = str.maketrans("‘’‛ʼ“”„‟«»‐‑‒–—―−", '\'\'\'\'""""""-------')
_QUOTED = re.compile(r"(?<!\S)(?:\"([^\"\s][^\"]*)\"|'([^'\s][^']*)')(?=[?!.,;:]*(?:\s|$))")
_ENDING = re.compile(r"(?<=[^?!.,;:])([?!.,;:]+)$")
_CONTRACTIONS = tuple(
    (re.compile(pattern), full)
    for pattern, full in (
        (r"\b(what|who|where|when|why|how|it|that|there|here)'s\b", r"\1 is"),
        (r"\bcan't\b|\bcannot\b", "can not"),
        (r"\bwon't\b", "will not"),
        (r"\bshan't\b", "shall not"),
        (r"\bain't\b", "is not"),
        (r"\b(\w+)n't\b", r"\1 not"),
        (r"\b(\w+)'re\b", r"\1 are"),
        (r"\b(\w+)'ll\b", r"\1 will"),
        (r"\b(\w+)'ve\b", r"\1 have"),
        (r"\bi'm\b", "i am"),
        (r"\blet's\b", "let us"),
    )
)
# Words that two wordings of one question may differ in. No question word but "what" is among them:
# who, when and where ask for different things.
FUNCTION_WORDS = frozenset(
    """
    a an the is are was were be been do does did of in on at to for by with and so please tell me
    us you your can could would will what which whats that this it its there now then currently
    give say know i
    """.split()  # noqa: SIM905 - as a list it would take a screen
)
_LEAST_SHARED_RATIO = 0.7
_LEAST_BEFORE_S = 3  # letters
_LONGEST_VALUE_WORDS = 6


def normalise(text: str) -> str:
    """``text`` without what cannot change what it asks. Doing it twice changes nothing more.

    Letter case is among it: "polish" and "Polish" are taken for one word.
    """
    text = _folded(text.translate(_INVISIBLE)).translate(_PLAIN)
    while (unquoted := _QUOTED.sub(lambda match: match[1] or match[2], text)) != text:
        text = unquoted
    words = [_without_ending(word) for word in text.split()]
    if len(words) > 1 and words[-1] in ("?", "!", "."):  # "What is it ?"
        words.pop()
    text = " ".join(words)
    for pattern, full in _CONTRACTIONS:
        text = pattern.sub(full, text)
    return text


@dataclass(frozen=True)
class Sense:
    """What a question asks, roughly: a bag of words.

    Attributes:
        words: Those that carry meaning.
        codes: Those among them with a digit.
        bare: The words without what is left out in a hurry: "Lenas" for "Lena's", "wi-fi", "whos".
    """

    words: frozenset[str]
    codes: frozenset[str]
    bare: frozenset[str]

    def is_near(self, other: "Sense") -> bool:
        """Whether two questions may well ask the same in other words.

        They share most of the words that carry meaning, in any order, and every number and code.
        """
        if not self.bare or not other.bare or self.codes != other.codes:
            return False
        shared = len(self.bare & other.bare)
        either = len(self.bare) + len(other.bare) - shared
        return shared / either >= _LEAST_SHARED_RATIO


def sense(question: str) -> Sense:
    """The sense of a normalised question."""
    words = frozenset(question.replace("'s", "").split()) - FUNCTION_WORDS
    codes = frozenset(word for word in words if any(c.isdigit() for c in word))
    bare = frozenset(word if word in codes else _bare(word) for word in words)
    return Sense(words, codes, bare)


def _bare(word: str) -> str:
    """A word without hyphens, apostrophes, and an s at its end."""
    plain = word.replace("-", "").replace("'", "") or word
    is_short = len(plain) < _LEAST_BEFORE_S + 1 or plain.endswith("ss")
    return plain.removesuffix("s") if plain.endswith("s") and not is_short else plain


def differs_in_one_value(answer: str, other: str) -> bool:
    """Whether two answers are the same sentence but for one run of words, as a correction is."""
    words, others = normalise(answer).split(), normalise(other).split()
    changes = [
        (end - start, other_end - other_start)
        for kind, start, end, other_start, other_end in difflib.SequenceMatcher(
            None, words, others, autojunk=False
        ).get_opcodes()
        if kind != "equal"
    ]
    return len(changes) == 1 and max(changes[0]) <= _LONGEST_VALUE_WORDS


def _folded(text: str) -> str:
    """Compatibility forms as their plain characters, without letter case."""
    if text.isascii():
        return text.casefold()
    for _ in range(2):  # folding can bring forth characters that have a plainer form
        text = "".join(
            c
            if unicodedata.decomposition(c).startswith(_NOT_ALIKE)
            else unicodedata.normalize("NFKC", c)
            for c in unicodedata.normalize("NFC", text)
        )
        text = unicodedata.normalize("NFC", text.casefold())
    return text


def _without_ending(word: str) -> str:
    """A word without the punctuation that ends it; 5! keeps its factorial, and ".." stays."""
    found = _ENDING.search(word)
    if found is None:
        return word
    body, ending = word[: found.start()], found[1]
    if body[-1].isdigit():
        body += "!" * (len(ending) - len(ending.lstrip("!")))
    return body
