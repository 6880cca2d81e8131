"""From single probes to a checkpoint's report. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from radiance.evaluation import metrics
from radiance.records import Probe, TaskAccuracy
from radiance.registry.evaluations import task_accuracies

_Field = Literal["loss", "parent_loss", "base_loss", "kl_base", "kl_parent"]


@dataclass(frozen=True)
class Past:
    """What was measured of the checkpoints that a candidate descends from.

    Attributes:
        lineage: Their ids, oldest first.
        accuracies: Of the accuracy matrix their places on what they learned, and of each task the
            best.
    """

    lineage: tuple[str, ...] = ()
    accuracies: tuple[TaskAccuracy, ...] = ()


def stats(
    learned: Sequence[Probe],
    held_back: Sequence[Probe],
    anchors: Sequence[Probe],
    recalled: Sequence[Probe],
    past: Past,
    overwritten: int = 0,
) -> dict[str, float | None]:
    """The fields of a report, see ``EvalReport``; None where there is nothing to measure.

    Args:
        learned: The new examples; none where the base is measured.
        held_back: New examples that were not trained; may be empty.
        anchors: May be empty.
        recalled: Earlier examples that are still valid; may be empty.
        past: What was measured of its ancestors.
        overwritten: How many anchors are.
    """
    forgetting_loss = token_mean(anchors, "loss")
    base_loss = token_mean(anchors, "base_loss")
    return {
        "finetune_loss": token_mean(learned, "loss"),
        "eval_loss": token_mean(held_back or learned, "loss"),
        "forgetting_loss": forgetting_loss,
        "anchor_ce_delta": None
        if forgetting_loss is None or base_loss is None
        else forgetting_loss - base_loss,
        "retention_score": exact_share([probe for probe in anchors if probe.was_exact_in_base]),
        "forgetting_kl": token_mean(anchors, "kl_base"),
        "drift_loss": token_mean(anchors, "kl_parent"),
        "new_exact": exact_share(learned),
        "recall_exact": exact_share(recalled),
        "recall_loss": token_mean(recalled, "loss"),
        "overwritten": overwritten if anchors or overwritten else None,
        **_transfer(learned, recalled, past),
    }


def token_mean(probes: Sequence[Probe], field: _Field) -> float | None:
    """Mean over completion tokens, in nats; None of no probes."""
    tokens = sum(probe.tokens for probe in probes)
    if not tokens:
        return None
    return sum(getattr(probe, field) * probe.tokens for probe in probes) / tokens


def exact_share(probes: Sequence[Probe]) -> float | None:
    """Share answered exactly, in [0, 1]; None of no probes."""
    return sum(probe.is_exact for probe in probes) / len(probes) if probes else None


def _transfer(
    learned: Sequence[Probe], recalled: Sequence[Probe], past: Past
) -> dict[str, float | None]:
    now = "now"  # the candidate stands for itself: no checkpoint has such an id
    updates = {checkpoint: row for row, checkpoint in enumerate([*past.lineage, now])}
    measured = task_accuracies(now, learned, recalled)
    tasks = {row.task: column for column, row in enumerate(measured)}
    taught = np.array([updates[task] for task in tasks], dtype=np.int64)
    matrix = np.full((len(updates), len(tasks)), np.nan)
    rows = [*past.accuracies, *measured]
    for row in rows:
        if row.task in tasks:
            matrix[updates[row.checkpoint_id], tasks[row.task]] = row.accuracy
    later = [row for row in rows if row.task == row.checkpoint_id and updates[row.task] > 0]
    return {
        "acc": metrics.average_accuracy(matrix),
        "bwt": metrics.backward_transfer(matrix, taught),
        "fwt": metrics.forward_transfer(
            np.array([row.parent_accuracy for row in later]),
            np.array([row.base_accuracy for row in later]),
        ),
        "forgetting": metrics.forgetting(matrix, taught),
    }
