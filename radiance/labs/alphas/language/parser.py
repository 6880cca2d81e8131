"""Text to tree, with the place of every error.

The language is the paper's notation: C's operators and precedence, ``^`` for powers, calls. Names
of operators may be written in any case, as the paper does, and ``IndClass.sector`` for ``sector``.
Operators of other places are read as what they mean here (``dialects.py``), ``$close`` as close.
"""

import difflib
import functools
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from radiance.labs.alphas.language import dialects
from radiance.labs.alphas.language.operators import COMPARISONS, FIELDS, LEVEL_OF, LEVELS, OPERATORS
from radiance.labs.alphas.language.syntax import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    AlphaSyntaxError,
    Binary,
    Call,
    Name,
    Node,
    Number,
    Ternary,
    Unary,
    children,
)

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    |(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<name>\$?[A-Za-z_][A-Za-z_0-9]*(?:\.[A-Za-z_][A-Za-z_0-9]*)?)
    |(?P<symbol>\|\||&&|[<>=!]=|[-+*/^<>?:(),])""",
    re.VERBOSE,
)
_ADV = re.compile(r"adv([1-9][0-9]{0,2})")
_POWER = LEVEL_OF["^"]
_OPERATORS_BY_KEY = {name.replace("_", ""): name for name in OPERATORS}
_FIRST_PLACE = 901


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


def parse(text: str) -> Node:
    """Read an expression.

    Raises:
        AlphaSyntaxError: It is none; the error has line and column.
    """
    return _Parser(text).expression()


def adv_window(name: str) -> int | None:
    """The days of ``adv{d}``, or None for another name."""
    found = _ADV.fullmatch(name)
    return int(found[1]) if found else None


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        if len(text) > MAX_CHARACTERS:
            raise AlphaSyntaxError(
                f"the expression has {len(text)} characters, more than {MAX_CHARACTERS}",
                text[: MAX_CHARACTERS + 1],
                MAX_CHARACTERS,
                "Write a shorter one.",
            )
        self._tokens = list(self._tokenize())
        self._place = 0
        self._depth = 0

    def expression(self) -> Node:
        node = self._ternary()
        if self._next.kind != "end":
            raise self._unexpected("an operator or the end")
        for depth, found in _depths(node):
            if depth > MAX_DEPTH:
                raise self._too_deep(found.at)
        return node

    # Looking at tokens

    def _tokenize(self) -> Iterator[_Token]:
        at = 0
        while at < len(self._text):
            found = _TOKEN.match(self._text, at)
            if found is None:
                hint = {"=": "Compare with ==.", "&": "Write &&.", "|": "Write ||."}
                character = self._text[at]
                raise AlphaSyntaxError(
                    f"{character!r} does not belong here", self._text, at, hint.get(character, "")
                )
            if found.lastgroup != "space":
                assert found.lastgroup is not None
                yield _Token(found.lastgroup, found.group(), at)
            at = found.end()
        yield _Token("end", "", len(self._text))

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self) -> _Token:
        token = self._tokens[self._place]
        self._place += 1
        return token

    def _is_symbol(self, *symbols: str) -> bool:
        return self._next.kind == "symbol" and self._next.text in symbols

    def _expect(self, symbol: str) -> None:
        if not self._is_symbol(symbol):
            raise self._unexpected(f"{symbol!r}")
        self._take()

    def _unexpected(self, wanted: str) -> AlphaSyntaxError:
        found = self._next
        told = "the expression ends" if found.kind == "end" else f"{found.text!r} stands"
        return AlphaSyntaxError(f"{told} where {wanted} is expected", self._text, found.at)

    # The grammar, by precedence climbing

    def _nested(self) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._too_deep(self._next.at)

    def _too_deep(self, at: int) -> AlphaSyntaxError:
        return AlphaSyntaxError(
            f"the expression is more than {MAX_DEPTH} deep", self._text, at, "Write a flatter one."
        )

    def _ternary(self) -> Node:
        self._nested()
        at = self._next.at
        node = self._binary(0)
        if self._is_symbol("?"):
            self._take()
            then = self._ternary()
            self._expect(":")
            node = Ternary(node, then, self._ternary(), at)
        self._depth -= 1
        return node

    def _binary(self, loosest: int) -> Node:
        node = self._unary()
        compared = -1
        while self._next.kind == "symbol":
            level = LEVEL_OF.get(self._next.text, -1)
            if level < loosest or level >= _POWER:
                break
            token = self._take()
            if token.text in COMPARISONS and compared == level:
                raise AlphaSyntaxError(
                    "comparisons do not chain", self._text, token.at, "Use parentheses or &&."
                )
            compared = level if token.text in COMPARISONS else -1
            node = Binary(token.text, node, self._binary(level + 1), token.at)
        return node

    def _unary(self) -> Node:
        if self._is_symbol("-", "+"):
            token = self._take()
            self._nested()
            operand = self._unary()
            self._depth -= 1
            return operand if token.text == "+" else Unary(operand, token.at)
        base = self._primary()
        if self._is_symbol("^"):
            token = self._take()
            self._nested()
            power = self._unary()
            self._depth -= 1
            return Binary("^", base, power, token.at)
        return base

    def _primary(self) -> Node:
        token = self._next
        if token.kind == "number":
            self._take()
            value = float(token.text)
            if not math.isfinite(value):
                raise AlphaSyntaxError("the number is too large", self._text, token.at)
            return Number(value, token.at)
        if token.kind == "name":
            self._take()
            return self._call(token) if self._is_symbol("(") else self._name(token)
        if self._is_symbol("("):
            self._take()
            node = self._ternary()
            self._expect(")")
            return node
        raise self._unexpected("a number, a name or '('")

    def _call(self, token: _Token) -> Node:
        name = token.text.lower()
        name = _OPERATORS_BY_KEY.get(name.replace("_", ""), name)
        elsewhere = None if name in OPERATORS else dialects.meaning(name)
        told = dialects.refusal(token.text.lower())
        if told or (name not in OPERATORS and elsewhere is None):
            raise AlphaSyntaxError(
                f"there is no operator {token.text!r}",
                self._text,
                token.at,
                told or _hint(name, OPERATORS),
            )
        self._expect("(")
        arguments = [self._ternary()]
        while self._is_symbol(","):
            self._take()
            arguments.append(self._ternary())
        self._expect(")")
        if elsewhere is None:
            return Call(name, tuple(arguments), token.at)
        names, text = elsewhere
        if len(arguments) != len(names):
            raise AlphaSyntaxError(
                f"{token.text} has {len(arguments)} arguments and takes {len(names)}",
                self._text,
                token.at,
                f"It is read as {text}.",
            )
        return _in_place(_template(tuple(names), text), arguments, token.at)

    def _name(self, token: _Token) -> Node:
        name = token.text.lower().removeprefix("$").removeprefix("indclass.")
        if name in FIELDS or name in LEVELS or adv_window(name):
            return Name(name, token.at)
        if name in OPERATORS:
            raise AlphaSyntaxError(
                f"{token.text!r} is an operator",
                self._text,
                token.at,
                "Give its arguments in parentheses.",
            )
        raise AlphaSyntaxError(
            f"there is no field {token.text!r}",
            self._text,
            token.at,
            _hint(name, [*FIELDS, *LEVELS, "adv20"]),
        )


@functools.cache
def _template(names: tuple[str, ...], text: str) -> Node:
    """A meaning as a tree, in which ``adv901`` stands for the first argument and so on."""
    numbers = {name: f"adv{_FIRST_PLACE + place}" for place, name in enumerate(names)}
    return parse(re.sub(r"\b[a-z]\b", lambda found: numbers.get(found[0], found[0]), text))


def _in_place(node: Node, arguments: list[Node], at: int) -> Node:
    """A template with its arguments put in, each part at the place of the call."""
    if isinstance(node, Name) and (days := adv_window(node.name)) is not None:
        return arguments[days - _FIRST_PLACE]
    match node:
        case Unary(operand):
            return Unary(_in_place(operand, arguments, at), at)
        case Binary(operator, left, right):
            left, right = (_in_place(side, arguments, at) for side in (left, right))
            return Binary(operator, left, right, at)
        case Ternary(condition, then, otherwise):
            tested, one, other = (
                _in_place(part, arguments, at) for part in (condition, then, otherwise)
            )
            return Ternary(tested, one, other, at)
        case Call(function, given):
            return Call(function, tuple(_in_place(part, arguments, at) for part in given), at)
    return replace(node, at=at)


def _depths(root: Node) -> Iterator[tuple[int, Node]]:
    """Every node with its depth; without recursion, for a long chain is a deep tree."""
    waiting = [(1, root)]
    while waiting:
        depth, node = waiting.pop()
        yield depth, node
        waiting += [(depth + 1, child) for child in children(node)]


def _hint(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(known)}."
