"""What is learned for the form of the language, not for an idea: short expressions in words.

A model that learns a thousand ideas by heart writes those, and nonsense beside them. What teaches
it the form is many short expressions seen a few times each. They are drawn at random and said
truthfully: as traders speak (``spoken``) or, with every operator about as often as another, word by
word (``describing``); sometimes by a hint that leaves most of it open, as people ask.
"""

import random

from radiance.labs.alphas.data.describing import describe, hint
from radiance.labs.alphas.data.pairs import ASKED, OWN_LICENCE, PREFIXES, Pair, hash_of
from radiance.labs.alphas.data.sampling import CONSTANTS, POWERS, call
from radiance.labs.alphas.data.spoken import labelled, speak
from radiance.labs.alphas.language.operators import FIELDS, PAPER_OPERATORS, Operator
from radiance.labs.alphas.language.printer import render
from radiance.labs.alphas.language.syntax import Binary, Name, Node, Number, Ternary, Unary

COMPOSITIONS = "compositions"
_DEPTHS = (1, 1, 1, 2, 2)
_FIELDS = (*FIELDS, "close", "volume", "returns", "adv20", "adv40", "adv60")
_COMMON = ("rank", "rank", "rank", "correlation", "ts_rank", "delta", "delta", "decay_linear")
_CALLS = (*PAPER_OPERATORS, *_COMMON, "sum", "stddev", "delay", "ts_max", "ts_min")
_NEGATIVE = 0.25
_SPOKEN = 0.6  # as traders speak; the others are described word by word
_HINTED = 0.25  # asked for by a hint
_LABELLED = 0.3  # with a label around it
_PLAIN = 0.7  # a sentence of its own; the others within "Write an alpha: …"


def from_compositions(seed: int = 0, count: int = 500) -> list[Pair]:
    """So many distinct random expressions in words."""
    rng = random.Random(hash_of(seed, "compositions"))
    found: dict[str, Pair] = {}
    while len(found) < count:
        node, asked = _drawn(rng)
        text = render(node)
        found.setdefault(
            text,
            Pair(
                instruction=asked,
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
        return _call(rng, PAPER_OPERATORS[rng.choice(_CALLS)], depth)
    if shape < 0.93:
        return _arithmetic(rng, depth)
    condition = Binary(rng.choice("<>"), _shallower(rng, depth), _shallower(rng, depth))
    otherwise = rng.choice((Number(0.0), Number(1.0), _shallower(rng, depth)))
    return Ternary(condition, _shallower(rng, depth), otherwise)


def _shallower(rng: random.Random, depth: int) -> Node:
    return _part(rng, rng.choice((0, 0, depth - 1)))


def _call(rng: random.Random, operator: Operator, depth: int) -> Node:
    def number(at: int) -> Node:
        if at == 0:
            return _part(rng, depth - 1)
        if operator.name == "signedpower":
            return Number(rng.choice(POWERS))
        return _shallower(rng, depth)

    return call(operator, rng, number)


def _arithmetic(rng: random.Random, depth: int) -> Node:
    operator = rng.choice("+--**//^")
    if operator == "^":
        return Binary("^", _part(rng, depth - 1), Number(rng.choice(POWERS)))
    left, right = _part(rng, depth - 1), _shallower(rng, depth)
    if rng.random() < 0.5:
        left, right = right, left
    if rng.random() < 0.15:
        right = Number(rng.choice(CONSTANTS))
    return Binary(operator, left, right)


def _drawn(rng: random.Random) -> tuple[Node, str]:
    """An expression, and what asks for it."""
    node, words = speak(rng) if rng.random() < _SPOKEN else _described(rng)
    if rng.random() < _HINTED:
        words = hint(node, rng.getrandbits(32))
    if rng.random() < _LABELLED:
        words = labelled(words, rng)
    if rng.random() < _PLAIN:
        return node, f"{rng.choice(PREFIXES)}{words[0].upper()}{words[1:]}."
    return node, rng.choice(ASKED).format(words)


def _described(rng: random.Random) -> tuple[Node, str]:
    node = drill(rng)
    return node, describe(node, rng.getrandbits(32))
