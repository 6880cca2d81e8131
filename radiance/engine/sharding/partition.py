"""A base model in parts over several processes, and the part of an adapter that belongs to each.

mlx-lm does the parting: ``model.shard`` splits each layer's weights (tensor parallelism, Shoeybi et
al. 2019, "Megatron-LM"), ``pipeline`` gives each process some of the layers. What an adapter adds
to a split layer is split like it. Where the outputs are split, a rank has all of A and its columns
of B; where the inputs are, its rows of A and all of B, and what that gives is summed together with
the layer's own partial result, so an adapter costs no message of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import mlx.core as mx
import mlx.nn as nn
from mlx.nn.layers.distributed import (
    AllToShardedLinear,
    QuantizedAllToShardedLinear,
    QuantizedShardedToAllLinear,
    ShardedToAllLinear,
)

from radiance import config
from radiance.engine.sharding.ranks import Ranks
from radiance.errors import BadAdapter, ConfigError

Pair = tuple[mx.array, mx.array]
How = Literal["whole", "outputs", "inputs", "unknown"]

SUMMED = (ShardedToAllLinear, QuantizedShardedToAllLinear)  # over the ranks, as part of the layer
LINEAR = (
    nn.Linear,
    nn.QuantizedLinear,
    AllToShardedLinear,
    QuantizedAllToShardedLinear,
    *SUMMED,
)


@dataclass(frozen=True)
class Partition:
    """How the linear layers are split, and which part is this rank's.

    Attributes:
        of_layers: By module path; layers that are not named are whole.
        absent: Beginnings of the paths of layers that other ranks have.
    """

    rank: int
    size: int
    of_layers: Mapping[str, How]
    absent: tuple[str, ...] = ()

    def check(self, paths: Sequence[str]) -> None:
        """Refuse an adapter for layers whose split is not known.

        Raises:
            BadAdapter: There is such a layer.
        """
        for path in paths:
            if self.of_layers.get(path) == "unknown":
                raise BadAdapter(
                    f"the adapter changes {path}, which this model shards in a way that an adapter "
                    "cannot follow.",
                    field="checkpoint",
                    remedy='Serve it unsharded (engine.shard = "none"), or with '
                    'engine.shard = "pipeline" where the model has that.',
                )

    def of(self, pairs: Mapping[str, Pair]) -> dict[str, Pair]:
        """This rank's part of an adapter: A (d_in, rank) and B (rank, d_out) by module path."""
        return {
            path: self._cut(path, *pair)
            for path, pair in pairs.items()
            if not path.startswith(self.absent or ("\0",))
        }

    def _cut(self, path: str, a: mx.array, b: mx.array) -> Pair:
        match self.of_layers.get(path, "whole"):
            case "outputs":
                return a, mx.contiguous(mx.split(b, self.size, axis=1)[self.rank])
            case "inputs":
                return mx.contiguous(mx.split(a, self.size, axis=0)[self.rank]), b
            case _:
                return a, b


def shard(model: Any, ranks: Ranks, how: config.Shard, name: str) -> Partition:
    """Leave of a lazily loaded model this rank's part, evaluated.

    Each layer's whole weights are in memory one after another, not together.

    Args:
        model: mlx-lm's, whose weights are not evaluated yet.
        ranks: The group.
        how: "tensor" or "pipeline".
        name: For messages.

    Raises:
        ConfigError: mlx-lm cannot shard this model so, or not over so many processes.
    """
    if how == "pipeline":
        return _in_stages(model, ranks, name)
    if not hasattr(model, "shard"):
        raise ConfigError(
            f'engine.shard (is "tensor"): mlx-lm cannot shard {name!r} ({type(model).__module__}). '
            + ('Use "pipeline".' if _has_stages(model) else 'Use "none".')
        )
    whole = {path: module.weight for path, module in _linear_layers(model)}
    try:
        model.shard(ranks.group)
    except ValueError as error:
        raise _not_divisible(name, ranks, str(error)) from None
    for path, module in model.named_modules():
        for heads in ("n_heads", "n_kv_heads", "num_attention_heads", "num_key_value_heads"):
            if getattr(module, heads, 1) == 0:
                raise _not_divisible(name, ranks, f"{path} has fewer {heads}")
    found = {}
    for path, module in _linear_layers(model):
        found[path] = _how(whole.pop(path), module, ranks)
    mx.eval(model.parameters())
    return Partition(ranks.rank, ranks.size, {p: how for p, how in found.items() if how != "whole"})


def _in_stages(model: Any, ranks: Ranks, name: str) -> Partition:
    if not _has_stages(model):
        other = '"tensor"' if hasattr(model, "shard") else '"none"'
        raise ConfigError(
            f'engine.shard (is "pipeline"): mlx-lm cannot give {name!r} to several processes layer '
            f"by layer ({type(model).__module__}). Use {other}."
        )
    inner = model.model
    paths = [f"model.layers.{index}." for index in range(len(inner.layers))]
    try:
        inner.pipeline(ranks.group)
    except ValueError as error:
        raise _not_divisible(name, ranks, str(error)) from None
    mx.eval(model.parameters())
    absent = (*paths[: inner.start_idx], *paths[inner.end_idx :])
    return Partition(ranks.rank, ranks.size, {}, absent)


def _has_stages(model: Any) -> bool:
    return hasattr(getattr(model, "model", None), "pipeline")


def _linear_layers(model: Any) -> list[tuple[str, Any]]:
    return [(path, m) for path, m in model.named_modules() if isinstance(m, LINEAR)]


def _how(whole: mx.array, module: Any, ranks: Ranks) -> How:
    """How a layer's weight (d_out, d_in) was split; "unknown" where not in one run a rank."""
    own = module.weight
    if own.shape == whole.shape:
        return "whole"
    axis = 0 if own.shape[0] != whole.shape[0] else 1
    count = own.shape[axis]
    if own.shape[1 - axis] != whole.shape[1 - axis] or count * ranks.size != whole.shape[axis]:
        return "unknown"
    # Fused projections are split piece by piece. A few places show it; a run has them all.
    places = sorted({0, *(count * n // d for d in (2, 3, 4, 5) for n in range(1, d)), count - 1})
    expected = mx.take(whole, mx.array(places) + ranks.rank * count, axis=axis)
    is_run = mx.array_equal(mx.take(own, mx.array(places), axis=axis), expected)
    mx.eval(is_run, module.parameters())
    if not is_run.item():
        return "unknown"
    return "outputs" if axis == 0 else "inputs"


def _not_divisible(name: str, ranks: Ranks, why: str) -> ConfigError:
    return ConfigError(
        f"engine.shard: {name!r} cannot be divided among {ranks.size} processes ({why}). Start "
        "fewer: their number must divide the heads and the widths of the layers."
    )
