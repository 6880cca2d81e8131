"""Tree to text: the canonical form, with as few parentheses as the grammar needs."""

from radiance.labs.alphas.language.operators import COMPARISONS, LEVEL_OF
from radiance.labs.alphas.language.syntax import Binary, Call, Name, Node, Number, Ternary, Unary

_TERNARY, _UNARY, _ATOM = -1, LEVEL_OF["^"], LEVEL_OF["^"] + 1


def render(node: Node) -> str:
    """The expression's text; ``parse`` reads it back as the same tree."""
    return _render(node)[0]


def number(value: float) -> str:
    """A literal, in the shortest form that reads back as the same float."""
    return str(int(value)) if value == int(value) and value < 1e15 else repr(float(value))


def _render(node: Node) -> tuple[str, int]:
    """The text, and how tightly its outermost operator binds."""
    match node:
        case Number(value):
            return number(value), _ATOM
        case Name(name):
            return name, _ATOM
        case Call(function, arguments):
            return f"{function}({', '.join(map(render, arguments))})", _ATOM
        case Unary(operand):
            return f"-{_enclosed(operand, _UNARY)}", _UNARY
        case Binary("^", left, right):
            return f"{_enclosed(left, _ATOM)}^{_enclosed(right, _UNARY)}", _UNARY
        case Binary(operator, left, right):
            level = LEVEL_OF[operator]
            # A comparison does not chain; the others group to the left.
            first = level + 1 if operator in COMPARISONS else level
            return (
                f"{_enclosed(left, first)} {operator} {_enclosed(right, level + 1)}",
                level,
            )
        case Ternary(condition, then, otherwise):
            return f"{_enclosed(condition, 0)} ? {render(then)} : {render(otherwise)}", _TERNARY
    raise TypeError(f"{node!r} is no node")


def _enclosed(node: Node, least: int) -> str:
    """The text, in parentheses where it binds looser than ``least``."""
    text, level = _render(node)
    return text if level >= least else f"({text})"
