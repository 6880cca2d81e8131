"""What a training step is, whichever way it is taken."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import mlx.core as mx
import numpy as np

from radiance.engine.tasks import Pieces
from radiance.errors import Diverged
from radiance.training.optimizer import StepReport
from radiance.training.row_draw import RowDraw


@dataclass(frozen=True)
class StepTaken:
    """One optimizer step was taken.

    Attributes:
        finetune_loss: Cross-entropy per completion token of this step's batch, in nats.
        anchor_divergence: From the reference, per token of this step's anchors, in nats; None
            where the step had none.
        lr: Its learning rate; of a Gauss-Newton step the share of their losses that rows are to
            lose.
        report: What the step was made of.
        tokens: Of its batches, anchors among them, without padding.
    """

    step: int
    finetune_loss: float
    anchor_divergence: float | None
    lr: float
    report: StepReport
    tokens: int


class Moved(NamedTuple):
    """Where a step led.

    Attributes:
        vector: The adapter, (parameters,) float32; evaluated.
        taken: The step.
        expected: Loss that its examples are expected to have there, in nats.
    """

    vector: mx.array
    taken: StepTaken
    expected: float


class Steps(Protocol):
    """Takes the steps of one training.

    Attributes:
        most_cooldown: Steps in which what was moved settles once the examples are known, at most.
        wordings: Rows in other words that each new example has in a step, beside its own.
    """

    most_cooldown: int
    wordings: int

    def take(self, vector: mx.array, step: int, draw: RowDraw, rate_share: float) -> Pieces[Moved]:
        """Take a step.

        Args:
            vector: The adapter, (parameters,) float32.
            step: How many were taken before.
            draw: Its rows.
            rate_share: Of the learning rate what is left while it cools down; else 1.

        Raises:
            Diverged: A loss or gradient is not finite, or the loss is too high.
        """
        ...

    def save(self) -> dict[str, np.ndarray]:
        """All that a resumed training needs to go on bit for bit."""
        ...

    def restore(self, saved: Mapping[str, np.ndarray]) -> None:
        """Take up what ``save`` gave."""
        ...


def check_loss(step: int, loss: float, most: float, remedy: str) -> None:
    """Refuse a loss that is not finite or too high.

    Args:
        step: Its number, from 1.
        loss: In nats per token.
        most: ``training.max_loss``.
        remedy: What a person may do.

    Raises:
        Diverged: It is.
    """
    if not math.isfinite(loss):
        raise Diverged(f"step {step}: loss {loss:g}: not finite. {remedy}")
    if loss > most:
        raise Diverged(
            f"step {step}: loss {loss:.3g} is above training.max_loss ({most:g}). {remedy}"
        )


def check_norm(step: int, loss: float, norm: float, remedy: str) -> None:
    """Refuse a gradient that is not finite, by its norm; see ``check_loss``."""
    if not math.isfinite(norm):
        raise Diverged(f"step {step}: loss {loss:g}, gradient norm {norm:g}: not finite. {remedy}")
