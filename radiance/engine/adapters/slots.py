"""Adapter slots: many LoRA adapters over one base, chosen row by row of a batch.

Each row of a batch carries its slot as one more entry of its KV-cache list (``SlotEntry``), so
mlx-lm's ``BatchGenerator`` merges, filters and extends it together with the row. Before a forward
pass ``slot_model`` hands the rows' slots to the table, from which every ``SlotLinear`` reads its A
and B. Slot 0 is the base. A slot is never changed once filled: a swap fills another one.
"""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import mlx.core as mx
import mlx.nn as nn
from mlx.nn.layers.distributed import QuantizedShardedToAllLinear
from mlx_lm.models.cache import _BaseCache

from radiance.engine.model import cores
from radiance.engine.model.tied_head import EmbeddingLike
from radiance.engine.sharding.partition import Partition
from radiance.engine.sharding.primary import Fill, Free, Primary, packed

BASE_SLOT = 0
_MOST_STACKED = 16
_LEAST_PADDING = 6  # places without a token, for leaving them out to pay


@dataclass(frozen=True)
class Adapter:
    """LoRA weights ready to serve.

    Attributes:
        pairs: By module path ("model.layers.0.self_attn.q_proj"): A (d_in, rank), B (rank, d_out).
        scale: The factor of ``x A B``; alpha / rank in PEFT's terms.
    """

    pairs: Mapping[str, tuple[mx.array, mx.array]]
    scale: float

    @property
    def size_bytes(self) -> int:
        return sum(a.nbytes + b.nbytes for a, b in self.pairs.values())


class _Watch:
    """Notes which layers are given the same input, while a forward pass is put together."""

    def __init__(self) -> None:
        self.groups: list[dict[str, int]] = []
        self._inputs: list[mx.array] = []  # held, so that no other is taken for one of them

    def see(self, path: str, layer: nn.Module, x: mx.array) -> None:
        """A layer is given its input."""
        if type(layer) not in (nn.Linear, nn.Embedding):
            return  # quantized ones are no matrix products
        if not (self._inputs and self._inputs[-1] is x):
            self._inputs.append(x)
            self.groups.append({})
        self.groups[-1][path] = layer["weight"].size


class SlotTable:
    """The filled slots, and the slots of the rows in the forward pass under way.

    Args:
        parts: Which part of each layer this process has; None: all of it.
        leader: Tells the processes that have the other parts.
    """

    def __init__(self, parts: Partition | None = None, leader: Primary | None = None) -> None:
        self._parts, self._leader = parts, leader
        self._adapters: dict[int, Adapter] = {}
        self._next = BASE_SLOT + 1
        self._mixed: tuple[int, ...] = ()
        self._place: dict[int, int] = {}
        self._stacks: dict[str, tuple[mx.array, mx.array]] = {}
        self._row_index: mx.array | None = None
        self._uniform: int = BASE_SLOT
        self._packing: tuple[mx.array, mx.array] | None = None
        self._shares: Mapping[str, cores.Share] = {}
        self._watch: _Watch | None = None

    def use_two_cores(self, run: Callable[[], object]) -> None:
        """From now on share layers out among two cores, unless other processes have parts of them.

        Args:
            run: Puts a forward pass together; nothing of it is computed.
        """
        if self._parts is not None or self._leader is not None or not cores.has_two():
            return
        self._watch = watch = _Watch()
        run()
        self._watch, self._shares = None, cores.shares(watch.groups)

    def half_of(self, rows: int, tokens: int) -> tuple[slice, slice] | None:
        """The rows that each core does in a pass of its own; None: layers are shared out.

        Args:
            rows: Of the pass.
            tokens: Of each row.
        """
        if not self._shares or rows < 2 or tokens < cores.LEAST_READ:
            return None
        if rows * tokens < cores.LEAST_HALVED:
            return None
        return slice(0, rows // 2), slice(rows // 2, rows)

    @contextlib.contextmanager
    def on_one_core(self) -> Iterator[None]:
        """Layers are not shared out in the block."""
        shares, self._shares = self._shares, {}
        try:
            yield
        finally:
            self._shares = shares

    def fill(self, adapter: Adapter) -> int:
        """Put an adapter into a slot that was never used before; returns the slot.

        Raises:
            BadAdapter: The model is in parts, and the adapter cannot be split like it.
        """
        if self._parts is not None:
            self._parts.check(list(adapter.pairs))
        whole = adapter.pairs
        parts = whole if self._parts is None else self._parts.of(whole)
        # B takes the scale in once, so that one adapter and a mixture compute the very same.
        pairs = {path: (a, adapter.scale * b) for path, (a, b) in parts.items()}
        mx.eval(*(array for pair in pairs.values() for array in pair))
        slot, self._next = self._next, self._next + 1
        if self._leader is not None:
            self._leader.tell(Fill(slot, packed(whole), adapter.scale))
        self._adapters[slot] = Adapter(pairs, 1.0)
        return slot

    def free(self, slot: int) -> None:
        """Forget a slot's adapter. No row may refer to it any more."""
        if self._leader is not None:
            self._leader.tell(Free(slot))
        del self._adapters[slot]
        if slot in self._mixed:
            self._stack_anew(())

    def __len__(self) -> int:
        return len(self._adapters)

    def route(self, rows: Sequence[int], real: Sequence[int] = (), width: int = 0) -> None:
        """Say which slot each row of the coming forward pass uses.

        Args:
            rows: The slots.
            real: How many tokens of each row are some; the others' outputs mean nothing, and linear
                layers leave them out where there are many. Nothing: all of them are.
            width: Tokens of a row, in the former case.
        """
        self._packing = _packing(real, width)
        wanted = set(rows)
        if len(wanted) == 1:
            self._uniform, self._row_index = rows[0], None
            return
        if not wanted <= self._place.keys():
            # What was stacked before stays where it fits: prompts and answers being decoded take
            # turns, and each would throw out the other's stacks.
            kept = [slot for slot in self._mixed if slot not in wanted]
            self._stack_anew([*sorted(wanted), *kept[: _MOST_STACKED - len(wanted)]])
        if self._packing is not None:
            rows = [slot for slot, count in zip(rows, real, strict=True) for _ in range(count)]
        self._row_index = mx.array([self._place[slot] for slot in rows], dtype=mx.uint32)

    def _stack_anew(self, slots: Sequence[int]) -> None:
        self._mixed, self._stacks = tuple(slots), {}
        self._place = {slot: index for index, slot in enumerate(slots)}

    def apply(
        self, path: str, layer: nn.Module, linear: Callable[[mx.array], mx.array], x: mx.array
    ) -> mx.array:
        """A linear layer with what the routed adapters add, for the tokens that are some.

        Args:
            path: The layer's module path.
            layer: What has its weights.
            linear: What it computes.
            x: Its input, (rows, tokens, d_in).
        """
        if self._watch is not None:
            self._watch.see(path, layer, x)
        if self._packing is None:
            return self._product(path, layer, linear, x)
        some, places = self._packing
        packed = x.reshape(-1, 1, x.shape[-1])[some]  # (tokens, 1, d_in)
        packed = packed if self._row_index is not None else packed.swapaxes(0, 1)
        y = self._product(path, layer, linear, packed)
        return y.reshape(-1, y.shape[-1])[places].reshape(*x.shape[:-1], -1)

    def _product(
        self, path: str, layer: nn.Module, linear: Callable[[mx.array], mx.array], x: mx.array
    ) -> mx.array:
        share = self._shares.get(path)
        if share is None or not share.pays(x.size // x.shape[-1]):
            return self.adapt(path, x, linear(x))
        if share.core is None:
            return self.adapt(path, x, cores.in_halves(x, layer["weight"], layer.get("bias")))
        with cores.on_core(share.core):
            return self.adapt(path, x, linear(x))

    def adapt(self, path: str, x: mx.array, y: mx.array) -> mx.array:
        """A linear layer's output with what the routed adapters add to it.

        Args:
            path: The layer's module path.
            x: Its input, (rows, tokens, d_in).
            y: Its output, (rows, tokens, d_out).
        """
        if self._row_index is None:
            adapter = self._adapters.get(self._uniform)
            pair = adapter.pairs.get(path) if adapter else None
            if pair is None:
                return y
            a, b = pair
            if y.dtype == x.dtype == b.dtype:
                return mx.addmm(y, x @ a, b)  # one operation less than a product and a sum
            return y + ((x @ a) @ b).astype(y.dtype)
        if path not in self._stacks and not self._stack(path):
            return y
        a, b = self._stacks[path]
        index = self._row_index
        delta = mx.gather_mm(mx.gather_mm(x, a, rhs_indices=index), b, rhs_indices=index)
        return y + delta.astype(y.dtype)

    def _stack(self, path: str) -> bool:
        """Stack the mixed slots' A and B for one layer; lower ranks are padded with zeros."""
        pairs = [self._adapters[s].pairs.get(path) if s != BASE_SLOT else None for s in self._mixed]
        present = [pair for pair in pairs if pair is not None]
        if not present:
            return False
        rank = max(a.shape[1] for a, _ in present)
        d_in, d_out = present[0][0].shape[0], present[0][1].shape[1]
        zero = (mx.zeros((d_in, rank)), mx.zeros((rank, d_out)))
        padded = [zero if pair is None else _pad(*pair, rank) for pair in pairs]
        self._stacks[path] = (mx.stack([a for a, _ in padded]), mx.stack([b for _, b in padded]))
        return True


def _packing(real: Sequence[int], width: int) -> tuple[mx.array, mx.array] | None:
    """Where the tokens are that are some, and from which of them each place is filled again."""
    total, places = sum(real), len(real) * width
    if places - total < max(_LEAST_PADDING, total // 4):
        return None
    starts = itertools.accumulate(real, initial=0)
    some = [row * width + token for row, count in enumerate(real) for token in range(count)]
    back = [
        start + min(token, count - 1)
        for start, count in zip(starts, real, strict=False)
        for token in range(width)
    ]
    return mx.array(some), mx.array(back)


def _pad(a: mx.array, b: mx.array, rank: int) -> tuple[mx.array, mx.array]:
    missing = rank - a.shape[1]
    if missing == 0:
        return a, b
    return (
        mx.concatenate([a, mx.zeros((a.shape[0], missing))], axis=1),
        mx.concatenate([b, mx.zeros((missing, b.shape[1]))], axis=0),
    )


class SlotLinear(nn.Module):
    """A linear layer plus what the routed adapters add to it."""

    def __init__(self, linear: nn.Module, path: str, table: SlotTable) -> None:
        super().__init__()
        self.linear = linear
        self._path = path
        self._table = table

    def __call__(self, x: mx.array) -> mx.array:
        return self._table.apply(self._path, self.linear, self.linear, x)


class SummedSlotLinear(SlotLinear):
    """A linear layer whose inputs are split over the ranks, and what the adapters add, in one sum.

    The layer's own forward pass is mlx's, taken apart.
    """

    def __call__(self, x: mx.array) -> mx.array:
        layer: Any = self.linear
        if isinstance(layer, QuantizedShardedToAllLinear):
            y = mx.quantized_matmul(
                x,
                layer["weight"],
                scales=layer["scales"],
                biases=layer.get("biases"),
                transpose=True,
                group_size=layer.group_size,
                bits=layer.bits,
                mode=layer.mode,
            )
        else:
            y = x @ layer["weight"].T
        y = mx.distributed.all_sum(self._table.adapt(self._path, x, y), group=layer.group)
        return y + layer["bias"] if "bias" in layer else y


class SlotHead(EmbeddingLike):
    """An embedding that is the output head, too, plus what the routed adapters add to the head."""

    def __init__(self, embedding: Any, path: str, table: SlotTable) -> None:
        super().__init__(embedding)
        self._path = path
        self._table = table

    def as_linear(self, x: mx.array) -> mx.array:
        return self._table.apply(self._path, self.embedding, super().as_linear, x)


class SlotEntry(_BaseCache):
    """One more entry of a row's cache list: two numbers a row, its slot and its ticket."""

    def __init__(self, slots: Sequence[int], tickets: Sequence[int] | None = None) -> None:
        self.slots = list(slots)
        self.tickets = [0] * len(self.slots) if tickets is None else list(tickets)

    @property
    def nbytes(self) -> int:
        return 0

    def empty(self) -> bool:
        return False

    @classmethod
    def merge(cls, entries: Sequence[Self]) -> Self:
        slots = [slot for entry in entries for slot in entry.slots]
        return cls(slots, [ticket for entry in entries for ticket in entry.tickets])

    def filter(self, keep: Any) -> None:
        kept: Any = keep.tolist() if isinstance(keep, mx.array) else keep
        self.slots = [self.slots[index] for index in kept]
        self.tickets = [self.tickets[index] for index in kept]

    def extend(self, other: Self) -> None:
        self.slots = self.slots + other.slots
        self.tickets = self.tickets + other.tickets

    def extract(self, index: int) -> Self:
        return type(self)([self.slots[index]], [self.tickets[index]])

    def prepare(self, **_: Any) -> None:
        """Padding of a prompt concerns keys and values only."""

    def finalize(self) -> None:
        """The same."""
