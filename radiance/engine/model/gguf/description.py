"""From a model of mlx-lm's to what a GGUF file says of it: the way back of ``configuration``.

Keys are llama.cpp's (llama-arch.cpp). Whatever is written is read again by ``configuration`` and
held against the model, so that a file says all of it or is not written. Call on the engine thread.
"""

from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from typing import Any

import numpy as np
from mlx_lm.models.rope_utils import initialize_rope

from radiance.engine.model.gguf.configuration import (
    ARCHITECTURES,
    WHOLE,
    Architecture,
    configuration,
)
from radiance.engine.model.gguf.head import Head
from radiance.errors import ConfigError

Array = np.ndarray[Any, Any]
# Of a model's arguments: names, and what changes nothing that is computed.
_UNSAID = frozenset({"model_type", "max_position_embeddings", "rope_parameters"})


def architecture_name(model: Any, name: str) -> str:
    """llama.cpp's name of a model's architecture.

    Args:
        model: mlx-lm's module.
        name: Of the model, for the error.

    Raises:
        ConfigError: It is none that we write.
    """
    own = type(model).__module__.rpartition(".")[2]
    found = next((n for n, known in ARCHITECTURES.items() if known.model_type == own), None)
    if found is None:
        raise unwritable(
            name, f"its architecture is {own}, and we write " + ", ".join(ARCHITECTURES)
        )
    return found


def metadata_of(model: Any, architecture: str, name: str) -> Mapping[str, Any]:
    """The model's own section of a file's metadata, without that of its tokenizer.

    Raises:
        ConfigError: llama.cpp has no way to say something of it.
    """
    args = model.args
    head_dim = getattr(args, "head_dim", None) or args.hidden_size // args.num_attention_heads
    context = getattr(args, "max_position_embeddings", None)
    said: dict[str, Any] = {
        "context_length": context or 8192,  # Gemma's arguments lack it; its models have this one
        "embedding_length": args.hidden_size,
        "block_count": args.num_hidden_layers,
        "feed_forward_length": args.intermediate_size,
        "attention.head_count": args.num_attention_heads,
        "attention.head_count_kv": args.num_key_value_heads,
        "attention.key_length": head_dim,
        "attention.value_length": head_dim,
        "attention.layer_norm_rms_epsilon": float(args.rms_norm_eps),
        "rope.freq_base": float(args.rope_theta),
        "rope.dimension_count": head_dim,
        "vocab_size": args.vocab_size,
    }
    for key in ("attn_logit_softcapping", "final_logit_softcapping"):
        if hasattr(args, key):
            said[key] = float(getattr(args, key))
    if architecture == "gemma3":
        said["attention.sliding_window"] = args.sliding_window
    said |= _rope_scaling(getattr(args, "rope_scaling", None) or {}, name)
    keyed = {f"{architecture}.{key}": value for key, value in said.items()}
    return {"general.architecture": architecture, **keyed}


def _rope_scaling(scaling: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    if kind in ("default", "llama3"):  # Llama 3's way is a tensor: rope_factors
        return {}
    if kind not in ("linear", "yarn"):
        raise unwritable(name, f'its rotary embedding is scaled in the way "{kind}"')
    said = {"rope.scaling.type": kind, "rope.scaling.factor": float(scaling["factor"])}
    if kind == "yarn":
        original = scaling["original_max_position_embeddings"]
        said["rope.scaling.original_context_length"] = original
    return said


def rope_factors(model: Any) -> Array | None:
    """What Llama 3's scaling divides each frequency by, (head_dim / 2,); None: it has none."""
    args = model.args
    scaling = getattr(args, "rope_scaling", None) or {}
    if (scaling.get("rope_type") or scaling.get("type")) != "llama3":
        return None
    dims = getattr(args, "head_dim", None) or args.hidden_size // args.num_attention_heads
    rope: Any = initialize_rope(dims, args.rope_theta, False, scaling)
    plain = args.rope_theta ** (np.arange(0, dims, 2) / dims)
    return (np.array(rope._freqs, np.float64) / plain).astype(np.float32)


def gguf_name(place: str, known: Architecture) -> str | None:
    """llama.cpp's name of one of mlx-lm's arrays; None where it has none."""
    stem, _, kind = place.rpartition(".")
    if stem in WHOLE.values():
        return f"{next(ours for ours, theirs in WHOLE.items() if theirs == stem)}.{kind}"
    parts = stem.split(".", 3)
    if len(parts) != 4 or parts[:2] != ["model", "layers"]:
        return None
    part = next((ours for ours, theirs in known.names.items() if theirs == parts[3]), None)
    return None if part is None else f"blk.{parts[2]}.{part}.{kind}"


def rotated(array: Array, heads: int) -> Array:
    """Rows of q or k in llama.cpp's order, whose rotary embedding turns neighbours.

    Args:
        array: (heads * dims, ...): weights, a bias, or B of an adapter.
        heads: Of queries or of keys.
    """
    halves = array.reshape(heads, 2, array.shape[0] // heads // 2, *array.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2).reshape(array.shape))


def heads_of(place: str, known: Architecture, model: Any) -> int | None:
    """How many heads the rows of an array are reordered in; None: they stay in order."""
    if not known.is_permuted or not place.endswith(("weight", "bias")):
        return None
    layer = place.rpartition(".")[0].rpartition(".")[2]
    counts = {"q_proj": model.args.num_attention_heads, "k_proj": model.args.num_key_value_heads}
    return counts.get(layer)


def check(head: Head, model: Any, name: str) -> None:
    """See that a file that was written is read as this very model.

    Args:
        head: Of the file.
        model: What was written.
        name: Of the model, for the error.

    Raises:
        ConfigError: Something of the model cannot be said in a file.
    """
    module: Any = import_module(type(model).__module__)
    read = module.ModelArgs.from_dict(configuration(head, name))
    wanted, found = asdict(model.args), asdict(read)
    unsaid = _UNSAID | ({"sliding_window"} if "layer_types" in wanted else set())
    for key in sorted(wanted.keys() - unsaid):
        if not _alike(wanted[key], found[key]):
            raise unwritable(name, f"a GGUF file cannot say its {key} = {wanted[key]!r}")


def _alike(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, float) or isinstance(found, float):
        return wanted is not None and found is not None and bool(np.isclose(wanted, found, 1e-6))
    if isinstance(wanted, dict) or isinstance(found, dict):
        return _scaling(wanted) == _scaling(found)
    return wanted == found


def _scaling(given: Mapping[str, Any] | None) -> Mapping[str, Any]:
    kind = (given or {}).get("rope_type") or (given or {}).get("type") or "default"
    if given is None or kind == "default":
        return {}
    return {
        **{k: v for k, v in given.items() if k not in ("type", "rope_theta")},
        "rope_type": kind,
    }


def unwritable(name: str, what: str) -> ConfigError:
    """The error for a model that no GGUF file can be written of."""
    return ConfigError(
        f'base_model (is "{name}"): cannot be written as GGUF: {what}. Export it as "fused", and '
        "convert that by llama.cpp's convert_hf_to_gguf.py."
    )
