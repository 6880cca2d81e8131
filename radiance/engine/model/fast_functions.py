"""The gate of an MLP and attention as mlx-lm's models call them, without MLX's slow exponentials.

On the CPU under Linux a quarter of the time to read a prompt, or to decode a token of many rows,
went into exponentials (``elementwise``). mlx-lm's models import both functions by name; in their
modules they are exchanged. MLX's own are used where they are fast, where arrays are small, and
outside of ``serving``: these have no derivative.
"""

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models import activations, base

from radiance.engine.model import elementwise

_UNSEEN = -1e9  # the score of a column that a token does not see
_is_serving = False


@contextmanager
def serving() -> Iterator[None]:
    """While a forward pass is made of which no gradient is asked. Belongs to the engine thread."""
    global _is_serving
    _is_serving = True
    try:
        yield
    finally:
        _is_serving = False


def use_fast_functions(model: nn.Module) -> None:
    """Have a model, and all that are built of the same modules, call the functions below."""
    for python_module in {sys.modules[type(module).__module__] for module in model.modules()}:
        for original, ours in (
            (activations.swiglu, swiglu),
            (base.scaled_dot_product_attention, scaled_dot_product_attention),
        ):
            if getattr(python_module, ours.__name__, None) is original:
                setattr(python_module, ours.__name__, ours)


def swiglu(gate: mx.array, x: mx.array) -> mx.array:
    """silu(gate) * x, of any shape."""
    if not (_is_serving and elementwise.is_slow(gate)):
        return activations.swiglu(gate, x)
    return gate * elementwise.sigmoid(gate) * x


def scaled_dot_product_attention(
    queries: mx.array,
    keys: mx.array,
    values: mx.array,
    cache: Any,
    scale: float,
    mask: Any,
    sinks: mx.array | None = None,
) -> mx.array:
    """What each token gathers from the columns it sees; mlx-lm's function of this name.

    Args:
        queries: (rows, heads, tokens, size).
        keys: (rows, key heads, columns, size); each serves equally many heads.
        values: As keys.
        cache: Where keys and values came from; a quantized one is left to mlx-lm.
        scale: Of the scores.
        mask: Which columns are seen: None for all, "causal", or booleans that broadcast to
            (rows, 1, tokens, columns). Others are left to MLX.
        sinks: Scores of columns without a value; left to MLX.

    Returns:
        (rows, heads, tokens, size).
    """
    rows, heads, tokens, size = queries.shape
    key_heads, columns = keys.shape[1:3]
    seen = _seen(mask, tokens, columns) if _is_serving else None
    is_ours = (
        _is_serving
        and sinks is None
        and not hasattr(cache, "bits")
        and (mask is None or seen is not None)
    )
    together = (rows, key_heads, heads // key_heads * tokens, columns)
    if not is_ours or not elementwise.is_slow(queries, math.prod(together)):
        return base.scaled_dot_product_attention(
            queries, keys, values, cache=cache, scale=scale, mask=mask, sinks=sinks
        )
    # Heads that share keys stand below each other in one product.
    grouped = (queries * scale).reshape(*together[:3], size)
    scores = grouped @ keys.swapaxes(-1, -2)
    by_head = (rows, key_heads, heads // key_heads, tokens, columns)
    if seen is not None:
        scores = mx.where(seen, scores.reshape(by_head), _UNSEEN).reshape(together)
    powers = elementwise.exp(scores - scores.max(axis=-1, keepdims=True))
    if seen is not None:  # exactly zero: a tiny number would slow products down
        powers = mx.where(seen, powers.reshape(by_head), 0.0).reshape(together)
    return ((powers @ values) / elementwise.row_sum(powers)).reshape(rows, heads, tokens, size)


def _seen(mask: Any, tokens: int, columns: int) -> mx.array | None:
    """A mask that broadcasts to (rows, key heads, groups, tokens, columns); None without one."""
    if isinstance(mask, str) and mask == "causal":
        first = columns - tokens
        return mx.arange(first, columns)[:, None] >= mx.arange(columns)
    if not isinstance(mask, mx.array) or mask.dtype != mx.bool_:
        return None
    return mask if mask.ndim < 4 else mask[:, :, None] if mask.shape[1] == 1 else None
