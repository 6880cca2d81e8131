"""The adapters in memory: which slot holds which, who uses it, and which idle ones are kept."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from radiance.engine.adapters.slots import BASE_SLOT, Adapter, SlotTable
from radiance.engine.requests import Weights
from radiance.records import CheckpointStatus


@dataclass(frozen=True)
class LoadedWeights:
    """The weights that answer a row.

    Attributes:
        slot: The adapter slot that holds them.
        checkpoint_id: Their checkpoint; None is the base.
        adapter_hash: SHA-256 of its ``adapters.safetensors``; "" for the base and live weights.
        cache_key: Under what prompts that they processed are kept; "" keeps none.
    """

    slot: int
    checkpoint_id: str | None
    status: CheckpointStatus
    adapter_hash: str = ""
    cache_key: str = ""


LOADED_BASE = LoadedWeights(BASE_SLOT, None, CheckpointStatus.BASE, cache_key="base")


class AdapterCache:
    """Fills slots, counts their users, and keeps some idle adapters for the next who asks.

    Args:
        table: The slots.
        most_idle: Adapters kept in memory that nobody uses now.
    """

    def __init__(self, table: SlotTable, most_idle: int) -> None:
        self._table, self._most_idle = table, most_idle
        self._users: dict[int, int] = {}
        # By what an adapter is: its matrices and its factor, which stands in another file.
        self._by_key: dict[str, int] = {}
        self._key_of: dict[int, str] = {}
        self._key_of_weights: dict[tuple[str | None, str], str] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()

    def __len__(self) -> int:
        """Adapters in memory."""
        return len(self._table)

    @property
    def in_use(self) -> int:
        """Slots that somebody holds, the base aside."""
        return len(self._users)

    def bring(self, weights: Weights, load: Callable[[], Adapter]) -> LoadedWeights:
        """The slot of a checkpoint, loaded unless it is in memory; not held yet.

        Args:
            weights: Of a checkpoint.
            load: Reads the adapter; what it raises is passed on.
        """
        status = weights.status or CheckpointStatus.STABLE
        key = self._key_of_weights.get((weights.checkpoint_id, weights.content_hash), "")
        if (slot := self._by_key.get(key)) is None:
            return self.fill(load(), weights.checkpoint_id, status, weights.content_hash)
        return _source(slot, weights.checkpoint_id, status, weights.content_hash, key)

    def fill(
        self,
        adapter: Adapter,
        checkpoint_id: str | None,
        status: CheckpointStatus,
        content_hash: str = "",
    ) -> LoadedWeights:
        """The slot of an adapter: the one that holds its like, or a new one.

        Without a content hash it has a slot of its own, which goes when nobody uses it.
        """
        key = f"{content_hash} x {adapter.scale!r}" if content_hash else ""
        if (slot := self._by_key.get(key)) is None:
            slot = self._table.fill(adapter)
        if key:
            self._by_key[key], self._key_of[slot] = slot, key
            self._key_of_weights[checkpoint_id, content_hash] = key
        return _source(slot, checkpoint_id, status, content_hash, key)

    def hold(self, source: LoadedWeights) -> LoadedWeights:
        """One user more."""
        if source.slot != BASE_SLOT:
            self._users[source.slot] = self._users.get(source.slot, 0) + 1
            self._idle.pop(source.slot, None)
        return source

    def release(self, source: LoadedWeights) -> None:
        """One user less: rows use their slot, and so does being served by default."""
        slot = source.slot
        if slot == BASE_SLOT:
            return
        self._users[slot] -= 1
        if self._users[slot]:
            return
        del self._users[slot]
        if slot not in self._key_of:
            self._table.free(slot)
            return
        self._idle[slot] = None
        while len(self._idle) > self._most_idle:
            oldest, _ = self._idle.popitem(last=False)
            del self._by_key[self._key_of.pop(oldest)]
            self._table.free(oldest)


def _source(
    slot: int, checkpoint_id: str | None, status: CheckpointStatus, content_hash: str, key: str
) -> LoadedWeights:
    is_live = status == CheckpointStatus.TRAINING
    cache_key = "" if is_live else key or f"slot {slot}"
    return LoadedWeights(slot, checkpoint_id, status, content_hash, cache_key)
