"""The linear layers of a base model, and whether an adapter is for them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlx.nn as nn
from safetensors import SafetensorError, safe_open

from radiance.engine.adapters.files import WEIGHTS_FILE
from radiance.engine.model.tied_head import head_of, tied_embedding


def linear_layers(model: Any) -> dict[str, tuple[int, int]]:
    """(d_in, d_out) of every linear layer of a model, by module path; an output head is one.

    Also where it is the embedding itself, which is none by name.
    """
    found = {
        path: _shape(module)
        for path, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.QuantizedLinear)
    }
    if (tied := tied_embedding(model)) is not None:
        path, embedding = tied
        found[head_of(path)] = _shape(embedding)
    return found


def _shape(layer: Any) -> tuple[int, int]:
    d_out, d_in = layer.weight.shape
    return d_in * 32 // layer.bits if "scales" in layer else d_in, d_out


def does_fit(directory: Path, layers: Mapping[str, tuple[int, int]]) -> bool:
    """Whether what an adapter's directory has is for layers of these shapes.

    Only the head of its file is read. One that cannot be read fits: where it is used, it is told.
    """
    try:
        with safe_open(directory / WEIGHTS_FILE, "numpy") as tensors:
            shapes = {name: tensors.get_slice(name).get_shape() for name in tensors.keys()}  # noqa: SIM118 - it is no mapping
    except (SafetensorError, OSError):
        return True
    for name, shape in shapes.items():
        path, _, half = name.rpartition(".")
        d_in, d_out = layers.get(path, (0, 0))
        if (shape[0] != d_in) if half == "lora_a" else (shape[-1] != d_out):
            return False
    return True
