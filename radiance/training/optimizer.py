"""From gradients to the step that is applied: what is weighed, clipped, preconditioned, projected.

It knows flat vectors only: whoever has a loss for new examples and one for anchors can use it, a
language model's adapter as well as a signal model's. ``Optimizer`` is one training; the arithmetic
it is made of (``advance``, ``beyond_rounding``, ``remember``, ``steer``, ``compare``) stands as
functions of their own, which the signal lab maps over many trainings at once.

The proposal's three methods are settings of it. *naive*: the new examples' gradient alone.
*anchor*: plus the weighted gradient of the anchor loss. *anchor+projection*: and what would still
move against the anchors' average gradient is taken out of the step. The anchors' gradient alone
would hold nothing at the start, where the divergence from the reference has its minimum and its
gradient is zero; hence always the term as well.

AdamW is written out here rather than taken from ``mlx.optimizers``, which applies the step that it
computes: ours is projected before it is applied, and the projection never enters the moments.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import mlx.core as mx
import numpy as np

from radiance import config
from radiance.training.projection import project, project_all

BETA1, BETA2, _EPSILON = 0.9, 0.999, 1e-8
MEMORY = 0.8
"""Of the anchors' average gradient: one micro-batch is too noisy a constraint."""
_DUAL_RATE = 0.1
_DUAL_RANGE = 100.0  # the weight stays within its first value times or by this
_TINY = 1e-12
_ROUNDING = 1e-6  # of the new examples' gradient


@dataclass(frozen=True)
class StepReport:
    """What one step was made of.

    Attributes:
        gradient_norm: Of the combined gradient, before clipping.
        angle: Between the new examples' and the anchors' gradient, in degrees: over 90 they
            conflict. None without anchors.
        projected: Share of the step's length that was taken out, in [0, 1].
        distortion: 1 - cosine between the step before and after projection, in [0, 2].
        anchor_weight: Weight of the anchor term; 1 where it is a constraint.
    """

    gradient_norm: float
    angle: float | None
    projected: float
    distortion: float
    anchor_weight: float


class Optimizer:
    """The optimizer of one training: AdamW (Loshchilov & Hutter, 2019) with anchors.

    Args:
        size: Number of parameters.
        contexts: Names of the anchors' contexts; one constraint each where they are separate.
        null_space: What is left of a vector where steps may go; None: they may go anywhere.
        rates: Each number's learning rate as a multiple of a step's, (size,) float32, as LoRA+
            (Hayou et al., 2024) gives B a higher one than A; None: all have one.
    """

    def __init__(
        self,
        size: int,
        training: config.TrainingSettings,
        anchor: config.AnchorSettings,
        contexts: tuple[str, ...] = (),
        null_space: Callable[[mx.array], mx.array] | None = None,
        rates: mx.array | None = None,
    ) -> None:
        self._training, self._anchor = training, anchor
        self._null_space, self._rates = null_space, rates
        self._projects = anchor.method == "anchor+projection"
        self._separate = anchor.constraints == "contexts" and len(contexts) > 1
        self._row = {name: row for row, name in enumerate(contexts)} if self._separate else {}
        self._mean, self._square = mx.zeros(size), mx.zeros(size)
        self._constraints = mx.zeros((max(1, len(self._row)), size))
        self._weight = anchor.weight
        self._kl = float("nan")
        self._angle: float | None = None
        self._advance = mx.compile(advance)

    def combine(
        self,
        gradient: mx.array,
        anchor_gradient: mx.array | None,
        divergence: float = 0.0,
        every: int = 1,
        context: str = "",
    ) -> mx.array:
        """The new examples' gradient and the anchors', weighed.

        Args:
            gradient: Of the mean loss of new (and replayed) examples, (parameters,).
            anchor_gradient: Of the mean divergence on some anchors; None: none this step.
            divergence: That mean divergence, in nats per token; steers the weight under a budget.
            every: Steps that this anchor gradient stands for.
            context: The context these anchors are from, where contexts are separate constraints.
        """
        if anchor_gradient is None:
            return gradient
        anchor_gradient = beyond_rounding(anchor_gradient, gradient)
        self._angle = to_degrees(cast(float, cosine(gradient, anchor_gradient).item()))
        self._remember(anchor_gradient, context)
        self._steer(divergence)
        if self._projects and self._anchor.project == "gradient":
            gradient = self._harmless(gradient)
        return gradient + (self._weight * every) * anchor_gradient

    def step(
        self, vector: mx.array, gradient: mx.array, number: int, lr: float
    ) -> tuple[mx.array, StepReport]:
        """Take a step.

        Args:
            vector: The parameters, (parameters,) float32.
            gradient: From ``combine``.
            number: Of the step, from 1, for bias correction.
            lr: Learning rate of this step.

        Returns:
            The new parameters, evaluated, and what the step was made of.
        """
        correction = (1 - BETA1**number, 1 - BETA2**number)
        scalars = (lr, self._training.max_grad_norm, self._training.weight_decay, *correction)
        step, self._mean, self._square, norm = self._advance(
            vector, gradient, self._mean, self._square, mx.array(scalars)
        )
        step = step if self._rates is None else step * self._rates
        applied = step if self._null_space is None else self._null_space(step)
        if self._projects and self._anchor.project == "update" and self._angle is not None:
            applied = self._harmless(applied)
        vector = vector - applied
        products = compare(step, applied)
        mx.eval(vector, self._mean, self._square, self._constraints, norm, products)
        projected, distortion = shape_of(*cast(list[float], products.tolist()))
        report = StepReport(
            gradient_norm=cast(float, norm.item()),
            angle=self._angle,
            projected=projected,
            distortion=distortion,
            anchor_weight=self._weight,
        )
        return vector, report

    def save(self) -> dict[str, np.ndarray]:
        """All that a resumed training needs to go on bit for bit."""
        angle = float("nan") if self._angle is None else self._angle
        return {
            "m": np.array(self._mean),
            "v": np.array(self._square),
            "constraints": np.array(self._constraints),
            "steering": np.array([self._weight, self._kl, angle], dtype=np.float64),
        }

    def restore(self, saved: dict[str, np.ndarray]) -> None:
        """Take up what ``save`` gave.

        Raises:
            ValueError: It is of another number of parameters.
        """
        if saved["m"].shape != self._mean.shape:
            raise ValueError(f"moments of {saved['m'].size} parameters, not {self._mean.size}")
        self._mean, self._square = mx.array(saved["m"]), mx.array(saved["v"])
        self._constraints = mx.array(saved["constraints"])
        self._weight, self._kl, angle = (float(value) for value in saved["steering"])
        self._angle = None if math.isnan(angle) else angle

    def _remember(self, gradient: mx.array, context: str) -> None:
        """Average the anchors' gradients over time: (contexts, parameters), or one row for all.

        Only their part where steps may go: projecting by it leads no step out of there.
        """
        if self._null_space is not None:
            gradient = self._null_space(gradient)
        row = self._row.get(context, 0)
        new = remember(self._constraints[row], gradient)
        if len(self._constraints) == 1:
            self._constraints = new[None]
        else:
            self._constraints = mx.concatenate(
                [self._constraints[:row], new[None], self._constraints[row + 1 :]]
            )

    def _harmless(self, step: mx.array) -> mx.array:
        if self._separate:
            return project_all(step, self._constraints)
        return project(step, self._constraints[0])

    def _steer(self, divergence: float) -> None:
        budget, start = self._anchor.budget, self._anchor.weight
        if budget:
            self._weight, self._kl = steer(self._weight, self._kl, divergence, budget, start)


def beyond_rounding(anchor_gradient: mx.array, gradient: mx.array) -> mx.array:
    """The anchors' gradient, (parameters,); zero where it is so short that it is rounding.

    At the start nothing has diverged, and its direction is chance: projected by, it would turn the
    whole step.
    """
    held, new = (anchor_gradient * anchor_gradient).sum(), (gradient * gradient).sum()
    return mx.where(held <= _ROUNDING**2 * new, 0.0, anchor_gradient)


def steer(
    weight: float, average: float, divergence: float, budget: float, start: float
) -> tuple[float, float]:
    """Dual ascent in the log of the anchors' weight: over the budget it grows, under it shrinks.

    Args:
        weight: As it is.
        average: The divergence averaged over time; NaN before the first.
        divergence: On this step's anchors.
        budget: What the divergence may be.
        start: The weight at first; it stays within a hundred times of it.

    Returns:
        The new weight and the new average.
    """
    new = math.isnan(average)
    average = divergence if new else MEMORY * average + (1 - MEMORY) * divergence
    excess = max(-1.0, min(1.0, average / budget - 1))
    weight = weight * math.exp(_DUAL_RATE * excess)
    return max(start / _DUAL_RANGE, min(start * _DUAL_RANGE, weight)), average


def remember(old: mx.array, gradient: mx.array) -> mx.array:
    """The anchors' gradient averaged over time, (parameters,); ``old`` is zero before the first."""
    is_first = (old * old).sum() == 0
    return mx.where(is_first, gradient, MEMORY * old + (1 - MEMORY) * gradient)


def compare(step: mx.array, applied: mx.array) -> mx.array:
    """The step's square, the applied step's square, and their product, (3,); for ``shape_of``."""
    return mx.stack([(step * step).sum(), (applied * applied).sum(), (step * applied).sum()])


def shape_of(before: float, after: float, both: float) -> tuple[float, float]:
    """``StepReport``'s projected and distortion, from what ``compare`` gave."""
    projected = math.sqrt(max(0.0, before - 2 * both + after) / (before + _TINY))
    return projected, 1 - both / (math.sqrt(before * after) + _TINY) if after else 1.0


def advance(
    vector: mx.array, gradient: mx.array, mean: mx.array, square: mx.array, scalars: mx.array
) -> tuple[mx.array, mx.array, mx.array, mx.array]:
    """Clip and precondition; what is to be subtracted, the moments, the norm before clipping."""
    lr, max_norm, decay, correction1, correction2 = (scalars[i] for i in range(5))
    norm = mx.sqrt((gradient * gradient).sum())
    gradient = gradient * mx.minimum(1.0, max_norm / (norm + 1e-6))
    mean = BETA1 * mean + (1 - BETA1) * gradient
    square = BETA2 * square + (1 - BETA2) * gradient * gradient
    direction = (mean / correction1) / (mx.sqrt(square / correction2) + _EPSILON)
    return lr * (direction + decay * vector), mean, square, norm


def cosine(a: mx.array, b: mx.array) -> mx.array:
    """Between two vectors; 0 where one of them is zero."""
    lengths = mx.sqrt((a * a).sum() * (b * b).sum())
    return (a * b).sum() / (lengths + _TINY)


def to_degrees(cosine: float) -> float:
    """The angle whose cosine that is."""
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))
