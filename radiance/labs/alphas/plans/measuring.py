"""What a clause measures: its series, its measure and its days, from a bag of marks.

What it does not say takes a usual value, and the certainty says how much of it that was.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from radiance.labs.alphas.plans.directing import direction
from radiance.labs.alphas.plans.plan import Quantity
from radiance.labs.alphas.plans.tables import MEASURES, SERIES
from radiance.labs.alphas.plans.words import Token

_SOON, _LONG = 5, 250
Found = tuple[Quantity, int, float]
"""A quantity, the sign of what names it, and how certain that is."""


@dataclass(frozen=True)
class Read:
    """What a clause says.

    Attributes:
        sign: Which way, 1 for high.
        certainty: How much of it was said rather than taken for granted, in [0, 1].
        is_dated: Whether its days were said.
    """

    quantity: Quantity
    sign: int
    certainty: float
    is_dated: bool = True


@dataclass(frozen=True)
class Bag:
    """What a clause has in it."""

    tokens: Sequence[Token]
    marks: frozenset[str]
    series: tuple[str, ...]
    days: tuple[int, ...]

    @classmethod
    def of(cls, tokens: Sequence[Token]) -> "Bag":
        marks = {value for token in tokens for value in token.values("mark")}
        days: list[int] = []
        for token in tokens:
            for value in token.values("days"):
                if not any(0.85 <= value / known <= 1.18 for known in days):
                    days.append(value)
        if not days:
            days = [value for token in tokens for value in token.values("vague")]
        tokens = list(tokens)
        series: list[str] = []
        for token in tokens:
            series += [name for name in token.values("series") if name not in series]
        return cls(tokens, frozenset(marks), tuple(series), tuple(days))

    def has(self, *marks: str) -> bool:
        return any(mark in self.marks for mark in marks)

    def one(self, default: int, least: int = 1) -> int:
        """The only window: the longest that was said."""
        said = [days for days in self.days if days >= least]
        return max(said) if said else max(default, least)

    def two(self, short: int, long: int) -> tuple[int, int]:
        """Two windows; what lacks is taken from the defaults."""
        said = sorted(self.days)
        if len(said) >= 2:
            return said[0], said[-1]
        if len(said) == 1:
            return (said[0], long) if said[0] < long else (short, said[0])
        return short, long


def measured(tokens: Sequence[Token]) -> Read | None:
    """What a clause measures and which way; None where it names nothing."""
    bag = Bag.of(tokens)
    named = next((value for token in tokens for value in token.values("named")), None)
    growth = any(token.has("growth") for token in tokens)
    found = _measured(bag, named, growth)
    if found is None:
        return None
    quantity, flip, certainty = found
    return Read(quantity, direction(tokens, quantity, flip), certainty, bool(bag.days))


def _measured(bag: Bag, named: tuple[str, str, int, int] | None, growth: bool) -> Found | None:
    """The quantity, the sign of what names it, and how certain that is."""
    main = _main_series(bag)
    is_price = main in (None, "close", "high", "low", "open", "vwap")
    special = _special(bag, main, is_price)
    if special is not None:
        return special
    level = _of_price_level(bag, main or "close") if is_price else None
    if level is not None and named is not None and named[1] in ("cap", "close"):
        return level
    is_free = named is not None and (main is None or main in ("close", named[1]))
    if is_free and named is not None and not (growth and named[1] == "close" and bag.days):
        return _by_name(bag, named)
    if not is_price:
        assert main is not None
        return _of_series(bag, main, growth)
    return _of_price(bag, main or "close", growth, named)


def _main_series(bag: Bag) -> str | None:
    """The series that a clause is about: what is particular before what is everywhere."""
    special = [name for name in bag.series if name not in ("close", "open", "high", "low", "vwap")]
    if "premium" in special:
        return "premium"
    particular = [name for name in special if name not in ("returns", "volume")]
    if particular:
        bars = [name for name in particular if name in ("lower", "upper", "body", "place", "range")]
        # "intraday" and "session" are also said of bars.
        return bars[0] if bars and particular[0] == "day" else particular[0]
    if special:
        return special[0]
    if "vwap" in bag.series:
        text = " ".join(token.text for token in bag.tokens)
        moves = re.search(
            r"\b(?:changes?|moves?|returns?|momentum|rise|revers\w+|gains?) (?:of|in) "
            r"(?:the )?vwap",
            text,
        )
        return "vwap" if moves else "premium"
    return bag.series[0] if bag.series else None


def _special(bag: Bag, main: str | None, is_price: bool) -> Found | None:
    """Measures whose names say all."""
    own = main if main and main not in ("close",) else "returns"
    flow = main in ("volume", "dollars", "turnover")
    if bag.has("strength"):
        return Quantity("strength", "close", bag.one(14, 2)), 1, 1.0
    if bag.has("correlation") and bag.has("lagged") and (pair := _pair(bag)):
        return Quantity("lagged", pair[0], bag.one(20, 3), partner=pair[1]), 1, 1.0
    if bag.has("correlation") and (pair := _pair(bag)):
        return Quantity("comovement", pair[0], bag.one(20, 3), partner=pair[1]), 1, 1.0
    if bag.has("persistence") and (main in (None, "returns", "close")):
        return Quantity("persistence", "returns", bag.one(60, 3)), 1, 0.9
    if bag.has("skewness"):
        return Quantity("skewness", own if not is_price else "returns", bag.one(60, 3)), 1, 1.0
    if bag.has("kurtosis"):
        return Quantity("kurtosis", own if not is_price else "returns", bag.one(60, 3)), 1, 1.0
    if bag.has("up_share"):
        return Quantity("up_share", "returns", bag.one(60)), 1, 1.0
    if (
        bag.has("efficiency")
        and (is_price or main in ("returns", "size"))
        and not bag.has("zscore")
    ):
        return Quantity("efficiency", "close", bag.one(20, 2)), 1, 0.9
    if bag.has("beta"):
        text = " ".join(token.text for token in bag.tokens)
        name = "group_beta" if re.search(r"sector|group|industry|peers", text) else "market_beta"
        return Quantity(name, "returns", bag.one(120, 3)), 1, 1.0
    if bag.has("downside"):
        return Quantity("downside", "returns", bag.one(60)), 1, 1.0
    if main == "signed_volume":
        return Quantity("signed_share", "signed_volume", bag.one(20)), 1, 1.0
    if bag.has("sharpe") and (is_price or main == "returns"):
        return Quantity("information", "returns", bag.one(126, 2)), 1, 0.9
    if bag.has("variation") and flow:
        return Quantity("variation", str(main), bag.one(60, 2)), 1, 1.0
    return None


def _pair(bag: Bag) -> tuple[str, str] | None:
    names = [name for name in bag.series if name in SERIES]
    if len(names) == 1 and any(token.text.startswith("return") for token in bag.tokens):
        names.insert(0, "returns")
    if len(names) >= 2:
        return names[0], names[1]
    if len(names) == 1 and names[0] != "close":
        return "close", names[0]
    return None


def _by_name(bag: Bag, named: tuple[str, str, int, int]) -> Found:
    measure, series, days, _ = named
    if measure == "deviation" and len(bag.days) >= 2:
        return Quantity("deviations", series, *bag.two(20, 120)), 1, 1.0
    if series == "dollars" and len(bag.days) >= 2:
        return Quantity("means", series, *bag.two(20, 120)), 1, 1.0
    if measure == "ratio" and len(bag.days) >= 2:
        return Quantity("means", series, *bag.two(5, 60)), 1, 1.0
    if not MEASURES[measure].windows:
        return Quantity(measure, series), 1, 1.0
    return Quantity(measure, series, bag.one(days, 2)), 1, 1.0


def _of_series(bag: Bag, main: str, growth: bool) -> Found:
    """A measure of a series that is no price."""
    kind, days = SERIES[main].kind, bag.days
    if bag.has("zscore"):
        return Quantity("zscore", main, bag.one(60, 2)), 1, 1.0
    if main == "returns":
        return _of_returns(bag)
    if bag.has("volatility"):
        if len(days) >= 2:
            return Quantity("deviations", main, *bag.two(20, 120)), 1, 1.0
        return (
            Quantity("variation" if kind == "flow" else "deviation", main, bag.one(60, 2)),
            1,
            1.0,
        )
    if bag.has("standing"):
        return Quantity("standing", main, bag.one(60, 2)), 1, 1.0
    if len(days) >= 2:
        if kind == "signed":
            return Quantity("total", main, bag.one(20)), 1, 0.8
        return Quantity("means", main, *bag.two(5, 60)), 1, 1.0
    if bag.has("maximum") and kind == "signed" and days:
        return Quantity("maximum", main, bag.one(20)), 1, 1.0
    if kind == "signed" or main in ("upper", "lower", "body", "impact"):
        if not days or max(days) == 1:
            if main == "impact":
                return Quantity("mean", main, 60), 1, 1.0
            return Quantity("level", main), 1, 1.0
        if bag.has("unusual") and not bag.has("total") and kind != "signed":
            return Quantity("ratio", main, bag.one(20, 2)), 1, 0.9
        return Quantity("total" if kind == "signed" else "mean", main, bag.one(20)), 1, 1.0
    if main == "turnover" and days and not bag.has("unusual", "today"):
        return Quantity("mean", main, bag.one(20)), 1, 1.0
    if main == "cap" and not bag.has("average"):
        return Quantity("level", main), 1, 0.9
    if main == "dollars" and bag.has("today") and not days and not bag.has("average"):
        return Quantity("level", main), 1, 0.9
    if main == "dollars" and bag.has("median") and not bag.has("average"):
        return Quantity("mean", main, bag.one(20)), 1, 0.9
    if kind == "flow" and bag.has("total"):
        return Quantity("total", main, bag.one(20)), 1, 0.9
    if bag.has("unusual", "compare") or (bag.has("today") and bag.has("average")):
        return Quantity("ratio", main, bag.one(20, 2)), 1, 1.0
    if main in ("dollars", "turnover") or bag.has("average"):
        if kind == "flow" and main == "volume" and not days:
            return Quantity("ratio", main, 20), 1, 0.8
        return Quantity("mean", main, bag.one(20)), 1, 0.9
    if main == "cap" and not days:
        return Quantity("level", main), 1, 0.9
    moves = any(token.has("degree") and token.has("growth") for token in bag.tokens)
    if kind == "flow" and days and (moves or growth):
        return Quantity("growth", main, bag.one(20)), 1, 0.9
    if main == "range":
        if days:
            return Quantity("mean", main, bag.one(20)), 1, 0.8
        return Quantity("level", main), 1, 0.8
    if main == "volume" and days:
        return Quantity("ratio", main, bag.one(20, 2)), 1, 0.7
    return Quantity("ratio" if kind == "flow" else "level", main, 20 * (kind == "flow")), 1, 0.7


def _of_returns(bag: Bag) -> Found:
    if bag.has("minimum"):
        return Quantity("minimum", "returns", bag.one(20)), 1, 1.0
    if bag.has("maximum") and bag.days:
        return Quantity("maximum", "returns", bag.one(20)), 1, 1.0
    if bag.has("volatility"):
        if len(bag.days) >= 2:
            return Quantity("deviations", "returns", *bag.two(20, 120)), 1, 1.0
        return Quantity("deviation", "returns", bag.one(60, 2)), 1, 1.0
    if bag.has("standing"):
        return Quantity("standing", "returns", bag.one(20, 2)), 1, 1.0
    if bag.days and max(bag.days) > 1:
        return Quantity("growth", "close", bag.one(20)), 1, 0.9
    return Quantity("level", "returns"), 1, 0.8


def _of_price(
    bag: Bag, series: str, growth: bool, named: tuple[str, str, int, int] | None
) -> Found | None:
    """A measure of the price, or of nothing that was named."""
    if bag.has("volatility") and len(bag.days) >= 2 and not growth:
        return Quantity("deviations", "returns", *bag.two(20, 120)), 1, 1.0
    made = _of_price_level(bag, series)
    if made is not None:
        return made
    if bag.has("volatility") and not (growth and not bag.days):
        if len(bag.days) >= 2 or (bag.days and bag.has("recent") and bag.has("compare")):
            return Quantity("deviations", "returns", *bag.two(20, 120)), 1, 1.0
        return Quantity("deviation", "returns", bag.one(60, 2)), 1, 0.9
    if bag.has("acceleration") and (growth or bag.days):
        return Quantity("acceleration", "close", min(bag.days, default=20)), 1, 1.0
    if bag.has("skip") and (skipped := _skipped(bag)):
        return skipped
    if bag.has("trend") and len(bag.days) < 2 and bag.has("average"):
        return Quantity("ratio", "close", bag.one(100, 2)), 1, 0.9
    reverses = any(token.has("reversal") for token in bag.tokens)
    if growth or bag.has("trend") or reverses or (bag.days and (bag.series or _sided(bag))):
        if len(bag.days) >= 2 and (skipped := _skipped(bag)):
            return skipped
        default = 1 if bag.has("today") else _SOON if reverses else 126
        certain = 1.0 if growth and bag.days else 0.75 if growth or reverses else 0.6
        price = series if series in ("close", "open", "vwap") else "close"
        return Quantity("growth", price, bag.one(default)), 1, certain
    if bag.series and bag.series[0] in ("close", "open"):
        return Quantity("level", series), 1, 0.5
    return None if named is None else _by_name(bag, named)


def _sided(bag: Bag) -> bool:
    return any(token.has("degree") or token.has("attitude") for token in bag.tokens)


def _of_price_level(bag: Bag, series: str) -> Found | None:
    """What a price is set against: its peak, its trough, its average, its range."""
    at_high = bag.has("high") or _has_noun(bag, "high", "highs")
    at_low = bag.has("low") or _has_noun(bag, "low", "lows")
    of_itself = any(name in bag.series for name in ("close", "high", "vwap")) or bag.has("near")
    if bag.has("maximum") and of_itself and not bag.has("breakout"):
        return Quantity("to_maximum", "close", bag.one(_LONG, 2)), 1, 0.9
    if bag.has("drawdown"):
        return Quantity("to_maximum", "close", bag.one(126, 2)), -1, 0.9
    if bag.has("minimum") and not at_low:
        return Quantity("minimum", "returns", bag.one(20)), 1, 1.0
    if bag.has("maximum") and not at_high and not bag.has("breakout"):
        return Quantity("maximum", "returns", bag.one(20)), 1, 1.0
    if bag.has("zscore"):
        return Quantity("zscore", "close", bag.one(20, 2)), 1, 1.0
    if bag.has("recency") and (at_high or at_low) and not bag.has("near"):
        name = "high_age" if at_high else "low_age"
        return Quantity(name, "high" if at_high else "low", bag.one(_LONG, 2)), 1, 0.9
    if bag.has("channel") and bag.has("breakout"):
        return Quantity("channel", "close", bag.one(20, 2)), 1, 1.0
    if bag.has("breakout") and not bag.has("drawdown") and not bag.has("near"):
        return Quantity("breakout", "close", bag.one(_LONG, 2)), 1, 0.9
    if bag.has("breakdown") and not bag.has("near"):
        return Quantity("breakdown", "close", bag.one(_LONG, 2)), 1, 0.9
    if (at_high and at_low) or (bag.has("position") and not at_high and not at_low):
        return Quantity("position", "close", bag.one(14, 2)), 1, 0.9
    if at_high:
        return Quantity("to_high", "close", bag.one(_LONG, 2)), 1, 0.9
    if at_low:
        return Quantity("to_low", "close", bag.one(_LONG, 2)), -1, 0.9
    if bag.has("standing"):
        return Quantity("standing", series, bag.one(60, 2)), 1, 1.0
    if bag.has("cross") or (bag.has("average") and len(bag.days) >= 2):
        if any("macd" in token.text for token in bag.tokens):
            return Quantity("means", "close", *bag.two(12, 26)), 1, 1.0
        return Quantity("means", "close", *bag.two(20, 100)), 1, 1.0
    if bag.has("average"):
        return Quantity("ratio", series, bag.one(20, 2)), 1, 1.0
    return None


_AFTER_DEGREE = ("volume", "volatility", "vol", "low", "price", "prices", "trading", "returns")


def _has_noun(bag: Bag, *words: str) -> bool:
    """Whether "high" or "low" stands as a noun: behind a duration or an article."""
    for place, (before, token, after) in enumerate(
        zip(bag.tokens, bag.tokens[1:], [*bag.tokens[2:], Token("")], strict=False)
    ):
        if place and bag.tokens[place - 1].has("attitude") and before.text == "the":
            continue  # "short the high"
        is_noun = before.has("days") or before.text in ("its", "their", "the", "a", "from", "off")
        if (
            token.text in words
            and is_noun
            and after.text not in _AFTER_DEGREE
            and not (after.has("series") or after.has("mark", "volatility"))
        ):
            return True
    return False


def _skipped(bag: Bag) -> Found | None:
    said = sorted(bag.days)
    if len(said) >= 2 and said[-1] >= 2 * said[0]:
        return Quantity("skipped", "close", said[0], said[-1]), 1, 1.0
    return None


def replace_quantity(quantity: Quantity, **changes: Any) -> Quantity:
    """``quantity`` with some fields filled otherwise."""
    return Quantity(
        **{name: getattr(quantity, name) for name in quantity.__struct_fields__} | changes
    )
