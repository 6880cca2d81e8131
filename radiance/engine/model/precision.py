"""In which precision a quantized base model is computed. Call on the engine thread.

On the CPU a quantized matrix product takes some fifty times as long as OpenBLAS's float32 one, so
there the layers are made plain ones where the memory allows: of the same numbers, scale times value
plus bias, in float32. Metal and CUDA have kernels for quantized products, and keep them.
"""

from typing import Any

from mlx.nn import QuantizedEmbedding, QuantizedLinear
from mlx_lm.models.switch_layers import QuantizedSwitchLinear
from mlx_lm.utils import get_total_parameters

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
