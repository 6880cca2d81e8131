"""What two cores compute is what one does; who computes what follows from who is given the same."""

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.engine.adapters.slot_model import SlotModel
from radiance.engine.adapters.slots import SlotEntry, SlotTable
from radiance.engine.model import cores
from radiance.engine.model.ragged_cache import RaggedCache
from radiance.engine.worker import Engine
from tests.engine.adapters.test_slots import random_adapter
from tests.example_counts import examples


@pytest.fixture
def always_two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cores, and products that are all worth them."""
    monkeypatch.setattr(cores, "has_two", lambda: True)
    monkeypatch.setattr(cores, "_LEAST_WORK", 1)


@examples(40)
@given(
    rows=st.integers(1, 9),
    shape=st.tuples(st.integers(1, 12), st.integers(2, 15)),
    has_bias=st.booleans(),
)
def test_halves_are_the_whole(
    engine: Engine, rows: int, shape: tuple[int, int], has_bias: bool
) -> None:
    def check() -> None:
        d_in, d_out = shape
        x, weight, bias = (
            mx.random.normal(size, key=mx.random.key(rows + seed))
            for seed, size in enumerate(((rows, 1, d_in), (d_out, d_in), (d_out,)))
        )
        found = cores.in_halves(x, weight, bias if has_bias else None)
        expected = x @ weight.T + (bias if has_bias else 0.0)
        assert np.allclose(np.array(found), np.array(expected), atol=1e-5)

    engine.call(check)


@examples(50)
@given(st.lists(st.lists(st.integers(1, 100), min_size=1, max_size=5), max_size=4))
def test_layers_of_one_input_are_shared_out_evenly(sizes: list[list[int]]) -> None:
    groups = [
        {f"{number}.{place}": weights for place, weights in enumerate(group)}
        for number, group in enumerate(sizes)
    ]
    found = cores.shares(groups)
    for group in groups:
        shares = {path: found[path] for path in group}
        assert {share.weights for share in shares.values()} == {sum(group.values())}
        if len(group) == 1:
            assert next(iter(shares.values())).core is None
            continue
        loads = [sum(group[p] for p, s in shares.items() if s.core == core) for core in (0, 1)]
        assert abs(loads[0] - loads[1]) <= max(group.values())
        assert all(loads)
    assert len(found) == sum(map(len, groups))


def test_a_second_core_is_for_what_is_worth_it() -> None:
    gates, output = 2 * 576 * 1536, 576 * 576  # of SmolLM2
    assert cores.Share(0, gates).pays(1)
    assert not cores.Share(None, output).pays(1)
    assert cores.Share(None, output).pays(64)


def test_a_model_gives_the_same_on_two_cores(tiny_engine: Engine, always_two: None) -> None:
    def check() -> None:
        base, logits = tiny_engine.base, []
        adapter = random_adapter(tiny_engine, 3)
        tokens = mx.array([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]])
        for has_kernels in (True, False):  # one core, two cores
            table = SlotTable()
            model = SlotModel(base.twin(), table, base.vocab_size, has_kernels)
            assert bool(table._shares) != has_kernels
            slot = table.fill(adapter)
            logits.append(np.array(model(tokens, model.make_row_cache(slot, rows=2))))
        assert np.allclose(*logits, atol=1e-4)
        found = {path.split(".", 3)[-1]: share for path, share in table._shares.items()}
        taking_turns = {path for path, share in found.items() if share.core is not None}
        names = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
        assert taking_turns == {*names, "mlp.gate_proj", "mlp.up_proj"}
        assert {"self_attn.o_proj", "mlp.down_proj", "lm_head"} <= found.keys() - taking_turns

    tiny_engine.call(check)


@pytest.mark.parametrize("known", [0, 3])
@pytest.mark.parametrize("is_mixed", [False, True])
def test_rows_in_halves_say_and_keep_what_all_together_do(
    tiny_engine: Engine,
    always_two: None,
    monkeypatch: pytest.MonkeyPatch,
    known: int,
    is_mixed: bool,
) -> None:
    def check() -> None:
        base = tiny_engine.base
        table = SlotTable()
        model = SlotModel(base.twin(), table, base.vocab_size, has_kernels=False)
        slots = [table.fill(random_adapter(tiny_engine, seed)) for seed in (1, 2)]
        rows = [slots[0], slots[1 if is_mixed else 0], slots[0]]
        found = []
        for least in (10**9, 1):  # together, in halves
            monkeypatch.setattr(cores, "LEAST_HALVED", least)
            monkeypatch.setattr(cores, "LEAST_READ", 2)
            layers = [RaggedCache([0] * 3) for _ in model.layers]
            cache = [*layers, SlotEntry(rows, [7, 8, 9])]
            if known:
                model(mx.array([[5, 6, 7]] * 3), cache)
                for layer in layers:
                    layer.set_lengths([3, 1, 2])  # as after drafts that were wrong
            logits = model(mx.array([[3, 1, 4, 1], [9, 2, 6, 5], [5, 8, 9, 7]]), cache)
            after = model(mx.array([[3], [5], [8]]), cache)
            assert model.tickets == [7, 8, 9]
            found.append((logits, after, [layer.lengths for layer in layers]))
        (together, *rest), (halved, *others) = found
        assert np.allclose(np.array(together), np.array(halved), atol=1e-4)
        assert np.allclose(np.array(rest[0]), np.array(others[0]), atol=1e-4)
        assert rest[1] == others[1]

    tiny_engine.call(check)
