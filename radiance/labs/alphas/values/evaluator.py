"""Expressions over a panel: NumPy, whole arrays at a time, never looking ahead.

Row t of a result depends on the rows up to t alone. A result has NaN where it is not defined and is
never infinite. Comparisons give 1 and 0.
"""

import math
from collections.abc import Callable

import numpy as np

from radiance.labs.alphas.language.checker import Checked, check, window_days
from radiance.labs.alphas.language.operators import COMPARISONS, LEVELS, MARKET
from radiance.labs.alphas.language.parser import adv_window
from radiance.labs.alphas.language.semantics import DEFAULT, Readings
from radiance.labs.alphas.language.syntax import (
    AlphaDataError,
    Binary,
    Call,
    Name,
    Node,
    Number,
    Ternary,
    Unary,
)
from radiance.labs.alphas.values import windows
from radiance.labs.alphas.values.panel import Panel
from radiance.labs.alphas.values.ranks import blur, rank_rows

Array = np.ndarray
_CAP_DAYS = 252
_COMPARE = {
    "<": np.less,
    ">": np.greater,
    "<=": np.less_equal,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
}


class Evaluator:
    """Evaluates many expressions over one panel; what they share is computed once.

    Args:
        keep_bytes: Most memory for results that may be wanted again, least recently used first.
    """

    def __init__(
        self, panel: Panel, readings: Readings = DEFAULT, keep_bytes: int = 256 << 20
    ) -> None:
        self.panel, self.readings = panel, readings
        self._kept: dict[Node, Array] = {}
        self._kept_bytes, self._most_bytes = 0, keep_bytes
        self._text = ""

    def evaluate(self, expression: str | Checked) -> Array:
        """The values, float64 (dates, symbols).

        Raises:
            AlphaSyntaxError, AlphaTypeError: It is no expression, or means nothing.
            AlphaDataError: The panel lacks a field, and the readings allow no stand-in.
        """
        if isinstance(expression, str):
            expression = check(expression, self.readings, columns=self.panel.columns_of_its_own)
        self._text = expression.text
        with np.errstate(all="ignore"):
            values = self._value(expression.node)
        if np.ndim(values) == 0:
            return np.full(self.panel.shape, values)
        return np.array(values, dtype=np.float64)

    def _value(self, node: Node) -> Array:
        if isinstance(node, Number):
            return np.float64(node.value)  # type: ignore[return-value]
        found = self._kept.pop(node, None)
        if found is None:
            found = self._compute(node)
            self._kept_bytes += found.nbytes
        self._kept[node] = found
        while self._kept_bytes > self._most_bytes and len(self._kept) > 1:
            oldest = next(iter(self._kept))
            self._kept_bytes -= self._kept.pop(oldest).nbytes
        return found

    def _compute(self, node: Node) -> Array:
        match node:
            case Name(name):
                return self._field(name, node)
            case Unary(operand):
                return -self._value(operand)
            case Binary(operator, left, right):
                return self._binary(operator, self._value(left), self._value(right))
            case Ternary(condition, then, otherwise):
                tested = self._value(condition)
                chosen = np.where(tested != 0, self._value(then), self._value(otherwise))
                return np.where(np.isnan(tested), np.nan, chosen)
            case Call(function, arguments):
                return self._call(function, arguments)
        raise TypeError(f"{node!r} is no node")

    # Fields

    def _field(self, name: str, node: Node) -> Array:
        fields, readings = self.panel.fields, self.readings
        if (days := adv_window(name)) is not None:
            volume = fields["volume"]
            traded = volume if readings.adv == "shares" else fields["close"] * volume
            return self._moving(windows.mean, days, _finite(traded))
        if name == "returns":
            return self._returns()
        if name == "vwap" and (readings.vwap == "typical" or "vwap" not in fields):
            return _finite((fields["high"] + fields["low"] + fields["close"]) / 3)
        if name == "cap" and (readings.cap == "dollar_volume" or "cap" not in fields):
            if readings.cap == "required":
                raise AlphaDataError(
                    "the panel has no cap",
                    self._text,
                    getattr(node, "at", 0),
                    "Add the column, or read cap as dollar_volume.",
                )
            return self._moving(
                windows.mean, _CAP_DAYS, _finite(fields["close"] * fields["volume"])
            )
        if name not in fields:
            raise AlphaDataError(
                f"the panel has no column {name}",
                self._text,
                getattr(node, "at", 0),
                f"It has {', '.join(fields)}.",
            )
        return _finite(fields[name])

    def _returns(self) -> Array:
        fields = self.panel.fields
        if "returns" in fields:
            return _finite(fields["returns"])
        close = fields["close"]
        if self.readings.returns == "adjusted":
            close = self.panel.total_close
        returns = np.full(close.shape, np.nan)
        returns[1:] = close[1:] / close[:-1] - 1
        return _finite(returns)

    # Operators

    def _binary(self, operator: str, left: Array, right: Array) -> Array:
        match operator:
            case "+":
                return _finite(windows.settled(left + right, np.abs(left)))
            case "-":
                return _less(left, right)
            case "*":
                return _finite(left * right)
            case "/":
                return _finite(left / right)
            case "^":
                return _finite(np.power(left, right))
        holes = np.isnan(left) | np.isnan(right)
        if operator in COMPARISONS:
            found = _COMPARE[operator](self._blurred(left), self._blurred(right))
        else:
            found = (left != 0) | (right != 0) if operator == "||" else (left != 0) & (right != 0)
        return np.where(holes, np.nan, found.astype(np.float64))

    def _call(self, function: str, arguments: tuple[Node, ...]) -> Array:
        readings = self.readings
        numbers = [self._spread(argument) for argument in arguments[: _NUMBERS.get(function, 1)]]
        first = numbers[0]
        if function in _POINTWISE:
            return _finite(_POINTWISE[function](*numbers))
        match function:
            case "sign":
                return np.sign(first)
            case "signedpower":
                power = np.abs(first) if readings.signedpower == "signed" else first
                raised = np.power(power, numbers[1])
                return _finite(
                    np.sign(first) * raised if readings.signedpower == "signed" else raised
                )
            case "rank":
                return self._rank(first)
            case "scale":
                to = arguments[1].value if len(arguments) > 1 else 1.0  # type: ignore[union-attr]
                sizes = np.nansum(np.abs(first), axis=1, keepdims=True)
                return _finite(to * first / sizes)
            case "zscore":
                return _finite(_standardized(first))
            case "normalize":
                return _less(first, _moments(first)[0])
            case "winsorize":
                most = arguments[1].value if len(arguments) > 1 else 4.0  # type: ignore[union-attr]
                middle, spread = _moments(first)
                return np.clip(first, middle - most * spread, middle + most * spread)
            case "trade_when":
                return _traded(*numbers)
            case "indneutralize":
                return self._neutral(first, arguments[1])
            case "group_mean":
                return first - self._neutral(first, arguments[1])
            case "group_rank" | "group_zscore":
                return self._within(function, first, arguments[1])
            case "ewm":
                return _faded(first, arguments[1].value)  # type: ignore[union-attr]
            case "ts_step":
                return first + np.arange(len(first))[:, None]
        window = arguments[1 if function == "ts_percentile" else -1]
        assert isinstance(window, Number)
        days = window_days(window.value, readings)
        if function == "ts_percentile":
            share = arguments[2].value  # type: ignore[union-attr]
            return self._moving(windows.percentile, days, first, share=share)
        return self._window(function, days, numbers)

    def _window(self, function: str, days: int, numbers: list[Array]) -> Array:
        readings, first = self.readings, numbers[0]
        match function:
            case "delay":
                return _delayed(first, days)
            case "ts_backfill":
                return self._moving(windows.last_known, days, first)
            case "ts_skewness" | "ts_kurtosis":
                return self._moving(windows.moment, days, first, power=3 + (function[3] == "k"))
            case "ts_slope":
                return self._moving(windows.slope, days, *numbers)
            case "delta":
                return _less(first, _delayed(first, days))
            case "sum":
                return self._moving(windows.total, days, first)
            case "product":
                return self._moving(windows.product, days, first)
            case "stddev":
                return self._moving(windows.stddev, days, first, ddof=readings.ddof)
            case "covariance":
                return self._moving(windows.covariance, days, *numbers, ddof=readings.ddof)
            case "correlation":
                flat = math.nan if readings.flat == "nan" else 0.0
                return self._moving(windows.correlation, days, *numbers, flat=flat)
            case "decay_linear":
                return self._moving(windows.decay_linear, days, first)
            case "ts_max" | "ts_min":
                return self._moving(windows.extreme, days, first, highest=function == "ts_max")
            case "ts_argmax" | "ts_argmin":
                place = self._moving(
                    windows.where_extreme,
                    days,
                    self._blurred(first),
                    highest=function == "ts_argmax",
                )
                return place if readings.ts_arg == "position" else days - place
            case "ts_rank":
                ranks = self._moving(
                    windows.rank_of_last,
                    days,
                    self._blurred(first),
                    lowest=readings.rank == "min",
                )
                return ranks if readings.ts_rank == "fraction" else ranks * days
        raise TypeError(f"{function} is no operator")

    def _moving(self, kernel: Callable[..., Array], days: int, *arrays: Array, **options) -> Array:
        strict = self.readings.nan == "strict"
        need = days if strict else max(1, math.ceil(days * self.readings.min_share))
        return _finite(windows.moving(kernel, days, *arrays, need=need, **options))

    def _rank(self, values: Array) -> Array:
        ranks = rank_rows(values, self.readings.tie_bits, lowest=self.readings.rank == "min")
        counts = np.isfinite(values).sum(axis=1, keepdims=True)
        if self.readings.rank == "zero_one":
            return np.where(counts > 1, (ranks - 1) / (counts - 1), ranks * 0 + 0.5)
        return ranks / counts

    def _neutral(self, values: Array, level: Node) -> Array:
        assert isinstance(level, Name)
        codes = self._codes(level)
        members = np.zeros((len(codes), codes.max() + 1))
        members[np.flatnonzero(codes >= 0), codes[codes >= 0]] = 1.0
        there = np.isfinite(values)
        sums = np.where(there, values, 0.0) @ members
        means = sums / (there.astype(np.float64) @ members)
        return np.where(codes >= 0, _less(values, means[:, codes]), np.nan)

    def _within(self, function: str, values: Array, level: Node) -> Array:
        """Ranks or deviations among the symbols of each group."""
        assert isinstance(level, Name)
        codes = self._codes(level)
        result = np.full(values.shape, np.nan)
        for code in np.unique(codes[codes >= 0]):
            members = codes == code
            inside = np.ascontiguousarray(values[:, members])
            made = self._rank(inside) if function == "group_rank" else _standardized(inside)
            result[:, members] = made
        return _finite(result)

    def _codes(self, level: Name) -> Array:
        groups = self.panel.groups
        if level.name == MARKET:
            return np.zeros(len(self.panel.symbols), np.int64)
        order = LEVELS.index(level.name)
        nearest = [*LEVELS[order:], *reversed(LEVELS[:order])]
        for name in nearest if self.readings.levels == "nearest" else [level.name]:
            if name in groups:
                return groups[name]
        raise AlphaDataError(
            f"the panel has no {level.name}", self._text, level.at, "Give groups by symbol."
        )

    def _spread(self, node: Node) -> Array:
        value = self._value(node)
        return value if np.ndim(value) else np.full(self.panel.shape, value)

    def _blurred(self, values: Array) -> Array:
        return blur(values, self.readings.tie_bits)


def _less(left: Array, right: Array) -> Array:
    """The difference; what is left of near equals is rounding, and zero."""
    return _finite(windows.settled(left - right, np.abs(left)))


def _finite(values: Array) -> Array:
    if np.isinf(values).any():
        return np.where(np.isinf(values), np.nan, values)
    return values


def _moments(values: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of each row's values that are there, (dates, 1)."""
    there = np.isfinite(values)
    counts = there.sum(axis=1, keepdims=True)
    middle = np.where(there, values, 0.0).sum(axis=1, keepdims=True) / counts
    off = np.where(there, values - middle, 0.0)
    return middle, np.sqrt((off * off).sum(axis=1, keepdims=True) / counts)


def _standardized(values: Array) -> Array:
    """Deviations from the mean; none where nothing differs by more than rounding."""
    middle, spread = _moments(values)
    still = spread <= windows.ROUNDING * np.abs(middle)
    return np.where(still, np.nan, _less(values, middle) / spread)


def _traded(enter: Array, wanted: Array, leave: Array) -> Array:
    """What is held day by day: the wanted value on entering, kept until it is left."""
    result = np.full(wanted.shape, np.nan)
    held = np.full(wanted.shape[1], np.nan)
    for day in range(len(wanted)):
        held = np.where(enter[day] > 0, wanted[day], held)
        held = np.where(leave[day] > 0, np.nan, held)
        result[day] = held
    return result


def _faded(values: Array, weight: float) -> Array:
    """The mean that gives ``weight`` to today; a day without a value leaves it as it was."""
    result = np.empty(values.shape)
    held = np.full(values.shape[1], np.nan)
    for day, today in enumerate(values):
        moved = np.where(np.isnan(held), today, weight * today + (1 - weight) * held)
        held = np.where(np.isnan(today), held, moved)
        result[day] = held
    return result


def _delayed(values: Array, days: int) -> Array:
    result = np.full(values.shape, np.nan)
    if days < len(values):
        result[days:] = values[:-days]
    return result


_NUMBERS = {
    "trade_when": 3,
    "ts_slope": 2,
    "min": 2,
    "max": 2,
    "signedpower": 2,
    "correlation": 2,
    "covariance": 2,
}
_POINTWISE: dict[str, Callable[..., Array]] = {
    "abs": np.abs,
    "log": np.log,
    "min": np.minimum,
    "max": np.maximum,
}
