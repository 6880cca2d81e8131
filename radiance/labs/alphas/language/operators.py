"""The operators of the language: one table from which parser, checker, grammar and docs are made.

Names, arguments and meanings of ``PAPER_OPERATORS`` follow the appendix of Z. Kakushadze, "101
Formulaic Alphas" (2016, arXiv:1601.00991), Functions and Operators.
"""

from dataclasses import dataclass
from typing import Literal

Argument = Literal["number", "window", "level", "constant"]
"""What an argument is: any numbers, a literal count of days, a level of industries, a literal."""
Unit = Literal["same", "none", "product", "power"]
"""Unit of the result: the first argument's, none, both arguments' product, that to the window."""


@dataclass(frozen=True)
class Operator:
    """One operator.

    Attributes:
        arguments: What it takes, in order; ``optional`` of the last may be left out.
        unit: The result's.
        least_window: Fewest days that give a value.
        meaning: In words.
    """

    name: str
    arguments: tuple[Argument, ...]
    unit: Unit
    meaning: str
    least_window: int = 1
    optional: int = 0

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of its arguments: x, y and z, d, g, a, as documents write them."""
        numbers = iter("xyz")
        short = {"window": "d", "level": "g", "constant": "a"}
        return tuple(short.get(kind) or next(numbers) for kind in self.arguments)


PAPER_OPERATORS: dict[str, Operator] = {
    operator.name: operator
    for operator in (
        Operator("abs", ("number",), "same", "absolute value"),
        Operator("log", ("number",), "none", "natural logarithm"),
        Operator("sign", ("number",), "none", "-1, 0 or 1"),
        Operator("rank", ("number",), "none", "rank among the symbols of the day"),
        Operator("scale", ("number", "constant"), "none", "scaled so that |x| sums to a", 1, 1),
        Operator("signedpower", ("number", "number"), "none", "x to the a, keeping x's sign"),
        Operator("min", ("number", "number"), "same", "the smaller of two"),
        Operator("max", ("number", "number"), "same", "the larger of two"),
        Operator("indneutralize", ("number", "level"), "same", "less the mean of its group"),
        Operator("delay", ("number", "window"), "same", "the value d days ago"),
        Operator("delta", ("number", "window"), "same", "today's value less that d days ago"),
        Operator("sum", ("number", "window"), "same", "sum over d days"),
        Operator("product", ("number", "window"), "power", "product over d days"),
        Operator("stddev", ("number", "window"), "same", "standard deviation over d days", 2),
        Operator("ts_min", ("number", "window"), "same", "minimum over d days"),
        Operator("ts_max", ("number", "window"), "same", "maximum over d days"),
        Operator("ts_argmin", ("number", "window"), "none", "which of d days had the minimum"),
        Operator("ts_argmax", ("number", "window"), "none", "which of d days had the maximum"),
        Operator("ts_rank", ("number", "window"), "none", "rank of today among d days"),
        Operator(
            "decay_linear", ("number", "window"), "same", "mean over d days, weights d to 1 back"
        ),
        Operator(
            "correlation", ("number", "number", "window"), "none", "correlation over d days", 2
        ),
        Operator(
            "covariance", ("number", "number", "window"), "product", "covariance over d days", 2
        ),
    )
}
FURTHER_OPERATORS: dict[str, Operator] = {
    operator.name: operator
    for operator in (
        Operator("zscore", ("number",), "none", "deviations from the mean of the day's symbols"),
        Operator("normalize", ("number",), "same", "less the mean of the day's symbols"),
        Operator(
            "winsorize",
            ("number", "constant"),
            "same",
            "held within a deviations, 4 by default, of the mean of the day's symbols",
            1,
            1,
        ),
        Operator("group_mean", ("number", "level"), "same", "mean of its group"),
        Operator("group_rank", ("number", "level"), "none", "rank within its group"),
        Operator("group_zscore", ("number", "level"), "none", "deviations from its group's mean"),
        Operator(
            "trade_when",
            ("number", "number", "number"),
            "same",
            "y where x is above 0, else the day before's; nothing where z is above 0",
        ),
        Operator("ts_backfill", ("number", "window"), "same", "the last value known within d days"),
        Operator("ts_skewness", ("number", "window"), "none", "skewness over d days", 3),
        Operator("ts_kurtosis", ("number", "window"), "none", "excess kurtosis over d days", 4),
        Operator(
            "ts_slope",
            ("number", "number", "window"),
            "none",
            "slope of x on y over d days",
            2,
        ),
        Operator(
            "ts_percentile",
            ("number", "window", "constant"),
            "same",
            "the value below which a share a of d days lies",
        ),
        Operator(
            "ewm",
            ("number", "constant"),
            "same",
            "mean of all days so far: a of today, the rest as it was the day before",
        ),
        Operator("ts_step", ("constant",), "none", "number of the day, a for the first"),
    )
}
"""Of other dialects, BRAIN's above all, what the paper's operators cannot say."""
OPERATORS = PAPER_OPERATORS | FURTHER_OPERATORS
FIELDS: dict[str, tuple[int, int]] = {
    "open": (1, -1),
    "high": (1, -1),
    "low": (1, -1),
    "close": (1, -1),
    "vwap": (1, -1),
    "volume": (0, 1),
    "returns": (0, 0),
    "cap": (1, 0),
}
"""What a panel has, with the powers of (dollar, share) in its unit."""
LEVELS = ("sector", "industry", "subindustry")
MARKET = "market"
"""All symbols as one group: what a level can be and no table of groups need say."""
MAX_WINDOW = 1000

# From loosest to tightest. Comparisons do not chain; ^ binds to the right.
PRECEDENCE: tuple[tuple[str, ...], ...] = (
    ("||",),
    ("&&",),
    ("==", "!="),
    ("<", ">", "<=", ">="),
    ("+", "-"),
    ("*", "/"),
    ("^",),
)
LEVEL_OF = {symbol: level for level, row in enumerate(PRECEDENCE) for symbol in row}
COMPARISONS = ("==", "!=", "<", ">", "<=", ">=")
LOGICAL = ("||", "&&")
