"""Words that are looked for in texts: as whole words, however they are written. Pure."""

import hashlib
import re
from collections.abc import Collection
from typing import NamedTuple

from radiance.records.questions import normalise

# Scripts that put no space between words: there a part of a run of letters may be a word.
_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_BEFORE = r"(?<!\w)(?<!\w[-./:])"  # what stands inside a number or a code is no word of it
_AFTER = r"(?!\w)(?![-./:]\w)"
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")
# Where words may begin and end, whichever they are.
_BEGINS = re.compile(rf"(?:{_BEFORE}|(?=[{_UNSPACED}]))(?=\S)")
_ENDS = re.compile(rf"{_AFTER}|(?<=[{_UNSPACED}])")


class Phrase:
    """Words in a row; false where a text has none.

    Letter case, space and the punctuation of sentences make no difference: see ``normalise``.
    """

    def __init__(self, text: str) -> None:
        self._words = normalise(text)
        begin, end = self._words[:1], self._words[-1:]
        before = "" if _IS_UNSPACED.match(begin) else _BEFORE
        after = "" if _IS_UNSPACED.match(end) else _AFTER
        self._pattern = re.compile(before + re.escape(self._words) + after)

    def __bool__(self) -> bool:
        return bool(self._words)

    def __len__(self) -> int:
        """How many words it has."""
        return len(self._words.split())

    def is_in(self, normalised: str) -> bool:
        """Whether a normalised text has these words."""
        return self._words in normalised and self._pattern.search(normalised) is not None

    @property
    def key(self) -> "PhraseKey":
        """What these words can be found by without being kept."""
        return _key(self._words)


class PhraseKey(NamedTuple):
    """Words as a hash: SHA-256 of them, normalised, and how many characters they have then."""

    hash: str
    length: int


class PhraseKeys:
    """Words that are looked for and known by their keys alone; false where there are none."""

    def __init__(self, keys: Collection[PhraseKey]) -> None:
        self._keys = frozenset(keys)
        self._lengths = sorted({key.length for key in keys})

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PhraseKeys) and self._keys == other._keys

    __hash__ = None

    def found_in(self, normalised: str) -> frozenset[PhraseKey]:
        """Those whose words a normalised text has, as ``Phrase.is_in`` finds them."""
        found = set()
        for length in self._lengths:
            for begin in (at.start() for at in _BEGINS.finditer(normalised)):
                end = begin + length
                if end <= len(normalised) and _ENDS.match(normalised, end):
                    found.add(_key(normalised[begin:end]))
        return self._keys & found


def _key(words: str) -> PhraseKey:
    return PhraseKey(hashlib.sha256(words.encode()).hexdigest(), len(words))
