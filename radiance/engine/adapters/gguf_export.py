"""GGUF files for llama.cpp and what is built on it: the base with an adapter fused in, or it alone.

Written by llama.cpp's own package (gguf). What is written is read again and held against the model
before it counts. Call on the engine thread; directories must be new, and are published by whoever
made them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod
from pathlib import Path
from typing import Any, Literal

import gguf
import mlx.core as mx
import mlx.nn as nn
import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter
from mlx.utils import tree_flatten
from mlx_lm.utils import dequantize_model

from radiance.engine.adapters.export import fused_model
from radiance.engine.adapters.foreign_files import ADAPTER_FILE, MODEL_FILE
from radiance.engine.adapters.slots import Adapter
from radiance.engine.model.base import BaseModel
from radiance.engine.model.gguf import description, head, vocabulary
from radiance.engine.model.gguf.configuration import ARCHITECTURES, ROPE_FACTORS, Architecture
from radiance.engine.model.stored import StoredGguf

Kind = Literal["f16", "q8_0"]
_TYPES = {"f16": GGMLQuantizationType.F16, "q8_0": GGMLQuantizationType.Q8_0}
_FILE_TYPES = {"f16": gguf.LlamaFileType.MOSTLY_F16, "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}
_BLOCK = 32  # numbers of a block of Q8_0
_MOST_HALF = 65504.0  # the largest number of float16
_LISTS = {
    "tokens": GGUFValueType.STRING,
    "merges": GGUFValueType.STRING,
    "token_type": GGUFValueType.INT32,
    "scores": GGUFValueType.FLOAT32,
}

_F32 = GGMLQuantizationType.F32
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class _Entry:
    """A tensor to be written: its shape rows first, and what makes its numbers, as float32."""

    name: str
    shape: tuple[int, ...]
    kind: GGMLQuantizationType
    numbers: Callable[[], Array]


def write_gguf(adapter: Adapter, base: BaseModel, directory: Path, kind: Kind) -> None:
    """Write ``model.gguf``: the base with the adapter added to its weights.

    Matrices are of the kind that is asked for, vectors float32, as llama.cpp's converter has it;
    of "q8_0" those whose rows are no whole number of blocks are float16.

    Raises:
        ConfigError: llama.cpp has no such model or tokenizer, or a weight is too large for float16.
    """
    name = architecture_of(base)
    known = ARCHITECTURES[name]
    model = dequantize_model(fused_model(adapter, base))
    metadata = {
        "general.name": base.name.rpartition("/")[2],
        "general.type": "model",
        "general.file_type": int(_FILE_TYPES[kind]),
        "general.quantization_version": gguf.GGML_QUANT_VERSION,
        **description.metadata_of(model, name, base.name),
        **tokenizer_metadata(base),
    }
    leaves: Any = tree_flatten(model.parameters())
    entries = []
    for path, leaf in leaves:
        own, type_ = _name(path, known, base), _type(leaf, kind)
        made = partial(_numbers, leaf, path, known, model, type_, base.name)
        entries.append(_Entry(own, leaf.shape, type_, made))
    if (factors := description.rope_factors(model)) is not None:
        entries.append(_Entry(ROPE_FACTORS, factors.shape, _F32, lambda: factors))
    target = directory / MODEL_FILE
    _write(target, metadata, entries)
    description.check(head.read(target), model, base.name)


def write_gguf_lora(adapter: Adapter, base: BaseModel, directory: Path) -> None:
    """Write ``adapter.gguf``: the adapter for llama.cpp's ``--lora``, in float32.

    llama.cpp multiplies by ``adapter.lora.alpha`` over the rank; alpha is such that this is our
    factor. Rows of B are in the order of the layer that they are added to.

    Raises:
        ConfigError: llama.cpp has no such model.
    """
    name = architecture_of(base)
    known = ARCHITECTURES[name]
    model = base.skeleton()
    rank = max(a.shape[1] for a, _ in adapter.pairs.values())
    metadata = {
        "general.architecture": name,
        "general.name": base.name.rpartition("/")[2],
        "general.type": "adapter",
        "adapter.type": "lora",
        "adapter.lora.alpha": float(adapter.scale * rank),
    }
    entries = []
    for path, (a, b) in sorted(adapter.pairs.items()):
        a, b = _filled(a, b, rank)
        place = f"{path}.weight"
        own, heads = _name(place, known, base), description.heads_of(place, known, model)
        rows = np.array(b.T, np.float32)
        halves = {"a": np.array(a.T, np.float32), "b": rows}
        if heads is not None:
            halves["b"] = description.rotated(rows, heads)
        for half, array in halves.items():
            made = partial(np.asarray, array)
            entries.append(_Entry(f"{own}.lora_{half}", array.shape, _F32, made))
    _write(directory / ADAPTER_FILE, metadata, entries)


def architecture_of(base: BaseModel) -> str:
    """llama.cpp's name of a base's architecture.

    Raises:
        ConfigError: It is none that we write.
    """
    return description.architecture_name(base.model, base.name)


def tokenizer_metadata(base: BaseModel) -> Mapping[str, Any]:
    """The tokenizer's part of a file's metadata; of a base that is a GGUF file, its own."""
    if isinstance(base.stored, StoredGguf):
        own = base.stored.head.metadata
        return {key: value for key, value in own.items() if key.startswith("tokenizer.")}
    return vocabulary.metadata_of(base.tokenizer, base.vocab_size, base.name)


def _name(path: str, known: Architecture, base: BaseModel) -> str:
    own = description.gguf_name(path, known)
    if own is None:
        raise description.unwritable(base.name, f"llama.cpp has no place for {path}")
    return own


def _filled(a: mx.array, b: mx.array, rank: int) -> tuple[mx.array, mx.array]:
    """The pair with zeros up to a rank: llama.cpp divides each by its own, we by one."""
    missing = rank - a.shape[1]
    return mx.pad(a, [(0, 0), (0, missing)]), mx.pad(b, [(0, missing), (0, 0)])


def _type(leaf: mx.array, kind: Kind) -> GGMLQuantizationType:
    if leaf.ndim == 1:
        return _F32
    return _TYPES[kind if leaf.shape[-1] % _BLOCK == 0 else "f16"]


def _numbers(
    leaf: mx.array,
    path: str,
    known: Architecture,
    model: nn.Module,
    kind: GGMLQuantizationType,
    name: str,
) -> Array:
    array = np.array(leaf.astype(mx.float32))
    if (heads := description.heads_of(path, known, model)) is not None:
        array = description.rotated(array, heads)
    if path.endswith("norm.weight"):
        array = array + np.float32(known.norm_offset)
    if kind == GGMLQuantizationType.F16 and not np.abs(array).max() <= _MOST_HALF:
        raise description.unwritable(name, f"{path} holds a number that float16 does not have")
    return array


def _write(path: Path, metadata: Mapping[str, Any], entries: Sequence[_Entry]) -> None:
    """The head first, then one tensor after another: no more than one of them is in memory."""
    writer = GGUFWriter(None, str(metadata["general.architecture"]))
    for key, value in metadata.items():
        if key != "general.architecture":  # the writer's own
            _add(writer, key, value)
    for entry in entries:
        numbers, size = gguf.GGML_QUANT_SIZES[entry.kind]
        stored = prod(entry.shape) // numbers * size
        writer.add_tensor_info(entry.name, entry.shape, np.dtype(np.float32), stored, entry.kind)
    writer.write_header_to_file(path)
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for entry in entries:
        writer.write_tensor_data(gguf.quants.quantize(entry.numbers(), entry.kind))
    writer.close()


def _add(writer: GGUFWriter, key: str, value: Any) -> None:
    if isinstance(value, list):
        own = _LISTS.get(key.rpartition(".")[2])
        writer.add_key_value(key, value, GGUFValueType.ARRAY, own)
    elif isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    else:
        writer.add_string(key, str(value))
