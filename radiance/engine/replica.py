"""What every rank but 0 does while a sharded base model serves: the same as rank 0, act by act.

It has no clients, no clock and no disk, and decides nothing. What it is told is checked where that
costs nothing: ranks that are not in step would add up sums that do not belong together.
"""

from typing import Any

import mlx.core as mx
from mlx_lm.generate import generation_stream

from radiance.engine.adapters.slots import Adapter
from radiance.engine.assembly import Assembly
from radiance.engine.decoding.batch import BatchEntry
from radiance.engine.sharding.primary import (
    Act,
    Clear,
    CloseScoring,
    DecodeStep,
    Fill,
    Free,
    Insert,
    OpenScoring,
    Remove,
    ScoreChunk,
    Shutdown,
    received,
    unpacked,
)
from radiance.engine.sharding.ranks import Ranks
from radiance.errors import LostRank


def follow(assembly: Assembly, ranks: Ranks) -> None:
    """Do what rank 0 tells until it ends.

    Raises:
        LostRank: Another rank is gone, or this one is not in step with rank 0.
    """
    follower = _Replica(assembly, ranks)
    try:
        while all(follower.act(act) for act in received(ranks)):
            pass
    except RuntimeError as error:  # MLX's, from the middle of a step
        raise LostRank(f"another rank was lost ({error})") from None
    finally:
        assembly.batch.close()


class _Replica:
    def __init__(self, assembly: Assembly, ranks: Ranks) -> None:
        self._table, self._model = assembly.table, assembly.model
        self._batch, self._group = assembly.batch, ranks.group
        self._readings: dict[int, list[Any]] = {}

    def act(self, act: Act) -> bool:
        """Do it; False at the end."""
        match act:
            case DecodeStep():
                self._batch.step()
            case Insert():
                entry = BatchEntry(
                    act.tokens,
                    act.max_tokens,
                    act.slot,
                    act.cache_key,
                    act.ignore_end,
                    self._choose_nothing,
                )
                _check(self._batch.insert(entry), (act.uid, act.known))
            case Remove():
                self._batch.remove(act.uid, keep=act.keep)
            case Clear():
                self._batch.clear()
            case Fill():
                _check(self._table.fill(Adapter(unpacked(act.weights), act.scale)), act.slot)
            case Free():
                self._table.free(act.slot)
            case OpenScoring():
                self._readings[act.number] = self._model.make_row_cache(act.slot, rows=act.rows)
            case ScoreChunk():
                with mx.stream(generation_stream):
                    logits = self._model(mx.array(act.tokens), self._readings[act.number])
                mx.eval(logits)
            case CloseScoring():
                del self._readings[act.number]
            case Shutdown():
                return False
        return True

    def _choose_nothing(self, logprobs: mx.array) -> mx.array:
        """Rank 0's tokens (rows,)."""
        nothing = mx.zeros((len(logprobs),), dtype=mx.uint32)
        return mx.distributed.all_sum(nothing, group=self._group)


def _check(mine: Any, theirs: Any) -> None:
    if mine != theirs:
        raise LostRank(f"this rank is not in step with rank 0: it has {mine}, not {theirs}")
