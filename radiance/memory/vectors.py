"""The vectors of the index's keys: kept beside them, compared in memory.

A key has two, of its question and of question and answer together; what is compared is the mean of
the two cosines, which is one product with the mean of the two vectors. All of it is derived from
the keys: a vector is made a moment after its key, and again where it is missing.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from radiance.storage.sqlite import Connection, Database

_AT_ONCE = 1000
_LEAST_ROOM = 256
_COARSE = 64  # directions by which all are compared first: reading whole vectors takes long
_LOOKED_AT = 256  # that are compared by whole vectors then


@dataclass(frozen=True)
class Unembedded:
    """A key that has no vectors yet.

    Attributes:
        number: The key's.
        example: Its example; a number may come again, for another.
    """

    number: int
    example: str
    question: str
    answer: str

    @property
    def texts(self) -> tuple[str, str]:
        """The question, and question and answer."""
        return self.question, f"{self.question} {self.answer}"


class Vectors:
    """Safe to use from several threads.

    Args:
        db: Where they are kept.
        dimensions: Length of one.
    """

    def __init__(self, db: Database, dimensions: int) -> None:
        self._db, self._dimensions = db, dimensions
        self._lock = threading.Lock()
        random = np.random.default_rng(0).normal(size=(dimensions, min(dimensions, _COARSE)))
        self._projection = np.ascontiguousarray(np.linalg.qr(random)[0].T, np.float32)
        self._clear()

    def __len__(self) -> int:
        return len(self._rows)

    def open(self) -> None:
        """Read all that are kept."""
        with self._lock:
            self._clear()
        last = 0
        while found := self._db.read(
            "SELECT number, question, whole FROM memory_vectors WHERE number > ?"
            " ORDER BY number LIMIT ?",
            (last, _AT_ONCE),
        ):
            pairs = [
                np.frombuffer(row["question"] + row["whole"], np.float32).reshape(2, -1)
                for row in found
            ]
            self._hold([row["number"] for row in found], np.stack(pairs).mean(axis=1))
            last = found[-1]["number"]

    def missing(self, count: int) -> list[Unembedded]:
        """At most so many keys that have none, the newest first."""
        rows = self._db.read(
            "SELECT number, example, memory_keys.question, answer FROM memory_keys"
            " LEFT JOIN memory_vectors USING (number) WHERE whole IS NULL AND NOT is_exact"
            " ORDER BY number DESC LIMIT ?",
            (count,),
        )
        return [Unembedded(r["number"], r["example"], r["question"], r["answer"]) for r in rows]

    def put(self, keys: Sequence[Unembedded], vectors: np.ndarray) -> None:
        """Keep the vectors of keys that are still there.

        Args:
            keys: Whose they are.
            vectors: Of the ``texts`` of each, (keys, 2, dimensions).
        """
        vectors = vectors.astype(np.float32).reshape(len(keys), 2, self._dimensions)
        with self._db.transaction() as connection:
            is_kept = [
                connection.execute(
                    "INSERT OR REPLACE INTO memory_vectors SELECT number, ?, ? FROM memory_keys"
                    " WHERE number = ? AND example = ?",
                    (question.tobytes(), whole.tobytes(), key.number, key.example),
                ).rowcount
                > 0
                for key, (question, whole) in zip(keys, vectors, strict=True)
            ]
            numbers = [key.number for key, is_it in zip(keys, is_kept, strict=True) if is_it]
            self._hold(numbers, vectors[is_kept].mean(axis=1))

    def remove(self, connection: Connection, numbers: Sequence[int]) -> None:
        """Take some out, in the open transaction that deletes their keys."""
        for number in numbers:
            connection.execute("DELETE FROM memory_vectors WHERE number = ?", (number,))
        with self._lock:
            for number in numbers:
                if (row := self._rows.pop(number, None)) is not None:
                    self._numbers[row] = 0  # its room is free again after the next start
                    self._matrix[row] = self._coarse[row] = 0

    def nearest(self, vector: np.ndarray, count: int, least: float) -> list[int]:
        """The numbers of the keys that are most alike, in no order.

        Args:
            vector: Of the question.
            count: How many at most.
            least: How alike they must be at least.
        """
        with self._lock:
            used = self._used
            numbers, matrix = self._numbers[:used], self._matrix[:used]
            coarse = self._coarse[:used]
        if not used:
            return []
        rows = _best(_products(coarse, _products(self._projection, vector)), max(count, _LOOKED_AT))
        alike = _products(matrix[rows], vector)
        near = rows[alike >= least]
        near = near[_best(alike[alike >= least], count)]
        return [int(number) for number in numbers[near] if number]

    def similarities(self, vector: np.ndarray, numbers: Sequence[int]) -> list[float | None]:
        """How alike keys are, in [0, 1]; None for one that has no vectors yet."""
        with self._lock:
            rows = [self._rows.get(number) for number in numbers]
            known = self._matrix[[row for row in rows if row is not None]]
        values = iter(np.clip(_products(known, vector), 0.0, 1.0).tolist())
        return [None if row is None else next(values) for row in rows]

    def _clear(self) -> None:
        self._rows: dict[int, int] = {}
        self._used = 0
        self._numbers = np.zeros(_LEAST_ROOM, np.int64)
        self._matrix = np.zeros((_LEAST_ROOM, self._dimensions), np.float32)
        self._coarse = np.zeros((_LEAST_ROOM, len(self._projection)), np.float32)

    def _hold(self, numbers: Sequence[int], means: np.ndarray) -> None:
        with self._lock:
            while self._used + len(numbers) > len(self._numbers):
                self._numbers, self._matrix, self._coarse = (
                    np.concatenate([held, np.zeros_like(held)])
                    for held in (self._numbers, self._matrix, self._coarse)
                )
            for number, mean in zip(numbers, means, strict=True):
                row = self._rows.get(number, self._used)
                self._numbers[row], self._matrix[row] = number, mean
                self._coarse[row] = _products(self._projection, mean)
                self._rows[number] = row
                self._used = max(self._used, row + 1)


def _products(rows: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """The product of each row with a vector, on this thread alone.

    A BLAS spreads it over all cores, and then waits for the busiest of them: many times as long.
    """
    return np.einsum("ij,j->i", rows, vector)


def _best(values: np.ndarray, count: int) -> np.ndarray:
    """The places of the largest values, in no order."""
    if len(values) <= count:
        return np.arange(len(values))
    return np.argpartition(values, len(values) - count)[-count:]
