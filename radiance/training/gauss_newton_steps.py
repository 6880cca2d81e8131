"""Gauss-Newton steps of a training: whether they can be taken, and of which rows."""

from collections.abc import Mapping

import mlx.core as mx
import numpy as np
from msgspec.structs import replace

from radiance import config
from radiance.engine.tasks import Pieces
from radiance.errors import ConfigError
from radiance.training.anchor_draw import AnchorDraw
from radiance.training.batches import make_batch
from radiance.training.gauss_newton import MOST_EXAMPLES, WORDINGS, GaussNewton
from radiance.training.gradient import GradientComputer
from radiance.training.held_metric import held_metric
from radiance.training.lora import LoraModel
from radiance.training.memory import MOST_SHARE, all_bytes
from radiance.training.row_draw import RowDraw
from radiance.training.steps import Moved, StepTaken, check_loss, check_norm
from radiance.training.training_set import TrainingSet, largest_batch

RARER = 2
"""Times as many steps between anchors: the metric knows what is held, and steps are longer."""
_MOST_ROWS = 24  # of new examples in a step; with more each has one row
_LEFT = 0.5  # of the worst loss, by experience, after a step
_REMEDY = 'Set training.optimizer to "adamw".'


def is_possible(settings: config.TrainingSettings, material: TrainingSet) -> bool:
    """Whether a training's steps are Gauss-Newton's.

    Args:
        settings: Of the training.
        material: What it learns from; it says whether rows can be told apart.
    """
    if settings.optimizer == "adamw" or material.null_space is None or not material.output_squares:
        return False
    if settings.grad_accum > 1 or material.replay_outputs:
        return False
    are_few_facts = len(material.new) <= MOST_EXAMPLES and not material.is_task
    return settings.optimizer != "auto" or are_few_facts


def refuse_impossible(
    settings: config.TrainingSettings,
    anchor: config.AnchorSettings,
    gradient_computer: GradientComputer,
    hidden_size: int,
) -> None:
    """Refuse settings that ask for these steps and rule them out.

    Args:
        settings: Of the training.
        anchor: Its anchors', with values in place of "auto".
        gradient_computer: Says whether rows can be told apart.
        hidden_size: Width of the base model.

    Raises:
        ConfigError: They do; it says which, and what to set.
    """
    if settings.optimizer != "gauss_newton":
        return
    reasons = (
        (anchor.method == "naive", 'anchor.method is "naive", which holds nothing'),
        (not anchor.null_space, f"anchor.null_space is off for a base {hidden_size} wide"),
        (settings.dropout > 0, f"training.dropout is {settings.dropout:g}, and must be 0"),
        (settings.grad_accum > 1, f"training.grad_accum is {settings.grad_accum}, and must be 1"),
        (anchor.replay_logits > 0, f"anchor.replay_logits is {anchor.replay_logits:g}, not 0"),
        (
            not gradient_computer.gives_rows,
            "rows cannot be told apart on this base, or over ranks",
        ),
    )
    for is_ruled_out, reason in reasons:
        if is_ruled_out:
            raise ConfigError(
                f'training.optimizer (is "gauss_newton"): {reason}. Change that, or use "auto", '
                'which takes "adamw" then.'
            )


def batch_size(
    settings: config.TrainingSettings,
    anchor: config.AnchorSettings,
    gradient_computer: GradientComputer,
    material: TrainingSet,
) -> int:
    """New examples in each step: all of them, up to 32 that fit the memory.

    What one step does for some of them the next undoes for others: SmolLM2 knows 24 facts after 15
    steps of all, and not after 60 of eight at a time.

    Args:
        settings: Of the training, with values in place of "auto".
        anchor: The same.
        gradient_computer: Says what a step takes of the memory.
        material: What is learned from.
    """
    whole = max(settings.batch_size, min(len(material.new), MOST_EXAMPLES))
    shape = largest_batch(material, replace(settings, batch_size=whole), anchor)
    return whole if _fits(gradient_computer, shape) else settings.batch_size


def _fits(gradient_computer: GradientComputer, shape: tuple[int, int]) -> bool:
    """Whether a batch of this shape would fit if nobody else used memory."""
    needed, most = gradient_computer.step_memory(*shape), all_bytes()
    return needed is None or most is None or needed.total <= most * MOST_SHARE


class GaussNewtonSteps:
    """The steps of one training for which they are possible.

    Args:
        lora: Whose vectors these are.
        gradient_computer: Computes gradients.
        settings: Of the training, with values in place of "auto".
        anchor: The same.
        material: What is learned from; its null space's ``start`` was called.
        start: What that gave, (parameters,) float32.
        anchors: Draws those of a step.
    """

    most_cooldown = 0  # a step is as short as it may be

    def __init__(
        self,
        lora: LoraModel,
        gradient_computer: GradientComputer,
        settings: config.TrainingSettings,
        anchor: config.AnchorSettings,
        material: TrainingSet,
        start: mx.array,
        anchors: AnchorDraw,
    ) -> None:
        self._gradient_computer, self._settings = gradient_computer, settings
        self._anchor, self._material, self._anchors = anchor, material, anchors
        self.wordings = self._affordable(WORDINGS) if settings.reworded_ratio else 0
        assert material.null_space is not None
        metric = held_metric(lora, material.null_space, start, material.output_squares)
        projects = anchor.method == "anchor+projection"
        self._steps = GaussNewton(lora, metric, projects=projects, known=settings.stop_loss)

    def _affordable(self, wordings: int) -> int:
        """As many rows in other words, up to so many, as there is time and memory for."""
        wordings = min(wordings, _MOST_ROWS // len(self._material.new) - 1)
        while wordings > 0:
            shape = largest_batch(self._material, self._settings, self._anchor, wordings)
            if _fits(self._gradient_computer, shape):
                break
            wordings -= 1
        return max(0, wordings)

    def take(self, vector: mx.array, step: int, draw: RowDraw, rate_share: float) -> Pieces[Moved]:
        """See ``Steps.take``; nothing cools down. Expected is the loss of the taught words."""
        steps, most, number = self._steps, self._settings.max_loss, step + 1
        chosen, taught = draw.rows_apart(step)
        divergence, tokens = None, 0
        if (drawn := (yield from self._anchors.of_step(vector, step))) is not None:
            divergence, tokens = drawn.divergence, drawn.tokens
            check_loss(number, divergence, most, _REMEDY)
            steps.take_anchors(drawn.gradient, divergence, drawn.context)
        batch = make_batch(chosen)
        losses = yield from self._gradient_computer.row_gradients(
            vector, batch, steps.columns, steps.take
        )
        mean_loss = float(losses.mean())
        check_loss(number, mean_loss, most, _REMEDY)
        moved, share, report = steps.step(vector, losses)
        check_norm(number, mean_loss, report.gradient_norm, _REMEDY)
        tokens += batch.token_count
        taken = StepTaken(number, mean_loss, divergence, share, report, tokens)
        return Moved(moved, taken, _LEFT * float(losses[taught].max()))

    def save(self) -> dict[str, np.ndarray]:
        """See ``Steps.save``."""
        return self._steps.save()

    def restore(self, saved: Mapping[str, np.ndarray]) -> None:
        """See ``Steps.restore``."""
        self._steps.restore(saved)
