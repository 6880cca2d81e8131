"""What counts as text, for whatever is learned or held: examples and anchors alike. Pure."""

import functools
import re
import unicodedata
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_FORBIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_SLICE = 1 << 16  # characters looked through before other threads may have the interpreter
_MOST_REMEMBERED = 1000  # characters
_INKLESS = ("Zs", "Zl", "Zp", "Cc", "Cf")  # a text of zero-width spaces alone is blank


def remembered(count: int) -> Callable[[Callable[[str], T]], Callable[[str], T]]:
    """Keep what a function makes of the newest ``count`` texts, but not of long ones.

    Bounded by the number of texts alone it would take what the longest of them take.
    """

    def remembering(function: Callable[[str], T]) -> Callable[[str], T]:
        of_short = functools.lru_cache(maxsize=count)(function)

        @functools.wraps(function)
        def of_any(text: str) -> T:
            return of_short(text) if len(text) <= _MOST_REMEMBERED else function(text)

        return of_any

    return remembering


def normal(text: str) -> str:
    """``text`` as it was written, with line breaks as LF; "" if nothing shows.

    Its letters stay as they were sent: NFC would make an angstrom sign, and ideographs of old
    standards, other letters for good. Doing so twice changes nothing more.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "" if all(unicodedata.category(c) in _INKLESS for c in text) else text


def clean(text: str) -> str:
    """``normal`` text in Unicode NFC without outer space, for names, labels and comments."""
    return unicodedata.normalize("NFC", normal(text)).strip()


def short(text: str, most: int = 160) -> str:
    """The beginning of a text, on one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def forbidden(text: str) -> str | None:
    """The first character that no text may hold, as "U+0000"; None where there is none.

    Of control characters, only tab and newlines may stand in a text; half of a surrogate pair is
    not text at all.
    """
    for begin in range(0, len(text), _SLICE):
        if found := _FORBIDDEN.search(text, begin, begin + _SLICE):
            return f"U+{ord(found.group()):04X}"
    return None
