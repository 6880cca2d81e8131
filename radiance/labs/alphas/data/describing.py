"""Expressions in words: true by construction, and as many ways to say them as a seed gives.

``describe`` says all of an expression, ``hint`` only what it is made of.
"""

import random

from radiance.labs.alphas.data.patterns import FIELD_NAMES
from radiance.labs.alphas.language.operators import LEVELS, MARKET, OPERATORS
from radiance.labs.alphas.language.parser import adv_window
from radiance.labs.alphas.language.printer import number
from radiance.labs.alphas.language.syntax import (
    Binary,
    Call,
    Name,
    Node,
    Number,
    Ternary,
    Unary,
    walk,
)

_TOLD = 0.7  # of the hints that could name days
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "close": ("the close", "the closing price"),
    "open": ("the open", "the opening price"),
    "volume": ("volume", "the volume"),
    "returns": ("the return", "the daily return"),
    "vwap": ("the vwap", "the volume-weighted average price"),
}
_CALLS: dict[str, tuple[str, ...]] = {
    "abs": ("the absolute value of {x}", "the size of {x}"),
    "log": ("the logarithm of {x}", "the log of {x}"),
    "sign": ("the sign of {x}",),
    "rank": ("the rank of {x}", "the cross-sectional rank of {x}"),
    "signedpower": ("the signed power {y} of {x}", "{x} to the signed power {y}"),
    "min": ("the smaller of {x} and {y}", "the minimum of {x} and {y}"),
    "max": ("the larger of {x} and {y}", "the maximum of {x} and {y}"),
    "delay": ("{x} {d} ago", "the value {d} ago of {x}"),
    "delta": ("the {d1} change of {x}", "how {x} changed over {d}"),
    "sum": ("the {d1} sum of {x}", "the sum over {d} of {x}"),
    "product": ("the {d1} product of {x}", "the product over {d} of {x}"),
    "stddev": ("the {d1} standard deviation of {x}", "the deviation over {d} of {x}"),
    "ts_min": ("the {d1} minimum of {x}", "the lowest value in {d} of {x}"),
    "ts_max": ("the {d1} maximum of {x}", "the highest value in {d} of {x}"),
    "ts_argmin": ("the day of the {d1} minimum of {x}", "when {x} was lowest in {d}"),
    "ts_argmax": ("the day of the {d1} maximum of {x}", "when {x} was highest in {d}"),
    "ts_rank": ("the {d1} time-series rank of {x}", "the rank in its last {d} of {x}"),
    "decay_linear": ("the {d1} linear decay of {x}", "{x} decayed linearly over {d}"),
    "correlation": (
        "the {d1} correlation of {x} with {y}",
        "the correlation over {d} between {x} and {y}",
    ),
    "covariance": (
        "the {d1} covariance of {x} with {y}",
        "the covariance over {d} between {x} and {y}",
    ),
    "scale": ("{x} scaled to {a}",),
    "indneutralize": ("{x} neutral to its {g}", "{x} less the mean of its {g}"),
    "zscore": ("the cross-sectional z-score of {x}",),
    "normalize": ("{x} less the mean of the day",),
    "winsorize": ("{x} without outliers",),
    "group_mean": ("the mean of {x} in its {g}",),
    "group_rank": ("the rank of {x} within its {g}",),
    "group_zscore": ("the z-score of {x} within its {g}",),
    "trade_when": ("{y}, taken when {x} is above 0 and left when {z} is",),
    "ts_backfill": ("the last known value in {d} of {x}",),
    "ts_skewness": ("the {d1} skewness of {x}",),
    "ts_kurtosis": ("the {d1} kurtosis of {x}",),
    "ts_slope": ("the {d1} slope of {x} on {y}",),
    "ts_percentile": ("the {d1} quantile {a} of {x}",),
    "ewm": ("{x} averaged with weight {a} for today",),
    "ts_step": ("the number of the day",),
}
_BINARY: dict[str, tuple[str, ...]] = {
    "+": ("the sum of {x} and {y}",),
    "-": ("the difference of {x} and {y}",),
    "*": ("the product of {x} and {y}",),
    "/": ("the ratio of {x} to {y}", "the quotient of {x} and {y}"),
    "^": ("the power of {x} to {y}",),
    "<": ("{x} is below {y}", "{x} is less than {y}"),
    ">": ("{x} is above {y}", "{x} is more than {y}"),
    "<=": ("{x} is at most {y}",),
    ">=": ("{x} is at least {y}",),
    "==": ("{x} equals {y}",),
    "!=": ("{x} differs from {y}",),
    "||": ("{x} or {y}",),
    "&&": ("{x} and {y}",),
}
_NOUNS = {
    "abs": "an absolute value",
    "log": "a logarithm",
    "sign": "a sign",
    "rank": "a rank",
    "scale": "scaling",
    "signedpower": "a signed power",
    "min": "a minimum",
    "max": "a maximum",
    "indneutralize": "neutral groups",
    "delay": "a delay",
    "delta": "a change",
    "sum": "a sum",
    "product": "a product",
    "stddev": "a deviation",
    "ts_min": "a lowest value",
    "ts_max": "a highest value",
    "ts_argmin": "the day of a low",
    "ts_argmax": "the day of a high",
    "ts_rank": "a time-series rank",
    "decay_linear": "a linear decay",
    "correlation": "a correlation",
    "covariance": "a covariance",
}
_HINTS = (
    "something with {o} of {f}{d}",
    "an alpha of {f}{d}",
    "use {o} of {f}{d}",
    "a signal from {f}{d}, with {o}",
    "trade on {f}{d}",
    "{o} of {f}{d}, one way or another",
    "what can be made of {f} and {o}",
    "bet on {f}{d}",
    "something that looks at {f}{d}",
    "an idea about {o} of {f}",
    "{f}{d}",
    "{o} of {f}",
    "{o}{d}",
    "{f}, {o}",
)
_INFIX = {"+": "{x} plus {y}", "-": "{x} minus {y}", "*": "{x} times {y}", "/": "{x} over {y}"}


def describe(node: Node, seed: int) -> str:
    """The expression as a noun phrase; one seed gives one wording."""
    return _say(node, random.Random(seed))


def hint(node: Node, seed: int) -> str:
    """Words that name some of what the expression is made of, and leaves the rest open."""
    rng = random.Random(seed)
    calls = [part for part in walk(node) if isinstance(part, Call)]
    names = [part.name for part in walk(node) if isinstance(part, Name)]
    fields = list(dict.fromkeys(_field(name, rng) for name in names if name not in LEVELS))
    nouns = list(dict.fromkeys(_NOUNS[call.function] for call in calls)) or ["arithmetic"]
    days = [
        argument.value
        for call in calls
        for kind, argument in zip(OPERATORS[call.function].arguments, call.arguments, strict=False)
        if kind == "window" and isinstance(argument, Number)
    ]
    return rng.choice(_HINTS).format(
        o=" and ".join(rng.sample(nouns, min(len(nouns), rng.randint(1, 2)))),
        f=" and ".join(rng.sample(fields, min(len(fields), rng.randint(1, 2)))),
        d=f" over {number(rng.choice(days))} days" if days and rng.random() < _TOLD else "",
    )


def _say(node: Node, rng: random.Random) -> str:
    match node:
        case Number(value):
            return number(value)
        case Name(name):
            return _field(name, rng)
        case Unary(operand) | Binary("*", Unary(Number(1.0)), operand):
            return f"{rng.choice(('minus', 'the negative of'))} {_say(operand, rng)}"
        case Binary(operator, left, right):
            words = rng.choice(_BINARY[operator])
            leaves = isinstance(left, Name | Number) and isinstance(right, Name | Number)
            if leaves and operator in _INFIX and rng.random() < 0.5:
                words = _INFIX[operator]
            return words.format(x=_say(left, rng), y=_say(right, rng))
        case Ternary(condition, then, otherwise):
            return f"{_say(then, rng)} if {_say(condition, rng)}, else {_say(otherwise, rng)}"
        case Call(function, arguments):
            return _call(function, arguments, rng)
    raise TypeError(f"{node!r} is no node")


def _call(function: str, arguments: tuple[Node, ...], rng: random.Random) -> str:
    given = {name: _say(argument, rng) for name, argument in zip("xyz", arguments, strict=False)}
    given["a"] = "one"
    for name, argument in zip(OPERATORS[function].parameters, arguments, strict=False):
        if name == "d" and isinstance(argument, Number):
            plural = "" if argument.value == 1 else "s"
            given["d"] = f"{number(argument.value)} day{plural}"
            given["d1"] = f"{number(argument.value)}-day"
        elif name == "a" and isinstance(argument, Number):
            given["a"] = number(argument.value)
        elif name == "g" and isinstance(argument, Name):
            given["g"] = argument.name
    return rng.choice(_CALLS[function]).format(**given)


def _field(name: str, rng: random.Random) -> str:
    if (days := adv_window(name)) is not None:
        return f"the {days}-day average dollar volume"
    if name in LEVELS or name == MARKET:
        return name
    return rng.choice(_SYNONYMS.get(name, (FIELD_NAMES.get(name, f"the {name}"),)))
