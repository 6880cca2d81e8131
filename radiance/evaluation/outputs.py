"""What adapters make of texts, computed once and kept while there is room.

The base answers the same anchors for every checkpoint, and a parent was a candidate one cycle ago.
Kept is what enters the output head, per text: exact, and small beside the distributions it makes.
An adapter is known by its content, so nothing can be stale.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import mlx.core as mx
import numpy as np

from radiance import platform
from radiance.engine.model.encoding import EncodedExample
from radiance.engine.tasks import Pieces
from radiance.training.batches import make_batch
from radiance.training.gradient import GradientComputer

_MOST_BYTES, _MEMORY_PARTS = 512 << 20, 32  # as much as earlier prompts may take
_MOST_ADAPTERS = 6
"""So many came since: a text is not asked again. A cycle has a candidate, and scaled ones."""


class _Kept(NamedTuple):
    """What an adapter makes of a text, and how many adapters had been asked when it last was."""

    rows: mx.array
    turn: int


class OutputCache:
    """Keeps, least recently used first out. Belongs to the engine thread.

    Args:
        most_bytes: Room for what is kept; None: by the machine's memory.

    Attributes:
        size_bytes: What is taken of it.
    """

    def __init__(self, gradient_computer: GradientComputer, most_bytes: int | None = None) -> None:
        self._gradient_computer = gradient_computer
        if most_bytes is None:
            most_bytes = min(_MOST_BYTES, platform.memory_bytes() // _MEMORY_PARTS)
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[bytes, EncodedExample], _Kept] = OrderedDict()
        self._adapters: OrderedDict[bytes, None] = OrderedDict()
        self._turn = 0
        self.size_bytes = 0

    def rows(
        self, vector: mx.array, key: bytes, texts: Sequence[EncodedExample]
    ) -> Pieces[list[mx.array]]:
        """For each text what ``GradientComputer.log_probs`` takes, (targets, width).

        Args:
            vector: The adapter, (parameters,) float32.
            key: Its ``adapter_key``.
            texts: Few enough for one batch, of like length.
        """
        self._use(key)
        found = {text: self._kept[key, text].rows for text in texts if (key, text) in self._kept}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            # Sizes are powers of two: every new shape of a compiled block costs memory for ever.
            size = 1 << (len(missing) - 1).bit_length()
            batch = make_batch([*missing, *[missing[-1]] * (size - len(missing))])
            rows = yield from self._gradient_computer.target_rows(vector, batch)
            ends = np.searchsorted(batch.owners[: batch.target_count], range(len(missing) + 1))
            for row, text in enumerate(missing):
                found[text] = mx.contiguous(rows[int(ends[row]) : int(ends[row + 1])])
            mx.eval(list(found.values()))
            yield None
        for text, rows in found.items():
            self._keep((key, text), rows)
        return [found[text] for text in texts]

    def _use(self, key: bytes) -> None:
        """Keep nothing that was asked last some adapters ago.

        A service learns for months: each of its checkpoints would leave a hundred texts behind, and
        each of its examples what the base makes of it.
        """
        self._turn += key not in self._adapters
        self._adapters[key] = None
        self._adapters.move_to_end(key)
        while len(self._adapters) > _MOST_ADAPTERS:
            self._adapters.popitem(last=False)
        while self._kept:
            oldest = next(iter(self._kept.values()))
            if oldest.turn > self._turn - _MOST_ADAPTERS:
                break
            self._drop()

    def _keep(self, key: tuple[bytes, EncodedExample], rows: mx.array) -> None:
        if (before := self._kept.get(key)) is not None:
            self.size_bytes -= before.rows.nbytes
        self._kept[key] = _Kept(rows, self._turn)
        self._kept.move_to_end(key)
        self.size_bytes += rows.nbytes
        while self.size_bytes > self._most_bytes:
            self._drop()

    def _drop(self) -> None:
        """Keep the least recently used no more."""
        _, dropped = self._kept.popitem(last=False)
        self.size_bytes -= dropped.rows.nbytes


def adapter_key(vector: mx.array) -> bytes:
    """Identity of an adapter's numbers."""
    return hashlib.sha256(np.array(vector).data).digest()
