"""Which examples pull on which anchors: the cosine between their gradients at one adapter.

An example whose gradient points along or against an anchor's moves what that anchor measures; one
that is orthogonal to all of them moves something that no anchor watches.

The gradient is that of the answer's log-odds, the sum over its tokens of log(p / (1 - p)), which
is the loss's with each token's share divided by its error. Of a text that the model knows by heart
the plain loss leaves a residue of a few unsure tokens, which says little of the text: on Ember the
nearest anchor of a known fact was of the fact's own category in 0.39 of the cases by the loss, in
0.71 by the log-odds (56 facts that no anchor lists, 93 anchors in 31 categories).

At a fresh adapter, where B is zero, the gradient of A is zero too and only B's counts, on both
sides alike. Gradients of a large model would not fit in memory side by side, so beyond a limit
they are compared by a count sketch (Charikar, Chen and Farach-Colton, 2002): random signs, then
sums into buckets. That keeps a cosine to about one over the square root of their number, 0.002.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import mlx.core as mx
import numpy as np

from radiance.engine.model.encoding import EncodedExample
from radiance.engine.tasks import Pieces
from radiance.evaluation.evaluator import Measured, ProbeText
from radiance.records import Example
from radiance.training.batches import make_batch
from radiance.training.gradient import GradientComputer

BUCKETS = 262_139  # a prime, so that no width of a layer divides it and like places do not collide
_SEED = 0
_LEAST_ERROR = 1e-4  # below it float32 gives a gradient's direction no digits


@dataclass(frozen=True)
class Pull:
    """How one example pulls on one anchor.

    Attributes:
        anchor_id: The anchor, or a window of it.
        cosine: In [-1, 1]; below zero they want opposite changes.
    """

    anchor_id: str
    context: str
    cosine: float


@dataclass(frozen=True)
class Covered:
    """What one example pulls on.

    Attributes:
        pulls: Strongest first, either way; empty where there are no anchors.
    """

    example: Example
    pulls: tuple[Pull, ...]

    @property
    def highest(self) -> float:
        """The highest absolute cosine with any anchor, in [0, 1]."""
        return abs(self.pulls[0].cosine) if self.pulls else 0.0


def measure(
    gradient_computer: GradientComputer,
    vector: mx.array,
    examples: Sequence[EncodedExample],
    anchors: Sequence[EncodedExample],
    buckets: int = BUCKETS,
) -> Pieces[np.ndarray]:
    """Cosine between the log-odds gradients of each example and each anchor.

    Yields None between pieces, and Measured as it goes on.

    Args:
        gradient_computer: Of the model that the adapter is for.
        vector: The adapter, (parameters,) float32.
        examples: What was learned.
        anchors: What is held.
        buckets: Longer gradients are sketched to so many numbers.

    Returns:
        (examples, anchors) float32; 0 where a gradient is zero.
    """
    if not anchors:
        return np.zeros((len(examples), 0), dtype=np.float32)
    total = len(examples) + len(anchors)
    signs = _signs(vector.size, buckets)
    held, pulls = [], []
    for done, text in enumerate([*anchors, *examples], start=1):
        gradient = yield from _log_odds_gradient(gradient_computer, vector, text)
        direction = _direction(gradient, signs)
        if done <= len(anchors):
            mx.eval(direction)
            held.append(direction)
        else:
            pulls.append(np.array(mx.stack(held) @ direction))
        yield Measured(done, total)
    cosines = np.array(pulls, dtype=np.float32).reshape(len(examples), len(anchors))
    return np.clip(cosines, -1, 1)


def strongest(cosines: np.ndarray, anchors: Sequence[ProbeText], count: int) -> tuple[Pull, ...]:
    """The anchors that one example, (anchors,), pulls on most, either way; strongest first."""
    order = np.argsort(-np.abs(cosines), kind="stable")[:count]
    return tuple(
        Pull(anchors[place].example.example_id, anchors[place].group, float(cosines[place]))
        for place in order
    )


def _log_odds_gradient(
    gradient_computer: GradientComputer, vector: mx.array, text: EncodedExample
) -> Pieces[mx.array]:
    """Gradient of minus the text's log-odds, (parameters,)."""
    batch = make_batch([text])
    losses, _ = yield from gradient_computer.target_losses(vector, batch)
    errors = mx.maximum(-mx.expm1(-losses), _LEAST_ERROR)  # 1 - p of each target
    weighted = replace(batch, weights=batch.weights / errors)
    _, gradient = yield from gradient_computer.gradient(vector, weighted)
    return gradient


def _signs(size: int, buckets: int) -> mx.array | None:
    """One random sign per parameter, padded to whole rows of buckets; None: no sketch is needed."""
    if size <= buckets:
        return None
    rows = -(-size // buckets)
    drawn = mx.random.bernoulli(0.5, (rows, buckets), key=mx.random.key(_SEED))
    return mx.where(drawn, mx.array(1, mx.int8), mx.array(-1, mx.int8))


def _direction(gradient: mx.array, signs: mx.array | None) -> mx.array:
    """The gradient, sketched or whole, at length 1; zero stays zero."""
    if signs is not None:
        padded = mx.pad(gradient, (0, signs.size - gradient.size))
        gradient = (padded.reshape(signs.shape) * signs).sum(axis=0)
    length = mx.linalg.norm(gradient)
    return mx.where(length > 0, gradient / mx.maximum(length, 1e-30), mx.zeros_like(gradient))
