"""A prompt in people's words → plans that it may mean, the likeliest first. Rules, no model.

The text is taken apart into a main clause and what hangs on it: a condition, a smoothing, a group,
further quantities (``joining``). ``measuring`` says what a clause measures, ``directing`` which way
it goes.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from radiance.labs.alphas.plans.joining import joined_reading
from radiance.labs.alphas.plans.measuring import measured, replace_quantity
from radiance.labs.alphas.plans.phrases import Heard, hear
from radiance.labs.alphas.plans.plan import Condition, Joined, Joint, Plan, Quantity
from radiance.labs.alphas.plans.spelling import normalized
from radiance.labs.alphas.plans.tables import MEASURES
from radiance.labs.alphas.plans.words import Token, tokenize

_MOST_CHARACTERS = 1_000
_SOON = 5


@dataclass(frozen=True)
class PossiblePlan:
    """A plan that a prompt may mean, with how certain the rules are of it, in [0, 1].

    Attributes:
        is_open: Whether nothing that was said speaks against it. The rest is for people, who may
            not have meant what they said.
    """

    plan: Plan
    certainty: float
    is_open: bool = True


def read(prompt: str) -> list[PossiblePlan]:
    """The plans that ``prompt`` may mean, the likeliest first; empty if none is understood."""
    text = normalized(prompt[:_MOST_CHARACTERS])
    heard = hear(text)
    parts = _Parts.of(tokenize(heard.text))
    main = joined_reading(parts.main)
    if main is None:  # the phrases were all there was
        heard, parts = Heard(text), _Parts.of(tokenize(text))
        main = joined_reading(parts.main)
    if main is None:
        return []
    first, joined = main
    has_middle = MEASURES[first.quantity.measure].middle is not None
    plan = Plan(
        first.quantity,
        1 if first.sign > 0 else -1,
        scope=parts.scope,
        risk_days=parts.risk_days(first.quantity),
        joined=joined,
        condition=heard.price or _condition(parts),
        smoothing=parts.smoothing,
        clip=heard.clip,
        beyond=heard.beyond if has_middle else 0.0,
    )
    is_sided = any(token.has("attitude") or token.has("reversal") for token in parts.main)
    others = _others(plan, first.certainty, is_sided=is_sided, is_dated=first.is_dated)
    return [PossiblePlan(plan, first.certainty), *others]


def _others(
    plan: Plan, certainty: float, *, is_sided: bool, is_dated: bool
) -> Iterator[PossiblePlan]:
    """What it may mean besides: the other way round, a weight for a condition, other days."""
    turned = replace_plan(plan, sign=-plan.sign)
    found = [turned]
    if plan.joined and plan.joined[-1].how in ("times", "plus"):
        *before, last = plan.joined
        other: Joint = "plus" if last.how == "times" else "times"
        joined = Joined(other, last.quantity, last.sign)
        found += [
            replace_plan(plan, joined=(*before, joined)),
            replace_plan(plan, joined=tuple(before)),
        ]
    if plan.beyond:
        found.append(replace_plan(plan, beyond=0.0))
    if plan.condition is not None:
        found.append(replace_plan(plan, condition=None))
    made = MEASURES[plan.quantity.measure]
    if made.windows == 1:
        for days in (5, 21, 63, 252):
            if not 0.7 < days / plan.quantity.days < 1.4 and days >= made.least:
                quantity = replace_quantity(plan.quantity, days=days)
                found.append(replace_plan(plan, quantity=quantity))
    for place, other_plan in enumerate(found, 1):
        contradicts = (is_sided and other_plan is turned) or (
            is_dated and other_plan.quantity.days != plan.quantity.days
        )
        yield PossiblePlan(other_plan, certainty * 0.5**place, not contradicts)


def replace_plan(plan: Plan, **changes: Any) -> Plan:
    """``plan`` with some slots filled otherwise."""
    return Plan(**{name: getattr(plan, name) for name in plan.__struct_fields__} | changes)


@dataclass
class _Parts:
    """A prompt taken apart."""

    main: list[Token]
    condition: list[Token] = field(default_factory=list)
    is_excluded: bool = False
    scope: Any = "market"
    smoothing: int = 0
    has_risk: bool = False
    risk_said: int = 0

    @classmethod
    def of(cls, tokens: Sequence[Token]) -> "_Parts":
        parts = cls(_windowed(tokens))
        parts._take_scope()
        parts._take_smoothing()
        parts._take_risk()
        parts._take_condition()
        return parts

    def _take_scope(self) -> None:
        for place, token in enumerate(self.main):
            if levels := token.values("scope"):
                self.scope = levels[-1] if "sub" in token.text else levels[0]
                self.main[place] = Token(token.text)

    def _take_smoothing(self) -> None:
        for place, token in enumerate(self.main):
            if not token.has("joint", "smooth"):
                continue
            after = _days_in(self.main, range(place + 1, min(place + 8, len(self.main))))
            before = _days_in(self.main, range(place - 1, max(place - 5, -1), -1))
            near = (*after[:1], *before[:1], None)[0]
            if near is None and "turnover" in token.text:
                continue
            self.smoothing = self.smoothing or (
                self.main[near].values("days")[0] if near is not None else _SOON
            )
            self.main[place] = Token(token.text)
            if near is not None:
                self.main[near] = Token(self.main[near].text)
                break
        if self.smoothing == 1:
            self.smoothing = 0

    def _take_risk(self) -> None:
        for place, token in enumerate(self.main):
            if token.has("joint", "risk"):
                self.has_risk = True
                inside = re.search(r"<(\d+)>", token.text)
                if inside is not None:
                    self.risk_said = int(inside[1])
                    self.main[place + 1] = Token("")  # the duration that ``_split`` took out
                elif (
                    after := _days_in(self.main, range(place + 1, min(place + 3, len(self.main))))
                ) and not (after[0] + 1 < len(self.main) and self.main[after[0] + 1].has("growth")):
                    self.risk_said = self.main[after[0]].values("days")[0]
                    self.main[after[0]] = Token("")
                self.main[place] = Token(token.text)

    def risk_days(self, quantity: Quantity) -> int:
        """Over which days risk is measured: as said, else those of what it is set against."""
        if not self.has_risk:
            return 0
        days = self.risk_said or max(quantity.days, quantity.longer)
        return days if days >= 10 else 20

    def _take_condition(self) -> None:
        for place, token in enumerate(self.main):
            starts = [how for how in ("unless", "only") if token.has("joint", how)]
            if token.text == "only" and (
                place + 1 == len(self.main) or self.main[place + 1].has("stop")
            ):
                self._take_last(place)
                return
            if not starts:
                continue
            end = _clause_end(self.main, place + 1, is_first=place == 0)
            clause = self.main[place + 1 : end]
            rest = self.main[:place] + self.main[end:]
            one, other = measured(rest), measured(clause)
            if (
                one is None
                or other is None
                or one.certainty < 0.7
                or one.quantity.measure == other.quantity.measure
            ):
                continue
            self.condition, self.is_excluded = clause, starts[0] == "unless"
            self.main = rest
            return

    def _take_last(self, end: int) -> None:
        """A condition before its "only", as in "momentum in calm stocks only"."""
        for place in range(end - 1, -1, -1):
            if self.main[place].text in _BEFORE_LAST:
                clause, rest = (
                    self.main[place + 1 : end],
                    [*self.main[:place], *self.main[end + 1 :]],
                )
                if measured(clause) is not None and measured(rest) is not None:
                    self.condition, self.main = clause, rest
                    return


_BEFORE_LAST = ("in", "on", "for", "among", "within", "with", "during", ",", "(", ";")


def _windowed(tokens: Sequence[Token]) -> list[Token]:
    """An "over" that only leads to a duration compares nothing: "volatility over 60 days"."""
    found = list(tokens)
    for place, token in enumerate(tokens[:-1]):
        ahead = [each for each in tokens[place + 1 : place + 4] if each.text not in ("last", "a")]
        if token.text != "over" or not ahead or not ahead[0].has("days"):
            continue
        is_second = place > 0 and (tokens[place - 1].has("days") or tokens[place - 1].has("vague"))
        is_noun = len(ahead) > 1 and (ahead[1].has("mark") or ahead[1].has("series"))
        if not is_second and not is_noun:
            found[place] = Token("during")
    return found


def _clause_end(tokens: Sequence[Token], start: int, is_first: bool) -> int:
    for place in range(start, len(tokens)):
        if tokens[place].has("joint", "otherwise") or tokens[place].text == "then":
            return place
        if tokens[place].has("stop") and tokens[place].text in ".;:" + "," * is_first:
            return place
        if is_first and tokens[place].has("attitude") and place > start:
            return place
        if tokens[place].text == "," and place > start + 1:
            clause, after = measured(tokens[start:place]), measured(tokens[place + 1 :])
            is_same = (
                clause is not None
                and after is not None
                and clause.quantity.series == after.quantity.series
                and not any(each.has("attitude") for each in tokens[place:])
            )
            if is_first or not is_same:
                return place
    return len(tokens)


def _days_in(tokens: Sequence[Token], places: Iterable[int]) -> list[int]:
    return [place for place in places if tokens[place].has("days")]


def _condition(parts: _Parts) -> Condition | None:
    found = measured(parts.condition) if parts.condition else None
    if found is None:
        return None
    quantity, sign = found.quantity, found.sign * (-1 if parts.is_excluded else 1)
    made = MEASURES[quantity.measure]
    bound, quantile = made.middle, 0.5
    percents = [value for token in parts.condition for value in token.values("number")]
    if any(token.has("mark", "median") for token in parts.condition):
        bound = None
    if percents:
        share = percents[0] / 100
        if quantity.measure in ("to_maximum", "to_high"):
            bound = 1 - share
            sign = -1 if not parts.is_excluded else 1
        elif made.middle == 0.0:
            bound = share if found.sign > 0 else -share
        elif any(token.text in ("top", "largest", "most") for token in parts.condition):
            bound, quantile = None, 1 - share
        elif any(token.text in ("bottom", "smallest", "least") for token in parts.condition):
            bound, quantile = None, share
    return Condition(quantity, sign > 0, bound, quantile)
