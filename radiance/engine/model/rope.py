"""Rotary position embeddings whose angles are computed once a forward pass.

Where a backend has no kernel for ``mx.fast.rope``, it is some twenty small operations, each time
for the queries and the keys of every layer, most of them for angles that are everywhere the same.
For a small model decoded on the CPU that was a quarter of a step.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_unflatten
from mlx_lm.models.cache import BatchKVCache, KVCache

from radiance.engine.model.ragged_cache import RaggedCache, RowCache

_PLAIN = (KVCache, BatchKVCache, RowCache, RaggedCache)  # every layer is at the same place


class Angles:
    """Cosines and sines of the forward pass under way; none outside of one."""

    def __init__(self) -> None:
        self._offset: Any = None
        self._kept: dict[tuple[int, float, float], tuple[mx.array, mx.array]] = {}

    @contextmanager
    def shared(self, cache: Sequence[Any]) -> Iterator[None]:
        """While one pass runs: its layers' caches, none of which has taken in its tokens yet."""
        if all(type(entry) in _PLAIN for entry in cache):
            self._offset = cache[0].offset
        try:
            yield
        finally:
            self._offset = None
            self._kept.clear()

    def of(self, rope: nn.RoPE, tokens: int) -> tuple[mx.array, mx.array] | None:
        """Each (rows or 1, 1, tokens, dims / 2) float32; None where they cannot be shared."""
        if self._offset is None:
            return None
        key = (rope.dims, rope.base, rope.scale)
        if key not in self._kept:
            self._kept[key] = _angles(self._offset, tokens, *key)
        return self._kept[key]


def _angles(
    offset: Any, tokens: int, dims: int, base: float, scale: float
) -> tuple[mx.array, mx.array]:
    """In the order of operations of ``mx.fast.rope`` without a kernel, for the same bits."""
    half = dims // 2
    offset = mx.array(offset, dtype=mx.int32) if isinstance(offset, int) else offset
    places = (mx.arange(tokens, dtype=mx.float32) + offset.reshape(-1, 1, 1)) * scale
    falling = mx.arange(0, -half, -1, dtype=mx.float32)
    theta = places[..., None] * mx.exp(falling * (math.log(base) / half))
    return mx.cos(theta), mx.sin(theta)


class SharedRope(nn.Module):
    """Stands in for an ``nn.RoPE`` and gives the same bits."""

    def __init__(self, rope: nn.RoPE, angles: Angles) -> None:
        super().__init__()
        self._rope, self._angles = rope, angles

    def __call__(self, x: mx.array, offset: Any = 0) -> mx.array:
        """Rotate x (rows, heads, tokens, dims)."""
        is_whole = x.shape[-1] == self._rope.dims and x.dtype == mx.float32
        found = self._angles.of(self._rope, x.shape[2]) if is_whole else None
        if found is None:
            return self._rope(x, offset)
        cos, sin = found
        first, second = mx.split(x, 2, axis=-1)
        return mx.concatenate([first * cos - second * sin, first * sin + second * cos], axis=-1)


def share_angles(model: nn.Module) -> Angles:
    """Have a model's plain rotary embeddings share their angles; others stay as they are."""
    angles = Angles()
    shared = [
        (path, SharedRope(module, angles))
        for path, module in model.named_modules()
        if type(module) is nn.RoPE and not module.traditional
    ]
    model.update_modules(tree_unflatten(shared))
    return angles
