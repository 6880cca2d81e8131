"""The device MLX computes on, and what follows from it. Call on the engine thread."""

from dataclasses import dataclass

import mlx.core as mx

from radiance import platform
from radiance.config import Backend
from radiance.errors import ConfigError

_CACHE_PART = 8


@dataclass(frozen=True)
class Device:
    """Where the model runs.

    Attributes:
        name: The chip, for a person: "Apple M2 Pro", "Intel Xeon …".
        backend: "metal", "cuda" or "cpu".
        memory_bytes: What the model, its caches and everything else share.
        compute_dtype: What floating-point weights are computed in; None leaves them as stored.
        has_kernels: Whether each of ``mx.fast``'s operations is one kernel, not many operations.
    """

    name: str
    backend: str
    memory_bytes: int
    compute_dtype: mx.Dtype | None
    has_kernels: bool


def select_device(backend: Backend) -> Device:
    """Make ``backend`` this thread's default device.

    On the CPU everything is computed in float32, whatever dtype is stored: float16 and bfloat16
    matrix products have no fast path there (some fifty times slower). Compilation is off there
    too: it brings nothing, needs a C++ compiler at run time, and its cache is shared unsafely
    between processes.

    Raises:
        ConfigError: This machine or this MLX build does not have the backend asked for.
    """
    has_metal, has_cuda = mx.metal.is_available(), mx.cuda.is_available()
    wanted = "metal" if backend == "mps" else backend
    if wanted == "auto":
        wanted = "metal" if has_metal else "cuda" if has_cuda else "cpu"
    if wanted == "metal" and not has_metal:
        raise ConfigError(
            f'backend (is "{backend}"): no Metal device here. Use a Mac with Apple silicon, '
            'or backend = "auto".'
        )
    if wanted == "cuda" and not has_cuda:
        raise ConfigError(
            f'backend (is "{backend}"): no CUDA device here. Install radiance[cuda] on a machine '
            'with an NVIDIA GPU, or use backend = "auto".'
        )
    if wanted == "cpu":
        mx.set_default_device(mx.cpu)
        mx.disable_compile()
        return Device(platform.processor_name(), "cpu", platform.memory_bytes(), mx.float32, False)
    mx.set_default_device(mx.gpu)
    info = mx.device_info()
    memory = int(info.get("memory_size", 0)) or platform.memory_bytes()
    if wanted == "metal":
        _leave_room(int(info.get("max_recommended_working_set_size", 0)))
    return Device(str(info.get("device_name", wanted)), wanted, memory, None, True)


def has_kernels() -> bool:
    """Whether each of ``mx.fast``'s operations is one kernel on this thread's default device."""
    return mx.default_device() != mx.cpu


def _leave_room(most: int) -> None:
    """Bound what MLX takes of a Mac's memory, which the GPU shares with everything else.

    As much may be wired, so that it is not paged out between two tokens, as the system recommends
    for the GPU (``most``, bytes); over that MLX waits for memory to be freed instead of taking
    more. Freed buffers are kept for reuse up to a small part of it. Not run on a Mac by us.
    """
    if most:
        mx.set_wired_limit(most)
        mx.set_memory_limit(most)
        mx.set_cache_limit(most // _CACHE_PART)
