"""Text to tokens: numbers, names, texts in quotes and symbols; space and comments are left out.

Comments are C's, and ``#`` to the end of the line. ``//`` is Python's whole division too, and
``close // 2`` must not be read as close: where both can be meant it is refused.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from radiance.labs.alphas.language import pasted
from radiance.labs.alphas.language.syntax import AlphaSyntaxError

_TOKEN = re.compile(
    r"""(?P<space>\s+|/\*.*?\*/|(?://|\#)[^\n]*)
    |(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<name>\$?[A-Za-z_][A-Za-z_0-9]*(?:\.[A-Za-z_][A-Za-z_0-9]*)?)
    |(?P<text>"[^"\n]*"|'[^'\n]*')
    |(?P<symbol>\|\|?|&&?|[<>=!]=|\*\*|\.[*/^]|[-+*/^<>?:(),;=−–×·÷≥≤≠])""",
    re.VERBOSE | re.DOTALL,
)
_SYNONYMS = {"&": "&&", "|": "||", "**": "^"}
_SYNONYMS |= {".*": "*", "./": "/", ".^": "^"}  # MATLAB's, in the 191: of elements, as here
_SYNONYMS |= {"−": "-", "–": "-", "×": "*", "·": "*", "÷": "/", "≥": ">=", "≤": "<=", "≠": "!="}
_WORDS = {"and": "&&", "or": "||"}  # between two sides; before a bracket they are BRAIN's operators


@dataclass(frozen=True)
class Lexeme:
    """A part of an expression.

    Attributes:
        kind: "number", "name", "text" (in quotes), "symbol" or "end".
        text: As written; of a symbol, the way in which the language writes it.
        at: Offset of its first character.
    """

    kind: str
    text: str
    at: int


def read(text: str, is_known: Callable[[str], bool]) -> Iterator[Lexeme]:
    """The tokens of a text, the last of kind "end".

    Args:
        text: An expression, perhaps with statements before it.
        is_known: Whether a name stands for something, beside those that statements give.

    Raises:
        AlphaSyntaxError: A character is of no token, or ``//`` can be both division and comment.
    """
    at, depth = pasted.label_end(text), 0
    last = Lexeme("end", "", 0)
    given: set[str] = set()

    def is_name(name: str) -> bool:
        return name.lower() in given or is_known(name)

    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            remedy = pasted.remedy_for_character(text[at])
            raise AlphaSyntaxError(f"{text[at]!r} does not belong here", text, at, remedy)
        is_behind = last.kind in ("number", "name") or last.text == ")"
        if found.lastgroup != "space":
            assert found.lastgroup is not None
            kind, part = found.lastgroup, found.group()
            if kind == "name" and is_behind and part.lower() in _WORDS:
                kind, part = "symbol", _WORDS[part.lower()]
            depth += (part == "(") - (part == ")")
            if part == "=" and last.kind == "name":
                given.add(last.text.lower())
            last = Lexeme(kind, _SYNONYMS.get(part, part), at)
            yield last
        elif text.startswith("//", at) and is_behind:
            is_on_its_own = not text[text.rfind("\n", 0, at) + 1 : at].strip()
            divides = depth > 0 or not is_on_its_own
            comment = found.group()[2:]
            if divides and _reads_on(comment, depth, is_name):
                raise AlphaSyntaxError(
                    "'//' can divide or begin a comment here",
                    text,
                    at,
                    "Divide with /, which keeps the fraction; begin a comment with #.",
                )
        at = found.end()
    yield Lexeme("end", "", len(text))


def _reads_on(comment: str, depth: int, is_known: Callable[[str], bool]) -> bool:
    """Whether what follows ``//`` could be its other side, as far as the line goes.

    Prose has words that stand for nothing and that nothing calls, or two of them in a row.

    Args:
        comment: The rest of the line.
        depth: How many brackets are open before it.
        is_known: Whether a name stands for something.
    """
    at = 0
    last = ""  # what side came last; "": one is awaited
    while at < len(comment):
        found = _TOKEN.match(comment, at)
        if found is None:
            return False
        kind, part = found.lastgroup, found.group()
        at = found.end()
        if kind == "space":
            continue
        if kind == "name" and last and part.lower() in _WORDS:
            last = ""
        elif kind in ("number", "name"):
            is_word = kind == "name" and comment[at : at + 1] != "(" and not is_known(part)
            if last or is_word:
                return False
            last = kind
        elif part == "(":
            if last not in ("", "name"):
                return False
            last, depth = "", depth + 1
        elif kind == "text" or (not last and part not in "+-") or (part == "," and not depth):
            return False
        elif part == ")":
            last, depth = part, depth - 1
        else:
            last = ""
        if depth < 0:
            return False
    return any(map(str.isalnum, comment))
