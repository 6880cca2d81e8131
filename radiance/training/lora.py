"""The trained module tree: the base's arrays, and LoRA leaves that come from outside as a vector.

All trainable numbers of an adapter are one flat float32 vector: the optimizer, the gradient clip
and the projection each act on one array instead of two per layer.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_flatten
from mlx_lm.tuner.lora import LoRALinear
from mlx_lm.tuner.utils import linear_to_lora_layers

from radiance import config
from radiance.config.derived import derive_training, derived
from radiance.engine.adapters.files import LoraParameters
from radiance.engine.adapters.slots import Adapter
from radiance.engine.model.base import BaseModel
from radiance.errors import ConfigError, TrainingError

ALL_LINEAR = "all-linear"


class KeyedDropout(nn.Module):
    """Dropout whose mask follows from a key, so that a recomputed block drops the same elements.

    The key is set from outside for one call of the block; without one nothing is dropped.
    """

    def __init__(self, ratio: float) -> None:
        super().__init__()
        self.ratio = ratio
        self._key: list[mx.array] = []  # a list, lest the module count it among its parameters

    def set_key(self, key: mx.array | None) -> None:
        self._key = [] if key is None else [key]

    def __call__(self, x: mx.array) -> mx.array:
        if not self._key or self.ratio == 0:
            return x
        return drop(x, self.ratio, self._key[0])


def drop(x: mx.array, ratio: float, key: mx.array) -> mx.array:
    """Zero a share of the elements, the same ones for the same key and shape; raise the rest."""
    keep = mx.random.bernoulli(1 - ratio, x.shape, key=key)
    return mx.where(keep, x / (1 - ratio), mx.zeros_like(x))


class LoraModel:
    """A twin of the base with LoRA on the configured layers.

    Attributes:
        model: The module tree; its LoRA leaves are rebound by whoever computes with them.
        hidden_size: Width of its hidden states.
        rank: r, the columns of each A.
        scale: alpha / r, the factor of ``x A B``.
        shapes: Shape of every LoRA leaf by its full name, in the order of the vector.
    """

    def __init__(self, base: BaseModel, settings: config.TrainingSettings) -> None:
        self.model: Any = base.twin()
        self.hidden_size = base.hidden_size
        settings = derive_training(settings, base.hidden_size)
        self.rank = derived(settings.r)
        self.scale = derived(settings.alpha) / self.rank
        self._settings = settings
        self._keys = target_keys(self.model, settings.target_modules)
        self.parameters_config: LoraParameters = {
            "rank": self.rank,
            "scale": self.scale,
            "dropout": settings.dropout,
            "keys": sorted(self._keys),
        }
        linear_to_lora_layers(self.model, len(self.model.layers), dict(self.parameters_config))
        for module in self.model.modules():
            if isinstance(module, LoRALinear):
                module["dropout"] = KeyedDropout(settings.dropout)
        leaves: Any = tree_flatten(self.model.trainable_parameters())
        self.shapes: dict[str, tuple[int, ...]] = {name: leaf.shape for name, leaf in leaves}
        sizes = [int(np.prod(shape)) for shape in self.shapes.values()]
        self._ends = np.cumsum(sizes).tolist()

    @property
    def size(self) -> int:
        """Number of trainable parameters."""
        return self._ends[-1]

    def initial(self, parent: Adapter | None) -> mx.array:
        """The vector to start from: the parent's weights, or a fresh adapter that adds nothing.

        A fresh A is uniform in ±1/sqrt(d_in) and B is zero, as in mlx-lm. A parent of a lower
        rank is padded, which leaves what it computes unchanged; a parent scaled otherwise has the
        difference folded into B.

        Raises:
            TrainingError: The parent has a higher rank or adapts layers that are not targets.
        """
        key = mx.random.key(self._settings.seed)
        leaves = {}
        for index, (name, shape) in enumerate(self.shapes.items()):
            if name.endswith("lora_a"):
                bound = shape[0] ** -0.5
                leaf_key = mx.random.split(key, len(self.shapes))[index]
                leaves[name] = mx.random.uniform(-bound, bound, shape, key=leaf_key)
            else:
                leaves[name] = mx.zeros(shape)
        for path, (a, b) in (parent.pairs if parent else {}).items():
            rank = a.shape[1]
            if ".layers." not in f".{path}":
                raise TrainingError(
                    f"the stable adapter changes {path}, which stands outside the model's blocks, "
                    "and training adapts the blocks alone. Roll back to the base first, or name "
                    "the checkpoint in requests instead of promoting it."
                )
            if f"{path}.lora_a" not in leaves or rank > self.rank:
                raise TrainingError(
                    f"the stable adapter has rank {rank} on {path}, which training.r = "
                    f"{self.rank} and training.target_modules do not cover. Raise r, widen "
                    "target_modules, or roll back to the base first."
                )
            assert parent is not None
            fresh = leaves[f"{path}.lora_a"]
            leaves[f"{path}.lora_a"] = mx.concatenate([a, fresh[:, rank:]], axis=1)
            padding = mx.zeros((self.rank - rank, b.shape[1]))
            scaled = b if parent.scale == self.scale else b * (parent.scale / self.scale)
            leaves[f"{path}.lora_b"] = mx.concatenate([scaled, padding])
        return self.flatten(leaves)

    def flatten(self, leaves: Mapping[str, mx.array]) -> mx.array:
        """Leaves by name -> the vector, (parameters,) float32; columns cut off are zeros."""
        parts = []
        for name, (rows, width) in self.shapes.items():
            leaf = leaves[name].astype(mx.float32)
            if leaf.shape != (rows, width):
                missing = rows - leaf.shape[0], width - leaf.shape[1]
                leaf = mx.pad(leaf, [(0, missing[0]), (0, missing[1])])
            parts.append(leaf.reshape(-1))
        return mx.concatenate(parts)

    def unflatten(self, vector: mx.array) -> dict[str, mx.array]:
        """The vector -> leaves by name."""
        parts = mx.split(vector, self._ends[:-1])
        shapes = self.shapes.items()
        return {
            name: part.reshape(shape) for (name, shape), part in zip(shapes, parts, strict=True)
        }

    def adapter(self, vector: mx.array) -> Adapter:
        """The vector as an adapter that can be served, of the rank that is in use.

        The last columns of A and rows of B that are zeros in every layer wait for later updates
        (``nullspace``): after a first one of five examples two thirds of 32.
        """
        leaves = self.unflatten(vector)
        paths = [name.removesuffix(".lora_a") for name in self.shapes if name.endswith(".lora_a")]
        pairs = {path: (leaves[f"{path}.lora_a"], leaves[f"{path}.lora_b"]) for path in paths}
        is_used = [(a != 0).any(axis=0) | (b != 0).any(axis=1) for a, b in pairs.values()]
        used = np.flatnonzero(np.array(mx.stack(is_used).any(axis=0)))
        end = int(used[-1]) + 1 if used.size else 1
        return Adapter({path: (a[:, :end], b[:end]) for path, (a, b) in pairs.items()}, self.scale)


def target_keys(model: Any, targets: Iterable[str]) -> set[str]:
    """Names, within a layer, of the linear layers to adapt."""
    linear = {
        name
        for layer in model.layers
        for name, module in layer.named_modules()
        if isinstance(module, nn.Linear | nn.QuantizedLinear)
    }
    if ALL_LINEAR in targets:
        return linear
    keys = set()
    for target in targets:
        found = {name for name in linear if name == target or name.endswith(f".{target}")}
        if not found:
            known = ", ".join(sorted({name.rsplit(".", 1)[-1] for name in linear}))
            raise ConfigError(
                f'training.target_modules (has "{target}"): no such linear layer in the base '
                f'model. Use "{ALL_LINEAR}" or some of: {known}.'
            )
        keys |= found
    return keys
