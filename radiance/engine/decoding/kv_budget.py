"""Memory for keys and values: how much a token takes, and how many rows there is room for."""

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import make_prompt_cache

from radiance import config
from radiance.errors import TooLarge

_KV_SHARE, _PROMPTS_SHARE = 1 / 4, 1 / 32  # of the machine's memory, where no bytes are configured
_MOST_PROMPTS_BYTES = 512 << 20


def kv_cache_bytes(settings: config.EngineSettings, memory_bytes: int) -> int:
    """Most bytes that the requests being answered may take of a machine's memory."""
    return settings.kv_cache_bytes or int(_KV_SHARE * memory_bytes)


def prompt_cache_bytes(settings: config.EngineSettings, memory_bytes: int) -> int:
    """Most bytes that earlier prompts may take of a machine's memory."""
    if settings.prompt_cache_bytes == "auto":
        return min(_MOST_PROMPTS_BYTES, int(_PROMPTS_SHARE * memory_bytes))
    return settings.prompt_cache_bytes


def kv_bytes_per_token(model: Any) -> int:
    """Bytes of keys and values that one token of one row takes in all layers.

    Seen by processing one token, of which nothing is computed: layers differ between architectures.
    Layers whose state does not grow with the text count nothing; those with a window count as if
    they had none.
    """
    cache = make_prompt_cache(model)
    model(mx.array([[0]]), cache=cache)
    return sum(_bytes_of(layer) for layer in cache)


def _bytes_of(layer: Any) -> int:
    inner = getattr(layer, "caches", None)
    if inner is not None:
        return sum(map(_bytes_of, inner))
    parts = [getattr(layer, name, None) for name in ("keys", "values")]
    return sum(
        part.shape[1] * part.shape[-1] * part.dtype.size
        for part in parts
        if isinstance(part, mx.array)
    )


class KvBudget:
    """How much memory the rows in the batch may take.

    A batch is padded to its longest row, so rows are counted as if all were that long.

    Args:
        bytes_per_token: Of one row.
        max_bytes: Of all rows.

    Attributes:
        reserved_bytes: What the rows in the batch take at most.
    """

    def __init__(self, bytes_per_token: int, max_bytes: int) -> None:
        self._bytes_per_token = max(1, bytes_per_token)
        self.max_bytes = max_bytes
        self.reserved_bytes = 0

    def has_room(self, others: Sequence[int], tokens: int) -> bool:
        """Whether a row of so many tokens fits beside the others; alone it always may."""
        return not others or self._needed([*others, tokens]) <= self.max_bytes

    def reserve(self, rows: Sequence[int]) -> None:
        """Note which rows there are now, by their most tokens."""
        self.reserved_bytes = self._needed(rows)

    def check(self, prompt_tokens: int, max_tokens: int) -> None:
        """Refuse a request that could not be answered even alone.

        Raises:
            TooLarge: It would take more memory than there is for all.
        """
        needed = self._needed([prompt_tokens + max_tokens])
        if needed > self.max_bytes:
            most = self.max_bytes // self._bytes_per_token - prompt_tokens
            raise TooLarge(
                f"the answer could take {needed} bytes of keys and values, and engine."
                f"kv_cache_bytes allows {self.max_bytes}",
                field="max_tokens",
                value=max_tokens,
                remedy=f"Send max_tokens of at most {most}."
                if most > 0
                else "Shorten the prompt, or raise engine.kv_cache_bytes.",
            )

    def _needed(self, rows: Sequence[int]) -> int:
        return len(rows) * max(rows, default=0) * self._bytes_per_token
