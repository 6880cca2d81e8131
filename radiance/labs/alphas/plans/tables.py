"""What a plan can measure: series of the day, and what is made of a series over days.

``{d}`` and ``{e}`` are days, ``{x}`` and ``{y}`` series. A measure has a middle: the value that
parts high from low when it stands in a condition; None is the median of the day.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["price", "flow", "signed", "ratio"]


@dataclass(frozen=True)
class Series:
    """A number for each symbol and day.

    Attributes:
        words: As a sentence names it.
        kind: How it is read over days: growth of a price, a flow against its mean, the sum of what
            has a sign, the mean of a ratio.
    """

    expression: str
    words: str
    kind: Kind


SERIES: dict[str, Series] = {
    "close": Series("close", "price", "price"),
    "open": Series("open", "opening price", "price"),
    "high": Series("high", "daily high", "price"),
    "low": Series("low", "daily low", "price"),
    "vwap": Series("vwap", "vwap", "price"),
    "volume": Series("volume", "volume", "flow"),
    "dollars": Series("close * volume", "dollar volume", "flow"),
    "cap": Series("cap", "market cap", "flow"),
    "turnover": Series("volume / cap", "share turnover", "flow"),
    "returns": Series("returns", "daily return", "signed"),
    "residual": Series("indneutralize(returns, market)", "return beyond the market's", "signed"),
    "size": Series("abs(returns)", "absolute daily return", "ratio"),
    "gap": Series("open / delay(close, 1) - 1", "overnight return", "signed"),
    "day": Series("close / open - 1", "intraday return", "signed"),
    "range": Series("(high - low) / close", "daily range", "ratio"),
    "place": Series("(2 * close - high - low) / (high - low)", "close location", "signed"),
    "upper": Series("(high - max(open, close)) / close", "upper shadow", "ratio"),
    "lower": Series("(min(open, close) - low) / close", "lower shadow", "ratio"),
    "body": Series("abs(close - open) / close", "candle body", "ratio"),
    "premium": Series("close / vwap - 1", "premium over vwap", "signed"),
    "discount": Series("vwap / close - 1", "discount to vwap", "signed"),
    "impact": Series("abs(returns) / (close * volume)", "price impact", "ratio"),
    "signed_volume": Series("sign(returns) * volume", "signed volume", "signed"),
}


@dataclass(frozen=True)
class Measure:
    """What is made of a series.

    Attributes:
        words: As a sentence names it; ``{s}`` and ``{t}`` are the words of its series.
        middle: Parts high from low in a condition; None: the median of the day.
        on: The only series it is for; "" any.
        least: Fewest days of ``{d}``.
    """

    expression: str
    words: str
    middle: float | None = None
    on: str = ""
    least: int = 1

    @property
    def windows(self) -> int:
        """How many windows it has."""
        return ("{d}" in self.expression) + ("{e}" in self.expression)

    @property
    def has_partner(self) -> bool:
        """Whether it takes a second series."""
        return "{y}" in self.expression


_UP_DAYS = "sum({x} > 0 ? 1 : 0, {d}) / {d}"
_MEAN = "(sum({x}, {d}) / {d})"
_LONG_MEAN = "(sum({x}, {e}) / {e})"
MEASURES: dict[str, Measure] = {
    "level": Measure("{x}", "{s} today"),
    "past": Measure("delay({x}, {d})", "{s} {d} days ago"),
    "mean": Measure("sum({x}, {d}) / {d}", "{d}-day mean of {s}"),
    "total": Measure("sum({x}, {d})", "{d}-day sum of {s}", 0.0),
    "growth": Measure("{x} / delay({x}, {d}) - 1", "{d}-day growth of {s}", 0.0),
    "change": Measure("delta({x}, {d})", "{d}-day change of {s}", 0.0),
    "skipped": Measure(
        "delay({x}, {d}) / delay({x}, {e}) - 1",
        "growth of {s} from {e} days ago to {d} days ago",
        0.0,
    ),
    "acceleration": Measure(
        "{x} / delay({x}, {d}) - 1 - delay({x} / delay({x}, {d}) - 1, {d})",
        "{d}-day acceleration of {s}",
        0.0,
    ),
    "deviation": Measure("stddev({x}, {d})", "{d}-day volatility of {s}", None, "", 2),
    "variation": Measure(
        f"stddev({{x}}, {{d}}) / {_MEAN}", "{d}-day coefficient of variation of {s}", None, "", 2
    ),
    "downside": Measure(
        "(sum(min({x}, 0)^2, {d}) / {d})^0.5", "{d}-day downside volatility of {s}", None,
        "returns",
    ),
    "deviations": Measure(
        "stddev({x}, {d}) / stddev({x}, {e})",
        "{d}-day volatility of {s} over its {e}-day volatility",
        1.0,
        "",
        2,
    ),
    "ratio": Measure(f"{{x}} / {_MEAN}", "{s} today over its {d}-day mean", 1.0, "", 2),
    "means": Measure(
        f"{_MEAN} / {_LONG_MEAN}", "{d}-day mean of {s} over its {e}-day mean", 1.0
    ),
    "surprise": Measure(
        f"{{x}} - {_MEAN}", "{s} today less its {d}-day mean", 0.0, "", 2
    ),
    "zscore": Measure(
        f"({{x}} - {_MEAN}) / stddev({{x}}, {{d}})", "{d}-day z-score of {s}", 0.0, "", 2
    ),
    "standing": Measure("ts_rank({x}, {d})", "rank of {s} among its last {d} days", 0.5, "", 2),
    "maximum": Measure("ts_max({x}, {d})", "{d}-day maximum of {s}"),
    "minimum": Measure("ts_min({x}, {d})", "{d}-day minimum of {s}"),
    "to_maximum": Measure(
        "{x} / ts_max({x}, {d})", "{s} as a share of its {d}-day maximum", 1.0, "", 2
    ),
    "to_high": Measure(
        "{x} / ts_max(high, {d})", "{s} as a share of its {d}-day high", 1.0, "close"
    ),
    "to_low": Measure(
        "{x} / ts_min(low, {d})", "{s} as a multiple of its {d}-day low", 1.0, "close"
    ),
    "position": Measure(
        "({x} - ts_min(low, {d})) / (ts_max(high, {d}) - ts_min(low, {d}))",
        "position of {s} in its {d}-day range",
        0.5,
        "close",
    ),
    "breakout": Measure(
        "{x} >= ts_max({x}, {d}) ? 1 : 0", "whether {s} is at its {d}-day maximum", 0.5, "", 2
    ),
    "breakdown": Measure(
        "{x} <= ts_min({x}, {d}) ? 1 : 0", "whether {s} is at its {d}-day minimum", 0.5, "", 2
    ),
    "channel": Measure(
        "{x} >= ts_max({x}, {d}) ? 1 : ({x} <= ts_min({x}, {d}) ? -1 : 0)",
        "whether {s} leaves its {d}-day channel",
        0.0,
        "",
        2,
    ),
    "high_age": Measure(
        "ts_argmax({x}, {d})", "recency of the {d}-day maximum of {s}", None, "", 2
    ),
    "low_age": Measure(
        "ts_argmin({x}, {d})", "recency of the {d}-day minimum of {s}", None, "", 2
    ),
    "skewness": Measure(
        f"sum(({{x}} - {_MEAN})^3, {{d}}) / stddev({{x}}, {{d}})^3",
        "{d}-day skewness of {s}", 0.0, "", 3,
    ),
    "kurtosis": Measure(
        f"sum(({{x}} - {_MEAN})^4, {{d}}) / stddev({{x}}, {{d}})^4",
        "{d}-day kurtosis of {s}", None, "", 3,
    ),
    "persistence": Measure(
        "correlation({x}, delay({x}, 1), {d})", "{d}-day autocorrelation of {s}", 0.0, "", 3
    ),
    "comovement": Measure(
        "correlation({x}, {y}, {d})", "{d}-day correlation of {s} with {t}", 0.0, "", 3
    ),
    "up_share": Measure(_UP_DAYS, "{d}-day share of days with positive {s}", 0.5),
    "efficiency": Measure(
        "abs(delta({x}, {d})) / sum(abs(delta({x}, 1)), {d})", "{d}-day efficiency of {s}",
        None, "", 2,
    ),
    "strength": Measure(
        "sum(max(delta({x}, 1), 0), {d}) / sum(abs(delta({x}, 1)), {d})",
        "{d}-day relative strength index of {s}",
        0.5,
        "",
        2,
    ),
    "signed_share": Measure(
        "sum({x}, {d}) / sum(abs({x}), {d})", "{d}-day net share of {s}", 0.0
    ),
    "group_beta": Measure(
        "covariance({x}, {x} - indneutralize({x}, sector), {d}) / "
        "stddev({x} - indneutralize({x}, sector), {d})^2",
        "{d}-day beta of {s} to the sector",
        1.0,
        "returns",
        3,
    ),
    "market_beta": Measure(
        "ts_slope({x}, group_mean({x}, market), {d})", "{d}-day beta of {s} to the market",
        1.0, "returns", 3,
    ),
    "lagged": Measure(
        "correlation({x}, delay({y}, 1), {d})", "{d}-day correlation of {s} with {t} a day before",
        0.0, "", 3,
    ),
    "information": Measure(
        f"{_MEAN} / stddev({{x}}, {{d}})", "{d}-day mean of {s} per unit of its volatility",
        0.0, "", 2,
    ),
}  # fmt: skip
