"""The weights of a GGUF file in mlx-lm's module, as the file has them: quantized ones stay so.

Q4_0, Q4_1 and Q8_0 are MLX's own quantized arrays, groups of 32 with a scale and a bias of float16:
the same numbers as in the file. Other quantized types become floating-point numbers. Call on the
engine thread.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_map

from radiance.engine.model.gguf.blocks import GROUP_SIZE, PACKED_BITS, numbers, packed
from radiance.engine.model.gguf.configuration import (
    architecture_of,
    mlx_name,
    quantized_layers,
)
from radiance.engine.model.gguf.head import TYPES, Head, Tensor

_DTYPES = {"F32": mx.float32, "F16": mx.float16, "BF16": mx.bfloat16}
FLOATS = tuple(_DTYPES)
"""Types that are numbers as they stand."""


def skeleton(head: Head, config: Mapping[str, Any]) -> Any:
    """mlx-lm's module with the layers quantized that the file has so; no weight is read."""
    known = architecture_of(head, str(head.path))
    found: Any = import_module(f"mlx_lm.models.{known.model_type}")
    model = found.Model(found.ModelArgs.from_dict(config))
    if hasattr(model, "sanitize"):  # drops an output head that is not there; looks at names only
        places = [mlx_name(name, known) for name in head.tensors]
        model.sanitize({place: None for place in places if place is not None})
    bits = quantized_layers(head, known)

    def quantization(path: str, _: nn.Module) -> bool | dict[str, Any]:
        return {"group_size": GROUP_SIZE, "bits": bits[path]} if path in bits else False

    if bits:
        nn.quantize(model, class_predicate=quantization)
    dtype = _dtype_of_matrices(head)
    model.update(tree_map(lambda a: _of_dtype(a, dtype), model.parameters()))
    model.eval()
    return model


def load(head: Head, config: Mapping[str, Any], *, is_uniform: bool) -> Any:
    """The module with the file's weights.

    Args:
        head: Of the file, checked.
        config: From ``configuration``.
        is_uniform: Have matrices of half precision where they are not quantized, and the float32
            vectors (norms, biases) in the dtype of the matrices, so that nothing is computed in
            float32 for their sake. Gemma's vectors stay: its activations overflow float16.

    Raises:
        ValueError: The file lacks a tensor, or one has another shape than the model says.
    """
    known = architecture_of(head, str(head.path))
    model = skeleton(head, config)
    vectors = _dtype_of_matrices(head) if is_uniform and not known.norm_offset else None
    weights: dict[str, mx.array] = {}
    for tensor in head.tensors.values():
        place = mlx_name(tensor.name, known)
        if place is None:
            continue
        for kind, array in arrays_of(head, tensor, is_half=is_uniform).items():
            if known.is_permuted and place.endswith((".q_proj.weight", ".q_proj.bias")):
                array = in_order(array, config["num_attention_heads"])
            elif known.is_permuted and place.endswith((".k_proj.weight", ".k_proj.bias")):
                array = in_order(array, config["num_key_value_heads"])
            elif known.norm_offset and place.endswith("norm.weight"):
                array = array - known.norm_offset
            if vectors is not None and array.ndim == 1:
                array = array.astype(vectors)
            weights[f"{place.rpartition('.')[0]}.{kind}"] = array
    model.load_weights(list(weights.items()), strict=True)
    return model


def _of_dtype(array: mx.array, dtype: mx.Dtype) -> mx.array:
    return array.astype(dtype) if mx.issubdtype(array.dtype, mx.floating) else array


def arrays_of(head: Head, tensor: Tensor, *, is_half: bool) -> dict[str, mx.array]:
    """A tensor by the names that its layer has for its parts."""
    kind, shape = tensor.name.rpartition(".")[2], tensor.shape
    data = np.frombuffer(head.bytes_of(tensor.name), np.uint8)
    if tensor.type in _DTYPES:
        array = mx.array(data.view(f"u{_DTYPES[tensor.type].size}")).view(_DTYPES[tensor.type])
        return {kind: array.reshape(shape)}
    size = next(size for name, _, size in TYPES.values() if name == tensor.type)
    blocks = data.reshape(-1, size)
    if tensor.type in PACKED_BITS:
        parts = zip(("weight", "scales", "biases"), packed(tensor.type, blocks), strict=True)
        return {name: mx.array(part.reshape(shape[0], -1)) for name, part in parts}
    plain = numbers(tensor.type, blocks).reshape(shape)
    return {kind: mx.array(plain.astype(np.float16) if is_half else plain)}


def in_order(array: mx.array, heads: int) -> mx.array:
    """Rows of q or k from llama.cpp's order, whose rotary embedding turns neighbours.

    Args:
        array: (heads * dims, ...): a bias, or of quantized weights any of the three.
        heads: Of queries or of keys.
    """
    dims = array.shape[0] // heads
    pairs = array.reshape(heads, dims // 2, 2, *array.shape[1:])
    return pairs.swapaxes(1, 2).reshape(array.shape)


def _dtype_of_matrices(head: Head) -> mx.Dtype:
    types = {tensor.type for tensor in head.tensors.values() if len(tensor.shape) > 1}
    if types == {"F32"}:
        return mx.float32
    return mx.bfloat16 if types <= {"F32", "BF16"} else mx.float16
