"""A call as it is written, by place or by name, as the tree that it means here."""

import functools
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from radiance.labs.alphas.language.dialects import KEYWORDS, NEUTRAL, Meaning
from radiance.labs.alphas.language.operators import OPERATORS
from radiance.labs.alphas.language.syntax import (
    AlphaSyntaxError,
    Binary,
    Call,
    Name,
    Node,
    Number,
    Ternary,
    Unary,
)

Given = Node | str
"""What stands after the name of an argument: an expression, or a text in quotes."""
_PLAINER = {"sma": " The plain mean is ts_mean(x, d)."}
"""What those mean who give an operator of another place fewer arguments."""
_FOLDED: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


@dataclass(frozen=True)
class Written:
    """A call as it stands in the text.

    Attributes:
        name: The operator, as it is known: ours, or the name elsewhere in lower case.
        shown: The operator as written.
        named: Arguments by name, in lower case, each with its place.
    """

    name: str
    shown: str
    at: int
    arguments: Sequence[Node]
    named: Mapping[str, tuple[int, Given]]
    text: str

    def wrong(self, reason: str, remedy: str, at: int | None = None) -> AlphaSyntaxError:
        """The error that this call is."""
        return AlphaSyntaxError(reason, self.text, self.at if at is None else at, remedy)


def own(call: Written) -> Node:
    """A call of an operator of this language.

    How many arguments it has is the checker's to judge, where all stand in their places.

    Raises:
        AlphaSyntaxError: An argument by name is not one of its own, or one before it is missing.
    """
    parameters = OPERATORS[call.name].parameters
    found = _placed(call, parameters)
    while found and found[-1] is None:
        found.pop()
    if None in found:
        missing = parameters[found.index(None)]
        raise call.wrong(
            f"{call.shown} has no argument {missing}",
            f"Write {call.shown}({', '.join(parameters)}).",
        )
    return Call(call.name, tuple(part for part in found if part is not None), call.at)


def elsewhere(call: Written, meant: Meaning, read: Callable[[str], Node]) -> Node:
    """A call of an operator from elsewhere, as what it means; ``read`` is this language's parser.

    Raises:
        AlphaSyntaxError: It has other arguments, or one has a value that means nothing here.
    """
    names = [name for name, _ in meant.parameters]
    found = _placed(call, names)
    for place, (name, default) in enumerate(meant.parameters):
        if found[place] is None and default is not None:
            found[place] = Number(default, call.at)
        if found[place] is None or len(found) > len(names):
            raise call.wrong(
                f"{call.shown} has {len(call.arguments) + len(call.named)} arguments and takes "
                f"{len(names)}",
                f"It is read as {meant.text}.{_PLAINER.get(call.shown.lower(), '')}"
                if not meant.decided_by
                else f"It takes {', '.join(names)}, and needs {name}.",
            )
    given = [part for part in found if part is not None]
    text = meant.text
    if meant.decided_by:
        decider = given[names.index(meant.decided_by)]
        variants = dict(meant.variants)
        if not isinstance(decider, Number) or decider.value not in variants:
            raise call.wrong(
                f"{meant.decided_by} of {call.shown} has a value that means nothing here",
                f"Write one of {', '.join(f'{value:g}' for value in variants)}.",
                decider.at,
            )
        text = variants[decider.value]
    return _in_place(_template(tuple(names), text, read), given, call.at)


def _placed(call: Written, names: Sequence[str]) -> list[Node | None]:
    """The arguments in the order of ``names``, None where one is not given."""
    found: list[Node | None] = []
    found.extend(call.arguments)
    found += [None] * (len(names) - len(found))
    neutral = NEUTRAL.get(call.name, {})
    for name, (at, value) in call.named.items():
        if name in neutral:
            _refuse_unless_neutral(call, name, at, value)
            continue
        ours = name if name in names else KEYWORDS.get(name, name)
        if ours not in names or isinstance(value, str):
            raise call.wrong(
                f"{call.shown} has no argument {name!r} of this kind",
                f"It takes {', '.join(names)}.",
                at,
            )
        place = names.index(ours)
        if found[place] is not None:
            raise call.wrong(f"{call.shown} has {ours} twice", "Give it once.", at)
        found[place] = value
    return found


def _refuse_unless_neutral(call: Written, name: str, at: int, value: Given) -> None:
    allowed = NEUTRAL[call.name][name]
    shown = value.lower() if isinstance(value, str) else getattr(value, "value", value)
    if allowed is not None and shown != allowed:
        raise call.wrong(
            f"{name} of {call.shown} can only be "
            f"{allowed if isinstance(allowed, str) else f'{allowed:g}'} here",
            "Leave it out.",
            at,
        )


@functools.cache
def _template(names: tuple[str, ...], text: str, read: Callable[[str], Node]) -> Node:
    """A meaning as a tree, in which ``adv901`` stands for the first argument and so on."""
    numbers = {name: f"adv{_FIRST_PLACE + place}" for place, name in enumerate(names)}
    return read(re.sub(r"\b[a-z]+\b", lambda found: numbers.get(found[0], found[0]), text))


_FIRST_PLACE = 901


def _in_place(node: Node, arguments: Sequence[Node], at: int) -> Node:
    """A template with its arguments put in, each part at the place of the call."""
    match node:
        case Name(name) if name.startswith("adv9"):
            return arguments[int(name[3:]) - _FIRST_PLACE]
        case Unary(operand):
            return Unary(_in_place(operand, arguments, at), at)
        case Binary(symbol, left, right):
            left, right = (_in_place(side, arguments, at) for side in (left, right))
            if isinstance(left, Number) and isinstance(right, Number) and symbol in _FOLDED:
                if symbol == "/" and not right.value:
                    return Binary(symbol, left, right, at)
                value = _FOLDED[symbol](left.value, right.value)
                return Number(value, at) if value >= 0 else Unary(Number(-value, at), at)
            return Binary(symbol, left, right, at)
        case Ternary(condition, then, otherwise):
            tested, one, other = (
                _in_place(part, arguments, at) for part in (condition, then, otherwise)
            )
            return Ternary(tested, one, other, at)
        case Call(function, given):
            parts = tuple(_in_place(part, arguments, at) for part in given)
            if function == "delay" and parts[1] == Number(0):
                return parts[0]
            return Call(function, parts, at)
    return replace(node, at=at)
