"""The parts of an adapter, put together again, are the adapter."""

from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx.nn.layers.distributed import shard_linear

from radiance.engine.adapters.slot_model import SlotModel
from radiance.engine.adapters.slots import Adapter, SlotTable, SummedSlotLinear
from radiance.engine.sharding import primary
from radiance.engine.sharding.partition import Partition, _how
from radiance.engine.worker import Engine
from radiance.errors import BadAdapter


def adapter(d_in: int, d_out: int, rank: int = 3) -> tuple[mx.array, mx.array]:
    a, b = mx.random.split(mx.random.key(d_in + d_out))
    return mx.random.normal((d_in, rank), key=a), mx.random.normal((rank, d_out), key=b)


@given(size=st.integers(1, 4), wide=st.integers(1, 5), high=st.integers(1, 5))
def test_the_parts_of_all_ranks_give_what_the_whole_gives(engine: Engine, size, wide, high) -> None:
    d_in, d_out = size * wide, size * high

    def check() -> None:
        a, b = adapter(d_in, d_out)
        x = mx.random.normal((2, 5, d_in), key=mx.random.key(1))
        whole = np.array((x @ a) @ b)

        def parts(how):
            return [
                Partition(rank, size, {"layer": how}).of({"layer": (a, b)})["layer"]
                for rank in range(size)
            ]

        split = [np.array((x @ own_a) @ own_b) for own_a, own_b in parts("outputs")]
        assert np.allclose(np.concatenate(split, axis=-1), whole, atol=1e-5)
        inputs = mx.split(x, size, axis=-1)
        summed = sum(
            np.array((own @ own_a) @ own_b)
            for own, (own_a, own_b) in zip(inputs, parts("inputs"), strict=True)
        )
        assert np.allclose(summed, whole, atol=1e-5)

    engine.call(check)


def test_layers_of_other_ranks_are_left_out_and_unknown_splits_are_refused() -> None:
    pair = (mx.zeros((2, 1)), mx.zeros((1, 2)))
    pairs = {"model.layers.1.q": pair, "model.layers.10.q": pair}
    assert set(Partition(0, 2, {}, ("model.layers.1.",)).of(pairs)) == {"model.layers.10.q"}
    assert set(Partition(0, 2, {}).of(pairs)) == set(pairs)
    table = SlotTable(Partition(0, 2, {"model.layers.1.q": "unknown"}))
    with pytest.raises(BadAdapter, match=r"model\.layers\.1\.q"):
        table.fill(Adapter(pairs, 1.0))
    assert len(table) == 0


class TwoRanks:
    size = 2

    def __init__(self, rank: int) -> None:
        self.rank = rank


@pytest.mark.parametrize("rank", [0, 1])
def test_how_a_layer_was_split_is_seen_from_its_weights(engine: Engine, rank: int) -> None:
    def check() -> None:
        weight = mx.random.normal((12, 8), key=mx.random.key(3))

        def how(own: mx.array) -> str:
            layer = nn.Linear(1, 1, bias=False)
            layer.weight = own
            return _how(weight, layer, cast(Any, TwoRanks(rank)))

        assert how(weight) == "whole"
        assert how(mx.split(weight, 2, axis=0)[rank]) == "outputs"
        assert how(mx.split(weight, 2, axis=1)[rank]) == "inputs"
        # Three projections in one, each split by itself.
        fused = mx.concatenate([mx.split(one, 2)[rank] for one in mx.split(weight, 3)])
        assert how(fused) == "unknown"

    engine.call(check)


@pytest.mark.parametrize("bits", [None, 4])
@pytest.mark.parametrize("bias", [False, True])
def test_a_summed_layer_taken_apart_gives_what_mlx_s_own_gives(engine: Engine, bits, bias) -> None:
    def check() -> None:
        linear = nn.Linear(64, 32, bias=bias)
        layer = linear if bits is None else nn.QuantizedLinear.from_linear(linear, 32, bits)
        own = shard_linear(layer, "sharded-to-all", group=mx.distributed.init())  # of one process
        model: Any = nn.Module()
        model.model = nn.Module()
        model.model.layers = []
        model.proj = own
        table = SlotTable()
        served = SlotModel(model, table, 1)
        assert isinstance(served.model.proj, SummedSlotLinear)
        x = mx.random.normal((2, 3, 64), key=mx.random.key(5))
        table.route([0, 0])
        assert np.allclose(np.array(served.model.proj(x)), np.array(layer(x)), atol=1e-5)
        a, b = adapter(64, 32)
        slot = table.fill(Adapter({"proj": (a, b)}, 0.5))
        for rows in ([slot, slot], [slot, 0]):
            table.route(rows)
            delta = 0.5 * (x @ a) @ b * mx.array(rows).astype(mx.bool_)[:, None, None]
            assert np.allclose(
                np.array(served.model.proj(x)), np.array(layer(x) + delta), atol=1e-4
            )

    engine.call(check)


def test_an_adapter_arrives_as_it_was_sent(engine: Engine) -> None:
    def check() -> None:
        pairs = {"model.layers.0.q": adapter(4, 6), "b": adapter(3, 2)}
        found = primary.unpacked(primary.packed(pairs))
        assert found.keys() == pairs.keys()
        for path, pair in pairs.items():
            for mine, theirs in zip(pair, found[path], strict=True):
                assert mx.array_equal(mine, theirs)

    engine.call(check)
