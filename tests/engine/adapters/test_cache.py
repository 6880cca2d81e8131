"""Which adapters stay in memory."""

import mlx.core as mx
import pytest

from radiance.engine.adapters.cache import AdapterCache
from radiance.engine.adapters.slots import Adapter, SlotTable
from radiance.engine.requests import Weights
from radiance.errors import CorruptCheckpoint
from radiance.records import CheckpointStatus


def weights(name: str) -> Weights:
    return Weights("checkpoint", f"A_{name}", CheckpointStatus.STABLE, f"hash of {name}")


def adapter(scale: float = 1.0) -> Adapter:
    return Adapter({"here": (mx.ones((2, 1)), mx.ones((1, 2)))}, scale)


def test_idle_adapters_are_kept_up_to_a_number_the_newest_longest() -> None:
    table = SlotTable()
    adapter_cache = AdapterCache(table, most_idle=2)
    loads: list[str] = []

    def use(name: str) -> int:
        def load() -> Adapter:
            loads.append(name)
            return adapter()

        source = adapter_cache.hold(adapter_cache.bring(weights(name), load))
        adapter_cache.release(source)
        return source.slot

    first = use("a")
    use("b")
    assert use("a") == first
    use("c")  # and b goes, which was used longest ago
    assert loads == ["a", "b", "c"]
    assert use("a") == first
    use("b")
    assert loads == ["a", "b", "c", "b"]
    assert (len(table), adapter_cache.in_use) == (2, 0)


def test_what_is_used_stays_whatever_comes() -> None:
    table = SlotTable()
    adapter_cache = AdapterCache(table, most_idle=0)
    held = adapter_cache.hold(adapter_cache.bring(weights("a"), adapter))
    for name in "bcd":
        adapter_cache.release(adapter_cache.hold(adapter_cache.bring(weights(name), adapter)))
    assert len(table) == 1
    again = adapter_cache.hold(adapter_cache.bring(weights("a"), adapter))
    adapter_cache.release(held)
    assert len(table) == 1
    adapter_cache.release(again)
    assert len(table) == 0


def test_an_adapter_that_cannot_be_read_changes_nothing() -> None:
    def broken() -> Adapter:
        raise CorruptCheckpoint("damaged")

    table = SlotTable()
    adapter_cache = AdapterCache(table, most_idle=2)
    with pytest.raises(CorruptCheckpoint):
        adapter_cache.bring(weights("a"), broken)
    assert (len(table), adapter_cache.in_use) == (0, 0)


def test_live_weights_are_remembered_by_nobody() -> None:
    adapter_cache = AdapterCache(SlotTable(), most_idle=2)
    source = adapter_cache.fill(adapter(), "A_1", CheckpointStatus.TRAINING)
    assert source.cache_key == ""
    adapter_cache.release(adapter_cache.hold(source))
    assert len(adapter_cache) == 0


def test_equal_matrices_with_other_factors_are_other_adapters() -> None:
    adapter_cache = AdapterCache(SlotTable(), most_idle=9)
    names = [Weights("checkpoint", f"A_{n}", CheckpointStatus.STABLE, "same") for n in range(3)]
    scales = [2.0, 1e-4, 2.0]
    for _ in range(2):  # as they are read, and as they are known
        found = [
            adapter_cache.hold(adapter_cache.bring(name, lambda scale=scale: adapter(scale)))
            for name, scale in zip(names, scales, strict=True)
        ]
        slots, keys = [one.slot for one in found], [one.cache_key for one in found]
        assert slots[0] == slots[2] != slots[1]
        assert keys[0] == keys[2] != keys[1]
        assert [one.checkpoint_id for one in found] == ["A_0", "A_1", "A_2"]
