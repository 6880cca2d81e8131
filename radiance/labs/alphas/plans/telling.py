"""A plan as a sentence; ``reading`` reads it back as the same plan."""

from radiance.labs.alphas.plans.plan import Condition, Joined, Plan, Quantity
from radiance.labs.alphas.plans.tables import MEASURES, SERIES

_USUAL: dict[tuple[str, str], str] = {
    ("growth", "close"): "{d}-day return",
    ("skipped", "close"): "return from {e} days ago to {d} days ago",
    ("acceleration", "close"): "{d}-day acceleration of price",
    ("deviation", "returns"): "{d}-day volatility",
    ("deviations", "returns"): "{d}-day volatility over its {e}-day volatility",
    ("downside", "returns"): "{d}-day downside volatility",
    ("efficiency", "close"): "{d}-day efficiency ratio",
    ("strength", "close"): "{d}-day RSI",
    ("up_share", "returns"): "{d}-day share of up days",
    ("impact", "mean"): "{d}-day illiquidity",
}
"""Where a measure of a series has a name of its own."""
_JOINT = {
    "times": "weighted by the rank of {q}",
    "plus": "and {side} {q}",
    "minus": "less {q}",
    "over": "divided by {q}",
}


def sentence(plan: Plan) -> str:
    """What the plan does, in one sentence."""
    side = "high" if plan.sign > 0 else "low"
    parts = [f"Buy {side} and sell {'low' if plan.sign > 0 else 'high'} {words(plan.quantity)}"]
    if plan.beyond:
        parts.append(f"flat within {plan.beyond:g} of its middle")
    parts += [_joined(each) for each in plan.joined]
    if plan.risk_days:
        parts.append(f"per unit of {plan.risk_days}-day risk")
    if plan.clip:
        parts.append(f"clipped at {plan.clip:g} standard deviations")
    if plan.scope != "market":
        parts.append(f"relative to the {plan.scope}")
    if plan.condition is not None:
        parts.append(f"only where {_condition(plan.condition)}")
    if plan.smoothing:
        parts.append(f"smoothed over {plan.smoothing} days")
    return ", ".join(parts) + "."


def words(quantity: Quantity) -> str:
    """A quantity's name, as in "20-day mean of volume"."""
    form = _USUAL.get((quantity.measure, quantity.series), MEASURES[quantity.measure].words)
    partner = SERIES[quantity.partner].words if quantity.partner else ""
    return form.format(
        s=SERIES[quantity.series].words, t=partner, d=quantity.days, e=quantity.longer
    )


def _joined(joined: Joined) -> str:
    form = _JOINT[joined.how]
    side = "high" if joined.sign > 0 else "low"
    if joined.how == "times" and joined.sign < 0:
        form = "weighted by the reversed rank of {q}"
    return form.format(q=words(joined.quantity), side=side)


def _condition(condition: Condition) -> str:
    side = "above" if condition.is_above else "below"
    if condition.bound is None and condition.quantile == 0.5:
        bound = "the median"
    elif condition.bound is None:
        bound = f"{condition.quantile:.0%} of the market"
    else:
        bound = f"{condition.bound:g}"
    return f"the {words(condition.quantity)} is {side} {bound}"
