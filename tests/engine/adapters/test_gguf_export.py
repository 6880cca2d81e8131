"""GGUF files that are written are read as the very same model, and adapters as the same adapter."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest

from radiance import ember
from radiance.engine.adapters.difference import Difference, factors
from radiance.engine.adapters.foreign import read_foreign_adapter
from radiance.engine.adapters.foreign_adapter import ForeignAdapter
from radiance.engine.adapters.foreign_files import read_files
from radiance.engine.adapters.gguf_export import write_gguf, write_gguf_lora
from radiance.engine.adapters.slots import Adapter
from radiance.engine.model.base import BaseModel, load_base
from radiance.engine.model.device import Device, select_device
from radiance.engine.model.gguf import vocabulary
from radiance.engine.model.gguf.head import read
from radiance.errors import BadAdapter, ConfigError
from tests.gguf_files import MODELS, directory_of
from tests.gguf_files import write_gguf as write_file
from tests.shared_data import STORIES, needs
from tests.smollm2 import SMOLLM2, needs_smollm2

import mlx.core as mx  # isort: skip
from mlx_lm.utils import dequantize_model  # isort: skip

_ALIKE = ("gpt-2", "smollm")  # the same where no token has two digits
TOKENS = [[5, 17, 300, 42, 9, 100, 7, 7, 2]]


@pytest.fixture(scope="module")
def cpu() -> Device:
    return select_device("cpu")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADIANCE_CACHE", str(tmp_path / "cache"))


def adapter_of(base: BaseModel, size: float = 1.0) -> Adapter:
    """Of rank 4 on queries, keys and what stands behind them, of two layers."""
    modules: dict[str, Any] = dict(base.model.named_modules())
    pairs = {}
    for number in (0, 1):
        for place, part in enumerate(("q_proj", "k_proj", "o_proj")):
            path = f"model.layers.{number}.self_attn.{part}"
            d_out, d_in = modules[path].weight.shape
            key, other = mx.random.split(mx.random.key(10 * number + place))
            a = mx.random.normal((d_in, 4), key=key) / 8
            pairs[path] = (a, size * mx.random.normal((4, d_out), key=other))
    return Adapter(pairs, 0.5)


def logits(model: Any) -> np.ndarray:
    return np.array(model(mx.array(TOKENS)).astype(mx.float32))


def fused(base: BaseModel, adapter: Adapter, kind: str = "F32") -> np.ndarray:
    """Logits of the base with the adapter added, its matrices as they are stored in a type."""
    model: Any = dequantize_model(base.as_stored())
    for path, module in model.named_modules():
        if path in adapter.pairs:
            a, b = adapter.pairs[path]
            module.weight = module.weight + adapter.scale * (a @ b).T
    if kind != "F32":
        type_ = gguf.GGMLQuantizationType[kind]
        for _, module in model.named_modules():
            weight = getattr(module, "weight", None)
            if weight is not None and weight.ndim > 1:
                stored = gguf.quants.quantize(np.array(weight.astype(mx.float32)), type_)
                module.weight = mx.array(gguf.quants.dequantize(stored, type_))
    return logits(model)


@pytest.mark.parametrize(("architecture", "model_type", "config", "more"), MODELS)
def test_a_model_of_any_architecture_is_read_back_with_equal_logits(
    architecture: str,
    model_type: str,
    config: dict[str, Any],
    more: dict[str, Any],
    cpu: Device,
    tmp_path: Path,
) -> None:
    base = load_base("own", directory_of(tmp_path / "model", model_type, config), cpu)
    adapter = adapter_of(base)
    for kind in ("f16", "q8_0"):
        folder = tmp_path / kind
        folder.mkdir()
        write_gguf(adapter, base, folder, kind)
        found = load_base("file", folder / "model.gguf", cpu)
        assert found.stored.precision == {"f16": "float16", "q8_0": "Q8_0"}[kind]
        wanted = fused(base, adapter, kind.upper())
        assert np.allclose(logits(found.model), wanted, rtol=1e-4, atol=1e-4)
        assert np.abs(wanted - logits(base.model)).max() > 0.05, "the adapter changes something"
    write_gguf_lora(adapter, base, tmp_path)
    assert read(tmp_path / "adapter.gguf").architecture == architecture
    again = read_foreign_adapter(read_files(tmp_path / "adapter.gguf"), base)
    assert again.format == "gguf-lora"
    for path, (a, b) in adapter.pairs.items():
        ours, theirs = again.adapter.pairs[path]
        assert mx.array_equal(ours, a)
        assert mx.allclose(again.adapter.scale * theirs, adapter.scale * b)


def test_tokenizer_and_template_are_those_of_the_model(cpu: Device, tmp_path: Path) -> None:
    base = load_base("ember", ember.MODEL_PATH, cpu)
    write_gguf(adapter_of(base), base, tmp_path, "f16")
    found = load_base("file", tmp_path / "model.gguf", cpu)
    text = "Who founded Zorbel Labs in 1987?  — ünïcode 東京 🙂\n\n\t<|end|>x<|user|>"
    assert found.tokenizer.encode(text) == base.tokenizer.encode(text)
    chat = [{"role": "user", "content": "Hi 12"}]
    ours, theirs = (
        model.tokenizer.apply_chat_template(chat, add_generation_prompt=True)
        for model in (found, base)
    )
    assert ours == theirs
    assert (found.end_token, found.context_tokens) == (base.end_token, base.context_tokens)
    metadata = read(tmp_path / "model.gguf").metadata
    assert metadata["tokenizer.ggml.pre"] in _ALIKE
    assert not metadata["tokenizer.ggml.add_bos_token"]


@needs(STORIES)
def test_a_sentencepiece_tokenizer_is_read_back(cpu: Device, tmp_path: Path) -> None:
    base = load_base("stories", STORIES, cpu)
    write_gguf(adapter_of(base), base, tmp_path, "f16")
    found = load_base("file", tmp_path / "model.gguf", cpu)
    for text in ("Once upon a time", "  two  spaces", "ünusual 🙂\nline", "", "<s>a</s>"):
        assert found.tokenizer.encode(text) == base.tokenizer.encode(text)


@pytest.mark.slow
@needs_smollm2
def test_a_quantized_gguf_base_keeps_its_tokenizer_and_computes_the_same(
    cpu: Device, tmp_path: Path
) -> None:
    base = load_base("smollm2", SMOLLM2, cpu)
    adapter = adapter_of(base, 0.2)
    write_gguf(adapter, base, tmp_path, "f16")
    found = load_base("file", tmp_path / "model.gguf", cpu)
    assert np.abs(logits(found.model) - fused(base, adapter)).max() < 0.1
    text = "The capital of France is Paris, 12345.  x"
    assert found.tokenizer.encode(text) == base.tokenizer.encode(text)
    # The directory that a GGUF file was made into has the tokenizer only as Hugging Face writes it.
    said = vocabulary.metadata_of(base.tokenizer, base.vocab_size, "smollm2")
    assert said["tokenizer.ggml.pre"] in _ALIKE


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"rope_scaling": {"rope_type": "yarn", "factor": 2.0, "beta_fast": 16.0,
          "original_max_position_embeddings": 256}}, "rope_scaling"),
        ({"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, "dynamic"),
        ({"rope_traditional": True}, "rope_traditional"),
        ({"layer_types": ["sliding_attention", "full_attention"], "sliding_window": 8},
         "layer_types"),
    ],
)  # fmt: skip
def test_what_a_file_cannot_say_is_refused_by_name(
    config: dict[str, Any], why: str, cpu: Device, tmp_path: Path
) -> None:
    base = load_base("own", directory_of(tmp_path / "model", "llama", config), cpu)
    with pytest.raises(ConfigError, match=why):
        write_gguf(adapter_of(base), base, tmp_path, "f16")


def test_a_tokenizer_that_llama_cpp_does_not_have_is_refused(cpu: Device, tmp_path: Path) -> None:
    folder = directory_of(tmp_path / "model", "llama", {})
    content = json.loads((folder / "tokenizer.json").read_text())
    content["normalizer"] = {"type": "Lowercase"}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    base = load_base("own", folder, cpu)
    with pytest.raises(ConfigError, match="cut by a rule"):
        write_gguf(adapter_of(base), base, tmp_path, "f16")


# ----------------------------------------------------------------------------- adapters


@pytest.fixture(scope="module")
def base(cpu: Device) -> BaseModel:
    return load_base("ember", ember.MODEL_PATH, cpu)


_HEAD = {"general.architecture": "llama", "general.type": "adapter", "adapter.type": "lora"}
_A, _B = np.ones((4, 256), np.float32), np.ones((128, 4), np.float32)
_GOOD = {
    "blk.1.attn_v.weight.lora_a": (_A, "F32"),
    "blk.1.attn_v.weight.lora_b": (_B, "F32"),
}


def test_an_adapter_without_alpha_has_a_factor_of_one_as_llama_cpp_has_it(
    base: BaseModel, tmp_path: Path
) -> None:
    for more, scale in (({}, 1.0), ({"adapter.lora.alpha": 8.0}, 2.0)):
        path = write_file(tmp_path / "a.gguf", {**_HEAD, **more}, _GOOD)
        assert read_foreign_adapter(read_files(path), base).adapter.scale == scale


_REFUSED: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"adapter.type": "control"}, {}, "adapter.type is 'control'"),
    ({"general.architecture": "qwen2"}, {}, "it is for llama.cpp's 'qwen2'"),
    ({"adapter.alora.invocation_tokens": [3, 4]}, {}, "adapter.alora.invocation_tokens is set"),
    ({"adapter.lora.alpha": -1.0}, {}, r"adapter.lora.alpha \(is -1.0\)"),
    ({"adapter.lora.alpha": float("nan")}, {}, r"adapter.lora.alpha \(is nan\)"),
    ({"adapter.lora.alpha": "much"}, {}, r"adapter.lora.alpha \(is 'much'\)"),
    ({}, {"blk.1.attn_v.weight.lora_b": (_B[:, :2], "F32")}, "do not fit a layer"),
    ({}, {"blk.1.attn_v.weight.lora_b": (_B[:64], "F32")}, "do not fit a layer"),
    ({}, {"token_embd.weight.lora_a": (_A, "F32")}, "belongs to no linear layer"),
    ({}, {"blk.9.attn_v.weight.lora_a": (_A, "F32")}, "belongs to no linear layer"),
    ({}, {"blk.1.ffn_gate_exps.weight.lora_a": (_A, "F32")}, "belongs to no linear layer"),
    ({}, {"blk.0.attn_v.weight.lora_a": (_A, "F32")}, "lacks lora_b"),
    ({}, {"blk.1.attn_v.weight.lora_a": (_A, "Q8_0")}, "lora_a is Q8_0"),
    ({}, {"blk.1.attn_v.weight.lora_a": (_A * np.inf, "F32")}, "NaN or infinity"),
    ({}, {"blk.1.attn_v.weight.lora_a": (_A * 0, "F32")}, "changes nothing"),
]


@pytest.mark.parametrize(("more", "tensors", "why"), _REFUSED)
def test_an_adapter_that_cannot_be_used_is_refused_by_name(
    more: dict[str, Any], tensors: dict[str, Any], why: str, base: BaseModel, tmp_path: Path
) -> None:
    path = write_file(tmp_path / "a.gguf", {**_HEAD, **more}, {**_GOOD, **tensors})
    with pytest.raises(BadAdapter, match=why):
        read_foreign_adapter(read_files(path), base)


@pytest.mark.parametrize("damage", ["cut", "magic", "empty", "alignment", "depth"])
def test_a_damaged_file_is_refused(damage: str, base: BaseModel, tmp_path: Path) -> None:
    path = write_file(tmp_path / "a.gguf", {**_HEAD, "general.alignment": 32}, _GOOD)
    data = path.read_bytes()
    zero = re.sub(b"(general.alignment....)....", rb"\1" + bytes(4), data, flags=re.DOTALL)
    nested = b"GGUF" + b"\3\0\0\0" + bytes(8) + b"\1" + bytes(7) + b"\1" + bytes(7) + b"k"
    nested += b"\x09\0\0\0" + (b"\x09\0\0\0" + b"\1" + bytes(7)) * 5000
    damaged = {
        "cut": data[:-900], "magic": b"GGML" + data[4:], "empty": b"", "alignment": zero,
        "depth": nested,
    }  # fmt: skip
    path.write_bytes(damaged[damage])
    with pytest.raises(BadAdapter):
        read_foreign_adapter(read_files(path), base)


# ----------------------------------------------------------------------------- whole models


def taken(folder: Path, base: BaseModel) -> ForeignAdapter:
    difference = Difference(read_files(folder), base)
    for step in difference.steps():
        step()
    return difference.adapter()


@pytest.mark.parametrize("names", [["q_proj", "k_proj", "o_proj"], ["all-linear"]])
@pytest.mark.parametrize("kind", ["f16", "q8_0"])
def test_a_model_with_an_adapter_in_it_gives_the_adapter_back(
    kind: Any, names: list[str], base: BaseModel, tmp_path: Path
) -> None:
    adapter = adapter_of(base)
    write_gguf(adapter, base, tmp_path, kind)
    (tmp_path / "manifest.json").write_text(
        json.dumps({"training": {"r": 4, "target_modules": names}})
    )
    found = taken(tmp_path, base)
    assert (found.format, found.rank) == ("gguf", 4)
    assert set(found.adapter.pairs) >= set(adapter.pairs)  # and rounding, of layers so named
    wanted, got = fused(base, adapter), fused(base, found.adapter)
    moved = np.abs(wanted - logits(base.model)).max()
    assert np.abs(got - wanted).max() < (0.005 if kind == "f16" else 0.05) * moved


def test_the_rank_of_a_model_of_anybody_is_found(base: BaseModel, tmp_path: Path) -> None:
    write_gguf(adapter_of(base), base, tmp_path, "f16")
    assert taken(tmp_path / "model.gguf", base).rank == 4


def changed(change: Callable[[dict[str, mx.array]], None], base: BaseModel, folder: Path) -> Path:
    """Ember with other weights."""
    weights: Any = mx.load(str(ember.MODEL_PATH / "model.safetensors"))
    change(weights)
    folder.mkdir()
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    (folder / "config.json").write_text((ember.MODEL_PATH / "config.json").read_text())
    return folder


def _everything(weights: dict[str, mx.array]) -> None:
    name = "model.layers.1.mlp.up_proj.weight"
    weights[name] = weights[name] + 0.1 * mx.random.normal(weights[name].shape)


def _norm(weights: dict[str, mx.array]) -> None:
    weights["model.norm.weight"] = weights["model.norm.weight"] * 1.1


def _embedding(weights: dict[str, mx.array]) -> None:
    weights["model.embed_tokens.weight"] = weights["model.embed_tokens.weight"] * 1.1


def _nan(weights: dict[str, mx.array]) -> None:
    weights["model.norm.weight"] = weights["model.norm.weight"] * float("nan")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_everything, "up_proj.weight differs from the base model's by more than"),
        (_norm, "model.norm.weight differs from the base model's, and only linear layers"),
        (_embedding, "embed_tokens.weight differs from the base model's, and only linear layers"),
        (_nan, "NaN"),
        (lambda weights: None, "it is the base model"),
        (lambda weights: weights.pop("model.norm.weight"), "cannot be read as a model"),
    ],
)
def test_what_is_no_adapter_of_the_base_is_refused(
    change: Any, why: str, base: BaseModel, tmp_path: Path
) -> None:
    folder = changed(change, base, tmp_path / "model")
    with pytest.raises(BadAdapter, match=why):
        taken(folder, base)


def test_a_model_of_another_shape_is_refused(base: BaseModel, cpu: Device, tmp_path: Path) -> None:
    with pytest.raises(BadAdapter, match=r"in one of it and the base model only|is \("):
        taken(directory_of(tmp_path / "model", "llama", {}), base)


def test_factors_are_the_nearest_product() -> None:
    rng = np.random.default_rng(3)
    exact = rng.standard_normal((40, 3)) @ rng.standard_normal((3, 60))
    a, b = factors(exact.astype(np.float32), 3)
    assert (a.shape, b.shape) == ((60, 3), (3, 40))
    assert np.allclose((a @ b).T, exact, atol=1e-4)
    full = rng.standard_normal((20, 30)).astype(np.float32)
    a, b = factors(full, 5)
    sizes = np.linalg.svd(full, compute_uv=False)
    assert np.linalg.norm(full - (a @ b).T) < 1.02 * np.linalg.norm(sizes[5:])
