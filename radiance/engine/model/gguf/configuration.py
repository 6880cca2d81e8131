"""From a GGUF file's head to the config.json that mlx-lm builds a model from.

Keys and defaults are llama.cpp's (llama-arch.cpp, llama-model.cpp); what its converter does to
weights (convert_hf_to_gguf.py) and has to be undone is said here too.
"""

import math
import struct
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from radiance.engine.model.gguf.blocks import GROUP_SIZE, PACKED_BITS, READ
from radiance.engine.model.gguf.head import Head
from radiance.engine.model.gguf.tokenizer import end_tokens
from radiance.errors import ConfigError

_NORMS = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
_HEAD_NORMS = {"attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm"}
_SANDWICH_NORMS = {
    "attn_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}
_LAYERS = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
_FLOATS = ("F32", "F16", "BF16")
ROPE_FACTORS = "rope_freqs.weight"
_LLAMA3 = {
    "rope_type": "llama3",
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
_SIGNIFICANT = 7  # digits of a float32


def _nothing(head: Head) -> Mapping[str, Any]:
    return {}


def _biases(head: Head) -> Mapping[str, Any]:
    return {
        "attention_bias": "blk.0.attn_q.bias" in head.tensors,
        "mlp_bias": "blk.0.ffn_up.bias" in head.tensors,
    }


def _gemma2(head: Head) -> Mapping[str, Any]:
    return {
        "attn_logit_softcapping": _number(head.of("attn_logit_softcapping", 50.0)),
        "final_logit_softcapping": _number(head.of("final_logit_softcapping", 30.0)),
        "query_pre_attn_scalar": _query_scale(head, largest=46),
    }


def _gemma3(head: Head) -> Mapping[str, Any]:
    return {
        "query_pre_attn_scalar": _query_scale(head, largest=62),
        "sliding_window": head.of("attention.sliding_window", 512),
        "sliding_window_pattern": 6,
        "rope_local_base_freq": 10000.0,
    }


def _query_scale(head: Head, largest: int) -> int:
    """llama.cpp knows it by the number of blocks: only the largest model divides by its heads."""
    if head.of("block_count") == largest:
        return head.of("embedding_length") // head.of("attention.head_count")
    return head_dim(head)


@dataclass(frozen=True)
class Architecture:
    """One of llama.cpp's architectures, as mlx-lm has it.

    Attributes:
        model_type: mlx-lm's name of it.
        names: Parts of tensor names within a block, and what mlx-lm calls them.
        more: Further keys of its config.
        is_permuted: Whether rows of q and k are in the order of llama.cpp's rotary embedding.
        norm_offset: What llama.cpp's converter has added to the weights of norms.
        divides_evenly: Whether mlx-lm takes a head's width to be hidden_size / heads.
    """

    model_type: str
    names: Mapping[str, str] = field(default_factory=lambda: _LAYERS | _NORMS)
    more: Callable[[Head], Mapping[str, Any]] = _nothing
    is_permuted: bool = False
    norm_offset: float = 0.0
    divides_evenly: bool = False


ARCHITECTURES = {
    "llama": Architecture("llama", more=_biases, is_permuted=True),
    "qwen2": Architecture("qwen2", divides_evenly=True),
    "qwen3": Architecture("qwen3", _LAYERS | _NORMS | _HEAD_NORMS),
    "gemma": Architecture("gemma", norm_offset=1.0),
    "gemma2": Architecture("gemma2", _LAYERS | _SANDWICH_NORMS, _gemma2, norm_offset=1.0),
    "gemma3": Architecture(
        "gemma3_text", _LAYERS | _SANDWICH_NORMS | _HEAD_NORMS, _gemma3, norm_offset=1.0
    ),
}


def architecture_of(head: Head, name: str) -> Architecture:
    """How mlx-lm has the model.

    Raises:
        ConfigError: It does not, or we do not know how to read it.
    """
    found = ARCHITECTURES.get(head.architecture)
    if found is None:
        raise refusal(
            name,
            f'its architecture is "{head.architecture}", and we read ' + ", ".join(ARCHITECTURES),
        )
    if head.of("expert_count", 0):
        raise refusal(name, f"it is a mixture of {head.of('expert_count')} experts")
    return found


def check(head: Head, name: str) -> None:
    """Refuse a file that we could not load, by what is in the way.

    Raises:
        ConfigError: Its architecture, or the type of one of its tensors, is not ours to read.
    """
    known = architecture_of(head, name)
    readable = (*_FLOATS, *PACKED_BITS, *READ)
    types = sorted(set(head.types()) - set(readable))
    if types:
        raise refusal(
            name,
            f"it holds {', '.join(types)}, and we read {', '.join(readable)}",
            "Take the model's file in Q8_0, Q4_K_M, Q4_0 or F16.",
        )
    for tensor in head.tensors:
        if tensor != ROPE_FACTORS and mlx_name(tensor, known) is None:
            raise refusal(name, f"mlx-lm's {known.model_type} has no place for its {tensor}")


def configuration(head: Head, name: str) -> Mapping[str, Any]:
    """The model's config.json.

    Args:
        head: Of the GGUF file.
        name: What to call the file in an error.

    Raises:
        ConfigError: It describes a model that mlx-lm does not have, or not all of one.
    """
    known = architecture_of(head, name)
    heads = _need(head, "attention.head_count", name)
    config = {
        "model_type": known.model_type,
        "hidden_size": _need(head, "embedding_length", name),
        "num_hidden_layers": _need(head, "block_count", name),
        "intermediate_size": _need(head, "feed_forward_length", name),
        "num_attention_heads": heads,
        "num_key_value_heads": head.of("attention.head_count_kv") or heads,
        "head_dim": head_dim(head),
        "rms_norm_eps": _number(_need(head, "attention.layer_norm_rms_epsilon", name)),
        "vocab_size": _vocabulary(head, name),
        "max_position_embeddings": _need(head, "context_length", name),
        "rope_theta": _number(head.of("rope.freq_base", 10000.0)),
        "tie_word_embeddings": "output.weight" not in head.tensors,
        "eos_token_id": end_tokens(head),
        **known.more(head),
    }
    for key, value in config.items():
        if isinstance(value, list) and key != "eos_token_id":
            raise refusal(name, f"its {key} differs from block to block")
    rotated = head.of("rope.dimension_count", config["head_dim"])
    if rotated != config["head_dim"]:
        raise refusal(name, f"it rotates {rotated} of a head's {config['head_dim']} dimensions")
    if known.divides_evenly and config["head_dim"] * heads != config["hidden_size"]:
        raise refusal(name, f"its heads are {config['head_dim']} wide, not hidden_size / heads")
    for which in ("bos", "padding"):
        number = head.metadata.get(f"tokenizer.ggml.{which}_token_id")
        if number is not None:
            config[f"{'pad' if which == 'padding' else which}_token_id"] = number
    if (scaling := _rope_scaling(head, name)) is not None:
        config["rope_scaling"] = scaling
    if (quantization := _quantization(head, known)) is not None:
        config["quantization"] = quantization
    return config


def mlx_name(name: str, known: Architecture) -> str | None:
    """mlx-lm's name of a tensor; None where the model has no place for it."""
    stem, _, kind = name.rpartition(".")
    if not stem.startswith("blk."):
        return f"{WHOLE[stem]}.{kind}" if stem in WHOLE else None
    _, number, part = stem.split(".", 2)
    return f"model.layers.{number}.{known.names[part]}.{kind}" if part in known.names else None


def head_dim(head: Head) -> int:
    """Width of one head of attention."""
    stated = head.of("attention.key_length") or head.of("rope.dimension_count")
    return int(stated or head.of("embedding_length") // head.of("attention.head_count"))


def refusal(name: str, what: str, remedy: str = "") -> ConfigError:
    """The error for a file that cannot be the base model."""
    other = (
        "Use the model's directory (config.json, *.safetensors, tokenizer.json) or its Hub id, "
        "if mlx-lm has the model."
    )
    return ConfigError(f'base_model (is "{name}"): {what}. {remedy or other}')


def _vocabulary(head: Head, name: str) -> int:
    embedding = head.tensors.get("token_embd.weight")
    if embedding is None:
        raise refusal(name, "it has no tensor token_embd.weight")
    return embedding.shape[0]


def _need(head: Head, key: str, name: str) -> Any:
    value = head.of(key)
    if value is None:
        raise refusal(name, f"its head does not say {head.architecture}.{key}")
    return value


def _number(value: float) -> float:
    """A float32 as the decimal it was meant as: 1e-05, not 9.999999747378752e-06."""
    return float(f"{value:.{_SIGNIFICANT}g}")


def quantized_layers(head: Head, known: Architecture) -> dict[str, int]:
    """The layers that MLX keeps quantized, by mlx-lm's path, and in how many bits."""
    return {
        str(mlx_name(tensor.name, known)).removesuffix(".weight"): PACKED_BITS[tensor.type]
        for tensor in head.tensors.values()
        if tensor.type in PACKED_BITS
    }


def _quantization(head: Head, known: Architecture) -> Mapping[str, Any] | None:
    """As mlx-lm has it: one number of bits, and the layers that have another."""
    layers = quantized_layers(head, known)
    if not layers:
        return None
    usual = Counter(layers.values()).most_common(1)[0][0]
    others = {
        path: {"group_size": GROUP_SIZE, "bits": bits}
        for path, bits in layers.items()
        if bits != usual
    }
    return {"group_size": GROUP_SIZE, "bits": usual, **others}


def _rope_scaling(head: Head, name: str) -> Mapping[str, Any] | None:
    if ROPE_FACTORS in head.tensors:
        return _llama3(head, name)
    kind = head.of("rope.scaling.type", "none")
    factor = head.of("rope.scaling.factor") or head.of("rope.scale_linear")
    if factor in (None, 1):
        return None
    if kind in ("none", "linear"):
        return {"rope_type": "linear", "factor": _number(factor)}
    if kind == "yarn" and head.of("rope.scaling.attn_factor", 1) == 1:
        context = _need(head, "rope.scaling.original_context_length", name)
        return {
            "rope_type": "yarn",
            "factor": _number(factor),
            "original_max_position_embeddings": context,
        }
    raise refusal(name, f'its rotary embedding is scaled in the way "{kind}"')


def _llama3(head: Head, name: str) -> Mapping[str, Any]:
    """Llama 3's way, of whose numbers the file holds only what they make of each frequency."""
    factors = struct.unpack(f"<{head_dim(head) // 2}f", head.bytes_of(ROPE_FACTORS))
    scaling = {**_LLAMA3, "factor": round(max(factors), 3)}
    expected = _llama3_factors(scaling, head.of("rope.freq_base", 10000.0), len(factors))
    pairs = zip(factors, expected, strict=True)
    if not all(math.isclose(ours, theirs, rel_tol=1e-3) for ours, theirs in pairs):
        raise refusal(name, f"{ROPE_FACTORS} is not scaled as Llama 3 is")
    return scaling


def _llama3_factors(scaling: Mapping[str, Any], base: float, count: int) -> list[float]:
    """By how much each wavelength is stretched (transformers, modeling_rope_utils.py)."""
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    factors = []
    for number in range(count):
        turns = scaling["original_max_position_embeddings"] / (
            2 * math.pi * base ** (number / count)
        )
        smooth = min(1.0, max(0.0, (turns - low) / (high - low)))
        factors.append(1 / ((1 - smooth) / scaling["factor"] + smooth))
    return factors
