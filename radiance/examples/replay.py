"""Which earlier examples are learned again beside the new ones, and which are asked again. Pure.

Both choices are ranked by hash rather than drawn: one example more changes at most one place.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple


class Learned(NamedTuple):
    """A learned example, and the checkpoint that learned it."""

    id: str
    checkpoint: str


def choose(learned: Sequence[Learned], limit: int, seed: int) -> list[str]:
    """Ids of at most ``limit`` examples, in the order given."""
    ids = [example.id for example in learned]
    if len(ids) <= limit:
        return ids
    chosen = set(sorted(ids, key=lambda id: _rank(seed, id))[:limit])
    return [id for id in ids if id in chosen]


def spread(learned: Sequence[Learned], limit: int, seed: int) -> list[Learned]:
    """At most ``limit`` examples, evenly over the checkpoints that learned them, in order.

    Every checkpoint gives one before any gives a second. Where there are more checkpoints than
    places, ``seed`` decides which of them give one.
    """
    by_checkpoint: dict[str, list[str]] = defaultdict(list)
    for example in learned:
        by_checkpoint[example.checkpoint].append(example.id)
    turns = [
        (turn, _rank(seed, checkpoint), id)
        for checkpoint, ids in by_checkpoint.items()
        for turn, id in enumerate(sorted(ids, key=lambda id: _rank(seed, id)))
    ]
    chosen = {id for *_, id in sorted(turns)[:limit]}
    return [example for example in learned if example.id in chosen]


def _rank(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed} {name}".encode()).digest()
