"""Attention of padded rows to themselves and to what all of them share, forward and backward.

The queries of all rows meet the keys of the common beginning in one product, and those of their own
row in another. Heads that share keys (grouped queries) stand below each other in one product.
"""

from collections.abc import Sequence

import mlx.core as mx

from radiance.engine.model import elementwise

_LATER = -1e9  # added to the scores of later tokens


def mix(
    q: mx.array, k: mx.array, v: mx.array, shared: tuple[mx.array, mx.array] | None
) -> tuple[mx.array, list[mx.array]]:
    """Attention of rows to themselves and to what they share.

    Args:
        q: (heads, rows, groups, width, size), scaled.
        k: (heads, rows, 1, width, size).
        v: As k.
        shared: Keys and values of the common beginning, (heads, 1, 1, length, size).

    Returns:
        As q; and the exponentials of the scores, (heads, rows, groups * width, width) and
        (heads, rows * groups * width, length), last one over their sum, (heads, rows, ..., 1).
    """
    heads, rows, groups, width, size = q.shape
    flat = q.reshape(heads, rows, groups * width, size)
    is_later = mx.arange(width)[:, None] < mx.arange(width)
    seen = mx.tile(1.0 - is_later.astype(mx.float32), (groups, 1))
    own = (flat @ k[:, :, 0].swapaxes(-1, -2)).astype(mx.float32) + (1.0 - seen) * _LATER
    most = own.max(axis=-1, keepdims=True)
    first = None
    if shared is not None:
        long = q.reshape(heads, rows * groups * width, size)
        first = (long @ shared[0][:, 0, 0].swapaxes(-1, -2)).astype(mx.float32)
        most = mx.maximum(most, first.max(axis=-1, keepdims=True).reshape(most.shape))
    own = elementwise.exp(own - most) * seen  # exactly zero: a tiny number would slow products down
    total = elementwise.row_sum(own)
    mixed = own.astype(v.dtype) @ v[:, :, 0]
    if shared is None or first is None:
        share = mx.reciprocal(total)
        return (mixed * share.astype(v.dtype)).reshape(q.shape), [own, share]
    first = elementwise.exp(first - most.reshape(heads, -1, 1))
    share = mx.reciprocal(total + elementwise.row_sum(first).reshape(total.shape))
    mixed = mixed + (first.astype(v.dtype) @ shared[1][:, 0, 0]).reshape(mixed.shape)
    return (mixed * share.astype(v.dtype)).reshape(q.shape), [own, first, share]


def mix_backward(
    q: mx.array,
    k: mx.array,
    v: mx.array,
    scores: Sequence[mx.array],
    shared: tuple[mx.array, mx.array] | None,
    d: mx.array,
) -> tuple[mx.array, mx.array, mx.array, tuple[mx.array, mx.array] | None]:
    """Gradients of ``mix`` by q, k, v and by what is shared.

    What goes to a score is what its value is pulled by less their mean, weighted: summed from the
    same products, so that a token which sees only itself has a gradient of exactly zero.
    """
    heads, rows, groups, width, size = q.shape
    own, share = scores[0], scores[-1]
    flat = q.reshape(heads, rows, groups * width, size)
    g = d.reshape(flat.shape) * share.astype(d.dtype)
    pulls = (g @ v[:, :, 0].swapaxes(-1, -2)).astype(mx.float32)
    d_v = (own.astype(q.dtype).swapaxes(-1, -2) @ g)[:, :, None]
    mean = elementwise.row_sum(own * pulls)
    if shared is None:
        d_own = (own * (pulls - mean * share)).astype(q.dtype)
        d_k = (d_own.swapaxes(-1, -2) @ flat)[:, :, None]
        return (d_own @ k[:, :, 0]).reshape(q.shape), d_k, d_v, None
    keys, values = (array[:, 0, 0] for array in shared)
    long = (heads, rows * groups * width, size)
    first, long_g = scores[1], g.reshape(long)
    first_pulls = (long_g @ values.swapaxes(-1, -2)).astype(mx.float32)
    mean = (mean + elementwise.row_sum(first * first_pulls).reshape(mean.shape)) * share
    d_own = (own * (pulls - mean)).astype(q.dtype)
    d_first = (first * (first_pulls - mean.reshape(heads, -1, 1))).astype(q.dtype)
    d_q = d_own @ k[:, :, 0] + (d_first @ keys).reshape(flat.shape)
    d_k = (d_own.swapaxes(-1, -2) @ flat)[:, :, None]
    d_shared = (
        (d_first.swapaxes(-1, -2) @ q.reshape(long))[:, None, None],
        (first.astype(q.dtype).swapaxes(-1, -2) @ long_g)[:, None, None],
    )
    return d_q.reshape(q.shape), d_k, d_v, d_shared


def joined(x: mx.array) -> mx.array:
    """(heads, rows, groups, width, size) -> (rows * width, heads * groups * size)."""
    heads, rows, groups, width, size = x.shape
    return x.transpose(1, 3, 0, 2, 4).reshape(rows * width, heads * groups * size)
