"""The 101 alphas as people write them in pandas: ``rolling``, ``apply``, whole frames.

The formulas are the catalogue's; only what an operator does is pandas'. For time, not for values:
ties and holes are left as they come.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from radiance.labs.alphas.data.catalogue import formula
from radiance.labs.alphas.language.parser import adv_window, parse
from radiance.labs.alphas.language.syntax import Binary, Call, Name, Node, Number, Ternary, Unary
from radiance.labs.alphas.values.panel import Panel

Frame = pd.DataFrame
_WEIGHTS = {days: np.arange(1.0, days + 1) for days in range(1, 400)}


@dataclass(frozen=True)
class Frames:
    """A panel as one frame a field."""

    fields: dict[str, Frame]
    groups: dict[str, np.ndarray]

    @classmethod
    def of(cls, panel: Panel) -> "Frames":
        fields: dict[str, Any] = {
            name: pd.DataFrame(values) for name, values in panel.fields.items()
        }
        fields["returns"] = fields["close"].pct_change(fill_method=None)
        fields["vwap"] = (fields["high"] + fields["low"] + fields["close"]) / 3
        fields["cap"] = (fields["close"] * fields["volume"]).rolling(252).mean()
        return cls(fields, dict(panel.groups))


def evaluate_in_pandas(number: int, frames: Frames) -> Frame:
    """One alpha."""
    with np.errstate(all="ignore"):
        return _value(parse(formula(number).text), frames)


def _value(node: Node, frames: Frames) -> Any:
    match node:
        case Number(value):
            return value
        case Name(name):
            if days := adv_window(name):
                return (frames.fields["close"] * frames.fields["volume"]).rolling(days).mean()
            return frames.fields[name]
        case Unary(operand):
            return -_value(operand, frames)
        case Binary(operator, left, right):
            return _BINARY[operator](_value(left, frames), _value(right, frames))
        case Ternary(condition, then, otherwise):
            tested = _value(condition, frames)
            return pd.DataFrame(
                np.where(tested, _value(then, frames), _value(otherwise, frames)),
                tested.index,
                tested.columns,
            )
        case Call("indneutralize", (inner, Name(level))):
            return _neutral(_value(inner, frames), frames.groups[level])
        case Call(function, arguments):
            return _CALLS[function](*(_value(argument, frames) for argument in arguments))
    raise TypeError(node)


def _neutral(x: Frame, codes: np.ndarray) -> Frame:
    return x - x.T.groupby(codes).transform("mean").T


def _rolling(x: Frame, days: float) -> Any:
    return _number(x).rolling(math.floor(days))


def _number(x: Frame) -> Frame:
    return x.astype(float)


def _ts_rank(x: Frame, days: float) -> Frame:
    return _rolling(x, days).apply(lambda w: (w <= w[-1]).mean(), raw=True)


def _decay(x: Frame, days: float) -> Frame:
    weights = _WEIGHTS[math.floor(days)]
    return _rolling(x, days).apply(lambda w: w @ weights / weights.sum(), raw=True)


_BINARY: dict[str, Callable] = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / y,
    "^": lambda x, y: x**y,
    "<": lambda x, y: x < y,
    ">": lambda x, y: x > y,
    "==": lambda x, y: x == y,
    "||": lambda x, y: x | y,
    "&&": lambda x, y: x & y,
}
_CALLS: dict[str, Callable] = {
    "abs": lambda x: x.abs(),
    "log": np.log,
    "sign": np.sign,
    "rank": lambda x: x.rank(axis=1, pct=True),
    "scale": lambda x: x.div(x.abs().sum(axis=1), axis=0),
    "signedpower": lambda x, a: np.sign(x) * x.abs() ** a,
    "min": np.minimum,
    "max": np.maximum,
    "delay": lambda x, d: x.shift(math.floor(d)),
    "delta": lambda x, d: x.diff(math.floor(d)),
    "sum": lambda x, d: _rolling(x, d).sum(),
    "product": lambda x, d: _rolling(x, d).apply(np.prod, raw=True),
    "stddev": lambda x, d: _rolling(x, d).std(),
    "ts_min": lambda x, d: _rolling(x, d).min(),
    "ts_max": lambda x, d: _rolling(x, d).max(),
    "ts_argmin": lambda x, d: _rolling(x, d).apply(np.argmin, raw=True) + 1,
    "ts_argmax": lambda x, d: _rolling(x, d).apply(np.argmax, raw=True) + 1,
    "ts_rank": _ts_rank,
    "decay_linear": _decay,
    "correlation": lambda x, y, d: _rolling(x, d).corr(_number(y)),
    "covariance": lambda x, y, d: _rolling(x, d).cov(_number(y)),
}
