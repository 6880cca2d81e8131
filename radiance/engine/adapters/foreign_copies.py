"""Weights of the base that an adapter's file holds beside its own.

PEFT saves those of a head or an embedding that it adapts. They are passed over where they are the
base's, and refused where they are not. Call on the engine thread.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn

from radiance.engine.adapters.foreign_files import refuse
from radiance.engine.model.base import BaseModel
from radiance.engine.model.tied_head import head_of, tied_embedding

_COPY = re.compile(r"(?:base_model\.model\.)?(?P<path>.+?)(?:\.base_layer)?\.(?P<leaf>weight|bias)")
# How far the numbers may be apart, of their norm: by rounding, or by what quantizing takes.
_ROUNDING, _QUANTIZING = 1e-2, 0.3


def without_copies(
    path: Path,
    tensors: Mapping[str, mx.array],
    base: BaseModel,
    renamings: Sequence[Callable[[str], str]],
) -> dict[str, mx.array]:
    """The tensors without those that are the base's own weights.

    Args:
        path: The file, for messages.
        tensors: By name.
        base: The base model.
        renamings: What a layer may be called in the base.

    Raises:
        BadAdapter: One is of a layer of the base, and not what the base has there.
    """
    kept = {name: tensor for name, tensor in tensors.items() if ".lora_" in name}
    others = {name: tensor for name, tensor in tensors.items() if name not in kept}
    if not others or base.parts is not None:
        return dict(tensors)
    modules = dict(base.twin().named_modules())
    if (tied := tied_embedding(base.skeleton())) is not None:
        modules[head_of(tied[0])] = modules[tied[0]]
    for name, tensor in others.items():
        match = _COPY.fullmatch(name)
        module = None if match is None else _module(modules, match["path"], renamings)
        own = None if match is None or module is None else _own(module, match["leaf"])
        if own is None:
            kept[name] = tensor  # refused with all that is known of the others
        elif not _is_same(own, tensor, _is_quantized(module)):
            refuse(
                f"{path}: {name} is not what the base model has there: the adapter was trained on "
                "other weights, or changed them.",
                "Serve the base model it was trained on, or save the adapter without them "
                "(save_embedding_layers=False).",
            )
    return kept


def _module(
    modules: Mapping[str, Any], path: str, renamings: Sequence[Callable[[str], str]]
) -> Any | None:
    return next((modules[new] for rename in renamings if (new := rename(path)) in modules), None)


def _own(module: Any, leaf: str) -> mx.array | None:
    if not isinstance(module, nn.Module) or leaf not in module:
        return None
    if leaf == "weight" and _is_quantized(module):
        parts: Any = module
        return mx.dequantize(
            parts.weight,
            parts.scales,
            parts.get("biases"),
            parts.group_size,
            parts.bits,
            mode=parts.mode,
        )
    return module[leaf]


def _is_quantized(module: Any) -> bool:
    return isinstance(module, nn.QuantizedLinear | nn.QuantizedEmbedding)


def _is_same(own: mx.array, given: mx.array, is_quantized: bool) -> bool:
    if own.shape != given.shape or not mx.issubdtype(given.dtype, mx.floating):
        return False
    own, given = own.astype(mx.float32), given.astype(mx.float32)
    apart, size = mx.linalg.norm(own - given), mx.linalg.norm(own)
    most = _QUANTIZING if is_quantized else _ROUNDING
    return bool((apart <= most * size).item())
