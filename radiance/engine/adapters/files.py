"""Adapters on disk, in mlx-lm's format. Call on the engine thread."""

import json
import re
from pathlib import Path
from typing import Literal, TypedDict

import mlx.core as mx
from safetensors import SafetensorError, safe_open

from radiance.engine.adapters.slots import Adapter
from radiance.errors import CorruptCheckpoint, StorageError

WEIGHTS_FILE = "adapters.safetensors"
CONFIG_FILE = "adapter_config.json"
_LAYER = re.compile(r"^.*?\blayers\.\d+\.")  # keys are names within a block


class LoraParameters(TypedDict):
    """What mlx-lm makes layers of."""

    rank: int
    scale: float
    dropout: float
    keys: list[str]


class AdapterConfig(TypedDict):
    """``adapter_config.json`` as mlx-lm reads it."""

    fine_tune_type: Literal["lora"]
    num_layers: int
    lora_parameters: LoraParameters


def save_adapter(adapter: Adapter, adapter_config: AdapterConfig, directory: Path) -> None:
    """Write the two files that ``mlx_lm.generate --adapter-path`` reads, into ``directory``.

    Raises:
        StorageError: They could not be written whole.
    """
    tensors = {}
    for path, (a, b) in adapter.pairs.items():
        tensors[f"{path}.lora_a"], tensors[f"{path}.lora_b"] = a, b
    path = directory / WEIGHTS_FILE
    try:
        mx.save_safetensors(str(path), tensors, {"format": "mlx"})
        with safe_open(path, "numpy"):  # MLX does not notice that a disk is full
            pass
        (directory / CONFIG_FILE).write_text(json.dumps(adapter_config, indent=2) + "\n")
    except (RuntimeError, SafetensorError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise StorageError(
            f"{path}: could not be written whole ({error}). Check that the disk has room.",
            reason=reason or "an adapter could not be written whole",
        ) from error


def adapter_config(adapter: Adapter, layers: int) -> AdapterConfig:
    """``adapter_config.json`` of an adapter whose pairs have one rank.

    Args:
        adapter: It may leave out some of the layers; mlx-lm then adds nothing there.
        layers: Number of blocks of the base model.
    """
    keys = {_LAYER.sub("", path) for path in adapter.pairs}
    rank = next(iter(adapter.pairs.values()))[0].shape[1]
    return {
        "fine_tune_type": "lora",
        "num_layers": layers,
        "lora_parameters": {
            "rank": rank,
            "scale": adapter.scale,
            "dropout": 0.0,
            "keys": sorted(keys),
        },
    }


def load_adapter(directory: Path) -> Adapter:
    """Read an adapter, evaluated, so that its files are not read later.

    Raises:
        CorruptCheckpoint: A file is gone or cannot be read, a tensor lacks its partner, or the
            shapes do not fit each other.
    """
    try:
        scale = float(json.loads((directory / CONFIG_FILE).read_text())["lora_parameters"]["scale"])
        tensors = mx.load(str(directory / WEIGHTS_FILE))
        mx.eval(tensors)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise CorruptCheckpoint(f"{directory}: cannot be read ({error})") from None
    assert isinstance(tensors, dict)
    pairs = {}
    for name in tensors:
        path, _, leaf = name.rpartition(".")
        if leaf not in ("lora_a", "lora_b") or f"{path}.lora_b" not in tensors:
            raise CorruptCheckpoint(f"{directory}: {name} is not half of a LoRA pair")
        pairs[path] = (tensors[f"{path}.lora_a"], tensors[f"{path}.lora_b"])
        if pairs[path][0].shape[1] != pairs[path][1].shape[0]:
            raise CorruptCheckpoint(f"{directory}: the ranks of {path}'s A and B differ")
    return Adapter(pairs, scale)
