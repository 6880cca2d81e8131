"""Words that are looked for in texts: as whole words, however they are written. Pure."""

import re

from radiance.records.questions import normalise

# Scripts that put no space between words: there a part of a run of letters may be a word.
_UNSPACED = r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_BEFORE = r"(?<!\w)(?<!\w[-./:])"  # what stands inside a number or a code is no word of it
_AFTER = r"(?!\w)(?![-./:]\w)"
_IS_UNSPACED = re.compile(f"[{_UNSPACED}]")


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
