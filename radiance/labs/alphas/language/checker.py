"""What an expression means before it has data: types, units, how far it looks back.

Types are strict: a condition is a comparison, a window a literal, a level of industries stands
only in ``indneutralize``. A comparison may stand where a number is wanted and counts 1 or 0; the
paper's own formulas need that. Units (dollars, shares) are advice, since a quarter of the paper's
formulas add prices to correlations: they make warnings, or errors if asked for.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

from radiance.labs.alphas.language.operators import (
    COMPARISONS,
    FIELDS,
    LEVELS,
    LOGICAL,
    MARKET,
    MAX_WINDOW,
    OPERATORS,
)
from radiance.labs.alphas.language.parser import adv_window, parse
from radiance.labs.alphas.language.semantics import DEFAULT, Readings
from radiance.labs.alphas.language.syntax import (
    AlphaTypeError,
    Binary,
    Call,
    Name,
    Node,
    Number,
    Ternary,
    Unary,
)

Type = Literal["number", "boolean"]
Unit = tuple[float, float] | None
"""Powers of (dollar, share); None fits any: a literal."""
NONE: Unit = (0.0, 0.0)
_SIZES = {"min": "smaller", "max": "larger"}
_BETWEEN = {"ewm": (1e-6, 1.0), "ts_percentile": (0.0, 1.0)}


@dataclass(frozen=True)
class Warned:
    """Something doubtful that is no error.

    Attributes:
        at: Offset in the text.
        is_misreading: Whether something else may have been meant.
    """

    reason: str
    at: int
    is_misreading: bool = False


@dataclass(frozen=True)
class Checked:
    """An expression that can be evaluated.

    Attributes:
        lookback: Days before the first on which every window is full.
        fields: What it needs of a panel, levels of industries among them.
    """

    text: str
    node: Node
    type: Type
    unit: Unit
    lookback: int
    fields: frozenset[str]
    warnings: tuple[Warned, ...] = ()


@dataclass(frozen=True)
class _Found:
    type: Type
    unit: Unit
    lookback: int


@dataclass
class _Walk:
    text: str
    readings: Readings
    strict_units: bool
    fields: set[str] = field(default_factory=set)
    warnings: list[Warned] = field(default_factory=list)


def check(
    text: str,
    readings: Readings = DEFAULT,
    *,
    strict_units: bool = False,
    columns: Collection[str] = (),
) -> Checked:
    """Parse and check an expression.

    ``columns``, further ones of the bars, are fields too; their unit is not known.

    Raises:
        AlphaSyntaxError: It is no expression, or names a field that there is not.
        AlphaTypeError: It means nothing; with ``strict_units`` also where units do not fit.
    """
    return check_node(parse(text, columns), text, readings, strict_units=strict_units)


def check_node(
    node: Node, text: str, readings: Readings = DEFAULT, *, strict_units: bool = False
) -> Checked:
    """The same for a tree that is parsed already; ``text`` is what its places point into.

    Raises:
        AlphaTypeError: As above.
    """
    walk = _Walk(text, readings, strict_units)
    found = _check(node, walk)
    if not walk.fields - set(LEVELS):
        raise AlphaTypeError("the expression uses no data", text, 0, "Use close, volume, …")
    warnings = tuple(sorted(walk.warnings, key=lambda warned: warned.at))
    return Checked(
        text, node, found.type, found.unit, found.lookback, frozenset(walk.fields), warnings
    )


def window_days(value: float, readings: Readings) -> int:
    """How many days a literal window has."""
    return math.floor(value) if readings.window == "floor" else math.floor(value + 0.5)


def _check(node: Node, walk: _Walk) -> _Found:
    match node:
        case Number():
            return _Found("number", None, 0)
        case Name(name, at):
            return _name(name, at, walk)
        case Unary(operand):
            found = _check(operand, walk)
            return _Found("number", found.unit, found.lookback)
        case Binary(operator, left, right, at):
            return _binary(operator, left, right, at, walk)
        case Ternary(condition, then, otherwise, at):
            tested = _check(condition, walk)
            if tested.type != "boolean":
                raise AlphaTypeError(
                    "the condition is a number", walk.text, at, "Compare it, as in x > 0 ? … : …"
                )
            one, other = _check(then, walk), _check(otherwise, walk)
            unit = _same("?:", one.unit, other.unit, at, walk)
            both = one.type == other.type == "boolean"
            return _Found(
                "boolean" if both else "number",
                unit,
                max(tested.lookback, one.lookback, other.lookback),
            )
        case Call(function, arguments, at):
            return _call(function, arguments, at, walk)
    raise TypeError(f"{node!r} is no node")


def _name(name: str, at: int, walk: _Walk) -> _Found:
    if name in LEVELS or name == MARKET:
        raise AlphaTypeError(
            f"{name} is a level of industries, not a number",
            walk.text,
            at,
            "It can only be the last argument of indneutralize and of group_*.",
        )
    walk.fields.add(name)
    days = adv_window(name)
    if days is not None:
        unit = (1.0, 0.0) if walk.readings.adv == "dollars" else (0.0, 1.0)
        return _Found("number", unit, days - 1)
    if name not in FIELDS:
        return _Found("number", None, 0)
    dollars, shares = FIELDS[name]
    return _Found("number", (float(dollars), float(shares)), int(name == "returns"))


def _binary(operator: str, left: Node, right: Node, at: int, walk: _Walk) -> _Found:
    one, other = _check(left, walk), _check(right, walk)
    lookback = max(one.lookback, other.lookback)
    if operator in LOGICAL:
        for side, found in ((left, one), (right, other)):
            if found.type != "boolean":
                raise AlphaTypeError(
                    f"a side of {operator} is a number",
                    walk.text,
                    side.at,
                    "Compare it, as in x > 0.",
                )
        return _Found("boolean", NONE, lookback)
    if operator in COMPARISONS:
        _same(operator, one.unit, other.unit, at, walk)
        return _Found("boolean", NONE, lookback)
    if operator in "+-":
        return _Found("number", _same(operator, one.unit, other.unit, at, walk), lookback)
    if operator == "^":
        return _Found("number", _power(one.unit, right, other.unit, at, walk), lookback)
    sign = 1 if operator == "*" else -1
    if one.unit is None and other.unit is None:
        return _Found("number", None, lookback)
    (a, b), (c, d) = one.unit or (0.0, 0.0), other.unit or (0.0, 0.0)
    return _Found("number", (a + sign * c, b + sign * d), lookback)


def _power(unit: Unit, exponent: Node, exponent_unit: Unit, at: int, walk: _Walk) -> Unit:
    if exponent_unit is not None and exponent_unit != NONE:
        _warn(f"the exponent has a unit ({_shown(exponent_unit)})", at, walk)
    if unit is None or unit == NONE:
        return NONE if exponent_unit is not None else unit
    if isinstance(exponent, Number):
        return (unit[0] * exponent.value, unit[1] * exponent.value)
    _warn(f"{_shown(unit)} to a power that varies has no unit", at, walk)
    return NONE


def _call(function: str, arguments: tuple[Node, ...], at: int, walk: _Walk) -> _Found:
    operator = OPERATORS[function]
    most, fewest = len(operator.arguments), len(operator.arguments) - operator.optional
    if not fewest <= len(arguments) <= most:
        wanted = f"{most}" if most == fewest else f"{fewest} or {most}"
        raise AlphaTypeError(
            f"{function} takes {wanted} argument{'s' * (most > 1)}, not {len(arguments)}",
            walk.text,
            at,
            f"Write {function}({', '.join(operator.arguments)}).",
        )
    units: list[Unit] = []
    lookback, days = 0, 0
    for kind, argument in zip(operator.arguments, arguments, strict=False):
        match kind:
            case "number":
                found = _check(argument, walk)
                units.append(found.unit)
                lookback = max(lookback, found.lookback)
            case "window":
                days = _window(function, operator.least_window, argument, walk)
            case "level":
                _level(function, argument, walk)
            case "constant":
                _constant(function, argument, walk)
    if function in ("min", "max"):
        unit = _same(function, units[0], units[1], at, walk)
        last = arguments[1]
        if isinstance(last, Number) and last.value >= 1 and last.value == int(last.value):
            shown = f"{last.value:g}"
            reason = (
                f"{function} takes the {_SIZES[function]} of its first argument and {shown}; the "
                f"paper prints {function}(x, {shown}) for ts_{function}(x, {shown}): write ts_"
                f"{function} if {shown} are days, or {shown} first if they are not"
            )
            walk.warnings.append(Warned(reason, at, is_misreading=True))
    elif function == "trade_when":
        unit = units[1]
    else:
        unit = _result_unit(operator.unit, units, days)
    back = days if function in ("delay", "delta") else max(0, days - 1)
    if function == "ewm" and isinstance(arguments[1], Number):
        back = _fading(arguments[1].value)
    return _Found("number", unit, lookback + back)


def _result_unit(rule: str, units: list[Unit], days: int) -> Unit:
    if rule == "none":
        return NONE
    if rule == "same":
        return units[0]
    if rule == "power":
        return units[0] and (units[0][0] * days, units[0][1] * days)
    (a, b), (c, d) = (unit or (0.0, 0.0) for unit in units)
    return (a + c, b + d)


def _window(function: str, least: int, argument: Node, walk: _Walk) -> int:
    if not isinstance(argument, Number):
        raise AlphaTypeError(
            f"the window of {function} is not a literal number of days",
            walk.text,
            argument.at,
            f"Write a number from {least} to {MAX_WINDOW}.",
        )
    days = window_days(argument.value, walk.readings)
    if not least <= days <= MAX_WINDOW:
        raise AlphaTypeError(
            f"the window of {function} is {days} days",
            walk.text,
            argument.at,
            f"It takes {least} to {MAX_WINDOW}.",
        )
    return days


def _constant(function: str, argument: Node, walk: _Walk) -> None:
    if not isinstance(argument, Number):
        raise AlphaTypeError(
            f"the last argument of {function} is a literal number", walk.text, argument.at
        )
    least, most = _BETWEEN.get(function, (0.0, math.inf))
    if not least <= argument.value <= most:
        raise AlphaTypeError(
            f"the last argument of {function} is {argument.value:g}",
            walk.text,
            argument.at,
            f"Write a number from {least:g} to {most:g}.",
        )


def _fading(weight: float) -> int:
    """Days after which what stood before the first counts less than a hundredth."""
    return 0 if weight >= 1 else math.ceil(math.log(0.01) / math.log(1 - weight))


def _level(function: str, argument: Node, walk: _Walk) -> None:
    if not isinstance(argument, Name) or argument.name not in (*LEVELS, MARKET):
        raise AlphaTypeError(
            f"the second argument of {function} is no level of industries",
            walk.text,
            argument.at,
            f"Write {', '.join(LEVELS)} or {MARKET}.",
        )
    if argument.name != MARKET:
        walk.fields.add(argument.name)


def _same(operator: str, one: Unit, other: Unit, at: int, walk: _Walk) -> Unit:
    if one is None or other is None:
        return other if one is None else one
    if one != other:
        _warn(f"{operator} mixes {_shown(one)} and {_shown(other)}", at, walk)
    return one


def _warn(reason: str, at: int, walk: _Walk) -> None:
    if walk.strict_units:
        raise AlphaTypeError(
            reason, walk.text, at, "Bring both to one unit, as by rank or a ratio."
        )
    walk.warnings.append(Warned(reason, at))


def _shown(unit: Unit) -> str:
    assert unit is not None
    parts = [
        name if power == 1 else f"{name}^{power:g}"
        for name, power in zip(("dollar", "share"), unit, strict=True)
        if power
    ]
    return " ".join(parts) or "a number without unit"
