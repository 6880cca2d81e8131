"""What texts begin with in common, read once: of short chats a template's beginning is most."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn
from mlx_lm.models.cache import KVCache, make_prompt_cache

_LEAST_SHARED = 16  # tokens: fewer are not worth a pass of their own


def common_beginning(texts: Iterable[Sequence[int]], most: int) -> Sequence[int]:
    """The first tokens, at most so many, that all texts have in common; none where it pays not."""
    texts = list(texts)
    if len(texts) < 2:
        return ()
    first = texts[0][:most]
    for text in texts:
        pairs = enumerate(zip(first, text, strict=False))
        first = first[: next((n for n, (a, b) in pairs if a != b), min(len(first), len(text)))]
    return first if len(first) >= _LEAST_SHARED else ()


def plain_cache(model: nn.Module) -> list[KVCache] | None:
    """An empty cache that rows can begin with; None where a layer keeps something else."""
    cache: Any = make_prompt_cache(model)
    return cache if all(type(entry) is KVCache for entry in cache) else None


def for_rows(beginning: Sequence[KVCache], rows: int) -> list[KVCache]:
    """A cache of so many rows that all begin as the one row of another does."""
    found = []
    for entry in beginning:
        cache = KVCache()
        pair: tuple[mx.array, mx.array] = cast(Any, entry.keys_and_values())
        keys, values = pair
        cache.state = (
            mx.broadcast_to(keys, (rows, *keys.shape[1:])),
            mx.broadcast_to(values, (rows, *values.shape[1:])),
            entry.offset,
        )
        found.append(cache)
    return found
