"""The blocks of ggml's quantized types as arrays (ggml-quants.c, dequantize_row_*).

Q4_0, Q4_1 and Q8_0 are 32 numbers with a scale and a bias, which is MLX's own layout but for the
order of nibbles: they stay quantized. The others have scales of scales, or more bits than fit it,
and are computed into floating-point numbers. MLX has a reader too (``mx.load``), which refuses a
whole file for one Q3_K or Q5_K in it, and reads every second group of Q4_K wrongly (0.32.4).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
GROUP_SIZE = 32
PACKED_BITS = {"Q4_0": 4, "Q4_1": 4, "Q8_0": 8}
"""Types that stay quantized, and in how many bits."""


def packed(kind: str, blocks: Array) -> tuple[Array, Array, Array]:
    """Blocks in MLX's layout, number for number.

    Args:
        kind: One of ``PACKED_BITS``.
        blocks: (blocks, bytes) uint8.

    Returns:
        (blocks, words) uint32, and (blocks, 1) float16 twice: number = scale * word's part + bias.
    """
    scales = _half(blocks, 0)
    if kind == "Q8_0":
        return (blocks[:, 2:] ^ 0x80).view(np.uint32), scales, scales * np.float16(-128)
    biases = scales * np.float16(-8) if kind == "Q4_0" else _half(blocks, 2)
    halves = blocks[:, -16:]
    values = np.concatenate([halves & 15, halves >> 4], axis=1)
    return (values[:, ::2] | values[:, 1::2] << 4).view(np.uint32), scales, biases


def numbers(kind: str, blocks: Array) -> Array:
    """Blocks as float32, (blocks, values of a block).

    Args:
        kind: One of ``READ``.
        blocks: (blocks, bytes) uint8.
    """
    return _READERS[kind](blocks)


def _half(blocks: Array, start: int) -> Array:
    """(blocks, 1) float16 at a place of each block."""
    return np.ascontiguousarray(blocks[:, start : start + 2]).view(np.float16)


def _float(blocks: Array, start: int) -> Array:
    return _half(blocks, start).astype(np.float32)


def _bits(packed: Array, width: int, count: int) -> Array:
    """(..., count, n) uint8: of each byte its parts of some bits, the lowest first."""
    shifts = np.arange(0, width * count, width, dtype=np.uint8)
    return packed[..., None, :] >> shifts[:, None] & ((1 << width) - 1)


def _fifth_bits(blocks: Array, start: int) -> Array:
    """(blocks, 32) uint8, 0 or 16: a bit of each number, packed in order."""
    return np.unpackbits(blocks[:, start : start + 4], axis=1, bitorder="little") << 4


def _q5_0(blocks: Array) -> Array:
    low = _bits(blocks[:, 6:], 4, 2).reshape(-1, 32)
    return _float(blocks, 0) * ((low | _fifth_bits(blocks, 2)).astype(np.float32) - 16)


def _q5_1(blocks: Array) -> Array:
    low = _bits(blocks[:, 8:], 4, 2).reshape(-1, 32)
    values = (low | _fifth_bits(blocks, 4)).astype(np.float32)
    return _float(blocks, 0) * values + _float(blocks, 2)


def _q2_k(blocks: Array) -> Array:
    scales, values = blocks[:, :16], _bits(blocks[:, 16:80].reshape(-1, 2, 32), 2, 4)
    scaled = (_float(blocks, 80) * (scales & 15))[..., None] * values.reshape(-1, 16, 16)
    return (scaled - (_float(blocks, 82) * (scales >> 4))[..., None]).reshape(-1, 256)


def _q3_k(blocks: Array) -> Array:
    high = _bits(blocks[:, :32], 1, 8).reshape(-1, 256)
    low = _bits(blocks[:, 32:96].reshape(-1, 2, 32), 2, 4).reshape(-1, 256)
    values = low.astype(np.int8) - ((high ^ 1) << 2).astype(np.int8)
    quarter = blocks[:, 96:108]
    nibbles = _bits(quarter[:, :8], 4, 2).reshape(-1, 16)
    pairs = _bits(quarter[:, 8:], 2, 4).reshape(-1, 16)
    scales = _float(blocks, 108) * ((nibbles | pairs << 4).astype(np.float32) - 32)
    return (scales[..., None] * values.reshape(-1, 16, 16)).reshape(-1, 256)


def _scales_and_minima(blocks: Array) -> tuple[Array, Array]:
    """Of Q4_K and Q5_K: (blocks, 8, 1) float32 each, from twelve bytes of six bits."""
    first, second, third = blocks[:, 4:8], blocks[:, 8:12], blocks[:, 12:16]
    scales = np.concatenate([first & 63, third & 15 | first >> 6 << 4], axis=1)
    minima = np.concatenate([second & 63, third >> 4 | second >> 6 << 4], axis=1)
    return (_float(blocks, 0) * scales)[..., None], (_float(blocks, 2) * minima)[..., None]


def _q4_k(blocks: Array) -> Array:
    scales, minima = _scales_and_minima(blocks)
    values = _bits(blocks[:, 16:].reshape(-1, 4, 32), 4, 2).reshape(-1, 8, 32)
    return (scales * values - minima).reshape(-1, 256)


def _q5_k(blocks: Array) -> Array:
    scales, minima = _scales_and_minima(blocks)
    low = _bits(blocks[:, 48:].reshape(-1, 4, 32), 4, 2).reshape(-1, 8, 32)
    high = _bits(blocks[:, 16:48], 1, 8)
    return (scales * (low | high << 4) - minima).reshape(-1, 256)


def _q6_k(blocks: Array) -> Array:
    low = _bits(blocks[:, :128].reshape(-1, 2, 64), 4, 2).reshape(-1, 256)
    high = _bits(blocks[:, 128:192].reshape(-1, 2, 32), 2, 4).reshape(-1, 256)
    values = (low | high << 4).astype(np.float32) - 32
    scales = _float(blocks, 208) * np.ascontiguousarray(blocks[:, 192:208]).view(np.int8)
    return (scales[..., None] * values.reshape(-1, 16, 16)).reshape(-1, 256)


_READERS: dict[str, Callable[[Array], Array]] = {
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q2_K": _q2_k,
    "Q3_K": _q3_k,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
    "Q6_K": _q6_k,
}
READ = tuple(_READERS)
"""Types that become floating-point numbers."""
