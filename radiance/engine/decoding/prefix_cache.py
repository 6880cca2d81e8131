"""Keys and values of earlier prompts and answers, so that a shared beginning is computed once.

Entries are found by the identity of the adapter that made them and by their tokens: what another
adapter computed is never taken up. The store is mlx-lm's, bounded in bytes; this module keeps the
promise that a row always has a token left to process, without which nothing predicts the next.
"""

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import LRUPromptCache, can_trim_prompt_cache, trim_prompt_cache

from radiance.engine.stats import PrefixCacheStats

_MOST_ENTRIES = 4096


class PrefixCache:
    """Caches of prompts, by adapter. Belongs to the engine thread.

    Args:
        max_bytes: Most bytes kept; 0 keeps nothing.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._store = LRUPromptCache(_MOST_ENTRIES, max_bytes)
        self.stats = PrefixCacheStats()

    @property
    def is_on(self) -> bool:
        """Whether anything is kept."""
        return self._max_bytes > 0

    def fetch(self, adapter: str, tokens: Sequence[int]) -> tuple[list[Any] | None, int]:
        """The longest known beginning of a prompt, never all of it; see ``find``."""
        if not self.is_on:
            return None, 0
        cache, known = self.find(adapter, tokens)
        self.stats.hits += cache is not None
        self.stats.misses += cache is None
        self.stats.tokens += known
        return cache, known

    def find(self, adapter: str, tokens: Sequence[int]) -> tuple[list[Any] | None, int]:
        """``fetch``, not counted.

        Args:
            adapter: Identity of the adapter's contents.
            tokens: The prompt.

        Returns:
            The layers' caches, the caller's own, and how many tokens they hold; None and 0 where
            nothing is known.
        """
        cache, rest = self._store.fetch_nearest_cache(adapter, list(tokens))
        if cache is not None and not rest:
            cache, rest = self._without_last(cache, tokens)
        return cache, len(tokens) - len(rest) if cache is not None else 0

    def store(self, adapter: str, tokens: Sequence[int], cache: list[Any]) -> None:
        """Keep the caches of tokens that were processed; the caller gives them away."""
        size = sum(layer.nbytes for layer in cache)
        if not tokens or size > self._max_bytes:
            return
        mx.eval([layer.state for layer in cache])  # or they would hold on to the whole batch
        self._store.insert_cache(adapter, list(tokens), cache)
        self.stats.size_bytes = self._store.nbytes
        self.stats.entries = len(self._store)

    @staticmethod
    def _without_last(
        cache: list[Any], tokens: Sequence[int]
    ) -> tuple[list[Any] | None, Sequence[int]]:
        """All but the last token of an exact match; nothing if it cannot be taken back."""
        if len(tokens) < 2 or not can_trim_prompt_cache(cache):
            return None, tokens
        trim_prompt_cache(cache, 1)
        return cache, tokens[-1:]
