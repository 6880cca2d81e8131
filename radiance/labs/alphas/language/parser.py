"""Text to tree, with the place of every error.

The language is the paper's notation: C's operators and precedence, ``^`` for powers, calls. Names
of operators may be written in any case, as the paper does, and ``IndClass.sector`` for ``sector``.
Operators of other places are read as what they mean here (``dialects.py``), ``$close`` as close.
Statements ``name = expression;`` may stand before the expression; the names are put in, so a tree
knows none of them.
"""

import difflib
import math
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace

from radiance.labs.alphas.language import calling, dialects, pasted, tokens
from radiance.labs.alphas.language.operators import (
    COMPARISONS,
    FIELDS,
    LEVEL_OF,
    LEVELS,
    MARKET,
    OPERATORS,
)
from radiance.labs.alphas.language.syntax import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_NODES,
    AlphaFieldError,
    AlphaSyntaxError,
    Binary,
    Name,
    Node,
    Number,
    Ternary,
    Unary,
    children,
)

_TRUTH = {"true": 1.0, "false": 0.0}
_ADV = re.compile(r"adv([1-9][0-9]{0,2})")
_POWER = LEVEL_OF["^"]
_OPERATORS_BY_KEY = {name.replace("_", ""): name for name in OPERATORS}


def parse(text: str, columns: Collection[str] = ()) -> Node:
    """Read an expression.

    ``columns`` are fields beside those of the language: the further columns of bars.

    Raises:
        AlphaFieldError: It names a field that there is not.
        AlphaSyntaxError: It is none; the error has line and column.
    """
    return _Parser(text, columns).expression()


def adv_window(name: str) -> int | None:
    """The days of ``adv{d}``, or None for another name."""
    found = _ADV.fullmatch(name)
    return int(found[1]) if found else None


class _Parser:
    def __init__(self, text: str, columns: Collection[str]) -> None:
        self._text, self._columns = text, columns
        self._is_qlib = "$" in text
        self._given: dict[str, Node] = {}
        self._sizes: dict[int, tuple[int, Node]] = {}
        if len(text) > MAX_CHARACTERS:
            raise AlphaSyntaxError(
                f"the expression has {len(text)} characters, more than {MAX_CHARACTERS}",
                text[: MAX_CHARACTERS + 1],
                MAX_CHARACTERS,
                "Write a shorter one.",
            )
        self._tokens = list(tokens.read(text, self._is_known))
        self._place = 0
        self._depth = self._parentheses = 0

    def expression(self) -> Node:
        node = self._statement()
        while self._is_symbol(";"):
            self._take()
            if self._next.kind != "end":
                node = self._statement()
        if self._next.kind != "end":
            raise self._unexpected("an operator or the end")
        self._bounded(node, 0)
        for depth, found in _depths(node):
            if depth > MAX_DEPTH:
                raise self._too_deep(found.at)
        return node

    def _statement(self) -> Node:
        """An expression, perhaps with a name given to it: what it is worth, and the name kept."""
        token, equals = self._next, self._tokens[min(self._place + 1, len(self._tokens) - 1)]
        if token.kind != "name" or equals.text != "=":
            return self._ternary()
        name = token.text.lower()
        if self._is_field(name) or name in LEVELS or not name.isidentifier():
            raise AlphaSyntaxError(
                f"'=' gives a name to a value, and {token.text!r} is taken",
                self._text,
                equals.at,
                "Compare with ==, or choose another name.",
            )
        self._place += 2
        node = self._ternary()
        self._given[name] = node
        if self._next.kind != "end" and not self._is_symbol(";"):
            raise self._unexpected("an operator, or ';' after a statement,")
        return node

    # Looking at tokens

    @property
    def _next(self) -> tokens.Lexeme:
        return self._tokens[self._place]

    def _take(self) -> tokens.Lexeme:
        token = self._tokens[self._place]
        self._place += 1
        return token

    @property
    def _operator(self) -> str:
        """The next symbol; a single = compares, as the 191 print it, where it can name nothing."""
        text = self._next.text
        return "==" if text == "=" and self._parentheses else text

    def _is_symbol(self, *symbols: str) -> bool:
        return self._next.kind == "symbol" and self._next.text in symbols

    def _expect(self, symbol: str) -> None:
        if not self._is_symbol(symbol):
            raise self._unexpected(f"{symbol!r}")
        self._take()

    def _unexpected(self, wanted: str) -> AlphaSyntaxError:
        found = self._next
        told = "the expression ends" if found.kind == "end" else f"{found.text!r} stands"
        remedy = "Compare with ==." if found.text == "=" else pasted.remedy_for_word(found.text)
        return AlphaSyntaxError(f"{told} where {wanted} is expected", self._text, found.at, remedy)

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
            level = LEVEL_OF.get(self._operator, -1)
            if level < loosest or level >= _POWER:
                break
            token = replace(self._next, text=self._operator)
            self._take()
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
            self._parentheses += 1
            node = self._ternary()
            self._parentheses -= 1
            self._expect(")")
            return node
        raise self._unexpected("a number, a name or '('")

    def _call(self, token: tokens.Lexeme) -> Node:
        name = token.text.lower()
        name = _OPERATORS_BY_KEY.get(name.replace("_", ""), name)
        arguments, named = self._arguments()
        told = dialects.refusal(token.text.lower(), is_qlib=self._is_qlib)
        count = len(arguments) + len(named)
        meant = dialects.meaning(name, count, is_qlib=self._is_qlib)
        is_own = name in OPERATORS and (name, count) not in dialects.OVERLOADS
        if self._is_qlib and name in dialects.QLIB:
            is_own = False
        if told or (not is_own and meant is None):
            raise AlphaSyntaxError(
                f"there is no operator {token.text!r}",
                self._text,
                token.at,
                told or pasted.remedy_for_method(token.text) or _hint(name, OPERATORS),
            )
        if name in dialects.VARIADIC and len(arguments) > 2 and not self._is_qlib:
            rest = arguments[2:]
            node = self._made(name, token, arguments[:2], named, meant, is_own)
            for argument in rest:
                node = self._made(name, token, [node, argument], {}, meant, is_own)
            return node
        return self._made(name, token, arguments, named, meant, is_own)

    def _made(
        self,
        name: str,
        token: tokens.Lexeme,
        arguments: list[Node],
        named: dict[str, tuple[int, calling.Given]],
        meant: dialects.Meaning | None,
        is_own: bool,
    ) -> Node:
        call = calling.Written(name, token.text, token.at, arguments, named, self._text)
        if is_own or meant is None:
            return calling.own(call)
        return self._bounded(calling.elsewhere(call, meant, parse), token.at)

    def _arguments(self) -> tuple[list[Node], dict[str, tuple[int, calling.Given]]]:
        """The arguments of a call, those by place and those by name."""
        self._expect("(")
        self._parentheses += 1
        placed: list[Node] = []
        named: dict[str, tuple[int, calling.Given]] = {}
        while True:
            token = self._next
            is_named = (
                token.kind == "name"
                and self._tokens[self._place + 1].text == "="
                and not self._is_field(token.text.lower())
            )
            if named and not is_named:
                raise AlphaSyntaxError(
                    "an argument without a name stands after one with a name",
                    self._text,
                    token.at,
                    "Name it too, or put it first.",
                )
            if is_named:
                self._place += 2
                named[token.text.lower()] = token.at, self._value()
            else:
                placed.append(self._ternary())
            if not self._is_symbol(","):
                break
            self._take()
        self._parentheses -= 1
        self._expect(")")
        return placed, named

    def _value(self) -> calling.Given:
        """What a named argument is given: an expression, true or false, or a text in quotes."""
        token = self._next
        if token.kind == "text":
            self._take()
            return token.text[1:-1]
        if token.kind == "name" and token.text.lower() in _TRUTH:
            self._take()
            return Number(_TRUTH[token.text.lower()], token.at)
        return self._ternary()

    def _bounded(self, node: Node, at: int) -> Node:
        """A tree in which a part may stand several times, if it is not too large.

        Parts whose size is known are not counted again: the same part may stand thousands of times.
        """
        count, waiting = 0, [node]
        while waiting:
            part = waiting.pop()
            known = self._sizes.get(id(part))
            count += known[0] if known else 1
            if count > MAX_NODES:
                raise AlphaSyntaxError(
                    f"the expression has more than {MAX_NODES} parts, written out",
                    self._text,
                    at,
                    "Write a shorter one.",
                )
            if known is None:
                waiting += children(part)
        self._sizes[id(node)] = count, node  # the node is kept, so that its id stays its own
        return node

    def _is_known(self, name: str) -> bool:
        """Whether an expression can hold a name, beside those that its statements give."""
        bare = name.lower().removeprefix("$").removeprefix("indclass.")
        known = (LEVELS, (MARKET,), OPERATORS, dialects.FIELDS_ELSEWHERE)
        return self._is_field(bare) or any(bare in names for names in known)

    def _is_field(self, name: str) -> bool:
        return name in FIELDS or name in self._columns or adv_window(name) is not None

    def _name(self, token: tokens.Lexeme) -> Node:
        name = token.text.lower().removeprefix("$").removeprefix("indclass.")
        if name in self._given:
            return self._bounded(self._given[name], token.at)
        if self._is_field(name) or name in LEVELS or name == MARKET:
            return Name(name, token.at)
        if name in dialects.FIELDS_ELSEWHERE:
            return parse(dialects.FIELDS_ELSEWHERE[name])
        if name in OPERATORS:
            raise AlphaSyntaxError(
                f"{token.text!r} is an operator",
                self._text,
                token.at,
                "Give its arguments in parentheses.",
            )
        known = [*FIELDS, *LEVELS, "adv20", *self._columns, *self._given]
        raise AlphaFieldError(
            f"there is no field {token.text!r}",
            self._text,
            token.at,
            f"{_hint(name, known)} Further columns of your bars are fields too.",
        )


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
