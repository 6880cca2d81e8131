"""The curves of one cycle as charts: for its page and for its report. Pure."""

from collections.abc import Mapping

from radiance.web import wording
from radiance.web.charts.lines import Chart, chart

_MOST_POINTS = 500
_ASKED = "The same, without dropout"
_CHARTS = (
    ("loss", "Loss of the new examples, nats per token", ("finetune_loss", "eval_loss"),
     ("New examples", "Held back")),
    ("anchors", "Divergence from the base on anchors, nats", ("anchor_divergence",), ("Anchors",)),
    ("angle", "Angle between the two gradients, degrees", ("angle",), ("Angle",)),
    ("projected", "Share of the step that projection took out", ("projected",), ("Projected",)),
    ("lr", "Learning rate; of a Gauss-Newton step, share of the losses to lose", ("lr",),
     ("Learning rate",)),
    ("norm", "Norm of the gradient", ("gradient_norm",), ("Norm",)),
)  # fmt: skip

Curves = Mapping[str, Mapping[int, float]]
"""By name of the metric, its value by step."""


def draw(
    curves: Curves, has_held_back: bool, beside: Mapping[str, Curves] | None = None
) -> list[Chart]:
    """Every chart of a cycle, also those of which nothing was recorded.

    Args:
        curves: What was recorded.
        has_held_back: Whether new examples were held back from training; else the second loss is of
            the same examples, without dropout.
        beside: Curves of other cycles by what they are called; the first of each chart's is drawn.

    What was measured after the last step is not part of a curve.
    """
    during = _during(curves)
    others = {name: _during(found) for name, found in (beside or {}).items()}
    drawn = [_chart(during, others, *told) for told in _CHARTS]
    if not has_held_back:
        loss = drawn[0]
        loss.series = [_ASKED if name == "Held back" else name for name in loss.series]
        loss.columns = [_ASKED if name == "Held back" else name for name in loss.columns]
    return drawn


def _during(curves: Curves) -> Curves:
    last = steps(curves)
    return {
        name: {step: value for step, value in curve.items() if step <= last}
        for name, curve in curves.items()
    }


def projected_ratio(curves: Curves) -> float | None:
    """The share of the recorded steps of which projection took something out."""
    values = curves.get("projected", {}).values()
    return sum(value > 0 for value in values) / len(values) if values else None


def steps(curves: Curves) -> int:
    """The last step that was recorded; 0 before there was one."""
    return max(curves.get("lr", curves.get("finetune_loss", ())), default=0)


def _chart(
    curves: Curves,
    others: Mapping[str, Curves],
    id: str,
    title: str,
    names: tuple[str, ...],
    labels: tuple[str, ...],
) -> Chart:
    kept = [(curves[name], label) for name, label in zip(names, labels, strict=True)
            if curves.get(name)]  # fmt: skip
    own = len(kept)
    kept += [(other[names[0]], name) for name, other in others.items() if other.get(names[0])]
    at = sorted({step for curve, _ in kept for step in curve})
    stride = max(1, len(at) // _MOST_POINTS)  # a picture shows no more, a page loads no faster
    at = [step for place, step in enumerate(at) if place % stride == 0 or step == at[-1]]
    rows = [[step, *(curve.get(step) for curve, _ in kept)] for step in at]
    sentence = "Nothing was recorded."
    if own:
        # What is nothing but rounding is said as nothing; adding 0 takes the sign from a zero.
        values = [round(value, 7) + 0.0 for _, value in sorted(kept[0][0].items())]
        first, last, most = (wording.number(v) for v in (values[0], values[-1], max(values)))
        took = wording.plural(max(kept[0][0]), "step")
        sentence = f"From {first} to {last} in {took}, at most {most}."
        if min(values) == max(values):
            sentence = f"{first} in each of {took}." if len(values) > 1 else f"{first} in {took}."
    low = None if id == "angle" else 0.0
    return chart(id, title, sentence, "Step", [label for _, label in kept], rows, low=low)
