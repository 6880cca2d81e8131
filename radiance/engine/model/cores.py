"""Products on two cores, where MLX's CPU backend computes a stream's operations on one.

Operations of two streams run at the same time, each stream's in a thread of its own. Linear layers
that are given the same input (q, k and v; gate and up) are shared out among two streams, which
changes no bit; one that has its input alone is computed in two halves of its outputs. What one
stream waits for the other is far less than OpenBLAS's threads, which spin, and nothing where a
client keeps a core busy. On Metal and CUDA, and with Accelerate, a product takes the whole device.
"""

import contextlib
import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx

from radiance.platform import IS_MACOS

# Where it pays (Xeon of 2024, two cores): waiting for a stream takes 70 us. A product of one row
# takes as long as 12 more rows do, for the weights are read.
_LEAST_WORK = 12e6
_READING_ROWS = 12
LEAST_HALVED = 400
"""Tokens of a pass from which each core does its own rows: what is no product takes half as long
then, though both read the weights."""
LEAST_READ = 32
"""Of each row: a row's keys and values are copied for it."""


@dataclass(frozen=True)
class Share:
    """Where a linear layer is computed.

    Attributes:
        core: 0 or 1; None: in two halves.
        weights: Of all layers that are given the same input.
    """

    core: int | None
    weights: int

    def pays(self, rows: int) -> bool:
        """Whether a second core is worth waiting for, of so many rows of inputs."""
        return self.weights * (_READING_ROWS + rows) >= _LEAST_WORK


def has_two() -> bool:
    """Whether two streams compute more than one does."""
    return mx.default_device() == mx.cpu and not IS_MACOS and (os.cpu_count() or 1) > 1


def on_core(number: int) -> Any:
    """The context in which operations go to a stream: 0, that of everything else, or 1."""
    return mx.stream(_second_stream()) if number else contextlib.nullcontext()


@functools.cache
def _second_stream() -> Any:
    return mx.new_thread_local_stream(mx.cpu)


def shares(groups: Sequence[Mapping[str, int]]) -> dict[str, Share]:
    """Share out layers among the cores.

    Args:
        groups: The weights of layers that are given the same input, by module path.
    """
    found: dict[str, Share] = {}
    for group in groups:
        total, loads = sum(group.values()), [0, 0]
        for path, weights in sorted(group.items(), key=lambda item: -item[1]):
            core = int(loads[1] < loads[0])
            loads[core] += weights
            found[path] = Share(core if len(group) > 1 else None, total)
    return found


def in_halves(x: mx.array, weight: mx.array, bias: mx.array | None = None) -> mx.array:
    """A linear layer, each half of its outputs on a core.

    Args:
        x: (..., d_in).
        weight: (d_out, d_in).
        bias: (d_out,).

    Returns:
        (..., d_out).
    """
    half, parts = len(weight) // 2, []
    for core, some in enumerate((slice(0, half), slice(half, None))):
        with on_core(core):
            part = x @ weight[some].T
            parts.append(part if bias is None else part + bias[some])
    return mx.concatenate(parts, axis=-1)
