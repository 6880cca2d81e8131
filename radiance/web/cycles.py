"""One cycle of training: loss, anchors, projection and learning rate, step by step."""

import msgspec
from starlette.requests import Request

from radiance.api.info import training_progress
from radiance.api.rooms import Rooms
from radiance.errors import CorruptCheckpoint, NotFound
from radiance.web import words
from radiance.web.charts import chart
from radiance.web.pages import Data, Page

_PER_PAGE = 30
_MOST_POINTS = 500
_CHARTS = (
    ("loss", "Loss of the new examples, nats per token", ("finetune_loss", "eval_loss"),
     ("New examples", "Held back")),
    ("anchors", "Divergence from the base on anchors, nats", ("anchor_divergence",), ("Anchors",)),
    ("angle", "Angle between the two gradients, degrees", ("angle",), ("Angle",)),
    ("projected", "Share of the step that projection took out", ("projected",), ("Projected",)),
    ("lr", "Learning rate", ("lr",), ("Learning rate",)),
    ("norm", "Norm of the gradient", ("gradient_norm",), ("Norm",)),
)  # fmt: skip


def describe(rooms: Rooms, _: Request) -> Data:
    """The running cycle and the newest that ended."""
    return {
        "progress": training_progress(rooms),
        "preparing": rooms.pipeline.preparing,
        "checkpoints": [
            msgspec.to_builtins(c) for c in rooms.registry.all(_PER_PAGE) if c.cycle_id
        ],
    }


def describe_one(rooms: Rooms, request: Request) -> Data:
    """All curves of one cycle; those of the running one as far as they were saved."""
    given = request.path_params["cycle_id"]
    cycle_id = int(given) if given.isdecimal() and len(given) < 19 else 0
    progress = training_progress(rooms)
    is_running = progress is not None and progress["cycle_id"] == cycle_id
    jobs = rooms.jobs.of_cycle(cycle_id)
    if not jobs:
        raise NotFound(
            f"There is no cycle {given!r}.",
            field="cycle_id",
            value=given,
            remedy="Use one that the page of cycles lists.",
        )
    made = next((job.checkpoint or job.rejected_checkpoint for job in jobs), None)
    manifest = None
    if made is not None:
        try:
            manifest = msgspec.to_builtins(rooms.registry.manifest(made))
        except CorruptCheckpoint:
            manifest = None
    curves = {
        name: {p.step: p.value for p in rooms.curves.of_cycle(cycle_id, name)}
        for _, _, names, _ in _CHARTS
        for name in names
    }
    projected = list(curves["projected"].values())
    return {
        "cycle_id": cycle_id,
        "progress": progress if is_running else None,
        "jobs": [msgspec.to_builtins(job) for job in jobs],
        "checkpoint": made,
        "manifest": manifest,
        "steps": max(curves["finetune_loss"], default=0),
        "projected_ratio": sum(v > 0 for v in projected) / len(projected) if projected else None,
        "charts": [_chart(curves, *told) for told in _CHARTS],
    }


def _chart(
    curves: dict[str, dict[int, float]],
    id: str,
    title: str,
    names: tuple[str, ...],
    labels: tuple[str, ...],
) -> Data:
    kept = [(name, label) for name, label in zip(names, labels, strict=True) if curves[name]]
    steps = sorted({step for name, _ in kept for step in curves[name]})
    stride = max(1, len(steps) // _MOST_POINTS)  # a picture shows no more, a page loads no faster
    steps = [step for place, step in enumerate(steps) if place % stride == 0 or step == steps[-1]]
    rows = [[step, *(curves[name].get(step) for name, _ in kept)] for step in steps]
    sentence = "Nothing was recorded."
    if kept:
        values = [value for _, value in sorted(curves[kept[0][0]].items())]
        sentence = (
            f"From {words.number(values[0])} to {words.number(values[-1])} in"
            f" {words.plural(steps[-1], 'step')}, at most {words.number(max(values))}."
        )
    return chart(id, title, sentence, "Step", [label for _, label in kept], rows)


LIST = Page(
    path="/cycles",
    title="Cycles",
    template="cycles.html",
    describe=describe,
    topics=("cycle", "checkpoints"),
    nav="Cycles",
)
ONE = Page(
    path="/cycles/{cycle_id}",
    title="Cycle",
    template="cycle.html",
    describe=describe_one,
    topics=("cycle", "queue"),
    section="/cycles",
)
