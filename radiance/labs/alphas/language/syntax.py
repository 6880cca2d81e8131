"""The tree of an alpha expression, and the errors that point into its text.

Nodes compare by what they mean: their place in the text does not count, so an expression that was
printed and read again equals itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from radiance.errors import RequestError

MAX_CHARACTERS = 8_000
MAX_DEPTH = 64
MAX_NODES = 20_000
"""Most parts of a tree once names of values and operators of other places are put in."""


class AlphaError(RequestError):
    """An alpha that cannot be used; the message says where.

    Attributes:
        reason: What is wrong, as a clause.
        at: Offset of the first offending character.
        line: Line of it, from 1.
        column: Column of it, from 1.
        picture: The line, and below it a mark at the place.
    """

    code = "invalid_alpha"
    kind: ClassVar[str] = "error"

    def __init__(self, reason: str, text: str, at: int, remedy: str = "") -> None:
        self.reason, self.at = reason, at
        before = text[:at]
        self.line = before.count("\n") + 1
        self.column = at - (before.rfind("\n") + 1) + 1
        shown, place = _window(text, at)
        self.picture = f"{shown}\n{' ' * place}^"
        super().__init__(
            f"line {self.line}, column {self.column}: {reason}.", field="alpha", remedy=remedy
        )


class AlphaSyntaxError(AlphaError):
    """The text is no expression of the language."""

    code = "alpha_syntax"
    kind = "syntax"


class AlphaFieldError(AlphaSyntaxError):
    """It names a field that there is not: perhaps a column of bars that nobody has read yet."""


class AlphaTypeError(AlphaError):
    """The expression is well formed and means nothing: wrong arguments, types or units."""

    code = "alpha_type"
    kind = "type"


class AlphaDataError(AlphaError):
    """The panel lacks what the expression asks for."""

    code = "alpha_data"
    kind = "data"


@dataclass(frozen=True)
class Number:
    """A literal; never negative, the sign is a ``Unary``."""

    value: float
    at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Name:
    """A field of the panel, ``adv20``, or a level of industries."""

    name: str
    at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Unary:
    """``-x``."""

    operand: "Node"
    at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Binary:
    """Arithmetic, a comparison, or ``&&`` and ``||``."""

    operator: str
    left: "Node"
    right: "Node"
    at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Ternary:
    """``condition ? then : otherwise``."""

    condition: "Node"
    then: "Node"
    otherwise: "Node"
    at: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Call:
    """An operator applied to arguments."""

    function: str
    arguments: tuple["Node", ...]
    at: int = field(default=0, compare=False)


Node = Number | Name | Unary | Binary | Ternary | Call


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below one."""
    match node:
        case Unary(operand):
            return (operand,)
        case Binary(_, left, right):
            return (left, right)
        case Ternary(condition, then, otherwise):
            return (condition, then, otherwise)
        case Call(_, arguments):
            return arguments
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, parents first."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        yield found
        waiting += children(found)[::-1]


def size(node: Node) -> int:
    """How many nodes there are; the length of an expression."""
    return sum(1 for _ in walk(node))


def _window(text: str, at: int) -> tuple[str, int]:
    """The line of an offset, cut to what fits on a terminal, and the offset's place in it."""
    start = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    line = text[start : end if end >= 0 else len(text)]
    place = at - start
    cut = max(0, place - 50)
    return line[cut : cut + 76].replace("\t", " "), place - cut
