"""The vectors of passages: of each sentence, under the heading that it stands under.

Kept in the database beside the passages and read for those that words have found: comparing them
all would take much memory and say little, as what has the names of a question is few. Derived:
made a moment after their passage, and anew where another embedder makes them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from radiance.documents.passages import sentences
from radiance.documents.store import to_passage
from radiance.memory.vectors import unit
from radiance.records import Passage
from radiance.storage.sqlite import Connection, Database, to_json

_MADE_BY = "passage vectors made by"
_MOST_SENTENCES = 12  # of a passage; what comes after is found by words alone


@dataclass(frozen=True)
class UnembeddedPassage:
    """A passage that has no vectors yet."""

    number: int
    passage: Passage

    @property
    def texts(self) -> list[str]:
        """What its vectors are of: its sentences, each under its heading."""
        heading = "".join(f"{one}: " for one in self.passage.headings[-1:])
        return [heading + one for one in sentences(self.passage.text)[:_MOST_SENTENCES]]


class Alike(NamedTuple):
    """How alike a passage's best sentence is to a question.

    Attributes:
        whole: The cosine.
        contrast: The cosine once what all sentences in scope have in common is taken off.
    """

    whole: float
    contrast: float


class PassageVectors:
    """Safe to use from several threads.

    Args:
        db: Where they are kept.
        dimensions: Length of one.
    """

    def __init__(self, db: Database, dimensions: int) -> None:
        self._db, self._dimensions = db, dimensions

    def open(self, made_by: str) -> None:
        """Make them ready; none are kept that something else has made."""
        rows = self._db.read("SELECT value FROM memory_state WHERE name = ?", (_MADE_BY,))
        if rows and rows[0]["value"] == made_by:
            return
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM passage_vectors")
            connection.execute(
                "INSERT OR REPLACE INTO memory_state VALUES (?, ?)", (_MADE_BY, made_by)
            )

    def missing(self, count: int) -> list[UnembeddedPassage]:
        """At most so many passages that have none, the newest first."""
        rows = self._db.read(
            "SELECT passages.* FROM passages LEFT JOIN passage_vectors USING (number)"
            " WHERE vectors IS NULL ORDER BY passages.number DESC LIMIT ?",
            (count,),
        )
        return [UnembeddedPassage(row["number"], to_passage(row)) for row in rows]

    def put(self, passage: UnembeddedPassage, vectors: np.ndarray) -> None:
        """Keep the vectors of a passage that is still there.

        Args:
            passage: Whose they are.
            vectors: Of its ``texts``, (texts, dimensions).
        """
        with self._db.transaction() as connection:
            # A number never comes again, so it is the same passage or none.
            connection.execute(
                "INSERT OR REPLACE INTO passage_vectors SELECT number, ? FROM passages"
                " WHERE number = ?",
                (vectors.astype(np.float16).tobytes(), passage.number),
            )

    def remove(self, connection: Connection, number: int) -> None:
        """Take a passage's out, in the open transaction that deletes it."""
        connection.execute("DELETE FROM passage_vectors WHERE number = ?", (number,))

    def compare(self, asked: np.ndarray, numbers: Sequence[int]) -> dict[int, Alike]:
        """How alike each passage is to a question; none of those that have no vectors.

        Args:
            asked: The vector of the question, (dimensions,).
            numbers: The passages'.
        """
        rows = self._db.read(
            "SELECT number, vectors FROM passage_vectors WHERE number IN"
            " (SELECT value FROM json_each(?))",
            (to_json(list(numbers)),),
        )
        kept = {
            row["number"]: np.frombuffer(row["vectors"], np.float16)
            .reshape(-1, self._dimensions)
            .astype(np.float32)
            for row in rows
            if row["vectors"]
        }
        if not kept:
            return {}
        every = np.concatenate(list(kept.values()))
        common = every.sum(axis=0) / (len(every) + 1)  # of few it is not sure what is common
        question = unit(asked - common)
        return {
            number: Alike(
                float((vectors @ asked).max()), float((unit(vectors - common) @ question).max())
            )
            for number, vectors in kept.items()
        }
