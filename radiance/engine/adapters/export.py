"""Adapters in the forms that other programs load: PEFT's directory, and a model fused with one.

mlx-lm's own form is what a checkpoint is already. Call on the engine thread; directories must be
new and empty, and are published by whoever made them.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_unflatten
from mlx_lm.utils import save_model

from radiance.engine.adapters.files import CONFIG_FILE
from radiance.engine.adapters.foreign import PEFT_WEIGHTS_FILE, dtype_name
from radiance.engine.adapters.slots import Adapter
from radiance.engine.model.base import BaseModel
from radiance.engine.model.tied_head import head_of, tied_embedding
from radiance.errors import ConfigError

_TOKENIZER_FILES = ("tokenizer*", "*.jinja", "special_tokens_map.json", "vocab.*", "merges.txt")
_TOKENIZER_FILES += ("*.tiktoken", "added_tokens.json", "generation_config.json", "chat_template*")


def write_peft(adapter: Adapter, base: BaseModel, directory: Path) -> None:
    """Write what ``peft.PeftModel.from_pretrained`` loads.

    PEFT multiplies by ``lora_alpha / r``; alpha is chosen so that this is our factor. Matrices are
    stored transposed against ours, as torch's linear layers hold them.
    """
    tensors, ranks = {}, {}
    for path, (a, b) in sorted(adapter.pairs.items()):
        tensors[f"base_model.model.{path}.lora_A.weight"] = mx.contiguous(a.T)
        tensors[f"base_model.model.{path}.lora_B.weight"] = mx.contiguous(b.T)
        ranks[path] = a.shape[1]
    mx.save_safetensors(str(directory / PEFT_WEIGHTS_FILE), tensors, {"format": "pt"})
    rank = max(ranks.values())
    odd = {path: own for path, own in ranks.items() if own != rank}
    settings: dict[str, object] = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base.name,
        "r": rank,
        "lora_alpha": adapter.scale * rank,
        "rank_pattern": odd,
        "alpha_pattern": {path: adapter.scale * own for path, own in odd.items()},
        "target_modules": _targets(adapter, base),
        "lora_dropout": 0.0,
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "inference_mode": True,
        "use_rslora": False,
        "use_dora": False,
        "modules_to_save": None,
    }
    _write_json(directory / CONFIG_FILE, settings)


def check_head(adapter: Adapter, base: BaseModel) -> None:
    """Refuse an adapter of a head that is the embedding: PEFT alone has a name for what it changes.

    Raises:
        ConfigError: It is one.
    """
    tied = tied_embedding(base.skeleton())
    if tied is not None and head_of(tied[0]) in adapter.pairs:
        raise ConfigError(
            f"the adapter changes the output head, which is the embedding itself in {base.name!r}: "
            "mlx-lm and llama.cpp would leave that out without a word, and a fused model would "
            "change the embedding, too. Export it with --format peft."
        )


def _targets(adapter: Adapter, base: BaseModel) -> list[str]:
    """Last names of the adapted layers; whole names where that would name others as well."""
    names = {path.rpartition(".")[2] for path in adapter.pairs}
    linear = {
        path
        for path, module in base.skeleton().named_modules()
        if isinstance(module, nn.Linear | nn.QuantizedLinear)
    }
    named = {path for path in linear if path.rpartition(".")[2] in names}
    return sorted(names if named == set(adapter.pairs) else adapter.pairs)


def write_fused(adapter: Adapter, base: BaseModel, directory: Path) -> None:
    """Write the base with the adapter added to its weights, as a model directory.

    Adapted layers of a quantized base become plain ones: quantizing the sum again would change what
    was learned. Weights have the dtype they are computed in.
    """
    model = fused_model(adapter, base)
    mx.eval(model.parameters())
    save_model(directory, model, donate_model=False)
    fused = {path: module for path, module in model.named_modules() if path in adapter.pairs}
    config = {name: value for name, value in base.config.items() if name != "_name_or_path"}
    for name in ("torch_dtype", "dtype"):
        if name in config:
            config[name] = dtype_name(next(iter(fused.values())).weight.dtype)
    for name in ("quantization", "quantization_config"):
        if isinstance(config.get(name), dict):
            config[name] = {**config[name], **dict.fromkeys(fused, False)}
    _write_json(directory / "config.json", config)
    for pattern in _TOKENIZER_FILES:
        for file in base.path.glob(pattern):
            shutil.copy(file, directory / file.name)


def fused_model(adapter: Adapter, base: BaseModel) -> Any:
    """mlx-lm's module of the base with the adapter added to the weights of its layers, lazily."""
    model = base.as_stored()
    fused = [
        (path, _fuse(module, *adapter.pairs[path], adapter.scale))
        for path, module in model.named_modules()
        if path in adapter.pairs
    ]
    model.update_modules(tree_unflatten(fused))
    return model


def _fuse(module: Any, a: mx.array, b: mx.array, scale: float) -> nn.Linear:
    weight = module.weight
    if isinstance(module, nn.QuantizedLinear):
        weight = mx.dequantize(
            weight, module.scales, module.biases, module.group_size, module.bits, mode=module.mode
        )
    d_out, d_in = weight.shape
    fused = nn.Linear(d_in, d_out, bias="bias" in module)
    delta = scale * (a.astype(mx.float32) @ b.astype(mx.float32)).T
    fused.weight = (weight.astype(mx.float32) + delta).astype(weight.dtype)
    if "bias" in module:
        fused.bias = module.bias
    return fused


def _write_json(path: Path, value: Mapping[str, object]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")
