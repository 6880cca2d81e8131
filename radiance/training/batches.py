"""Examples to padded arrays, in an order that follows from the seed and the step alone.

The loss is computed on completion tokens only, so a batch lists just the positions whose hidden
state predicts one: the output head, most of the cost on a small model, never sees a prompt token.
Lengths are rounded up to a bounded set of sizes, because every new shape costs memory for ever.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import mlx.core as mx
import numpy as np

from radiance.engine.model.encoding import EncodedExample
from radiance.engine.tasks import T


@dataclass(frozen=True)
class Reference:
    """What a model gave at each target of an example: its likeliest tokens and all the rest.

    Attributes:
        tokens: (targets, k) int32: the k likeliest tokens.
        log_probs: (targets, k) float32: their log-probabilities, in nats.
        tail: (targets,) float32: log of the probability mass outside them.
    """

    tokens: np.ndarray
    log_probs: np.ndarray
    tail: np.ndarray


@dataclass(frozen=True)
class TrainingBatch:
    """Some examples, padded.

    Attributes:
        tokens: (batch, sequence) int32, padded with 0 on the right.
        positions: (n,) int32: places in the flattened batch whose hidden state predicts a target.
        targets: (n,) int32: the tokens to predict.
        weights: (n,) float32: 1 for a target, 0 for padding.
        owners: (n,) which example of the batch each target belongs to; -1 for padding. NumPy.
        reference: Outputs to stay close to, arrays (n, k), (n, k) and (n,); None: there are none.
        reference_weights: (n,) float32: weight of each target's divergence from its reference.
        token_count: Tokens without padding, of a whole batch; 0 in a part of one.
    """

    tokens: mx.array
    positions: mx.array
    targets: mx.array
    weights: mx.array
    owners: np.ndarray
    reference: tuple[mx.array, mx.array, mx.array] | None = None
    reference_weights: mx.array | None = None
    token_count: int = 0

    @property
    def target_count(self) -> int:
        return int((self.owners >= 0).sum())


@dataclass(frozen=True)
class BatchPart:
    """Some rows of a batch.

    Attributes:
        batch: They alone.
        places: (m,) where each of its targets stands among the whole batch's; padding has none.
    """

    batch: TrainingBatch
    places: np.ndarray


def part_of(batch: TrainingBatch, number: int, count: int) -> BatchPart | None:
    """Every ``count``-th row from ``number`` on; None where there is none.

    Losses and gradients are sums over targets, so those of all parts add up to the whole's.
    """
    tokens = np.array(batch.tokens)
    rows = np.arange(len(tokens))[number::count]
    places = np.flatnonzero(np.isin(batch.owners, rows))
    if not len(places):
        return None
    width = tokens.shape[1]
    positions = np.array(batch.positions)[places]
    owners = batch.owners[places] // count  # row number + i * count is row i of the part
    padding = round_up(len(places)) - len(places)

    def padded(array: mx.array) -> mx.array:
        chosen = np.array(array)[places]
        return mx.array(np.pad(chosen, [(0, padding), *[(0, 0)] * (chosen.ndim - 1)]))

    reference = batch.reference
    return BatchPart(
        TrainingBatch(
            tokens=mx.array(tokens[rows]),
            positions=mx.array(
                np.pad(owners * width + positions % width, (0, padding)).astype(np.int32)
            ),
            targets=padded(batch.targets),
            weights=padded(batch.weights),
            owners=np.pad(owners, (0, padding), constant_values=-1),
            reference=None
            if reference is None
            else (padded(reference[0]), padded(reference[1]), padded(reference[2])),
            reference_weights=None
            if batch.reference_weights is None
            else padded(batch.reference_weights),
        ),
        places,
    )


def make_batch(
    examples: Sequence[EncodedExample],
    references: Sequence[Reference | None] | None = None,
    weights: Sequence[float] | None = None,
    reference_weight: float = 1.0,
) -> TrainingBatch:
    """Pad examples into one batch. Causal attention makes right padding harmless.

    Args:
        examples: At least one.
        references: For each example what to stay close to, of one k; None: only its tokens count.
        weights: Weight of each example's cross-entropy; None: 1 for all.
        reference_weight: Weight of the divergence, for those that have a reference.
    """
    width = round_up(max(len(e.tokens) for e in examples) - 1)
    tokens = np.zeros((len(examples), width), dtype=np.int32)
    positions: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
    for row, example in enumerate(examples):
        tokens[row, : len(example.tokens) - 1] = example.tokens[:-1]
        for place in range(1, len(example.tokens)):
            if example.is_completion[place]:
                positions.append(row * width + place - 1)
                targets.append(example.tokens[place])
                owners.append(row)
    count = len(targets)
    padding = round_up(count) - count
    own = np.ones(len(examples)) if weights is None else np.array(weights)
    reference, weights_of_reference = _stacked(examples, references, reference_weight, padding)
    return TrainingBatch(
        tokens=mx.array(tokens),
        positions=mx.array(np.array(positions + [0] * padding, dtype=np.int32)),
        targets=mx.array(np.array(targets + [0] * padding, dtype=np.int32)),
        weights=mx.array(np.append(own[owners], np.zeros(padding)).astype(np.float32)),
        owners=np.array(owners + [-1] * padding),
        token_count=sum(len(example.tokens) - 1 for example in examples),
        reference=reference,
        reference_weights=weights_of_reference,
    )


def _stacked(
    examples: Sequence[EncodedExample],
    references: Sequence[Reference | None] | None,
    weight: float,
    padding: int,
) -> tuple[tuple[mx.array, mx.array, mx.array] | None, mx.array | None]:
    """The references of a batch's targets one below the other, padded with weight 0."""
    given = [reference for reference in references or () if reference is not None]
    if not given or references is None:
        return None, None
    k = given[0].tokens.shape[1]
    tokens, log_probs, tails, weights = [], [], [], []
    for example, reference in zip(examples, references, strict=True):
        count = sum(example.is_completion[1:])
        tokens.append(np.zeros((count, k)) if reference is None else reference.tokens)
        log_probs.append(np.zeros((count, k)) if reference is None else reference.log_probs)
        tails.append(np.zeros(count) if reference is None else reference.tail)
        weights.append(np.full(count, 0.0 if reference is None else weight))
    tokens.append(np.zeros((padding, k)))
    log_probs.append(np.zeros((padding, k)))
    tails.append(np.zeros(padding))
    weights.append(np.zeros(padding))
    reference = (
        mx.array(np.concatenate(tokens).astype(np.int32)),
        mx.array(np.concatenate(log_probs).astype(np.float32)),
        mx.array(np.concatenate(tails).astype(np.float32)),
    )
    return reference, mx.array(np.concatenate(weights).astype(np.float32))


def round_up(length: int) -> int:
    """The next size of a bounded set: steps of 8 to 64, then an eighth of the power of two."""
    step = 8 if length <= 64 else 1 << (length - 1).bit_length() - 4
    return -(-length // step) * step


def pick(count: int, size: int, step: int, seed: int) -> list[int]:
    """Which of ``count`` examples the batch of a step holds: shuffled epochs, one after another.

    Stateless, so that a resumed run picks what the uninterrupted one would have picked.

    Args:
        count: Number of examples; at least 1.
        size: Examples per batch.
        step: Number of the batch, from 0.
        seed: Seed of the shuffles.
    """
    picked = []
    for place in range(step * size, (step + 1) * size):
        epoch, index = divmod(place, count)
        picked.append(int(_permutation(count, epoch, seed)[index]))
    return picked


def _permutation(count: int, epoch: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, epoch]).permutation(count)


def spread(items: Sequence[T], most: int) -> Sequence[T]:
    """All of them, or every n-th, so that they are at most so many."""
    return items[:: -(-len(items) // most)] if len(items) > most else items


def by_length(examples: Sequence[EncodedExample], size: int) -> list[list[int]]:
    """Indices in groups of like length, for evaluation, where order does not matter."""
    order = sorted(range(len(examples)), key=lambda index: len(examples[index].tokens))
    return [order[start : start + size] for start in range(0, len(order), size)]
