"""Steps that what is held does not feel: A moves only outside the span of its layer's inputs.

A layer adds ``scale x A B`` to its output. What moves A orthogonally to an input x leaves ``x A``
as it was, so the inputs that the held texts give to a layer span what A must not move in. Their
smallest subspace with most of their energy is found once per training and taken out of every step.

Sources: Gradient Projection Memory (Saha et al., 2021, equations 5 to 9); for LoRA, InfLoRA (Liang
& Li, 2024), which starts A outside the span too, so that what B learns is not felt either.
"""

from collections.abc import Mapping, Sequence

import mlx.core as mx
import numpy as np

from radiance.engine.adapters.slots import SlotModel, SlotTable
from radiance.engine.model.base import BaseModel
from radiance.engine.model.encoding import EncodedExample
from radiance.engine.tasks import Pieces
from radiance.training.batches import by_length, make_batch
from radiance.training.lora import LoraModel

_ROWS = 16
_MOST_INPUTS = 1024  # per layer, spread over all texts: bounds memory and each decomposition


class NullSpace:
    """What is left of a flat vector outside the kept subspaces.

    Args:
        lora: Whose vectors these are.
        bases: By module path an orthonormal basis of what A must not move in, (d_in, q) float32;
            a layer without one is free.
    """

    def __init__(self, lora: LoraModel, bases: Mapping[str, mx.array]) -> None:
        self._lora = lora
        self.bases = bases

    def __call__(self, step: mx.array) -> mx.array:
        """A step, or a gradient, without A's part in the kept subspaces; B's part is as it was.

        Args:
            step: (parameters,) float32.
        """
        leaves = self._lora.unflatten(step)
        for path, basis in self.bases.items():
            a = leaves[f"{path}.lora_a"]  # (d_in, r)
            leaves[f"{path}.lora_a"] = a - basis @ (basis.T @ a)
        return self._lora.flatten(leaves)

    def start(self, vector: mx.array) -> mx.array:
        """The vector to start from: columns of A that add nothing yet leave the kept subspaces.

        They add nothing where their row of B is zero, as in a fresh adapter or one made larger; the
        rest was learned and stays.

        Args:
            vector: (parameters,) float32.
        """
        leaves, outside = self._lora.unflatten(vector), self._lora.unflatten(self(vector))
        for path in self.bases:
            a, b = leaves[f"{path}.lora_a"], leaves[f"{path}.lora_b"]
            is_idle = (b == 0).all(axis=1)  # (r,)
            leaves[f"{path}.lora_a"] = mx.where(is_idle, outside[f"{path}.lora_a"], a)
        return self._lora.flatten(leaves)


def find_null_space(
    base: BaseModel,
    lora: LoraModel,
    vector: mx.array,
    examples: Sequence[EncodedExample],
    energy: float,
) -> Pieces[NullSpace]:
    """Find what A must not move in, layer by layer. The same texts give the same, bit for bit.

    Args:
        base: Read only.
        lora: Its adapted layers.
        vector: The adapter under which the texts give their inputs, (parameters,) float32.
        examples: The held texts; at least one.
        energy: Share of the inputs' squared length that the subspaces hold, in (0, 1).
    """
    inputs = yield from _inputs(base, lora, vector, examples)
    bases: dict[str, mx.array] = {}
    for paths, rows in inputs.items():
        bases.update(dict.fromkeys(paths, _basis(rows, energy)))
        yield None
    return NullSpace(lora, bases)


class _Recorder(SlotTable):
    """A slot table that remembers what each adapted layer was given last."""

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__()
        self.given = {path: mx.array(0.0) for path in paths}

    def adapt(self, path: str, x: mx.array, y: mx.array) -> mx.array:
        if path in self.given:
            self.given[path] = x
        return super().adapt(path, x, y)


def _inputs(
    base: BaseModel, lora: LoraModel, vector: mx.array, examples: Sequence[EncodedExample]
) -> Pieces[dict[tuple[str, ...], mx.array]]:
    """Inputs (n, d_in) float32 by the layers that are given them: q, k and v have the same.

    On a module tree of its own, so that nothing of the trained one is touched.
    """
    adapter = lora.adapter(vector)
    recorder = _Recorder(list(adapter.pairs))
    model = SlotModel(base.twin(), recorder, base.vocab_size).model
    slot = recorder.fill(adapter)
    total = sum(len(example.tokens) - 1 for example in examples)
    every, seen = -(-total // _MOST_INPUTS), 0
    found: dict[tuple[str, ...], list[mx.array]] = {}
    for group in by_length(examples, _ROWS):
        batch = make_batch([examples[index] for index in group])
        width = batch.tokens.shape[1]
        places = [
            row * width + place
            for row, index in enumerate(group)
            for place in range(len(examples[index].tokens) - 1)
        ]
        chosen = mx.array(places[-seen % every :: every], dtype=mx.int32)
        seen += len(places)
        recorder.route([slot] * len(group))
        model(batch.tokens)
        # Lazy until here: layer after layer is evaluated, and what follows the last one never.
        for paths, x in _distinct(recorder.given):
            rows = x.reshape(-1, x.shape[-1])[chosen].astype(mx.float32)
            mx.eval(rows)
            found.setdefault(paths, []).append(rows)
            yield None
    return {paths: mx.concatenate(rows) for paths, rows in found.items()}


def _distinct(given: Mapping[str, mx.array]) -> list[tuple[tuple[str, ...], mx.array]]:
    """Each array once, with all layers that were given it."""
    paths: dict[int, list[str]] = {}
    for path, x in given.items():
        paths.setdefault(id(x), []).append(path)
    return [(tuple(group), given[group[0]]) for group in paths.values()]


def _basis(inputs: mx.array, energy: float) -> mx.array:
    """Orthonormal basis (d_in, q) of the smallest subspace with a share of the energy; evaluated.

    Args:
        inputs: (n, d_in) float32.
        energy: The share, in (0, 1).
    """
    is_tall = inputs.shape[0] >= inputs.shape[1]
    # Of the smaller Gram matrix: a full SVD takes several times as long. On the CPU, since MLX has
    # no other; NumPy's own threads spin, and beside decoding take some fifty times as long.
    gram = inputs.T @ inputs if is_tall else inputs @ inputs.T
    values, vectors = mx.linalg.eigh(gram, stream=mx.cpu)
    held = np.cumsum(np.maximum(np.array(values, dtype=np.float64)[::-1], 0.0))
    if held[-1] == 0:
        return mx.zeros((inputs.shape[1], 0))
    count = int(np.searchsorted(held, energy * held[-1])) + 1
    basis = vectors[:, ::-1][:, :count]  # the largest first
    if not is_tall:
        basis, _ = mx.linalg.qr(inputs.T @ basis, stream=mx.cpu)
    mx.eval(basis)
    return basis
