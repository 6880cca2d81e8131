"""How well each example is known under an adapter: its loss, and whether it is exact."""

from collections.abc import Sequence
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from radiance.engine.model.encoding import EncodedExample
from radiance.engine.tasks import Pieces
from radiance.training.batches import by_length, make_batch
from radiance.training.gradient import GradientComputer

_EVAL_ROWS = 16


@dataclass(frozen=True)
class ExampleScore:
    """How well one example is known.

    Attributes:
        loss: Mean cross-entropy of its completion tokens, in nats.
        targets: Number of them.
        is_exact: Whether greedy decoding, given the right tokens so far, chooses every one.
    """

    loss: float
    targets: int
    is_exact: bool


def score_examples(
    gradient_computer: GradientComputer, vector: mx.array, examples: Sequence[EncodedExample]
) -> Pieces[list[ExampleScore]]:
    """Score examples under an adapter, without dropout; in the order given."""
    scores: dict[int, ExampleScore] = {}
    for group in by_length(examples, _EVAL_ROWS):
        batch = make_batch([examples[index] for index in group])
        losses, hits = yield from gradient_computer.target_losses(vector, batch)
        values, exact = np.array(losses, dtype=np.float64), np.array(hits)
        for row, index in enumerate(group):
            own = batch.owners == row
            loss, count = float(values[own].mean()), int(own.sum())
            scores[index] = ExampleScore(loss, count, bool(exact[own].all()))
    return [scores[index] for index in range(len(examples))]


def token_mean(scores: Sequence[ExampleScore]) -> float:
    """Cross-entropy per completion token over several examples, in nats."""
    return sum(s.loss * s.targets for s in scores) / sum(s.targets for s in scores)
