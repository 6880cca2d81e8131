"""Keys and values of rows of different lengths, each beginning at the first column.

mlx-lm's ``BatchKVCache`` aligns rows at their ends, so taking tokens back from one row moves all of
its keys. Here each row is written at its own end: taking back is a smaller number, and a draft of
which a part was wrong costs no copy. What lies beyond a row's end is masked and overwritten.
"""

from collections.abc import Sequence
from typing import Any, Self

import mlx.core as mx
from mlx_lm.models.cache import KVCache, _BaseCache

_STEP = 256  # columns that a buffer grows by


class RowCache(KVCache):
    """mlx-lm's cache of one row, which becomes a row of a ``RaggedCache``."""

    keys: Any
    values: Any

    @classmethod
    def of(cls, cache: Sequence[Any]) -> list[Any] | None:
        """Layers' plain caches as such ones, sharing their arrays; None where one is another."""
        if not all(type(layer) in (KVCache, cls) for layer in cache):
            return None
        found = []
        for layer in cache:
            own = cls()
            own.keys, own.values, own.offset = layer.keys, layer.values, layer.offset
            found.append(own)
        return found

    @classmethod
    def merge(cls, caches: Sequence[KVCache]) -> Any:
        return RaggedCache.merge(caches)


class RaggedCache(_BaseCache):
    """One layer's keys and values, (rows, heads, columns, dims).

    Attributes:
        lengths: Columns of each row that hold something.
    """

    def __init__(self, lengths: Sequence[int]) -> None:
        self.keys: Any = None
        self.values: Any = None
        self.lengths = list(lengths)
        self._offset: mx.array | None = None
        self._places: mx.array | None = None
        self._padding: list[int] | None = None

    @property
    def offset(self) -> mx.array:
        """Where each row's next token goes, (rows,) int32."""
        if self._offset is None:
            self._offset = mx.array(self.lengths, dtype=mx.int32)
        return self._offset

    @staticmethod
    def begin(layers: Sequence[Any], tokens: int) -> None:
        """Before a pass: work out once where ``tokens`` of each row go, for all layers."""
        first = layers[0]
        if not isinstance(first, RaggedCache):
            return
        places = None
        if len(set(first.lengths)) > 1:
            places = first.offset.reshape(-1, 1, 1, 1) + mx.arange(tokens).reshape(1, 1, -1, 1)
        for layer in layers:
            layer._offset, layer._places = first.offset, places

    @classmethod
    def is_all_of(cls, layers: Sequence[Any]) -> bool:
        """Whether all layers have such a cache."""
        return all(type(layer) is cls for layer in layers)

    def part(self, rows: slice) -> "RaggedCache":
        """Some rows as a cache of their own, for a pass."""
        found = RaggedCache(self.lengths[rows])
        if self.keys is not None:
            found.keys, found.values = self.keys[rows], self.values[rows]
        return found

    def take_parts(self, first: "RaggedCache", second: "RaggedCache") -> None:
        """Take back all rows from the two parts that they were given to."""
        first.extend(second)
        self.keys, self.values = first.keys, first.values
        self._move(first.lengths)

    def update_and_fetch(self, keys: mx.array, values: mx.array) -> tuple[mx.array, mx.array]:
        """Write the keys and values of each row's next tokens; all that there are since."""
        tokens = keys.shape[2]
        end = max(self.lengths) + tokens
        self.keys, self.values = _roomy(self.keys, keys, end), _roomy(self.values, values, end)
        if self._places is None:  # all rows are equally long
            self.keys[..., end - tokens : end, :] = keys
            self.values[..., end - tokens : end, :] = values
        else:
            self.keys = mx.put_along_axis(self.keys, self._places, keys, axis=2)
            self.values = mx.put_along_axis(self.values, self._places, values, axis=2)
        self._move([length + tokens for length in self.lengths])
        return self.keys[..., :end, :], self.values[..., :end, :]

    def set_lengths(self, lengths: Sequence[int]) -> None:
        """Move the rows' ends: what was written is taken back, or taken up again."""
        self._move(list(lengths))

    def make_mask(
        self, tokens: int, return_array: bool = False, window_size: int | None = None
    ) -> mx.array | str | None:
        """What each row's next tokens see: everything of their row before them, and themselves."""
        if len(set(self.lengths)) == 1 and window_size is None and not return_array:
            return None if tokens == 1 else "causal"
        columns = mx.arange(max(self.lengths) + tokens)
        places = self.offset.reshape(-1, 1, 1, 1) + mx.arange(tokens).reshape(1, 1, -1, 1)
        seen = columns <= places
        if window_size is not None:
            seen = seen & (places < columns + window_size)
        return seen

    # ── What mlx-lm's batches do with the rows of a cache ───────────────────────────────────────

    def prepare(self, *, lengths: Any = None, right_padding: Sequence[int] | None = None) -> None:
        """The coming tokens of each row end with so many that are none."""
        self._padding = list(right_padding or ())

    def finalize(self) -> None:
        """Take those back."""
        if self._padding:
            pairs = zip(self.lengths, self._padding, strict=True)
            self._move([length - padding for length, padding in pairs])
        self._padding = None

    def filter(self, keep: Any) -> None:
        kept: Any = keep.tolist() if isinstance(keep, mx.array) else list(keep)
        if self.keys is not None:
            rows = mx.array(kept)
            self.keys, self.values = self.keys[rows], self.values[rows]
        self._move([self.lengths[row] for row in kept])

    def extend(self, other: Self) -> None:
        pairs = ((self.keys, other.keys), (self.values, other.values))
        self.keys, self.values = (_joined(*pair, len(self.lengths), other) for pair in pairs)
        self._move([*self.lengths, *other.lengths])

    def extract(self, row: int) -> RowCache:
        found, length = RowCache(), self.lengths[row]
        if self.keys is not None:
            found.keys = mx.contiguous(self.keys[row : row + 1, :, :length])
            found.values = mx.contiguous(self.values[row : row + 1, :, :length])
            found.offset = length
        return found

    @classmethod
    def merge(cls, caches: Sequence[KVCache]) -> "RaggedCache":
        merged = cls([cache.offset for cache in caches])
        if not any(merged.lengths):
            return merged
        arrays = [(cache.keys, cache.values) for cache in caches]
        merged.keys, merged.values = (
            _stacked([pair[which] for pair in arrays], merged.lengths) for which in (0, 1)
        )
        return merged

    @property
    def state(self) -> Any:
        return [] if self.keys is None else [self.keys, self.values]

    @state.setter
    def state(self, v: Any) -> None:
        self.keys, self.values = v or (None, None)

    def size(self) -> Any:
        return max(self.lengths, default=0)

    def empty(self) -> bool:
        return self.keys is None

    @property
    def nbytes(self) -> int:
        return 0 if self.keys is None else self.keys.nbytes + self.values.nbytes

    def _move(self, lengths: list[int]) -> None:
        self.lengths, self._offset, self._places = lengths, None, None


def _roomy(buffer: mx.array | None, new: mx.array, columns: int) -> mx.array:
    """A buffer with at least so many columns."""
    have = 0 if buffer is None else buffer.shape[2]
    if buffer is not None and have >= columns:
        return buffer
    rows, heads, _, dims = new.shape
    more = -(-(columns - have) // _STEP) * _STEP
    room = mx.zeros((rows, heads, more, dims), new.dtype)
    return room if buffer is None else mx.concatenate([buffer, room], axis=2)


def _joined(
    mine: mx.array | None, theirs: mx.array | None, rows: int, other: RaggedCache
) -> mx.array | None:
    if mine is None and theirs is None:
        return None
    known = mine if mine is not None else theirs
    assert known is not None
    _, heads, _, dims = known.shape
    columns = max(0 if part is None else part.shape[2] for part in (mine, theirs))
    parts = []
    for part, count in ((mine, rows), (theirs, len(other.lengths))):
        if part is None:
            part = mx.zeros((count, heads, 0, dims), known.dtype)
        missing = columns - part.shape[2]
        parts.append(mx.pad(part, [(0, 0), (0, 0), (0, missing), (0, 0)]) if missing else part)
    return mx.concatenate(parts)


def _stacked(arrays: Sequence[mx.array | None], lengths: Sequence[int]) -> mx.array:
    """Rows of (1, heads, columns, dims) as one array, as wide as the longest."""
    known = next(array for array in arrays if array is not None)
    _, heads, _, dims = known.shape
    found = mx.zeros((len(arrays), heads, max(lengths), dims), known.dtype)
    for row, (array, length) in enumerate(zip(arrays, lengths, strict=True)):
        if array is not None and length:
            found[row : row + 1, :, :length] = array[..., :length, :]
    return found
