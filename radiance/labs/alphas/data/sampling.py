"""Random expressions of a given length: what a study is compared with, and what tests feed on.

They are well typed by construction and use the paper's operators about as often as the paper does.
"""

import random
from collections.abc import Callable

from radiance.labs.alphas.language.operators import FIELDS, LEVELS, PAPER_OPERATORS, Operator
from radiance.labs.alphas.language.syntax import Binary, Call, Name, Node, Number, Ternary, Unary

_FIELDS = [*FIELDS, "adv20", "adv60"]
WINDOWS = (2, 3, 5, 6, 8, 10, 12, 15, 20, 30, 40, 60, 100, 120, 250)
CONSTANTS, POWERS = (0.1, 0.5, 1.0, 2.0, 3.0, 10.0), (0.5, 2.0, 3.0)
_CONSTANT_GIVEN = 0.25  # of the constants that may be left out
_ARITHMETIC = ("+", "-", "*", "*", "/", "^")
_COMPARED = ("<", "<", ">", "<=", ">=", "==", "!=")
_CALLS = [
    *PAPER_OPERATORS,
    "rank",
    "rank",
    "rank",
    "correlation",
    "ts_rank",
    "delta",
    "decay_linear",
]


def random_expression(rng: random.Random, nodes: int) -> Node:
    """A well-typed expression of about ``nodes`` nodes, with a field in it."""
    return _number(rng, max(1, nodes), must_use_data=True)


def _number(rng: random.Random, nodes: int, must_use_data: bool = False) -> Node:
    if nodes < 2:
        if must_use_data or rng.random() < 0.85:
            return Name(rng.choice(_FIELDS))
        return Number(rng.choice(CONSTANTS))
    shape = rng.random()
    if nodes < 3 or shape < 0.05:
        operand = _number(rng, nodes - 1, must_use_data)
        return Unary(operand) if rng.random() < 0.5 else Call("rank", (operand,))
    if shape < 0.35:
        left, right = _split(rng, nodes - 1, 2)
        operator = rng.choice(_ARITHMETIC)
        first = _number(rng, left, must_use_data)
        if operator == "^":
            return Binary("^", first, Number(rng.choice(POWERS)))
        return Binary(operator, first, _number(rng, right))
    if shape < 0.42 and nodes >= 6:
        condition, then, otherwise = _split(rng, nodes - 1, 3)
        return Ternary(
            _boolean(rng, condition), _number(rng, then, must_use_data), _number(rng, otherwise)
        )
    return _call(rng, nodes, must_use_data)


def _call(rng: random.Random, nodes: int, must_use_data: bool) -> Node:
    operator = PAPER_OPERATORS[rng.choice(_CALLS)]
    numbers = operator.arguments.count("number")
    parts = _split(rng, max(numbers, nodes - 1 - (len(operator.arguments) - numbers)), numbers)
    return call(operator, rng, lambda at: _number(rng, parts[at], must_use_data and at == 0))


def call(operator: Operator, rng: random.Random, number: Callable[[int], Node]) -> Call:
    """The operator called: ``number`` gives what is to be its first, second, … number from 0 on."""
    arguments: list[Node] = []
    for kind in operator.arguments:
        match kind:
            case "number":
                arguments.append(number(len(arguments)))
            case "window":
                arguments.append(Number(float(rng.choice(WINDOWS))))
            case "level":
                arguments.append(Name(rng.choice(LEVELS)))
            case "constant" if rng.random() < _CONSTANT_GIVEN:
                arguments.append(Number(rng.choice(CONSTANTS)))
    return Call(operator.name, tuple(arguments))


def _boolean(rng: random.Random, nodes: int) -> Node:
    if nodes >= 7 and rng.random() < 0.2:
        left, right = _split(rng, nodes - 1, 2)
        return Binary(rng.choice(("||", "&&")), _boolean(rng, left), _boolean(rng, right))
    left, right = _split(rng, max(2, nodes - 1), 2)
    return Binary(rng.choice(_COMPARED), _number(rng, left, True), _number(rng, right))


def _split(rng: random.Random, nodes: int, parts: int) -> list[int]:
    """``nodes`` in so many parts of at least one."""
    shares = [1] * parts
    for _ in range(max(0, nodes - parts)):
        shares[rng.randrange(parts)] += 1
    return shares
