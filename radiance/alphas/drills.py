"""What is learned for the form of the language, not for an idea: short expressions in words.

A model that learns a thousand ideas by heart writes those, and nonsense beside them. What teaches
it the form is many short expressions seen a few times each. They are drawn at random, with every
operator about as often as another, and described truthfully: mostly in full, sometimes by a hint
that leaves most of it open, as people ask.
"""

import random

from radiance.alphas.describing import describe, hint
from radiance.alphas.operators import FIELDS, LEVELS, OPERATORS, Operator
from radiance.alphas.pairs import ASKED, OWN_LICENCE, PREFIXES, Pair, hash_of
from radiance.alphas.printer import render
from radiance.alphas.syntax import Binary, Call, Name, Node, Number, Ternary, Unary

COMPOSITIONS = "compositions"
_DEPTHS = (1, 1, 1, 2, 2)
_FIELDS = (*FIELDS, "close", "volume", "returns", "adv20", "adv40", "adv60")
_COMMON = ("rank", "rank", "rank", "correlation", "ts_rank", "delta", "delta", "decay_linear")
_CALLS = (*OPERATORS, *_COMMON, "sum", "stddev", "delay", "ts_max", "ts_min")
_WINDOWS = (2, 3, 5, 6, 8, 10, 12, 15, 20, 30, 40, 60, 100, 120, 250)
_CONSTANTS, _POWERS = (0.1, 0.5, 1.0, 2.0, 3.0, 10.0), (0.5, 2.0, 3.0)
_HINTS = 0.1
_PLAIN = 0.3  # of the full descriptions: said without "Write an alpha"
_NEGATIVE = 0.25


def from_compositions(seed: int = 0, count: int = 500) -> list[Pair]:
    """So many distinct random expressions in words."""
    rng = random.Random(hash_of(seed, "compositions"))
    found: dict[str, Pair] = {}
    while len(found) < count:
        node = drill(rng)
        text = render(node)
        found.setdefault(
            text,
            Pair(
                instruction=_asked(node, rng),
                completion=text,
                kind="alpha",
                family=f"composed:{hash_of(text):016x}",
                source=COMPOSITIONS,
                licence=OWN_LICENCE,
            ),
        )
    return list(found.values())


def drill(rng: random.Random) -> Node:
    """A well-typed expression, one or two operators deep; a sign stands before the whole."""
    node = _part(rng, rng.choice(_DEPTHS))
    return Binary("*", Unary(Number(1.0)), node) if rng.random() < _NEGATIVE else node


def _part(rng: random.Random, depth: int) -> Node:
    if depth == 0:
        return Name(rng.choice(_FIELDS))
    shape = rng.random()
    if shape < 0.62:
        return _call(rng, OPERATORS[rng.choice(_CALLS)], depth)
    if shape < 0.93:
        return _arithmetic(rng, depth)
    condition = Binary(rng.choice("<>"), _shallower(rng, depth), _shallower(rng, depth))
    otherwise = rng.choice((Number(0.0), Number(1.0), _shallower(rng, depth)))
    return Ternary(condition, _shallower(rng, depth), otherwise)


def _shallower(rng: random.Random, depth: int) -> Node:
    return _part(rng, rng.choice((0, 0, depth - 1)))


def _call(rng: random.Random, operator: Operator, depth: int) -> Node:
    arguments: list[Node] = []
    for kind in operator.arguments:
        match kind:
            case "number" if not arguments:
                arguments.append(_part(rng, depth - 1))
            case "number" if operator.name == "signedpower":
                arguments.append(Number(rng.choice(_POWERS)))
            case "number":
                arguments.append(_shallower(rng, depth))
            case "window":
                arguments.append(Number(float(rng.choice(_WINDOWS))))
            case "level":
                arguments.append(Name(rng.choice(LEVELS)))
            case "constant" if rng.random() < 0.2:
                arguments.append(Number(rng.choice(_CONSTANTS)))
    return Call(operator.name, tuple(arguments))


def _arithmetic(rng: random.Random, depth: int) -> Node:
    operator = rng.choice("+--**//^")
    if operator == "^":
        return Binary("^", _part(rng, depth - 1), Number(rng.choice(_POWERS)))
    left, right = _part(rng, depth - 1), _shallower(rng, depth)
    if rng.random() < 0.5:
        left, right = right, left
    if rng.random() < 0.15:
        right = Number(rng.choice(_CONSTANTS))
    return Binary(operator, left, right)


def _asked(node: Node, rng: random.Random) -> str:
    if rng.random() < _HINTS:
        return rng.choice(PREFIXES) + hint(node, rng.getrandbits(32))
    words = describe(node, rng.getrandbits(32))
    if rng.random() < _PLAIN:
        return f"{rng.choice(PREFIXES)}{words[0].upper()}{words[1:]}."
    return rng.choice(ASKED).format(words)
