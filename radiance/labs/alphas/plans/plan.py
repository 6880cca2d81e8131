"""A plan: what is measured, which way, within what, when, weighted by what, how clipped and smooth.

Every plan compiles: ``expression`` is a rule, not a model's. ``radiance.labs.alphas.plans.telling``
says a plan as a sentence and ``reading`` reads sentences.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from radiance.labs.alphas.language.operators import LEVELS
from radiance.labs.alphas.language.parser import parse
from radiance.labs.alphas.language.printer import number, render
from radiance.labs.alphas.plans.tables import MEASURES, SERIES

Days = Annotated[int, Meta(ge=0, le=1000)]
Joint = Literal["times", "plus", "minus", "over"]
Scope = Literal["market", "sector", "industry", "subindustry"]
assert set(Scope.__args__) == {"market", *LEVELS}  # type: ignore[attr-defined]


class Quantity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A measure of a series.

    Attributes:
        days: The window, the shorter where there are two; 0 where the measure has none.
        longer: The longer window; 0 where there is none.
        partner: The second series of a correlation; "" where there is none.
    """

    measure: str = "growth"
    series: str = "close"
    days: int = 0
    longer: int = 0
    partner: str = ""

    def __post_init__(self) -> None:
        made = MEASURES[self.measure]
        if self.series not in SERIES or (made.on and self.series != made.on):
            raise ValueError(f"{self.measure} is not for {self.series}")
        if (self.days >= made.least) != (made.windows > 0) or (self.longer > self.days) != (
            made.windows > 1
        ):
            raise ValueError(f"{self.measure} has {made.windows} rising windows")
        if (self.partner in SERIES) != made.has_partner:
            raise ValueError(f"{self.measure}: a partner is given or lacks")

    @property
    def expression(self) -> str:
        """As the language has it, without parentheses around."""
        made = MEASURES[self.measure]
        inner = {
            "x": _enclosed(SERIES[self.series].expression),
            "y": _enclosed(SERIES[self.partner].expression) if self.partner else "",
        }
        return made.expression.format(d=self.days, e=self.longer, **inner)


class Condition(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When there is a position: where a quantity is above or below something.

    Attributes:
        bound: What it is compared with; None: the median of the day's symbols.
        quantile: Instead of the median, in (0, 1); 0.5 is the median.
    """

    quantity: Quantity
    is_above: bool = True
    bound: float | None = None
    quantile: float = 0.5

    @property
    def expression(self) -> str:
        sign = ">" if self.is_above else "<"
        if self.bound is None:
            return f"rank({self.quantity.expression}) {sign} {number(self.quantile)}"
        return f"{_enclosed(self.quantity.expression)} {sign} {_signed(self.bound)}"


class Joined(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A second quantity: a weight, a second opinion, or what is taken away or divided by."""

    how: Joint
    quantity: Quantity
    sign: Literal[-1, 1] = 1


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One alpha.

    Attributes:
        sign: 1 buys what is high, -1 what is low.
        scope: The group within which it is compared.
        risk_days: Days of volatility that it is divided by; 0: not.
        joined: Further quantities, in order: each is taken with all that stands before it.
        smoothing: Days of linear decay; 0: none.
        clip: Standard deviations of the day's symbols beyond which values are held; 0: none.
        beyond: Positions, all alike, only where the quantity is farther than that from its middle,
            to either side; 0: everywhere, by how much. Needs a measure that has a middle.
    """

    quantity: Quantity
    sign: Literal[-1, 1] = 1
    scope: Scope = "market"
    risk_days: int = 0
    joined: tuple[Joined, ...] = ()
    condition: Condition | None = None
    smoothing: int = 0
    clip: float = 0.0
    beyond: float = 0.0

    def __post_init__(self) -> None:
        if self.beyond and MEASURES[self.quantity.measure].middle is None:
            raise ValueError(f"beyond: {self.quantity.measure} has no middle")

    @property
    def expression(self) -> str:
        """As the language has it, in canonical form."""
        text, sign = self._sided()
        is_sum = False
        for each in self.joined:
            text = _combined(text, sign, each, is_sum=is_sum)
            sign, is_sum = 1, each.how == "plus"
        if sign < 0:
            text = f"-1 * {_enclosed(text)}"
        if self.risk_days:
            text = f"{_enclosed(text)} / stddev(returns, {self.risk_days})"
        if self.clip:
            text = f"winsorize({text}, {number(self.clip)})"
        if self.scope != "market":
            text = f"indneutralize({text}, {self.scope})"
        if self.smoothing:
            text = f"decay_linear({text}, {self.smoothing})"
        if self.condition is not None:
            text = f"{self.condition.expression} ? {text} : 0"
        return render(parse(text))

    def _sided(self) -> tuple[str, int]:
        """The quantity, or the side of its middle that it is on, and the sign to take it with."""
        text, middle = self.quantity.expression, MEASURES[self.quantity.measure].middle
        if not self.beyond or middle is None:
            return text, self.sign
        text = _enclosed(text)
        top, bottom = (_signed(round(middle + side * self.beyond, 9)) for side in (1, -1))
        return (
            f"({text} > {top} ? {self.sign} : ({text} < {bottom} ? {-self.sign} : 0))",
            1,
        )


def _combined(first: str, sign: int, joined: Joined, *, is_sum: bool = False) -> str:
    second = joined.quantity.expression
    match joined.how:
        case "times":
            # A weight is positive: ranks are, whatever the quantity.
            weight = f"rank({'' if joined.sign > 0 else '-1 * '}{_enclosed(second)})"
            return f"{'' if sign > 0 else '-1 * '}{_enclosed(first)} * {weight}"
        case "plus":
            one, two = (
                f"rank({'' if side > 0 else '-1 * '}{_enclosed(text)})"
                for side, text in ((sign, first), (joined.sign, second))
            )
            return f"{first if is_sum else one} + {two}"
        case "minus" | "over":
            symbol = "-" if joined.how == "minus" else "/"
            text = f"{_enclosed(first)} {symbol} {_enclosed(second)}"
            return text if sign > 0 else f"-1 * ({text})"


def _enclosed(text: str) -> str:
    """In parentheses unless it is one name, number or call; the printer takes what is too many."""
    return text if text.replace("_", "").isalnum() else f"({text})"


def _signed(value: float) -> str:
    return number(value) if value >= 0 else f"-{number(-value)}"
