"""The served model: a base whose LoRA targets go through a slot table, in one pass or in halves."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_unflatten
from mlx_lm.generate import generation_stream
from mlx_lm.models.cache import make_prompt_cache

from radiance.engine.adapters.slots import (
    SlotEntry,
    SlotHead,
    SlotLinear,
    SlotTable,
    SummedSlotLinear,
)
from radiance.engine.model import cores, fast_functions
from radiance.engine.model.ragged_cache import RaggedCache
from radiance.engine.model.rope import Angles, share_angles
from radiance.engine.model.tied_head import head_of, tied_embedding
from radiance.engine.sharding.partition import LINEAR, SUMMED
from radiance.engine.sharding.primary import CloseScoring, Primary, ScoreChunk


class SlotModel(nn.Module):
    """The served module tree: the base with every LoRA target routed through the slot table.

    Args:
        has_kernels: Whether each of ``mx.fast``'s operations is one kernel. If not, rotary
            embeddings share their angles, and exponentials are computed faster.
        leader: Tells the processes that have the other parts of the model.

    Attributes:
        tickets: Of the rows of the last forward pass.
    """

    def __init__(
        self,
        model: nn.Module,
        table: SlotTable,
        vocab_size: int,
        has_kernels: bool = True,
        leader: Primary | None = None,
    ) -> None:
        super().__init__()
        self._leader = leader
        self.tickets: Sequence[int] = ()
        self.model = model
        self._table = table
        self._vocab_size = vocab_size
        wrapped: list[tuple[str, nn.Module]] = [
            (path, _wrapper_of(module)(module, path, table))
            for path, module in model.named_modules()
            if isinstance(module, LINEAR)
        ]
        if (tied := tied_embedding(model)) is not None:
            path, embedding = tied
            wrapped.append((path, SlotHead(embedding, head_of(path), table)))
        model.update_modules(tree_unflatten(wrapped))
        self._angles = Angles() if has_kernels else share_angles(model)
        if not has_kernels:
            fast_functions.use_fast_functions(model)
            table.use_two_cores(lambda: self.model(mx.array([[0]])))

    @property
    def layers(self) -> Any:
        return self.model.layers

    @property
    def vocab_size(self) -> int:
        """Width of the logits."""
        return self._vocab_size

    def make_row_cache(
        self, slot: int, known: Sequence[Any] | None = None, rows: int = 1, ticket: int = 0
    ) -> list[Any]:
        """A cache for rows that use ``slot``: empty, or with what is known of one row."""
        entry = SlotEntry([slot] * rows, [ticket] * rows)
        return [*(known or make_prompt_cache(self.model)), entry]

    @contextlib.contextmanager
    def reading(self, slot: int, rows: int) -> Iterator[Callable[[mx.array], mx.array]]:
        """Beside the batch: a function from the texts' next tokens (rows, n) to their logits.

        What it gives must be evaluated before anything else is computed.
        """
        cache = self.make_row_cache(slot, rows=rows)
        leader = self._leader
        if leader is None:
            yield lambda tokens: self(tokens, cache)
            return
        number = leader.open(slot, rows)

        def read(tokens: mx.array) -> mx.array:
            leader.send(ScoreChunk(number, cast(list[list[int]], tokens.tolist())))
            with mx.stream(generation_stream):
                return self(tokens, cache)

        try:
            yield read
        except Exception:  # in the middle of a pass, perhaps: the others wait for sums
            leader.ranks.is_whole = False
            raise
        finally:
            leader.tell(CloseScoring(number))

    def __call__(self, tokens: mx.array, cache: list[Any], real: Sequence[int] = ()) -> mx.array:
        """Logits (rows, tokens, vocab) of tokens (rows, tokens).

        Args:
            tokens: The next ones of each row.
            cache: What is known of the rows, layer by layer, and their slots.
            real: How many of each row are some; see ``SlotTable.route``. Nothing: all of them.
        """
        self.tickets = cache[-1].tickets
        layers, slots = cache[:-1], cache[-1].slots
        half = self._table.half_of(len(slots), tokens.shape[1])
        if half is None or not RaggedCache.is_all_of(layers):
            return self._pass(tokens, layers, slots, real)
        logits, parts = [], [[layer.part(some) for layer in layers] for some in half]
        for core, (some, part) in enumerate(zip(half, parts, strict=True)):
            with cores.on_core(core), self._table.on_one_core():
                logits.append(self._pass(tokens[some], part, slots[some], real[some]))
        for layer, first, second in zip(layers, *parts, strict=True):
            # Layer by layer: of a whole pass MLX may do one half and only then begin the other.
            mx.eval(first.keys, first.values, second.keys, second.values)
            layer.take_parts(first, second)
        return mx.concatenate(logits)

    def _pass(
        self, tokens: mx.array, layers: list[Any], slots: Sequence[int], real: Sequence[int]
    ) -> mx.array:
        self._table.route(slots, real, tokens.shape[1])
        RaggedCache.begin(layers, tokens.shape[1])
        with self._angles.shared(layers), fast_functions.serving():
            return self.model(tokens, cache=layers)


def _wrapper_of(linear: nn.Module) -> type[SlotLinear]:
    return SummedSlotLinear if isinstance(linear, SUMMED) else SlotLinear
