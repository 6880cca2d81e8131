"""AdamW's steps: the gradient of a batch, combined with that of anchors, at a learning rate."""

from collections.abc import Mapping
from typing import cast

import mlx.core as mx
import numpy as np

from radiance import config
from radiance.config.derived import derived
from radiance.engine.tasks import Pieces
from radiance.training.anchor_draw import AnchorDraw
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from radiance.training.nullspace import NullSpace
from radiance.training.optimizer import Optimizer
from radiance.training.row_draw import RowDraw
from radiance.training.steps import Moved, StepTaken, check_loss, check_norm

# Of B to A where both begin: A along what the new texts have of their own, B as zeros that have to
# grow. SmolLM2 learns five facts in 19 steps for 30 and keeps as much; an update that continues
# another takes 36 for 47 and keeps less (bench/LOG.md).
_FIRST_LR_RATIO = 2.0


class AdamWSteps:
    """The steps of one training.

    Args:
        lora: Whose vectors these are.
        gradient_computer: Computes gradients.
        settings: Of the training, with values in place of "auto"; ``lr_ratio`` may be "auto".
        anchor: The same.
        null_space: Where steps may go; None: anywhere. Its ``start`` was called.
        anchors: Draws those of a step.
        is_first: Whether the training starts at the base.
    """

    wordings = 0  # rows take turns in their own and in other words

    def __init__(
        self,
        lora: LoraModel,
        gradient_computer: GradientComputer,
        settings: config.TrainingSettings,
        anchor: config.AnchorSettings,
        null_space: NullSpace | None,
        anchors: AnchorDraw,
        *,
        is_first: bool,
    ) -> None:
        self._gradient_computer, self._settings = gradient_computer, settings
        self._null_space, self._anchors = null_space, anchors
        self._lr = derived(settings.lr)
        self._remedy = f"Lower training.lr (is {self._lr:g})."
        self.most_cooldown = settings.cooldown_steps
        ratio = settings.lr_ratio
        if ratio == "auto":
            ratio = _FIRST_LR_RATIO if null_space is not None and is_first else 1.0
        moved = lora if null_space is None else null_space
        size = lora.size if null_space is None else null_space.size
        self._optimizer = Optimizer(
            size, settings, anchor, anchors.contexts, null_space, _rates(moved, ratio)
        )

    def take(self, vector: mx.array, step: int, draw: RowDraw, rate_share: float) -> Pieces[Moved]:
        """See ``Steps.take``; the learning rate rises at first."""
        settings, number = self._settings, step + 1
        loss, gradient, targets, tokens = mx.array(0.0), mx.zeros_like(vector), 0, 0
        for part in range(settings.grad_accum):
            place = step * settings.grad_accum + part
            key = mx.random.key(settings.seed * 1_000_003 + place + 1)
            for batch in draw.batches(place):
                part_loss, part_gradient = yield from self._gradient_computer.gradient(
                    vector, batch, key
                )
                loss, gradient = loss + part_loss, gradient + part_gradient
                targets += batch.target_count
                tokens += batch.token_count
        mean_loss = cast(float, loss.item()) / targets
        check_loss(number, mean_loss, settings.max_loss, self._remedy)
        drawn = yield from self._anchors.of_step(vector, step)
        gradient = self._movable(self._taught(vector, gradient / targets))
        divergence = None
        if drawn is not None:
            divergence, tokens = drawn.divergence, tokens + drawn.tokens
            check_loss(number, divergence, settings.max_loss, self._remedy)
            of_anchors = self._movable(drawn.gradient)
            gradient = self._optimizer.combine(
                gradient, of_anchors, divergence, drawn.every, drawn.context
            )
        lr = rate_share * self._lr * min(1.0, number / max(1, settings.warmup_steps))
        moved, report = self._optimizer.step(self._movable(vector), gradient, number, lr)
        check_norm(number, mean_loss, report.gradient_norm, self._remedy)
        if self._null_space is not None:
            moved = self._null_space.put(vector, moved)
        mx.eval(moved)
        return Moved(moved, StepTaken(number, mean_loss, divergence, lr, report, tokens), mean_loss)

    def _taught(self, vector: mx.array, gradient: mx.array) -> mx.array:
        """What the examples say of a vector, from their mean gradient there."""
        return gradient

    def _movable(self, vector: mx.array) -> mx.array:
        """Of a flat vector the numbers that a step may move."""
        return vector if self._null_space is None else self._null_space.take(vector)

    def save(self) -> dict[str, np.ndarray]:
        """See ``Steps.save``."""
        return self._optimizer.save()

    def restore(self, saved: Mapping[str, np.ndarray]) -> None:
        """See ``Steps.restore``."""
        self._optimizer.restore(dict(saved))


def _rates(moved: LoraModel | NullSpace, ratio: float) -> mx.array | None:
    """Learning rates of what is moved, as multiples of A's; None: B's is the same."""
    if ratio == 1:
        return None
    shapes = moved.shapes.items()
    parts = [mx.full(a * b, ratio if n.endswith("lora_b") else 1.0) for n, (a, b) in shapes]
    return mx.concatenate(parts)
