"""Words of a question that are mistyped, and what they were to be. Pure.

A word that nobody taught is taken for the one known word that it is an edit away from: a letter
left out, put in, another one, or two that changed places (Damerau, 1964); from nine letters on, two
edits. Only if it is alone in that, begins alike, has letters alone, five or more, and is no word or
common name itself: "horse" is no mistyped "house", nor Marta Maria. Another letter in a name makes
another name (Zarbel, Zorbel), so there it must be left out, put in or moved. Known is what examples
say and what stands in the table of synonyms. "Boat house" is "boathouse" where that is known, and
the reverse. What is written so at any time ("whats" for "what's") is no mistake and mended first.

No library: what is an edit away is looked up by making it (Norvig, 2007), some 0.1 ms a word, and
two edits are few words' and measured among those that begin alike.
"""

import functools
import gzip
import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from radiance.memory.analysis import COMMON, LIGHT, WORD, plain, stemmed
from radiance.training.synonyms import GROUPS

_COMMON_WORDS = Path(__file__).with_name("common_words.txt.gz")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_LEAST, _LEAST_OF_TARGET, _LEAST_FOR_TWO = 5, 4, 9  # letters
_LEAST_JOINED = 3  # of each part of a word that is written in two
_MOST_CORRECTED = 2  # words of a question; more is another language, or nothing that was taught
_SHORTENED = re.compile(r"\b(what|who|when|where|how|why)s\b", re.IGNORECASE)
_ALWAYS = {
    mistyped: meant
    for meant, every in (
        ("the", "teh hte"),
        ("and", "adn nad"),
        ("what", "waht hwat wht"),
        ("which", "wich whcih hwich wihch"),
        ("when", "wehn whne hwen"),
        ("where", "wher whre wehre"),
        ("who", "woh hwo"),
        ("does", "deos dose"),
        ("our", "oru"),
        ("their", "thier"),
        ("please", "pls plz"),
    )
    for mistyped in every.split()
}
_HASTY = re.compile(rf"\b(?:{'|'.join(_ALWAYS)})\b", re.IGNORECASE)


def expanded(question: str) -> str:
    """A question with what is written so in a hurry mended: "whos" is "who's", "teh" is "the"."""
    question = _SHORTENED.sub(r"\1's", question)
    return _HASTY.sub(lambda found: _ALWAYS[found[0].casefold()], question)


@dataclass(frozen=True)
class Corrected:
    """A question without its mistakes.

    Attributes:
        text: All of it.
        stems: Of the words that were put in the place of others.
        is_of_name: Whether one of these was written as a name is, in the middle of a sentence.
    """

    text: str
    stems: frozenset[str]
    is_of_name: bool


class Spelling:
    """The words that are known. Safe to use from several threads, as far as one adds."""

    def __init__(self) -> None:
        self._words: set[str] = set()
        self._no_names: set[str] = set(GROUPS)  # what was written in small letters at any time
        self._by_beginning: defaultdict[str, set[str]] = defaultdict(set)

    def add(self, text: str) -> None:
        """Know the words of a text."""
        for word in WORD.findall(text):
            if len(word) >= _LEAST_OF_TARGET and word.isalpha():
                folded = plain(word)
                self._words.add(folded)
                if word.islower():
                    self._no_names.add(folded)
                if len(folded) >= _LEAST_FOR_TWO - 2:
                    self._by_beginning[folded[0]].add(folded)

    def correct(self, question: str, is_known: Callable[[str], bool]) -> Corrected | None:
        """A question without its mistakes; None where none is found.

        Args:
            question: What somebody asks.
            is_known: Whether anything has a stem.
        """
        mistakes = list(self._mistakes(list(WORD.finditer(question)), question, is_known))
        if not mistakes or len(mistakes) > _MOST_CORRECTED:
            return None
        text, at = "", 0
        for start, end, target in mistakes:
            written = target.capitalize() if question[start].isupper() else target
            text, at = text + question[at:start] + written, end
        stems = frozenset(stemmed(w) for _, _, target in mistakes for w in target.split())
        is_of_name = any(start and question[start].isupper() for start, _, _ in mistakes)
        return Corrected(text + question[at:], stems, is_of_name)

    def _mistakes(
        self, words: Sequence[re.Match[str]], question: str, is_known: Callable[[str], bool]
    ) -> Iterator[tuple[int, int, str]]:
        """Where each begins and ends, and what is to stand there."""
        is_taken = False
        for word, following in itertools.zip_longest(words, words[1:]):
            if is_taken:
                is_taken = False
                continue
            start, end = word.span()
            folded = plain(word[0])
            if following is not None and self._is_joined(word, following, question):
                is_taken = True
                yield start, following.end(), folded + plain(following[0])
            elif not self._is_fine(word[0], is_known):
                is_name = start > 0 and word[0][0].isupper()
                target = self._in_two(folded, is_known) or self._nearest(folded, is_name=is_name)
                if target is not None:
                    yield start, end, target

    def _is_fine(self, word: str, is_known: Callable[[str], bool]) -> bool:
        """Whether a word is known, or is to be left as it is."""
        folded = plain(word)
        if not word.isalpha() or folded in COMMON or folded in GROUPS:
            return True
        stem = stemmed(folded)
        return is_known(stem) or stem in LIGHT

    def _is_joined(self, first: re.Match[str], second: re.Match[str], question: str) -> bool:
        """Whether two words in a row are a known one that is written in two."""
        if question[first.end() : second.start()] not in (" ", "-"):
            return False
        parts = plain(first[0]), plain(second[0])
        return min(map(len, parts)) >= _LEAST_JOINED and "".join(parts) in self._words

    def _in_two(self, word: str, is_known: Callable[[str], bool]) -> str | None:
        """A word that is two known ones, apart."""
        for at in range(_LEAST_JOINED, len(word) - _LEAST_JOINED + 1):
            parts = word[:at], word[at:]
            if all(part in self._words or len(part) == _LEAST_JOINED for part in parts) and all(
                is_known(stemmed(part)) for part in parts
            ):
                return " ".join(parts)
        return None

    def _nearest(self, word: str, *, is_name: bool) -> str | None:
        """The one known word that another was to be."""
        if len(word) < _LEAST or word in _common():
            return None
        edited = _one_edit_away(word, letters_exchanged=not is_name)
        near = {
            e for e in edited & self._words | edited & GROUPS.keys() if len(e) >= _LEAST_OF_TARGET
        }
        named = near if is_name else near - self._no_names
        near -= {each for each in named if _has_another_letter(word, each)}
        found = _by_stem(near & self._words) or _by_stem(near & GROUPS.keys())
        if not found and len(word) >= _LEAST_FOR_TWO:
            others = set() if is_name else self._by_beginning[word[0]] & self._no_names
            found = _by_stem({each for each in others if _edits(word, each) == 2})
        return next(iter(found.values())) if len(found) == 1 else None


def _by_stem(words: set[str]) -> dict[str, str]:
    """The longest word of each stem."""
    return {stemmed(word): word for word in sorted(words, key=lambda word: (len(word), word))}


def _has_another_letter(word: str, other: str) -> bool:
    return sorted(word) != sorted(other) and len(word) == len(other)


def _one_edit_away(word: str, *, letters_exchanged: bool) -> set[str]:
    """All that begin alike: with the same letter, or with the first two the other way round."""
    parts = [(word[:at], word[at:]) for at in range(1, len(word) + 1)]
    found = {word[1] + word[0] + word[2:]}
    found.update(before + after[1:] for before, after in parts)
    found.update(b + a[1] + a[0] + a[2:] for b, a in parts if len(a) > 1)
    found.update(before + c + after for before, after in parts for c in _LETTERS)
    if letters_exchanged:
        found.update(before + c + after[1:] for before, after in parts for c in _LETTERS)
    return found - {word}


def _edits(word: str, other: str) -> int:
    """How many edits two words are apart; 3 for three or more."""
    if abs(len(word) - len(other)) > 2:
        return 3
    two_back: list[int] = []
    last = list(range(len(other) + 1))
    for i, letter in enumerate(word, 1):
        row = [i]
        for j, another in enumerate(other, 1):
            least = min(row[-1] + 1, last[j] + 1, last[j - 1] + (letter != another))
            if i > 1 and j > 1 and letter == other[j - 2] and word[i - 2] == another:
                least = min(least, two_back[j - 2] + 1)
            row.append(least)
        if min(row) > 2:
            return 3
        two_back, last = last, row
    return min(3, last[-1])


@functools.cache
def _common() -> frozenset[str]:
    """Common English words of five letters or more, and names of people and places."""
    return frozenset(gzip.decompress(_COMMON_WORDS.read_bytes()).decode().split())
