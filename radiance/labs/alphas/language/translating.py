"""An expression in the spelling of another place, where that place means the same by it.

What it has no name for, or means otherwise, is refused by name; what differs in scale or in a
detail that it leaves open is kept and noted.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from radiance.labs.alphas.language.parser import parse
from radiance.labs.alphas.language.printer import number
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

Dialect = Literal["brain", "qlib", "gtja"]
_CALLS: dict[Dialect, dict[str, str]] = {
    "brain": {
        "abs": "abs", "log": "log", "sign": "sign", "rank": "rank", "scale": "scale",
        "signedpower": "signed_power", "min": "min", "max": "max",
        "indneutralize": "group_neutralize", "delay": "ts_delay", "delta": "ts_delta",
        "sum": "ts_sum", "product": "ts_product", "stddev": "ts_std_dev", "ts_rank": "ts_rank",
        "ts_min": "ts_min", "ts_max": "ts_max", "decay_linear": "ts_decay_linear",
        "correlation": "ts_corr", "covariance": "ts_covariance", "zscore": "zscore",
        "normalize": "normalize", "winsorize": "winsorize", "group_rank": "group_rank",
        "group_zscore": "group_zscore", "trade_when": "trade_when", "ts_backfill": "ts_backfill",
    },
    "qlib": {
        "abs": "Abs", "log": "Log", "sign": "Sign", "min": "Less", "max": "Greater",
        "delay": "Ref", "delta": "Delta", "sum": "Sum", "stddev": "Std", "ts_min": "Min",
        "ts_max": "Max", "ts_rank": "Rank", "decay_linear": "WMA", "correlation": "Corr",
        "covariance": "Cov", "ts_argmax": "IdxMax", "ts_argmin": "IdxMin",
        "ts_skewness": "Skew", "ts_kurtosis": "Kurt",
    },
    "gtja": {
        "abs": "ABS", "log": "LOG", "sign": "SIGN", "rank": "RANK", "min": "MIN", "max": "MAX",
        "delay": "DELAY", "delta": "DELTA", "sum": "SUM", "product": "PROD", "stddev": "STD",
        "ts_min": "TSMIN", "ts_max": "TSMAX", "ts_rank": "TSRANK", "decay_linear": "DECAYLINEAR",
        "correlation": "CORR", "covariance": "COVIANCE",
    },
}  # fmt: skip
_FIELDS: dict[Dialect, dict[str, str]] = {
    "brain": {},
    "qlib": {name: f"${name}" for name in ("open", "high", "low", "close", "vwap", "volume")},
    "gtja": {name: name.upper() for name in ("open", "high", "low", "close", "vwap", "volume")}
    | {"returns": "RET"},
}
_NOTES: dict[tuple[Dialect, str], str] = {
    ("brain", "rank"): "rank runs from 0 to 1 there, above 0 to 1 here; the order is the same",
    ("brain", "winsorize"): "winsorize takes its limit by name there: std=4",
    ("qlib", "ts_skewness"): "Skew corrects for the number of days there",
    ("qlib", "ts_kurtosis"): "Kurt corrects for the number of days there",
}


@dataclass(frozen=True)
class Translation:
    """An expression elsewhere.

    Attributes:
        notes: What differs, each a clause.
    """

    text: str
    notes: tuple[str, ...]


def translate(text: str, dialect: Dialect, columns: Collection[str] = ()) -> Translation:
    """``text`` as ``dialect`` writes it; ``columns`` are fields beside those of the language.

    Raises:
        AlphaSyntaxError: It is no expression.
        AlphaTypeError: The dialect has no name for something in it; the error says for what.
    """
    writer = _Writer(text, dialect)
    return Translation(writer.write(parse(text, columns)), tuple(dict.fromkeys(writer.notes)))


class _Writer:
    def __init__(self, text: str, dialect: Dialect) -> None:
        self._text, self._dialect = text, dialect
        self.notes: list[str] = []

    def write(self, node: Node) -> str:
        match node:
            case Number(value):
                return number(value)
            case Name(name, at):
                return self._field(name, at)
            case Unary(operand):
                return f"(-{self.write(operand)})"
            case Binary(operator, left, right, at):
                return self._binary(operator, self.write(left), self.write(right), at)
            case Ternary(condition, then, otherwise):
                tested, one, other = map(self.write, (condition, then, otherwise))
                if self._dialect == "gtja":
                    return f"({tested}?{one}:{other})"
                name = "if_else" if self._dialect == "brain" else "If"
                return f"{name}({tested}, {one}, {other})"
            case Call(function, arguments, at):
                return self._call(function, arguments, at)
        raise TypeError(f"{node!r} is no node")

    def _field(self, name: str, at: int) -> str:
        known = _FIELDS[self._dialect]
        if not known or name in known:
            return known.get(name, name)
        if days := re.fullmatch(r"adv(\d+)", name):
            mean = "Mean" if self._dialect == "qlib" else "MEAN"
            price, volume = known["close"], known["volume"]
            return f"{mean}({price} * {volume}, {days[1]})"
        if name == "returns":
            return "($close / Ref($close, 1) - 1)"
        raise self._unknown("field", name, at)

    def _binary(self, operator: str, left: str, right: str, at: int) -> str:
        if operator == "^":
            name = {"brain": "power", "qlib": "Power"}.get(self._dialect)
            return f"{name}({left}, {right})" if name else f"({left}^{right})"
        if operator in ("&&", "||") and self._dialect == "qlib":
            operator = {"&&": "&", "||": "|"}[operator]
        return f"({left} {operator} {right})"

    def _call(self, function: str, arguments: tuple[Node, ...], at: int) -> str:
        name = _CALLS[self._dialect].get(function)
        if name is None:
            raise self._unknown("operator", function, at)
        if note := _NOTES.get((self._dialect, function)):
            self.notes.append(note)
        written = [self.write(argument) for argument in arguments]
        if (self._dialect, function) == ("brain", "winsorize"):
            written[1:] = [f"std={written[1] if len(written) > 1 else '4'}"]
        return f"{name}({', '.join(written)})"

    def _unknown(self, kind: str, name: str, at: int) -> AlphaTypeError:
        return AlphaTypeError(
            f"{self._dialect} has no {kind} that means {name}",
            self._text,
            at,
            "Write it otherwise, or keep it here.",
        )
