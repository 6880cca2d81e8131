"""The vectors of the index's keys: kept beside them, compared in memory.

A key has three: of its question, of question and answer together, and of its question without
names, which tells what is asked of them. How alike a key is to a question is a weighted mean of
three cosines. All of it is derived from the keys: vectors are made a moment after their key, and
again where they are missing.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from radiance.memory.analysis import without_names
from radiance.storage.sqlite import Connection, Database

_AT_ONCE = 1000
_LEAST_ROOM = 256
_COARSE = 64  # directions by which all are compared first: reading whole vectors takes long
_LOOKED_AT = 256  # that are compared by whole vectors then
PARTS = 3
_LEAST_LENGTH = 1e-9
# How much each cosine says whether the two mean the same.
_WEIGHTS = np.array([0.17, 0.60, 0.23], np.float32)


@dataclass(frozen=True)
class UnembeddedKey:
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
    def texts(self) -> tuple[str, str, str]:
        """The question, question and answer, and the question without names."""
        return self.question, f"{self.question} {self.answer}", without_names(self.question)


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
            "SELECT number, vectors FROM memory_vectors WHERE number > ? ORDER BY number LIMIT ?",
            (last, _AT_ONCE),
        ):
            kept = np.stack([np.frombuffer(row["vectors"], np.float16) for row in found])
            self._hold([row["number"] for row in found], self._shaped(kept, len(found)))
            last = found[-1]["number"]

    def missing(self, count: int) -> list[UnembeddedKey]:
        """At most so many keys that have none, the newest first."""
        rows = self._db.read(
            "SELECT number, example, memory_keys.question, answer FROM memory_keys"
            " LEFT JOIN memory_vectors USING (number) WHERE vectors IS NULL AND NOT is_exact"
            " ORDER BY number DESC LIMIT ?",
            (count,),
        )
        return [UnembeddedKey(r["number"], r["example"], r["question"], r["answer"]) for r in rows]

    def put(self, keys: Sequence[UnembeddedKey], vectors: np.ndarray) -> None:
        """Keep the vectors of keys that are still there.

        Args:
            keys: Whose they are.
            vectors: Of the ``texts`` of each in turn, (3 * keys, dimensions).
        """
        vectors = self._shaped(vectors.astype(np.float16), len(keys))
        with self._db.transaction() as connection:
            is_kept = [
                connection.execute(
                    "INSERT OR REPLACE INTO memory_vectors SELECT number, ? FROM memory_keys"
                    " WHERE number = ? AND example = ?",
                    (parts.tobytes(), key.number, key.example),
                ).rowcount
                > 0
                for key, parts in zip(keys, vectors, strict=True)
            ]
            numbers = [key.number for key, is_it in zip(keys, is_kept, strict=True) if is_it]
            self._hold(numbers, vectors[is_kept])

    def remove(self, connection: Connection, numbers: Sequence[int]) -> None:
        """Take some out, in the open transaction that deletes their keys."""
        for number in numbers:
            connection.execute("DELETE FROM memory_vectors WHERE number = ?", (number,))
        with self._lock:
            for number in numbers:
                if (row := self._rows.pop(number, None)) is not None:
                    self._numbers[row] = 0  # its room is free again after the next start
                    self._parts[row] = self._coarse[row] = 0

    def nearest(self, asked: np.ndarray, count: int, least: float) -> dict[int, float]:
        """How alike the keys are that are most alike, by their numbers, in no order.

        Args:
            asked: Vectors of the question and of it without names, (2, dimensions).
            count: How many at most.
            least: How alike they must be at least.
        """
        with self._lock:
            used = self._used
            numbers, parts, coarse = self._numbers[:used], self._parts[:used], self._coarse[:used]
        if not used:
            return {}
        rows = _best(
            _products(coarse, _products(self._projection, asked[0])), max(count, _LOOKED_AT)
        )
        alike = _alike(parts[rows], asked)
        near = np.flatnonzero(alike >= least)
        near = near[_best(alike[near], count)]
        found = zip(numbers[rows[near]].tolist(), _clipped(alike[near]), strict=True)
        return {number: value for number, value in found if number}

    def similarities(self, asked: np.ndarray, numbers: Sequence[int]) -> list[float | None]:
        """How alike keys are, in [0, 1]; None for one that has no vectors yet.

        Args:
            asked: As for ``nearest``.
            numbers: The keys'.
        """
        with self._lock:
            rows = [self._rows.get(number) for number in numbers]
            known = self._parts[[row for row in rows if row is not None]]
        values = iter(_clipped(_alike(known, asked)))
        return [None if row is None else next(values) for row in rows]

    def contrasts(self, asked: np.ndarray, numbers: Sequence[int]) -> list[float]:
        """How much more alike each of some keys is than all of them are together, in [-2, 2].

        What they have in common is taken off, of them and of the question: of many facts about one
        name that is most of a vector, and says nothing of which is meant.

        Args:
            asked: As for ``nearest``.
            numbers: The keys', which all have vectors.
        """
        with self._lock:
            rows = [self._rows[number] for number in numbers if number in self._rows]
            if len(rows) < len(numbers):  # one was forgotten just now
                return [0.0] * len(numbers)
            parts = self._parts[rows, :2].astype(np.float32)
        common = parts.sum(axis=0) / (len(parts) + 1)  # of few it is not sure what is common
        own = unit(parts - common)
        question = unit(asked[0].astype(np.float32) - common[0])
        return np.einsum("ijk,k->i", own, question).tolist()

    def _clear(self) -> None:
        self._rows: dict[int, int] = {}
        self._used = 0
        self._numbers = np.zeros(_LEAST_ROOM, np.int64)
        self._parts = np.zeros((_LEAST_ROOM, PARTS, self._dimensions), np.float16)
        self._coarse = np.zeros((_LEAST_ROOM, len(self._projection)), np.float32)

    def _shaped(self, vectors: np.ndarray, count: int) -> np.ndarray:
        return vectors.reshape(count, PARTS, self._dimensions)

    def _hold(self, numbers: Sequence[int], vectors: np.ndarray) -> None:
        with self._lock:
            while self._used + len(numbers) > len(self._numbers):
                self._numbers, self._parts, self._coarse = (
                    np.concatenate([held, np.zeros_like(held)])
                    for held in (self._numbers, self._parts, self._coarse)
                )
            for number, parts in zip(numbers, vectors, strict=True):
                row = self._rows.get(number, self._used)
                self._numbers[row], self._parts[row] = number, parts
                whole = parts[:2].astype(np.float32).mean(axis=0)
                self._coarse[row] = _products(self._projection, whole)
                self._rows[number] = row
                self._used = max(self._used, row + 1)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length one, along the last axis."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), _LEAST_LENGTH)


def _alike(parts: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """The weighted mean of the cosines of each key's parts with a question's."""
    question, bare = asked.astype(np.float32)
    against = np.stack([question, question, bare]) * _WEIGHTS[:, None]
    return np.einsum("ijk,jk->i", parts.astype(np.float32), against)


def _clipped(alike: np.ndarray) -> list[float]:
    return np.clip(alike, 0.0, 1.0).tolist()


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
