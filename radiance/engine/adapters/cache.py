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
        adapter_hash: Identity of the adapter's contents; "" for the base and for live weights.
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
        self._by_hash: dict[str, int] = {}
        self._hash_of: dict[int, str] = {}
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
        slot = self._by_hash.get(weights.content_hash) if weights.content_hash else None
        if slot is None:
            return self.fill(load(), weights.checkpoint_id, status, weights.content_hash)
        return _source(slot, weights.checkpoint_id, status, weights.content_hash)

    def fill(
        self,
        adapter: Adapter,
        checkpoint_id: str | None,
        status: CheckpointStatus,
        content_hash: str = "",
    ) -> LoadedWeights:
        """Put an adapter into a new slot. Without a content hash it goes when nobody uses it."""
        slot = self._table.fill(adapter)
        if content_hash and content_hash not in self._by_hash:
            self._by_hash[content_hash] = slot
            self._hash_of[slot] = content_hash
        return _source(slot, checkpoint_id, status, content_hash)

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
        if slot not in self._hash_of:
            self._table.free(slot)
            return
        self._idle[slot] = None
        while len(self._idle) > self._most_idle:
            oldest, _ = self._idle.popitem(last=False)
            del self._by_hash[self._hash_of.pop(oldest)]
            self._table.free(oldest)


def _source(
    slot: int, checkpoint_id: str | None, status: CheckpointStatus, content_hash: str
) -> LoadedWeights:
    is_live = status == CheckpointStatus.TRAINING
    key = "" if is_live else content_hash or f"slot {slot}"
    return LoadedWeights(slot, checkpoint_id, status, content_hash, key)
