"""Numbers the engine keeps of its own work, for whoever watches it. Counters only ever rise."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from radiance.telemetry import Histogram

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_GAPS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0)
_ROWS = (1, 2, 4, 8, 16, 32, 64, 128)


def _first() -> Histogram:
    return Histogram(_SECONDS)


def _between() -> Histogram:
    return Histogram(_GAPS)


def _rows() -> Histogram:
    return Histogram(_ROWS)


@dataclass
class DecodingStats:
    """Counters of the decoded rows.

    Attributes:
        ended: Requests by how they ended: "stop", "length", or the name of their error.
        prompt_tokens: Of answered requests, those known beforehand (``cached_tokens``) included.
        first_token_s: From submission to the first token.
        inter_token_s: Between two tokens of a row.
        batch_rows: Rows that got a token in a decode step.
    """

    ended: Counter[str] = field(default_factory=Counter)
    prompt_tokens: int = 0
    cached_tokens: int = 0
    generated_tokens: int = 0
    first_token_s: Histogram = field(default_factory=_first)
    inter_token_s: Histogram = field(default_factory=_between)
    batch_rows: Histogram = field(default_factory=_rows)

    def count(self, how: str) -> None:
        """One more request has ended."""
        self.ended[how] += 1


@dataclass
class PrefixCacheStats:
    """Counters of the prefix cache: hits, misses, and prompt tokens not computed again."""

    hits: int = 0
    misses: int = 0
    tokens: int = 0
    size_bytes: int = 0
    entries: int = 0


@dataclass
class DraftingStats:
    """Counters of speculative decoding: tokens drafted and checked, and those of them accepted."""

    drafted: int = 0
    accepted: int = 0


@dataclass
class TrainingStats:
    """Counters of the training pieces run between decode steps.

    Attributes:
        seconds: Spent in pieces.
    """

    pieces: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class EngineStats:
    """What the engine has done and holds, at one moment.

    Attributes:
        kv_bytes_reserved: Most bytes that keys and values of the rows in the batch may take.
        slots: Adapters in memory; ``slots_in_use``: those that rows or the pointer hold.
        swaps: Moves of the pointer to what serves.
        training_state: "idle", "running" or "paused".
    """

    ended: Mapping[str, int]
    prompt_tokens: int
    cached_tokens: int
    generated_tokens: int
    first_token_s: Histogram
    inter_token_s: Histogram
    batch_rows: Histogram
    rows_decoding: int
    rows_waiting: int
    kv_bytes_reserved: int
    kv_bytes_max: int
    prompt_cache_hits: int
    prompt_cache_misses: int
    prompt_cache_tokens: int
    prompt_cache_bytes: int
    prompt_cache_entries: int
    drafted_tokens: int
    accepted_tokens: int
    slots: int
    slots_in_use: int
    swaps: int
    training_pieces: int
    training_seconds: float
    training_state: str
    array_bytes: int

    @classmethod
    def of(
        cls,
        decoding: DecodingStats,
        cache: PrefixCacheStats,
        training: TrainingStats,
        drafting: DraftingStats,
        **held: Any,
    ) -> Self:
        """A snapshot of the counters, and of what is held."""
        return cls(
            ended=dict(decoding.ended),
            prompt_tokens=decoding.prompt_tokens,
            cached_tokens=decoding.cached_tokens,
            generated_tokens=decoding.generated_tokens,
            first_token_s=decoding.first_token_s.snapshot(),
            inter_token_s=decoding.inter_token_s.snapshot(),
            batch_rows=decoding.batch_rows.snapshot(),
            prompt_cache_hits=cache.hits,
            prompt_cache_misses=cache.misses,
            prompt_cache_tokens=cache.tokens,
            prompt_cache_bytes=cache.size_bytes,
            prompt_cache_entries=cache.entries,
            drafted_tokens=drafting.drafted,
            accepted_tokens=drafting.accepted,
            training_pieces=training.pieces,
            training_seconds=training.seconds,
            **held,
        )
