"""GGUF files as base models: the same model as its directory, or refused by name."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radiance import ember
from radiance.engine.model.base import BaseModel, load_base
from radiance.engine.model.device import Device, select_device
from radiance.engine.model.gguf.blocks import PACKED_BITS
from radiance.engine.model.gguf.configuration import ARCHITECTURES, mlx_name
from radiance.engine.model.stored import open_stored
from radiance.errors import ConfigError
from tests.gguf_files import MODELS, decode, directory_of, encode, write_gguf, write_model
from tests.shared_data import STORIES, needs
from tests.smollm2 import SMOLLM2, needs_smollm2

import mlx.core as mx  # isort: skip
import mlx.nn as nn  # isort: skip
from mlx_lm.models.cache import make_prompt_cache  # isort: skip

_PROMPT = "What is the capital of France? Answer in 3 words."


@pytest.fixture(scope="module")
def cpu() -> Device:
    return select_device("cpu")


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RADIANCE_CACHE", str(tmp_path / "cache"))


def greedy(base: BaseModel, prompt: str, count: int) -> tuple[list[int], list[int]]:
    """The prompt's tokens, and those that follow it most likely."""
    text: Any = base.tokenizer
    if base.tokenizer.has_chat_template:
        messages = [{"role": "user", "content": prompt}]
        tokens = text.apply_chat_template(messages, add_generation_prompt=True)
    else:
        tokens = text.encode(prompt)
    answer: list[int] = []
    cache, unread = make_prompt_cache(base.model), list(tokens)
    for _ in range(count):
        logits = base.model(mx.array([unread]), cache=cache)[0, -1]
        likeliest: Any = mx.argmax(logits).item()
        answer.append(likeliest)
        unread = [likeliest]
    return list(tokens), answer


@pytest.mark.parametrize(("architecture", "model_type", "config", "more"), MODELS)
def test_file_is_the_same_model_as_its_directory(
    architecture: str,
    model_type: str,
    config: dict[str, Any],
    more: dict[str, Any],
    cpu: Device,
    tmp_path: Path,
) -> None:
    folder = directory_of(tmp_path / "model", model_type, config)
    file = write_model(tmp_path / "m.gguf", folder, architecture=architecture, more=more)
    ours, theirs = load_base("file", file, cpu), load_base("directory", folder, cpu)
    assert greedy(ours, _PROMPT, 12) == greedy(theirs, _PROMPT, 12)
    tokens = mx.arange(5, 60)[None]
    assert mx.allclose(ours.model(tokens), theirs.model(tokens), rtol=1e-5, atol=1e-5)
    assert ours.context_tokens == theirs.context_tokens
    assert ours.end_token == theirs.end_token


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_1"])
def test_quantized_file_is_the_same_model_as_its_numbers(
    kind: str, cpu: Device, tmp_path: Path
) -> None:
    """Decoded by llama.cpp's rules, as a directory in float32: the same text, token for token."""
    file = write_model(tmp_path / "m.gguf", ember.MODEL_PATH, kind)
    folder = tmp_path / "model"
    shutil.copytree(ember.MODEL_PATH, folder)
    weights: Any = mx.load(str(ember.MODEL_PATH / "model.safetensors"))
    for name, weight in weights.items():
        if weight.ndim > 1:
            weights[name] = mx.array(_through(np.array(weight), kind))
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})
    ours, theirs = load_base("file", file, cpu), load_base("directory", folder, cpu)
    assert greedy(ours, _PROMPT, 12) == greedy(theirs, _PROMPT, 12)
    tokens = mx.arange(5, 60)[None]
    assert mx.allclose(ours.model(tokens), theirs.model(tokens), rtol=1e-4, atol=1e-4)
    assert ours.stored.precision == {"F16": "float16", "BF16": "bfloat16"}.get(kind, kind)
    assert (ours.is_dequantized, ours.computed_as) == (kind in PACKED_BITS, "float32")


def _through(array: Any, kind: str) -> Any:
    """What is left of an array that was stored in a type."""
    data = encode(array, kind)
    if kind == "F16":
        return np.frombuffer(data, np.float16).astype(np.float32).reshape(array.shape)
    if kind == "BF16":
        bits = np.frombuffer(data, np.uint16).astype(np.uint32) << 16
        return bits.view(np.float32).reshape(array.shape)
    return decode(data, kind, array.shape)


@pytest.mark.slow
def test_quantized_file_stays_so_where_memory_is_scarce(cpu: Device, tmp_path: Path) -> None:
    """As on Metal and CUDA, where quantized products are fast: the very same numbers."""
    file = write_model(tmp_path / "m.gguf", ember.MODEL_PATH, "Q4_1")
    plain = load_base("plain", file, cpu)
    scarce = load_base("scarce", file, replace(cpu, memory_bytes=1 << 20))
    layer = scarce.model.model.layers[0].self_attn.q_proj
    assert isinstance(layer, nn.QuantizedLinear)
    assert (scarce.is_dequantized, scarce.computed_as) == (False, "Q4_1")
    tokens = mx.arange(5, 60)[None]
    assert mx.allclose(plain.model(tokens), scarce.model(tokens), rtol=1e-3, atol=1e-3)
    assert plain.content_hash == scarce.content_hash
    for base in (plain, scarce):
        assert mx.array_equal(base.twin()(tokens), base.model(tokens))


@pytest.mark.slow
@needs_smollm2
def test_smollm2_is_the_same_model_as_its_directory(cpu: Device, tmp_path: Path) -> None:
    """Its numbers read by llama.cpp's own package, as a directory in float32."""
    gguf = pytest.importorskip("gguf")
    ours = load_base("smollm2", SMOLLM2, cpu)
    folder = tmp_path / "model"
    shutil.copytree(ours.path, folder)
    config = {k: v for k, v in ours.config.items() if k != "quantization"}
    (folder / "config.json").write_text(json.dumps(config))
    weights = {}
    for tensor in gguf.GGUFReader(SMOLLM2).tensors:
        array = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        if heads := {"attn_q": 9, "attn_k": 3}.get(tensor.name.split(".")[-2]):
            pairs = array.reshape(heads, 32, 2, -1)
            array = pairs.swapaxes(1, 2).reshape(array.shape)
        weights[str(mlx_name(tensor.name, ARCHITECTURES["llama"]))] = mx.array(array)
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})
    theirs = load_base("directory", folder, cpu)
    capital, year = "What is the capital of France?", "Was 1984 a leap year?"
    found = greedy(ours, capital, 12)
    assert found == greedy(theirs, capital, 12)
    assert ours.tokenizer.decode(found[1][:7]) == "The capital of France is Paris."
    assert greedy(ours, year, 12) == greedy(theirs, year, 12)


@needs(STORIES)
def test_sentencepiece_file_is_the_same_model_as_its_directory(cpu: Device, tmp_path: Path) -> None:
    file = write_model(tmp_path / "stories.gguf", STORIES)
    ours, theirs = load_base("file", file, cpu), load_base("directory", STORIES, cpu)
    prompt = "Once upon a time, Zoë had 3 cats.\nThey "
    assert greedy(ours, prompt, 40) == greedy(theirs, prompt, 40)
    text = "the same   text — with ünusual  letters 🙂"
    tokens = ours.tokenizer.encode(text)
    assert tokens == theirs.tokenizer.encode(text)
    assert ours.tokenizer.decode(tokens, skip_special_tokens=True) == text


_REFUSED = [
    ({"more": {"general.architecture": "mamba"}}, 'its architecture is "mamba", and we read llama'),
    ({"more": {"llama.expert_count": 8}}, "a mixture of 8 experts"),
    ({"more": {"tokenizer.ggml.model": "bert"}}, 'its tokenizer is of the kind "bert"'),
    ({"more": {"tokenizer.ggml.pre": "klingon"}}, 'its text is cut by the rule "klingon"'),
    ({"more": {"llama.rope.scaling.type": "longrope", "llama.rope.scaling.factor": 2.0}},
     'scaled in the way "longrope"'),
    ({"more": {"llama.attention.head_count_kv": [2, 2, 2, 1]}}, "differs from block to block"),
    ({"without": ["llama.embedding_length"]}, "does not say llama.embedding_length"),
    ({"without": ["blk.1.ffn_up.weight"]}, "layers.1.mlp.up_proj.weight"),
    ({"without": ["token_embd.weight"]}, "has no tensor token_embd.weight"),
    ({"without": ["tokenizer.ggml.tokens"]}, "has no tokenizer.ggml.tokens"),
]  # fmt: skip


@pytest.mark.parametrize(("how", "why"), _REFUSED)
def test_what_cannot_be_read_is_refused_by_name(
    how: dict[str, Any], why: str, cpu: Device, tmp_path: Path
) -> None:
    file = write_model(tmp_path / "m.gguf", ember.MODEL_PATH, **how)
    with pytest.raises(ConfigError) as caught:
        load_base("m.gguf", file, cpu)
    assert 'base_model (is "m.gguf")' in str(caught.value)
    assert why in str(caught.value)
    assert "Use " in str(caught.value)


def test_type_that_we_do_not_read_is_refused_by_name(tmp_path: Path) -> None:
    tensors = {
        "blk.0.ffn_up.weight": (bytes(66), "IQ2_XXS", (1, 256)),
        "blk.0.ffn_down.weight": (bytes(136), "IQ4_XS", (1, 256)),
    }
    file = write_gguf(tmp_path / "m.gguf", {"general.architecture": "llama"}, tensors)
    with pytest.raises(ConfigError, match=r"it holds IQ2_XXS, IQ4_XS, and we read .*in Q8_0, Q4_K"):
        open_stored("m.gguf", file)


@pytest.mark.parametrize("damage", ["cut", "magic", "empty", "tail"])
def test_damaged_file_is_refused(damage: str, tmp_path: Path) -> None:
    file = write_model(tmp_path / "m.gguf", ember.MODEL_PATH)
    data = file.read_bytes()
    damaged = {"cut": data[:2000], "magic": b"GGML" + data[4:], "empty": b"", "tail": data[:-900]}
    file.write_bytes(damaged[damage])
    with pytest.raises(ConfigError, match=r"Download it again"):
        open_stored("m.gguf", file)


def test_identity_follows_head_and_weights(tmp_path: Path) -> None:
    file = write_model(tmp_path / "m.gguf", ember.MODEL_PATH)
    again = shutil.copy(file, tmp_path / "n.gguf")
    other = write_model(tmp_path / "o.gguf", ember.MODEL_PATH, more={"general.name": "Another"})
    hashes = [open_stored("m", Path(path)).content_hash for path in (file, again, other)]
    assert hashes[0] == hashes[1] != hashes[2]
    data = bytearray(file.read_bytes())
    data[-100] ^= 1
    file.write_bytes(data)
    assert open_stored("m", file).content_hash != hashes[0]
