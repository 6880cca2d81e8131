"""The adapter that a whole model is the base with: of each layer the difference, as two factors.

A model that was fused here, or by others from a LoRA adapter and this very base, is the base plus
matrices of low rank, but for the rounding of its numbers. What differs by more than that is no
adapter, and refused. Call on the engine thread.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.utils import dequantize_model

from radiance.engine.adapters.foreign_adapter import ForeignAdapter, check_manifest, joined
from radiance.engine.adapters.foreign_files import ForeignFiles, refuse
from radiance.engine.model.base import BaseModel
from radiance.engine.model.stored import StoredModel, open_stored
from radiance.errors import ConfigError

Array = np.ndarray[Any, Any]
_RANKS = (1, 2, 4, 8, 16, 32, 64, 128)
_MORE = 8  # directions that are looked at beyond the rank (Halko, Martinsson and Tropp 2011)
_TURNS = 3
# How far rounding may move a matrix, of its norm: twice and more of what it does.
_ROUNDING = {"float32": 1e-6, "float16": 1e-3, "bfloat16": 8e-3}
_ROUNDING_OF_QUANTIZED = 2e-2
_OTHER = "Serve it as base model instead (radiance run --base-model), or serve the base it is of."


class Difference:
    """A whole model beside the base, read layer by layer, so that others wait for one at most.

    Args:
        given: A model's directory or GGUF file.
        base: The base model that serves.

    Raises:
        BadAdapter: It cannot be read, or is of another shape than the base.
    """

    def __init__(self, given: ForeignFiles, base: BaseModel) -> None:
        self._given = given
        check_manifest(given, base)
        if base.parts is not None:
            refuse(
                f"{given.weights}: is a whole model, and the base model is served in parts here.",
                "Import it where the base model is whole, or give the adapter alone.",
            )
        try:
            stored = open_stored(str(given.weights), given.weights)
            model, _ = stored.load(is_uniform=False)
            theirs = dict(_leaves(dequantize_model(model)))
        except (ConfigError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            refuse(f"{given.weights}: cannot be read as a model ({error}).", "Export it again.")
        ours = dict(_leaves(dequantize_model(base.as_stored())))
        shapes = {path: array.shape for path, array in ours.items()}
        for path in sorted(shapes.keys() ^ theirs.keys()):
            refuse(f"{given.weights}: {path} is in one of it and the base model only.", _OTHER)
        for path, array in theirs.items():
            if array.shape != shapes[path]:
                refuse(
                    f"{given.weights}: {path} is {array.shape}, and the base model's "
                    f"{shapes[path]}.",
                    _OTHER,
                )
        self._arrays = {path: (ours[path], theirs[path]) for path in ours}
        self._linear = {
            f"{path}.weight"
            for path, module in base.skeleton().named_modules()
            if isinstance(module, nn.Linear | nn.QuantizedLinear)
        }
        self._rounding = _rounding_of(stored)
        self._rank = _rank_of(given.manifest)
        self._pairs: dict[str, tuple[mx.array, mx.array]] = {}

    def steps(self) -> Iterator[Callable[[], None]]:
        """What is to be called in the engine's thread, one after another."""
        for path in sorted(self._arrays):
            yield lambda path=path: self._look_at(path)

    def adapter(self) -> ForeignAdapter:
        """What was found, once all steps were taken.

        Raises:
            BadAdapter: The model is the base.
        """
        if not self._pairs:
            refuse(
                f"{self._given.weights}: it is the base model, as far as it can be told.", _OTHER
            )
        return joined(self._given, self._pairs, dict.fromkeys(self._pairs, 1.0), "")

    def _look_at(self, path: str) -> None:
        ours, theirs = (np.array(array.astype(mx.float32)) for array in self._arrays.pop(path))
        delta, size = theirs - ours, float(np.linalg.norm(ours))
        if not np.isfinite(delta).all():
            refuse(f"{self._given.weights}: {path} holds NaN or infinity.", "Export it again.")
        most = self._rounding * size
        if np.linalg.norm(delta) <= most and not self._is_taught(path, delta):
            return
        if path not in self._linear:
            refuse(
                f"{self._given.weights}: {path} differs from the base model's, and only linear "
                "layers can be adapted.",
                _OTHER,
            )
        ranks = _RANKS if self._rank is None else (self._rank,)
        for rank in ranks:
            a, b = factors(delta, rank)
            if np.linalg.norm(delta - (a @ b).T) <= most or self._rank is not None:
                break
        else:
            refuse(
                f"{self._given.weights}: {path} differs from the base model's by more than a "
                f"matrix of rank {_RANKS[-1]}: it was not made from it by a LoRA adapter.",
                _OTHER,
            )
        self._pairs[path.removesuffix(".weight")] = (mx.array(a), mx.array(b))

    def _is_taught(self, path: str, delta: Array) -> bool:
        """Whether its manifest says that the layer was adapted; if so even little counts."""
        names = _training(self._given.manifest).get("target_modules")
        if not isinstance(names, list) or path not in self._linear:
            return False
        ends = tuple(f".{name}.weight" for name in names)
        return ("all-linear" in names or f".{path}".endswith(ends)) and bool(delta.any())


def factors(delta: Array, rank: int) -> tuple[Array, Array]:
    """The nearest product of some rank, by random directions that are turned towards it.

    Args:
        delta: (d_out, d_in).
        rank: At most; less where the matrix is smaller.

    Returns:
        A (d_in, rank) and B (rank, d_out), whose product's transpose is near ``delta``.
    """
    count = min(rank + _MORE, *delta.shape)
    rng = np.random.default_rng(0)
    found, _ = np.linalg.qr(delta @ rng.standard_normal((delta.shape[1], count), np.float32))
    for _ in range(_TURNS):
        found, _ = np.linalg.qr(delta @ (delta.T @ found))
    left, sizes, right = np.linalg.svd(found.T @ delta, full_matrices=False)
    left, sizes, right = left[:, :rank], np.sqrt(sizes[:rank]), right[:rank]
    return right.T * sizes, (found @ left * sizes).T


def _leaves(model: Any) -> list[tuple[str, mx.array]]:
    leaves: Any = tree_flatten(model.parameters())
    return leaves


def _rounding_of(stored: StoredModel) -> float:
    return _ROUNDING_OF_QUANTIZED if stored.is_quantized else _ROUNDING.get(stored.precision, 8e-3)


def _training(manifest: Mapping[str, Any] | None) -> Mapping[str, Any]:
    found = (manifest or {}).get("training")
    return found if isinstance(found, dict) else {}


def _rank_of(manifest: Mapping[str, Any] | None) -> int | None:
    """The rank that an export says its adapter has."""
    rank = _training(manifest).get("r")
    return rank if isinstance(rank, int) and 0 < rank <= _RANKS[-1] * 8 else None
