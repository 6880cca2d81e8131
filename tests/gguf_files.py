"""GGUF files for tests: a writer of the format, and llama.cpp's conversion and quantizations."""

import json
import re
import shutil
import struct
from collections.abc import Container, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from radiance.platform import load_fast_blas

load_fast_blas()  # before MLX is first imported

import mlx.core as mx  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from mlx.utils import tree_flatten  # noqa: E402
from mlx_lm.models.rope_utils import initialize_rope  # noqa: E402

from radiance import ember  # noqa: E402
from radiance.engine.model.gguf.configuration import ARCHITECTURES  # noqa: E402
from radiance.engine.model.gguf.head import TYPES  # noqa: E402

Array = Any  # numpy.ndarray of floats; blocks of other types come as bytes with their shape
_NUMBER = {name: number for number, (name, _, _) in TYPES.items()}
_ALIGNMENT = 32


def write_gguf(path: Path, metadata: Mapping[str, Any], tensors: Mapping[str, tuple]) -> Path:
    """Write a file of version 3.

    Args:
        path: Where to.
        metadata: int as uint32, bool, float as float32, str, and lists of these.
        tensors: By name: (array, type) with an array (rows, columns) or (columns,), or
            (bytes, type, shape) for blocks that exist already.
    """
    head = bytearray(b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata)))
    for key, value in metadata.items():
        head += _text(key) + _value(value)
    body = bytearray()
    for name, (data, kind, *shape) in tensors.items():
        dimensions = (shape[0] if shape else data.shape)[::-1]
        head += _text(name) + struct.pack("<I", len(dimensions))
        head += struct.pack(f"<{len(dimensions)}Q", *dimensions)
        head += struct.pack("<IQ", _NUMBER[kind], len(body))
        body += data if isinstance(data, bytes) else encode(data, kind)
        body += bytes(-len(body) % _ALIGNMENT)
    head += bytes(-len(head) % _ALIGNMENT)
    path.write_bytes(bytes(head + body))
    return path


def encode(data: Array, kind: str) -> bytes:
    """An array as llama.cpp stores it (ggml-quants.c, quantize_row_*_ref)."""
    data = np.ascontiguousarray(data, np.float32)
    if kind == "F32":
        return data.tobytes()
    if kind == "F16":
        return data.astype(np.float16).tobytes()
    if kind == "BF16":
        bits = data.view(np.uint32)
        return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16).tobytes()
    if kind not in _ENCODERS:
        own = pytest.importorskip("gguf")
        return own.quants.quantize(data, own.GGMLQuantizationType[kind]).tobytes()
    return _ENCODERS[kind](data.reshape(-1, 32)).tobytes()


def _divided(blocks: Array, scales: Array) -> Array:
    """Each block by its scale as it is stored; by 1 where that is 0."""
    stored = scales.astype(np.float32)
    return blocks / np.where(stored == 0, np.float32(1), stored)


def _joined(*parts: Array) -> Array:
    return np.concatenate([part.view(np.uint8) for part in parts], axis=1)


def _q8_0(blocks: Array) -> Array:
    scales = (np.abs(blocks).max(axis=1, keepdims=True) / 127).astype(np.float16)
    numbers = np.round(_divided(blocks, scales)).clip(-127, 127).astype(np.int8)
    return _joined(scales, numbers)


def _q4_0(blocks: Array) -> Array:
    largest = np.abs(blocks).argmax(axis=1)[:, None]
    scales = (np.take_along_axis(blocks, largest, axis=1) / -8).astype(np.float16)
    numbers = (np.round(_divided(blocks, scales)) + 8).clip(0, 15).astype(np.uint8)
    return _joined(scales, numbers[:, :16] | numbers[:, 16:] << 4)


def _q4_1(blocks: Array) -> Array:
    low = blocks.min(axis=1, keepdims=True).astype(np.float16)
    from_low = blocks - low.astype(np.float32)
    above = blocks.max(axis=1, keepdims=True) - low.astype(np.float32)
    scales = (above / 15).astype(np.float16)
    numbers = np.round(_divided(from_low, scales)).clip(0, 15).astype(np.uint8)
    return _joined(scales, low, numbers[:, :16] | numbers[:, 16:] << 4)


_ENCODERS = {"Q8_0": _q8_0, "Q4_0": _q4_0, "Q4_1": _q4_1}


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: Any) -> bytes:
    kind = _kind(value[0] if isinstance(value, list) else value)
    if isinstance(value, list):
        body = b"".join(_bare(item) for item in value)
        return struct.pack("<IIQ", 9, kind, len(value)) + body
    return struct.pack("<I", kind) + _bare(value)


def _kind(value: Any) -> int:
    if isinstance(value, bool):
        return 7
    if isinstance(value, int):
        return 5 if value < 0 else 4
    return 6 if isinstance(value, float) else 8


def _bare(value: Any) -> bytes:
    if isinstance(value, str):
        return _text(value)
    return struct.pack({7: "<?", 4: "<I", 5: "<i", 6: "<f"}[_kind(value)], value)


def decode(data: bytes, kind: str, shape: tuple[int, ...]) -> Array:
    """Blocks as the numbers that they stand for (ggml-quants.c, dequantize_row_*)."""
    size = TYPES[_NUMBER[kind]][2]
    blocks = np.frombuffer(data, np.uint8).reshape(-1, size)
    if kind not in _DECODERS:
        own = pytest.importorskip("gguf")
        return own.quants.dequantize(blocks, own.GGMLQuantizationType[kind]).reshape(shape)
    return _DECODERS[kind](blocks).astype(np.float32).reshape(shape)


def _half(blocks: Array, start: int) -> Array:
    return blocks[:, start : start + 2].copy().view(np.float16).astype(np.float32)


def _nibbles(packed: Array) -> Array:
    return np.concatenate([packed & 15, packed >> 4], axis=-1).astype(np.float32)


def _from_q8_0(blocks: Array) -> Array:
    return _half(blocks, 0) * blocks[:, 2:].copy().view(np.int8).astype(np.float32)


def _from_q4_0(blocks: Array) -> Array:
    return _half(blocks, 0) * (_nibbles(blocks[:, 2:]) - 8)


def _from_q4_1(blocks: Array) -> Array:
    return _half(blocks, 0) * _nibbles(blocks[:, 4:]) + _half(blocks, 2)


_DECODERS = {
    "Q8_0": _from_q8_0,
    "Q4_0": _from_q4_0,
    "Q4_1": _from_q4_1,
}


def write_model(
    path: Path,
    directory: Path,
    kind: str = "F32",
    *,
    architecture: str = "llama",
    more: Mapping[str, Any] | None = None,
    without: Sequence[str] = (),
) -> Path:
    """A model of mlx-lm's as llama.cpp's converter writes it (convert_hf_to_gguf.py).

    Args:
        path: The file to write.
        directory: config.json, model.safetensors in float32, and the tokenizer's files.
        kind: Type of the matrices; vectors are F32.
        architecture: llama.cpp's name of it.
        more: Further metadata, or other values for what would be written.
        without: Metadata and tensors that are left out.
    """
    known = ARCHITECTURES[architecture]
    config = json.loads((directory / "config.json").read_text())
    names = {new: old for old, new in known.names.items()}
    weights: Any = mx.load(str(directory / "model.safetensors"))
    tensors = {}
    for place, weight in weights.items():
        array, name = np.array(weight), _gguf_name(place, names)
        if known.is_permuted and (found := re.search(r"attn_([qk])\.", name)):
            heads = config[f"num_{'attention' if found[1] == 'q' else 'key_value'}_heads"]
            halves = array.reshape(heads, 2, array.shape[0] // heads // 2, *array.shape[1:])
            array = halves.swapaxes(1, 2).reshape(array.shape)
        if "norm" in name:
            array = array + known.norm_offset
        tensors[name] = (array, kind if array.ndim > 1 else "F32")
    if (config.get("rope_scaling") or {}).get("rope_type") == "llama3":
        tensors["rope_freqs.weight"] = (_rope_factors(config), "F32")
    metadata = _metadata(architecture, config) | tokenizer_metadata(directory) | dict(more or {})
    return write_gguf(
        path,
        {key: value for key, value in metadata.items() if key not in without},
        {name: tensor for name, tensor in tensors.items() if name not in without},
    )


def _gguf_name(place: str, names: Mapping[str, str]) -> str:
    stem, _, kind = place.rpartition(".")
    whole = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    if stem in whole:
        return f"{whole[stem]}.{kind}"
    _, _, number, part = stem.split(".", 3)
    return f"blk.{number}.{names[part]}.{kind}"


def _metadata(architecture: str, config: dict[str, Any]) -> dict[str, Any]:
    keys = {
        "context_length": config["max_position_embeddings"],
        "embedding_length": config["hidden_size"],
        "block_count": config["num_hidden_layers"],
        "feed_forward_length": config["intermediate_size"],
        "attention.head_count": config["num_attention_heads"],
        "attention.head_count_kv": config["num_key_value_heads"],
        "attention.key_length": config["head_dim"],
        "attention.layer_norm_rms_epsilon": config["rms_norm_eps"],
        "rope.freq_base": float(config["rope_theta"]),
        "rope.dimension_count": config["head_dim"],
    }
    found = {f"{architecture}.{key}": value for key, value in keys.items()}
    return {"general.architecture": architecture, "general.name": "A test's model", **found}


def _rope_factors(config: dict[str, Any]) -> Array:
    dims, base = config["head_dim"], config["rope_theta"]
    rope: Any = initialize_rope(dims, base, False, config["rope_scaling"])
    return np.array(rope._freqs) / base ** (np.arange(0, dims, 2) / dims)


def tokenizer_metadata(directory: Path) -> dict[str, Any]:
    """A tokenizer.json of BPE, on bytes or as SentencePiece does it, in llama.cpp's terms."""
    content = json.loads((directory / "tokenizer.json").read_text())
    settings = json.loads((directory / "tokenizer_config.json").read_text())
    model = content["model"]
    special = {token["content"] for token in content["added_tokens"] if token["special"]}
    tokens = sorted(model["vocab"], key=model["vocab"].__getitem__)
    spoken = bool(model["byte_fallback"])
    found: dict[str, Any] = {
        "model": "llama" if spoken else "gpt2",
        "tokens": tokens,
        "token_type": [_token_type(token, special) for token in tokens],
        "add_bos_token": bool(settings.get("add_bos_token", False)),
    }
    merges = [pair if isinstance(pair, list) else pair.split(" ") for pair in model["merges"]]
    if spoken:
        ranks = {left + right: rank for rank, (left, right) in reversed(list(enumerate(merges)))}
        found["scores"] = [-float(ranks.get(token, 0)) for token in tokens]
    else:
        found |= {"pre": "smollm", "merges": [" ".join(pair) for pair in merges] or ["a b"]}
    names = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
    for name, ours in names.items():
        if settings.get(f"{name}_token"):
            found[f"{ours}_token_id"] = model["vocab"][settings[f"{name}_token"]]
    keyed = {f"tokenizer.ggml.{key}": value for key, value in found.items()}
    template = settings.get("chat_template")
    return keyed | ({"tokenizer.chat_template": template} if template else {})


def _token_type(token: str, special: Container[str]) -> int:
    if token == "<unk>":
        return 2
    if token in special:
        return 3
    return 6 if re.fullmatch(r"<0x[0-9A-F]{2}>", token) else 1


_SHAPE = {
    "vocab_size": 4096,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "rms_norm_eps": 1e-6,
    "rope_theta": 50000.0,
    "max_position_embeddings": 512,
}
_LLAMA3 = {
    "rope_type": "llama3",
    "factor": 32.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
MODELS: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    # llama.cpp's name, mlx-lm's, keys of config.json, and what a converter makes of them
    ("llama", "llama", {"tie_word_embeddings": False, "attention_bias": True}, {}),
    ("llama", "llama", {"rope_scaling": _LLAMA3, "rope_theta": 500000.0}, {}),
    ("llama", "llama", {"rope_scaling": {"rope_type": "linear", "factor": 4.0}},
     {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0}),
    ("qwen2", "qwen2", {"tie_word_embeddings": True}, {}),
    ("qwen2", "qwen2", {"tie_word_embeddings": False, "rope_scaling":
     {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128}},
     {"qwen2.rope.scaling.type": "yarn", "qwen2.rope.scaling.factor": 4.0,
      "qwen2.rope.scaling.original_context_length": 128}),
    ("qwen3", "qwen3", {"tie_word_embeddings": True, "head_dim": 32}, {}),
    ("gemma", "gemma", {"head_dim": 32}, {}),
    ("gemma2", "gemma2", {"head_dim": 32, "query_pre_attn_scalar": 32},
     {"gemma2.attn_logit_softcapping": 50.0, "gemma2.final_logit_softcapping": 30.0}),
    ("gemma3", "gemma3_text", {"head_dim": 32, "query_pre_attn_scalar": 32, "sliding_window": 8,
     "num_hidden_layers": 7}, {"gemma3.attention.sliding_window": 8}),
]  # fmt: skip


def directory_of(folder: Path, model_type: str, config: dict[str, Any]) -> Path:
    """A model with random weights of any architecture of mlx-lm's, with Ember's tokenizer."""
    shutil.copytree(ember.MODEL_PATH, folder, ignore=shutil.ignore_patterns("own_samples"))
    config = {**_SHAPE, "model_type": model_type, "eos_token_id": 4, **config}
    (folder / "config.json").write_text(json.dumps(config))
    found = import_module(f"mlx_lm.models.{model_type}")
    model = found.Model(found.ModelArgs.from_dict(config))
    if model_type.startswith("gemma"):
        model.sanitize({}) if model_type == "gemma3_text" else None
    key, weights = mx.random.key(3), {}
    leaves: Any = tree_flatten(model.parameters())
    for name, leaf in leaves:
        key, own = mx.random.split(key)
        weights[name] = 0.2 * mx.random.normal(leaf.shape, key=own) + (leaf.ndim == 1)
    mx.save_safetensors(str(folder / "model.safetensors"), weights, {"format": "mlx"})
    return folder
