"""The language as a grammar for constrained decoding: whatever it derives compiles.

Made from the table of operators, in the dialect of Lark that llguidance reads, and in the canonical
form that the printer writes, so that a model decodes under it what it was taught. Three things make
it smaller than the language: nesting ends at ``levels``, so that no expression is too deep; windows
are literals in range; and the leftmost operand of everything, signs and factors aside, is data, so
that no expression lacks it.
"""

import functools

from radiance.labs.alphas.language.operators import (
    COMPARISONS,
    FIELDS,
    LEVELS,
    PAPER_OPERATORS,
    Operator,
)

_LEVELS, _CHAIN = 5, 4
LEAST_TOKENS = 64
"""Tokens in which every expression of ``short_grammar`` ends, a character a token at worst."""
_NUMBER = r"/(0|[1-9][0-9]{0,3})(\.[0-9]{1,4})?/"


@functools.cache
def lark_grammar(levels: int = _LEVELS, chain: int = _CHAIN) -> str:
    """The grammar's text.

    Expressions nest ``levels`` deep at most, with ``chain`` operands in a row.
    """
    rules = [f"start: data_{levels}", 'constant: "-"? NUMBER']
    for level in range(levels + 1):
        rules += _level(level, chain)
    return "\n".join(rules + _terminals()) + "\n"


@functools.cache
def short_grammar() -> str:
    """For an answer that ran out of room: one operator over fields, perhaps reversed."""
    calls = [_call(operator, 1) for operator in PAPER_OPERATORS.values()]
    names = " | ".join(f"call_{operator.name}_1" for operator in PAPER_OPERATORS.values())
    rules = [f'start: "-1 * "? ( {names} )', "data_0: field", "any_0: field", *calls]
    return "\n".join(rules + _terminals()) + "\n"


def _terminals() -> list[str]:
    fields = " | ".join(f'"{name}"' for name in FIELDS)
    return [
        f"field: {fields} | ADV",
        " | ".join(f'"{name}"' for name in LEVELS).join(("group: ", "")),
        r"ADV: /adv[1-9][0-9]{0,2}/",
        f"NUMBER: {_NUMBER}",
        "ONE: /[1-9]|[1-9][0-9]|[1-4][0-9][0-9]/",
        "TWO: /[2-9]|[1-9][0-9]|[1-4][0-9][0-9]/",
    ]


def _level(level: int, chain: int) -> list[str]:
    """The rules of one depth; ``any`` may be a constant, ``data`` has data in it."""
    nested = level > 0
    below = level - 1
    ternary = f' | test_{level} " ? " any_{below} " : " any_{below}' if nested else ""
    logical, sums, factors = _either("||", "&&"), _either("+", "-"), _either("*", "/")
    rules = [
        f"data_{level}: dsum_{level} | compare_{level}{ternary}",
        f"any_{level}: sum_{level} | compare_{level}{ternary}",
        f"test_{level}: compare_{level} {_chain(f'{logical} compare_{level}', chain)}",
        f"compare_{level}: dsum_{level} {_either(*COMPARISONS)} sum_{level}",
        f"sum_{level}: term_{level} {_chain(f'{sums} term_{level}', chain)}",
        f"dsum_{level}: dterm_{level} {_chain(f'{sums} term_{level}', chain)}"
        f" | constant {sums} dterm_{level}",
        f"term_{level}: unary_{level} {_chain(f'{factors} unary_{level}', chain)}",
        f"dterm_{level}: dunary_{level} {_chain(f'{factors} unary_{level}', chain)}"
        f" | constant {factors} dunary_{level} {_chain(f'{factors} unary_{level}', chain)}",
        f'unary_{level}: "-"? atom_{level} ( "^" atom_{level} )?',
        f'dunary_{level}: "-"? datom_{level} ( "^" atom_{level} )?',
        f"atom_{level}: NUMBER | datom_{level}",
    ]
    if not nested:
        return [*rules, f"datom_{level}: field"]
    calls = " | ".join(f"call_{operator.name}_{level}" for operator in PAPER_OPERATORS.values())
    rules.append(f'datom_{level}: field | {calls} | "(" data_{below} ")"')
    return rules + [_call(operator, level) for operator in PAPER_OPERATORS.values()]


def _call(operator: Operator, level: int) -> str:
    parts, seen = [], 0
    for place, kind in enumerate(operator.arguments):
        match kind:
            case "number":
                name = "data" if seen == 0 else "any"
                part, seen = f"{name}_{level - 1}", seen + 1
            case "window":
                part = "ONE" if operator.least_window == 1 else "TWO"
            case "level":
                part = "group"
            case _:
                part = "NUMBER"
        comma = '", " ' if place else ""
        optional = place >= len(operator.arguments) - operator.optional
        parts.append(f"( {comma}{part} )?" if optional else f"{comma}{part}")
    return f'call_{operator.name}_{level}: "{operator.name}(" {" ".join(parts)} ")"'


def _chain(link: str, operands: int) -> str:
    """Further operands, written out: the depth of the tree stays bounded."""
    text = ""
    for _ in range(operands - 1):
        text = f"( {link} {text} )?"
    return text


def _either(*symbols: str) -> str:
    """One of some operators between spaces."""
    return "( " + " | ".join(f'" {symbol} "' for symbol in symbols) + " )"
