"""Exponentials, and what is made of them, where MLX's own are slow.

MLX's CPU backend computes an exponential on Linux one number after another: 17 ns each on the
machine this was measured on, so that the gate of an MLP took longer than its matrix product. Whole
arrays are added and multiplied at 0.2 ns a number, so a polynomial of five terms, written as such
passes, takes a fifth of that at the same accuracy (relative error below 1e-6). Elsewhere MLX's own
are taken.

The method is the usual one (Cody & Waite, 1980): 2^x = 2^n 2^f with n an integer and |f| <= 1/2;
2^f by the polynomial of least relative error that is 1 at 0, 9.1e-8; 2^n by adding n to the
exponent's bits.
"""

import math

import mlx.core as mx

from radiance.platform import IS_MACOS

# Of 2^f on [-1/2, 1/2], from the constant term on.
_TERMS = (1.0, 0.6931469776, 0.2402224208, 0.0555073374, 0.0096715127, 0.0013264727)
_LOG2_E = 1 / math.log(2)
_ROUNDS = 1.5 * 2.0**23  # adding it to a float32 leaves an integer in the low bits
_MANTISSA_BITS = 23
_LEAST, _MOST = (
    -126.0,
    126.0,
)  # powers of two that float32, and their reciprocals, hold with all digits
MOST_AT_ONCE = 2**18
"""Numbers that the passes over them find in the processor's cache."""
_WORTH = 8192  # numbers from which so many passes take less than MLX's one


def exp(x: mx.array) -> mx.array:
    """e^x of any shape; below e^-87 it stays there, so that nothing becomes subnormal."""
    return _power_of_two(x * _LOG2_E) if _is_on_linux(x) else mx.exp(x)


def sigmoid(x: mx.array) -> mx.array:
    """1 / (1 + e^-x), of any shape."""
    if not _is_on_linux(x):
        return mx.sigmoid(x)
    return mx.reciprocal(_power_of_two(x * -_LOG2_E) + 1.0)


def log_softmax(logits: mx.array) -> mx.array:
    """Logarithms of probabilities in nats, of logits (..., vocabulary) and of their shape."""
    if not is_slow(logits):
        return logits - mx.logsumexp(logits, axis=-1, keepdims=True)
    rows = logits.reshape(-1, logits.shape[-1])
    count = max(1, MOST_AT_ONCE // rows.shape[-1])
    totals = [_log_total(rows[at : at + count]) for at in range(0, len(rows), count)]
    return logits - mx.concatenate(totals).reshape(*logits.shape[:-1], 1)


def _log_total(rows: mx.array) -> mx.array:
    most = rows.max(axis=-1, keepdims=True)
    return most + mx.log(row_sum(exp(rows - most)))


def row_sum(x: mx.array) -> mx.array:
    """Sums of rows, (..., 1): a product with ones is several times as fast on the CPU."""
    return x @ mx.ones((x.shape[-1], 1), x.dtype)


def is_slow(x: mx.array, count: int = 0) -> bool:
    """Whether MLX's own exponentials take longer than these.

    Args:
        x: The numbers, or others of their kind.
        count: How many there are, if not as many as of ``x``.
    """
    return _is_on_linux(x) and (count or x.size) >= _WORTH


def _is_on_linux(x: mx.array) -> bool:
    return x.dtype == mx.float32 and mx.default_device() == mx.cpu and not IS_MACOS


def _power_of_two(x: mx.array) -> mx.array:
    x = mx.minimum(mx.maximum(x, _LEAST), _MOST)
    rounded = x + _ROUNDS
    fraction = x - (rounded - _ROUNDS)
    power = fraction * _TERMS[-1] + _TERMS[-2]
    for term in _TERMS[-3::-1]:
        power = power * fraction + term
    exponent = mx.left_shift(rounded.view(mx.int32), _MANTISSA_BITS)
    return (power.view(mx.int32) + exponent).view(mx.float32)
