"""The weights of a GGUF file in mlx-lm's module, as the file has them: quantized ones stay so.

MLX reads the format itself and gives Q4_0, Q4_1 and Q8_0 as its own quantized arrays, groups of 32
with a scale and a bias of float16: the same numbers as in the file. K-quants it would turn into
float16, of Q4_K every second group of 32 wrongly (0.32.4), so they are refused. Call on the engine
thread.
"""

from importlib import import_module
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from mlx.utils import tree_map

from radiance.engine.model.gguf.configuration import (
    BITS,
    GROUP_SIZE,
    architecture_of,
    mlx_name,
    quantized_layers,
)
from radiance.engine.model.gguf.head import Head, Tensor


def skeleton(head: Head, config: dict[str, Any]) -> Any:
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


def load(head: Head, config: dict[str, Any], *, is_uniform: bool) -> Any:
    """The module with the file's weights, read and not evaluated further.

    Args:
        head: Of the file, checked.
        config: From ``configuration``.
        is_uniform: Make the float32 vectors (norms, biases) the dtype of the matrices, so that
            nothing is computed in float32 for their sake. Gemma's stay: its activations overflow
            float16.

    Raises:
        ValueError: The file lacks a tensor, or one has another shape than the model says.
        RuntimeError: MLX cannot read it.
    """
    known = architecture_of(head, str(head.path))
    model = skeleton(head, config)
    stored: Any = mx.load(str(head.path))
    vectors = _dtype_of_matrices(head) if is_uniform and not known.norm_offset else None
    weights: dict[str, mx.array] = {}
    for tensor in head.tensors.values():
        place = mlx_name(tensor.name, known)
        if place is None:
            continue
        for kind, array in _arrays(head, tensor, stored).items():
            if known.is_permuted and place.endswith((".q_proj.weight", ".q_proj.bias")):
                array = _in_order(array, config["num_attention_heads"])
            elif known.is_permuted and place.endswith((".k_proj.weight", ".k_proj.bias")):
                array = _in_order(array, config["num_key_value_heads"])
            elif known.norm_offset and place.endswith("norm.weight"):
                array = array - known.norm_offset
            if vectors is not None and array.ndim == 1:
                array = array.astype(vectors)
            weights[f"{place.rpartition('.')[0]}.{kind}"] = array
    model.load_weights(list(weights.items()), strict=True)
    return model


def _of_dtype(array: mx.array, dtype: mx.Dtype) -> mx.array:
    return array.astype(dtype) if mx.issubdtype(array.dtype, mx.floating) else array


def _arrays(head: Head, tensor: Tensor, stored: dict[str, mx.array]) -> dict[str, mx.array]:
    """What MLX made of a tensor, by the names that its layer has for it."""
    stem, _, kind = tensor.name.rpartition(".")
    if tensor.type in BITS:
        return {part: stored[f"{stem}.{part}"] for part in ("weight", "scales", "biases")}
    if tensor.type == "BF16":  # MLX makes it float16, which has fewer exponents
        bits = np.frombuffer(head.bytes_of(tensor.name), np.uint16).reshape(tensor.shape)
        return {kind: mx.array(bits).view(mx.bfloat16)}
    return {kind: stored[tensor.name]}


def _in_order(array: mx.array, heads: int) -> mx.array:
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
