"""How much what is held feels of a step: the metric in which Gauss-Newton steps are shortest.

A step dB of a layer adds ``scale x A dB`` to its output. What held texts feel of it is, to second
order, the Fisher information of B: the covariance of ``scale x A`` over their inputs times that of
the gradients by the layer's output, as K-FAC splits it (Martens & Grosse, 2015). The first is kept
whole, a small matrix of A's columns; of the second the mean over outputs alone, which on SmolLM2
held as much as the whole (bench/LOG.md). A is outside what held inputs span (``subspaces``), so
what counts is what they have beyond it.
"""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import mlx.core as mx
import numpy as np

from radiance.engine.model.encoding import EncodedExample
from radiance.engine.tasks import Pieces
from radiance.training.batches import by_length, make_batch, spread
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from radiance.training.nullspace import NullSpace
from radiance.training.reference_cache import UNREADABLE, identity_of, keep_arrays
from radiance.training.row_gradients import Places

_TEXTS, _ROWS = 48, 8
_DAMPING = 0.1  # of the mean over a layer's columns: none is as free as few texts make it look
_LEAST = 1e-12


@dataclass(frozen=True)
class HeldMetric:
    """The metric, and what it is of.

    Attributes:
        columns: By each adapted layer's path which rows of B a step moves.
        roots: By B's name the inverse square root of its metric, (columns, columns) float32.
    """

    columns: Mapping[str, Places]
    roots: Mapping[str, mx.array]


def held_metric(
    lora: LoraModel, null_space: NullSpace, start: mx.array, squares: Mapping[str, float]
) -> HeldMetric:
    """Find the metric of an update.

    Args:
        lora: Its adapted layers.
        null_space: Whose ``start`` was called.
        start: What it gave, (parameters,) float32.
        squares: Of ``output_squares``.
    """
    leaves = lora.unflatten(start)
    columns: dict[str, Places] = {}
    roots: dict[str, mx.array] = {}
    floor = _LEAST + 1e-6 * float(np.median(list(squares.values())))
    for path, felt in squares.items():
        columns[path] = places = null_space.columns.get(path, slice(0, lora.rank))
        a = np.array(leaves[f"{path}.lora_a"][:, places], dtype=np.float64) * lora.scale
        rest = np.array(null_space.rests[path], dtype=np.float64)  # (d_in, k + 1)
        seen = rest[:, :-1].T @ a
        covariance = seen.T @ seen + a.T @ (a * np.square(rest[:, -1:]))
        size = len(covariance)
        mean = max(float(np.trace(covariance)) / size, _LEAST)
        values, vectors = np.linalg.eigh(covariance + _DAMPING * mean * np.eye(size))
        root = (vectors / np.sqrt(values)) @ vectors.T / np.sqrt(max(felt, floor))
        roots[f"{path}.lora_b"] = mx.array(root.astype(np.float32))
    return HeldMetric(columns, roots)


def output_squares(
    gradient_computer: GradientComputer,
    vector: mx.array,
    examples: Sequence[EncodedExample],
    directory: Path | None,
) -> Pieces[dict[str, float]]:
    """By each adapted layer's path the mean squared gradient by its outputs over held texts.

    Args:
        gradient_computer: One that ``gives_rows``.
        vector: The adapter whose behaviour is held, (parameters,) float32.
        examples: The held texts; at least one.
        directory: Where they are kept for the next update over the same weights.
    """
    examples = spread(examples, _TEXTS)
    paths = sorted(gradient_computer.adapted)
    digest = hashlib.sha256(",".join(paths).encode()).hexdigest()[:16]
    name = f"squares-{identity_of(examples)}-{digest}.npz"
    if directory is not None:
        try:
            with np.load(io.BytesIO((directory / name).read_bytes()), allow_pickle=False) as kept:
                values = kept["squares"]
            if values.shape == (len(paths),):
                return dict(zip(paths, values.tolist(), strict=True))
        except UNREADABLE:
            pass
    sums = {path: np.zeros(2) for path in paths}
    for group in by_length(examples, _ROWS):
        batch = make_batch([examples[index] for index in group])
        found = yield from gradient_computer.output_squares(vector, batch)
        for path in paths:
            sums[path] += np.array(found[path], dtype=np.float64)
    squares = {path: float(total / count) for path, (total, count) in sums.items()}
    if directory is not None:
        keep_arrays(directory / name, {"squares": np.array([squares[path] for path in paths])})
    return squares
