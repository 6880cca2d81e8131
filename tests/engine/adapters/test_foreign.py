"""Adapters made elsewhere: what is read of them, and everything that is refused."""

import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import mlx.core as mx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlx_lm.utils import load_adapters, load_model

from radiance import ember
from radiance.engine.adapters.export import fused_model, write_fused, write_peft
from radiance.engine.adapters.files import adapter_config, load_adapter, save_adapter
from radiance.engine.adapters.foreign import read_foreign_adapter
from radiance.engine.adapters.foreign_adapter import ForeignAdapter
from radiance.engine.adapters.foreign_files import read_files
from radiance.engine.adapters.slots import Adapter
from radiance.engine.worker import Engine
from radiance.errors import BadAdapter

SQUARE = "model.layers.0.self_attn.q_proj"  # 256 x 256
WIDE = "model.layers.1.mlp.up_proj"  # 256 -> 640
PREFIX = "base_model.model."
TOKENS = [[5, 17, 300, 42, 9, 1000]]


def matrix(rows: int, columns: int, seed: int = 0) -> mx.array:
    return 0.1 * mx.random.normal((rows, columns), key=mx.random.key(seed))


def some_adapter(rank: int = 4, scale: float = 2.0) -> Adapter:
    pairs = {
        SQUARE: (matrix(256, rank, 1), matrix(rank, 256, 2)),
        WIDE: (matrix(256, rank, 3), matrix(rank, 640, 4)),
    }
    return Adapter(pairs, scale)


def peft_tensors(adapter: Adapter) -> dict[str, mx.array]:
    tensors = {}
    for path, (a, b) in adapter.pairs.items():
        tensors[f"{PREFIX}{path}.lora_A.weight"] = mx.contiguous(a.T)
        tensors[f"{PREFIX}{path}.lora_B.weight"] = mx.contiguous(b.T)
    return tensors


def peft_config(**changes: Any) -> dict[str, Any]:
    settings = {
        "peft_type": "LORA",
        "r": 4,
        "lora_alpha": 8,
        "base_model_name_or_path": "some/base",
    }
    return settings | changes


def mlx_tensors(adapter: Adapter) -> dict[str, mx.array]:
    tensors = {}
    for path, (a, b) in adapter.pairs.items():
        tensors[f"{path}.lora_a"], tensors[f"{path}.lora_b"] = a, b
    return tensors


def mlx_config(**changes: Any) -> dict[str, Any]:
    parameters = {"rank": 4, "scale": 2.0, "dropout": 0.0}
    return {"fine_tune_type": "lora", "num_layers": 4, "lora_parameters": parameters} | changes


def change(engine: Engine, adapter: Adapter, path: str, factor: float = 1.0) -> mx.array:
    """What an adapter adds to a layer's weight, transposed; evaluated."""

    def compute() -> mx.array:
        a, b = adapter.pairs[path]
        found = factor * adapter.scale * (a @ b)
        mx.eval(found)
        return found

    return engine.call(compute)


@pytest.fixture
def write(tmp_path: Path, engine: Engine) -> Callable[..., Path]:
    """Write an adapter's directory: ``write(settings, tensors, name of the weights' file)``."""

    def written(settings: Any, tensors: dict[str, mx.array], name: str | None = None) -> Path:
        is_peft = isinstance(settings, dict) and "peft_type" in settings
        name = name or ("adapter_model.safetensors" if is_peft else "adapters.safetensors")
        (tmp_path / "adapter_config.json").write_text(json.dumps(settings))
        engine.call(lambda: mx.save_safetensors(str(tmp_path / name), tensors))
        return tmp_path

    return written


@pytest.fixture
def made(engine: Engine) -> Callable[[Callable[[], Any]], Any]:
    """Compute on the engine's thread, evaluated."""

    def make(function: Callable[[], Any]) -> Any:
        def evaluated() -> Any:
            found = function()
            arrays = found.pairs.values() if isinstance(found, Adapter) else found
            mx.eval([list(pair) for pair in arrays] if isinstance(found, Adapter) else arrays)
            return found

        return engine.call(evaluated)

    return make


def read(engine: Engine, directory: Path) -> ForeignAdapter:
    return engine.call(lambda: read_foreign_adapter(read_files(directory), engine.base))


def logits_with(engine: Engine, adapter: Adapter) -> mx.array:
    """What the served tree computes under an adapter in a slot."""

    def compute() -> mx.array:
        slot = engine._adapter_cache._table.fill(adapter)
        try:
            found = engine._model(mx.array(TOKENS), engine._model.make_row_cache(slot))
            mx.eval(found)
            return found
        finally:
            engine._adapter_cache._table.free(slot)

    return engine.call(compute)


def far(engine: Engine, a: mx.array, b: mx.array) -> float:
    return engine.call(lambda: cast(float, mx.abs(a - b).max().item()))


# ----------------------------------------------------------------------------- what is read


def test_both_formats_are_the_same_adapter(engine, write, made):
    adapter = made(some_adapter)
    directory = write(peft_config(), made(lambda: peft_tensors(adapter)))
    from_peft = read(engine, directory)
    directory = write(mlx_config(), mlx_tensors(adapter))
    from_mlx = read(engine, directory)
    assert (from_peft.format, from_mlx.format) == ("peft", "mlx")
    assert (from_peft.rank, from_peft.declared_base) == (4, "some/base")
    assert from_peft.adapter.scale == from_mlx.adapter.scale == 2.0
    wanted = logits_with(engine, adapter)
    for found in (from_peft, from_mlx):
        assert found.adapter.pairs.keys() == adapter.pairs.keys()
        assert far(engine, logits_with(engine, found.adapter), wanted) == 0


def test_a_square_matrix_is_turned_by_its_format_and_not_by_its_shape(engine, write, made):
    adapter = made(lambda: Adapter({SQUARE: (matrix(256, 256, 1), matrix(256, 256, 2))}, 1.0))
    tensors = made(lambda: peft_tensors(adapter))
    found = read(engine, write(peft_config(r=256, lora_alpha=256), tensors)).adapter
    assert far(engine, change(engine, found, SQUARE), change(engine, adapter, SQUARE)) == 0
    a, b = adapter.pairs[SQUARE]
    wrong = engine.call(lambda: Adapter({SQUARE: (a.T, b.T)}, 1.0))
    assert far(engine, logits_with(engine, wrong), logits_with(engine, found)) > 1e-3


@pytest.mark.parametrize("name", ["lora_A.default.weight", "lora_A.weight"])
def test_peft_s_name_of_the_adapter_may_stand_in_the_tensors_names(engine, write, made, name):
    adapter = made(some_adapter)
    tensors = made(lambda: peft_tensors(adapter))
    renamed = {
        key.replace("lora_A.weight", name).replace("lora_B.weight", name.replace("A", "B")): value
        for key, value in tensors.items()
    }
    assert read(engine, write(peft_config(), renamed)).adapter.pairs.keys() == adapter.pairs.keys()


def test_modules_with_ranks_and_factors_of_their_own_compute_the_same(engine, write, made):
    adapter = made(
        lambda: Adapter(
            {
                SQUARE: (matrix(256, 2, 1), matrix(2, 256, 2)),
                WIDE: (matrix(256, 8, 3), matrix(8, 640, 4)),
            },
            1.0,
        )
    )
    settings = peft_config(
        r=8,
        lora_alpha=16,
        rank_pattern={"self_attn.q_proj": 2},
        alpha_pattern={"layers.0.self_attn.q_proj": 3},
    )
    found = read(engine, write(settings, made(lambda: peft_tensors(adapter))))
    assert found.rank == 8
    assert {a.shape[1] for a, _ in found.adapter.pairs.values()} == {8}
    for path, factor in ((SQUARE, 3 / 2), (WIDE, 16 / 8)):
        wanted = change(engine, adapter, path, factor)
        assert far(engine, change(engine, found.adapter, path), wanted) < 1e-6


def test_rslora_divides_by_the_root_of_the_rank(engine, write, made):
    adapter = made(some_adapter)
    tensors = made(lambda: peft_tensors(adapter))
    found = read(engine, write(peft_config(use_rslora=True), tensors)).adapter
    assert found.scale == 8 / math.sqrt(4)


def test_half_precision_is_read_as_float32(engine, write, made):
    adapter = made(some_adapter)
    tensors = made(lambda: {k: v.astype(mx.bfloat16) for k, v in peft_tensors(adapter).items()})
    found = read(engine, write(peft_config(), tensors)).adapter
    assert {x.dtype for pair in found.pairs.values() for x in pair} == {mx.float32}


def test_nothing_is_read_after_it_has_been_returned(engine, write, made):
    adapter = made(some_adapter)
    directory = write(mlx_config(), mlx_tensors(adapter))
    found = read(engine, directory)
    (directory / "adapters.safetensors").write_bytes(b"gone")
    assert far(engine, logits_with(engine, found.adapter), logits_with(engine, adapter)) == 0


# ----------------------------------------------------------------------------- round trips


@given(
    rank=st.integers(1, 9),
    scale=st.floats(0.01, 50),
    paths=st.sets(st.sampled_from([SQUARE, WIDE, "model.layers.3.mlp.down_proj"]), min_size=1),
)
def test_what_is_written_for_peft_reads_back_the_same(engine, tmp_path_factory, rank, scale, paths):
    shapes = {SQUARE: (256, 256), WIDE: (256, 640), "model.layers.3.mlp.down_proj": (640, 256)}
    directory = tmp_path_factory.mktemp("peft")

    def round_trip() -> float:
        pairs = {
            path: (matrix(shapes[path][0], rank, 1), matrix(rank, shapes[path][1], 2))
            for path in paths
        }
        adapter = Adapter(pairs, scale)
        write_peft(adapter, engine.base, directory)
        found = read_foreign_adapter(read_files(directory), engine.base).adapter
        assert found.pairs.keys() == paths
        assert found.scale == pytest.approx(scale, rel=1e-12)
        differences = [
            mx.abs(found.pairs[path][i] - pairs[path][i]).max() for path in paths for i in (0, 1)
        ]
        return cast(float, mx.max(mx.stack(differences)).item())

    assert engine.call(round_trip) == 0


def test_peft_s_target_modules_name_the_adapted_layers_and_no_others(engine, made, tmp_path):
    engine.call(lambda: write_peft(some_adapter(), engine.base, tmp_path))
    some = json.loads((tmp_path / "adapter_config.json").read_text())["target_modules"]
    assert some == sorted([SQUARE, WIDE])
    every = engine.call(
        lambda: Adapter(
            {
                f"model.layers.{layer}.self_attn.q_proj": (matrix(256, 2), matrix(2, 256))
                for layer in range(4)
            },
            1.0,
        )
    )
    engine.call(lambda: write_peft(every, engine.base, tmp_path))
    settings = json.loads((tmp_path / "adapter_config.json").read_text())
    assert settings["target_modules"] == ["q_proj"]


def test_a_fused_model_computes_what_base_and_adapter_do(engine, made, tmp_path):
    adapter = made(some_adapter)
    engine.call(lambda: write_fused(adapter, engine.base, tmp_path))

    def fused() -> mx.array:
        model, _ = load_model(tmp_path)
        found = model(mx.array(TOKENS))
        mx.eval(found)
        return found

    assert far(engine, engine.call(fused), logits_with(engine, adapter)) < 1e-4


def test_what_is_stored_of_an_import_is_what_mlx_lm_loads(engine, made, write, tmp_path):
    adapter = read(engine, write(mlx_config(), mlx_tensors(made(some_adapter)))).adapter
    target = tmp_path / "stored"
    target.mkdir()

    def stored() -> tuple[mx.array, Adapter]:
        save_adapter(adapter, adapter_config(adapter, 4), target)
        model, _ = load_model(ember.MODEL_PATH)
        found = load_adapters(model, str(target))(mx.array(TOKENS))
        mx.eval(found)
        return found, load_adapter(target)

    by_mlx_lm, again = engine.call(stored)
    assert far(engine, by_mlx_lm, logits_with(engine, adapter)) < 1e-5
    assert far(engine, logits_with(engine, again), logits_with(engine, adapter)) == 0


# ----------------------------------------------------------------------------- what is refused


def refused(engine: Engine, directory: Path) -> str:
    with pytest.raises(BadAdapter) as caught:
        read(engine, directory)
    assert caught.value.field == "path"
    assert caught.value.remedy
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"peft_type": "IA3"}, "peft_type is 'IA3'"),
        ({"use_dora": True}, "use_dora"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"init_lora_weights": "pissa_niter_16"}, "change the base"),
        ({"init_lora_weights": "PiSSA"}, "change the base"),
        ({"init_lora_weights": "olora"}, "change the base"),
        ({"init_lora_weights": "loftq", "loftq_config": {"loftq_bits": 4}}, "loftq"),
        ({"init_lora_weights": "corda", "corda_config": {"corda_method": "kpm"}}, "corda"),
        ({"init_lora_weights": "lora_ga"}, "change the base"),
        ({"init_lora_weights": "of_the_year_after_next"}, "change the base"),
        ({"alora_invocation_tokens": [11, 12]}, "alora_invocation_tokens is [11, 12]: such an"),
        ({"layer_replication": [[0, 2], [1, 3]]}, "layer_replication"),
        ({"bias": "lora_only"}, "bias is 'lora_only'"),
        ({"lora_bias": True}, "lora_bias is True"),
        ({"use_qalora": True}, "use_qalora is True"),
        ({"trainable_token_indices": [3]}, "trainable_token_indices"),
        ({"target_parameters": ["mlp.experts.down_proj"]}, "target_parameters"),
        ({"arrow_config": {"top_k": 3}}, "arrow_config"),
        ({"use_something_new": 0.5}, "use_something_new is 0.5: Radiance does not know"),
        ({"lora_alpha": None}, "lora_alpha (is null)"),
        ({"lora_alpha": True}, "lora_alpha (is true)"),
        ({"r": 0}, "r (is 0)"),
        ({"r": 8}, "has rank 4, but adapter_config.json says 8"),
        ({"rank_pattern": {"q_proj": 2}}, "has rank 4, but adapter_config.json says 2"),
        ({"rank_pattern": 3}, "rank_pattern is not an object"),
        ({"alpha_pattern": {"(((": 1}}, "alpha_pattern '(((' is no pattern"),
        ({"alpha_pattern": {r"((\w|\.)+)+#": 1.0}}, "is no pattern"),
        ({"rank_pattern": {f"m{n}": 4 for n in range(3000)}}, "has 3000 keys"),
        ({"alpha_pattern": {"x" * 300: 1}}, "more than 200 characters"),
        ({"r": 10**400}, "r (is 1000"),
        ({"lora_alpha": 1e-320}, "is not a number above 0"),
        ({"lora_alpha": 1e308}, "is not a number above 0"),
        ({"base_model_name_or_path": "\ud800"}, "500 printable characters"),
        ({"base_model_name_or_path": "x" * 501}, "500 printable characters"),
        ({"base_model_name_or_path": {"a": 1}}, "500 printable characters"),
    ],
)
def test_peft_settings_that_cannot_be_used(engine, write, made, changes, told):
    adapter = made(some_adapter)
    tensors = made(lambda: peft_tensors(adapter))
    assert told in refused(engine, write(peft_config(**changes), tensors))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"init_lora_weights": "eva", "eva_config": {"rho": 2.0, "tau": 0.99}},
        {"init_lora_weights": "gaussian", "task_type": "CAUSAL_LM", "revision": "main"},
        {"init_lora_weights": "orthogonal", "lora_dropout": 0.1, "inference_mode": True},
        {"rank_pattern": {"^nothing": 2}, "alpha_pattern": {"of_it": 3}, "peft_version": "0.21.0"},
        {
            "target_modules": "all-linear",
            "exclude_modules": ["lm_head"],
            "layers_to_transform": [0],
        },
        {"auto_mapping": {"base_model_class": "Llama", "unsloth_fixed": True}},
        # What PEFT writes of settings that were left alone.
        {
            "alora_invocation_tokens": None,
            "arrow_config": None,
            "bias": "none",
            "corda_config": None,
            "ensure_weight_tying": False,
            "fan_in_fan_out": False,
            "layer_replication": None,
            "loftq_config": {},
            "lora_bias": False,
            "megatron_config": None,
            "megatron_core": "megatron.core",
            "modules_to_save": None,
            "qalora_group_size": 16,
            "target_parameters": None,
            "trainable_token_indices": None,
            "use_dora": False,
            "use_qalora": False,
            "something_new": None,
        },
    ],
)
def test_peft_settings_that_change_nothing_pass(engine, write, made, changes):
    adapter = made(some_adapter)
    found = read(engine, write(peft_config(**changes), made(lambda: peft_tensors(adapter))))
    assert found.rank == 4


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (mlx_config(lora_parameters={"rank": 4, "scale": 2.0, "gate": 1}), "lora_parameters.gate"),
        (mlx_config(fine_tune_type="dora"), "fine_tune_type is 'dora'"),
        (mlx_config(fine_tune_type="full"), "fine_tune_type is 'full'"),
        ({}, "neither lora_parameters (mlx-lm) nor peft_type (PEFT)"),
        (mlx_config(lora_parameters={"rank": 4}), "scale (is null)"),
        (mlx_config(lora_parameters={"rank": 8, "scale": 1}), "has rank 4, but"),
        ([1], "not a JSON object"),
    ],
)
def test_mlx_settings_that_cannot_be_used(engine, write, made, settings, told):
    tensors = mlx_tensors(made(some_adapter))
    assert told in refused(engine, write(settings, tensors))


def replaced(name: str, value: Callable[[mx.array], mx.array] | None, new: str | None = None):
    """A change of one tensor: dropped (None), or put under another name."""

    def replace(tensors: dict[str, mx.array]) -> dict[str, mx.array]:
        changed = dict(tensors)
        old = changed.pop(name)
        if value is not None:
            changed[new or name] = value(old)
        return changed

    return replace


A, B = f"{SQUARE}.lora_a", f"{WIDE}.lora_b"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (replaced(A, None), f"{SQUARE} lacks lora_a"),
        (replaced(A, lambda x: x, "model.layers.9.self_attn.q_proj.lora_a"), "no linear layer"),
        (replaced(A, lambda x: x, "model.embed_tokens.lora_a"), "no linear layer"),
        (replaced(A, lambda x: x, f"{SQUARE}.weight"), "no linear layer"),
        (replaced(A, lambda x: x[:-1]), "do not fit a layer of 256 inputs and 256 outputs"),
        (replaced(B, lambda x: x[:, :-1]), "do not fit a layer of 256 inputs and 640 outputs"),
        (replaced(B, lambda x: x[:-1]), "do not fit"),
        (replaced(A, lambda x: x[None]), "not a matrix of floats"),
        (replaced(A, lambda x: x.astype(mx.int32)), "int32, not a matrix of floats"),
        (replaced(A, lambda x: x * mx.inf), "NaN or infinity"),
        (
            replaced(B, lambda x: mx.where(mx.arange(640) == 7, mx.nan, x)),
            f"{WIDE}: lora_b holds NaN",
        ),
        (lambda tensors: {n: mx.zeros_like(t) for n, t in tensors.items()}, "changes nothing"),
        (
            lambda tensors: {
                n: mx.zeros_like(t) if n.endswith("b") else t for n, t in tensors.items()
            },
            "changes nothing",
        ),
        (lambda tensors: {}, "holds no tensor"),
    ],
)
def test_tensors_that_cannot_be_used(engine, write, made, spoil, told):
    adapter = made(some_adapter)
    tensors = engine.call(lambda: spoil(mlx_tensors(adapter)))
    engine.call(lambda: mx.eval(tensors))
    assert told in refused(engine, write(mlx_config(), tensors))


def test_one_layer_that_changes_something_is_enough(engine, write, made):
    adapter = made(some_adapter)
    tensors = mlx_tensors(adapter)
    tensors[f"{SQUARE}.lora_b"] = made(lambda: [mx.zeros((4, 256))])[0]
    assert read(engine, write(mlx_config(), tensors)).adapter.pairs.keys() == {SQUARE, WIDE}


def test_matrices_that_lie_the_other_way_round_are_told_so(engine, write, made):
    adapter = made(some_adapter)
    tensors = made(
        lambda: [mx.contiguous(x) for p in (adapter.pairs[WIDE],) for x in (p[0].T, p[1].T)]
    )
    named = {f"{WIDE}.lora_a": tensors[0], f"{WIDE}.lora_b": tensors[1]}
    with pytest.raises(BadAdapter) as caught:
        read(engine, write(mlx_config(), named))
    assert "other way round" in caught.value.remedy


def with_a_head() -> Adapter:
    """An adapter of Ember's head, which is its embedding, beside one of a layer."""
    pairs = {"lm_head": (matrix(256, 4, 5), matrix(4, 4096, 6))}
    return Adapter(pairs | {SQUARE: some_adapter().pairs[SQUARE]}, 2.0)


def test_a_head_that_is_the_embedding_is_adapted_and_the_embedding_is_not(engine, write, made):
    """As PEFT has it: what enters the head goes through A and B, too, and nothing else changes."""
    tensors = made(lambda: peft_tensors(with_a_head()))
    adapter = read(engine, write(peft_config(), tensors)).adapter
    assert adapter.pairs.keys() == {"lm_head", SQUARE}

    def expected() -> mx.array:
        model = fused_model(Adapter({SQUARE: adapter.pairs[SQUARE]}, adapter.scale), engine.base)
        hidden = model.model(mx.array(TOKENS))
        a, b = adapter.pairs["lm_head"]
        found = model.model.embed_tokens.as_linear(hidden) + adapter.scale * (hidden @ a) @ b
        mx.eval(found)
        return found

    served = logits_with(engine, adapter)
    assert far(engine, engine.call(expected), served) < 1e-4

    def beside_the_base() -> list[mx.array]:
        slot = engine._adapter_cache._table.fill(adapter)
        caches = [engine._model.make_row_cache(number) for number in (0, slot)]
        both = [type(one).merge([one, other]) for one, other in zip(*caches, strict=True)]
        base, adapted = mx.split(engine._model(mx.array(TOKENS * 2), both), 2)
        mx.eval(base, adapted)
        engine._adapter_cache._table.free(slot)
        return [base, adapted]

    base, adapted = engine.call(beside_the_base)
    assert far(engine, adapted, served) < 1e-4
    assert far(engine, base, logits_with(engine, Adapter({}, 1.0))) < 1e-4


def with_copies(engine: Engine, change: float) -> dict[str, mx.array]:
    """What PEFT saves of a head that it adapts: the base's own weights are with it."""
    own = engine.base.parameters["model"]["embed_tokens"]["weight"].astype(mx.float16)
    return peft_tensors(with_a_head()) | {
        f"{PREFIX}lm_head.base_layer.weight": own,
        f"{PREFIX}model.embed_tokens.weight": own * (1 + change),
    }


def test_weights_of_the_base_in_the_file_are_passed_over_and_no_others(engine, write, made):
    path = write(peft_config(), made(lambda: with_copies(engine, 0)))
    assert read(engine, path).adapter.pairs.keys() == {"lm_head", SQUARE}
    changed = write(peft_config(), made(lambda: with_copies(engine, 0.05)))
    told = refused(engine, changed)
    assert "model.embed_tokens.weight is not what the base model has there" in told


def test_two_tensors_for_one_half_are_refused(engine, write, made):
    adapter = made(some_adapter)
    tensors = made(lambda: peft_tensors(adapter))
    name = next(iter(tensors))
    twice = {**tensors, name.removeprefix(PREFIX): tensors[name]}
    assert "has two of lora_" in refused(engine, write(peft_config(), twice))


def test_a_pickle_is_not_opened(engine, write, made):
    directory = write(peft_config(), {"x": made(lambda: [mx.zeros(1)])[0]}, "other.safetensors")
    (directory / "adapter_model.bin").write_bytes(b"\x80\x04.")
    assert "is a pickle" in refused(engine, directory)


def test_what_is_not_there_or_not_a_file_of_tensors(engine, write, made, tmp_path):
    assert "is not a directory" in refused(engine, tmp_path / "nowhere")
    assert "adapter_config.json: No such file" in refused(engine, tmp_path)
    (tmp_path / "adapter_config.json").write_text("{")
    assert "is not JSON" in refused(engine, tmp_path)
    (tmp_path / "adapter_config.json").write_text(json.dumps(mlx_config()))
    assert "adapters.safetensors: is not there" in refused(engine, tmp_path)
    (tmp_path / "adapters.safetensors").write_bytes(b"\x00" * 100)
    assert "cannot be read" in refused(engine, tmp_path)
    directory = write(mlx_config(), mlx_tensors(made(some_adapter)))
    whole = (directory / "adapters.safetensors").read_bytes()
    (directory / "adapters.safetensors").write_bytes(whole[: len(whole) // 2])
    assert "cannot be read" in refused(engine, directory)


def test_an_export_of_ours_says_on_which_base_it_was_trained(engine, write, made):
    directory = write(mlx_config(), mlx_tensors(made(some_adapter)))
    manifest = directory / "manifest.json"
    manifest.write_text(json.dumps({"base_hash": "0" * 64, "base_model": "other"}))
    assert "trained on 'other'" in refused(engine, directory)
    manifest.write_text(json.dumps({"base_hash": engine.base.content_hash}))
    assert read(engine, directory).rank == 4


def deep() -> str:
    return "[" * 200_000


@pytest.mark.parametrize("name", ["adapter_config.json", "manifest.json"])
def test_json_that_is_nested_too_deeply_is_refused(engine, write, made, name):
    directory = write(peft_config(), made(lambda: peft_tensors(some_adapter())))
    (directory / name).write_text(deep())
    assert "nested too deeply" in refused(engine, directory)


def test_a_pipe_is_refused_without_waiting_for_a_writer(engine, write, made):
    directory = write(peft_config(), made(lambda: peft_tensors(some_adapter())))
    (directory / "adapter_config.json").unlink()
    os.mkfifo(directory / "adapter_config.json")
    assert "no plain file" in refused(engine, directory)


def test_a_device_is_refused(engine, write, made):
    directory = write(peft_config(), made(lambda: peft_tensors(some_adapter())))
    (directory / "adapter_config.json").unlink()
    (directory / "adapter_config.json").symlink_to("/dev/zero")
    assert "no plain file" in refused(engine, directory)


def test_of_a_huge_configuration_no_more_is_read_than_one_can_have(engine, write, made):
    directory = write(peft_config(), made(lambda: peft_tensors(some_adapter())))
    with (directory / "adapter_config.json").open("wb") as file:
        file.truncate(20 << 30)
    assert "more than 1048576 bytes" in refused(engine, directory)


def test_a_name_that_no_file_can_have_is_refused(engine, tmp_path):
    assert "too long" in refused(engine, tmp_path / ("x" * 300))


def test_a_manifest_whose_hash_is_none_is_refused(engine, write, made):
    directory = write(peft_config(), made(lambda: peft_tensors(some_adapter())))
    (directory / "manifest.json").write_text(json.dumps({"base_hash": 5}))
    assert "base_hash (is 5) is no hash" in refused(engine, directory)


def test_tensors_over_the_same_bytes_are_refused(engine, write, made):
    directory = write(mlx_config(), mlx_tensors(made(some_adapter)))
    path = directory / "adapters.safetensors"
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    names = [name for name in header if name.endswith("lora_a")]
    header[names[0]]["data_offsets"] = header[names[1]]["data_offsets"]
    told = json.dumps(header).encode()
    path.write_bytes(len(told).to_bytes(8, "little") + told + data[8 + size :])
    assert "cannot be read" in refused(engine, directory)
