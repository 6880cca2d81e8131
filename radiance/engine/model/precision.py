"""In which precision a base model is computed. Call on the thread that owns MLX.

On the CPU a quantized matrix product takes some fifty times as long as OpenBLAS's float32 one, so
there the layers are made plain ones where the memory allows: of the same numbers, scale times value
plus bias, in float32. Metal and CUDA have kernels for quantized products, and keep them.
"""

from typing import Any

import mlx.core as mx
from mlx.nn import QuantizedEmbedding, QuantizedLinear
from mlx.utils import tree_flatten, tree_map
from mlx_lm.models.switch_layers import QuantizedSwitchLinear
from mlx_lm.utils import dequantize_model, get_total_parameters

from radiance.engine.model.device import Device

_MOST_SHARE = 0.5  # of the machine's memory, for the weights in float32
_FLOAT = 4
_QUANTIZED = (QuantizedLinear, QuantizedEmbedding, QuantizedSwitchLinear)


def is_better_plain(device: Device, parameter_count: int) -> bool:
    """Whether a quantized model would be computed faster, and could be, as a plain one."""
    fits = parameter_count * _FLOAT <= _MOST_SHARE * device.memory_bytes
    return device.backend == "cpu" and fits


def is_quantized(model: Any) -> bool:
    """Whether any layer of mlx-lm's module is."""
    return any(isinstance(module, _QUANTIZED) for module in model.modules())


def parameter_count(model: Any) -> int:
    """Of mlx-lm's module, quantized or not; only its shapes are looked at."""
    return get_total_parameters(model)


def prepare(model: Any, device: Device) -> tuple[Any, bool]:
    """Have mlx-lm's module computed as it is on this device; lazily, nothing is evaluated.

    Returns:
        The module, and whether layers that were quantized are plain ones now.
    """
    cast(model, device.compute_dtype)
    if is_quantized(model) and is_better_plain(device, parameter_count(model)):
        return dequantize_model(model), True
    return model, False


def cast(model: Any, dtype: mx.Dtype | None) -> None:
    """Make floating-point leaves (of a quantized layer: its scales and biases) of a dtype."""
    if dtype is not None:
        change = lambda a: a.astype(dtype) if mx.issubdtype(a.dtype, mx.floating) else a  # noqa: E731
        model.update(tree_map(change, model.parameters()))


def computed_as(model: Any, stored_precision: str) -> str:
    """In which precision a module's layers are computed, for a person: "float32", "4-bit"."""
    if is_quantized(model):
        return stored_precision
    leaves: Any = tree_flatten(model.parameters())
    _, largest = max(leaves, key=lambda leaf: leaf[1].size)
    return str(largest.dtype).rpartition(".")[2]


def weight_bytes(model: Any) -> int:
    """What a module's weights take in memory."""
    leaves: Any = tree_flatten(model.parameters())
    return sum(leaf.nbytes for _, leaf in leaves)
