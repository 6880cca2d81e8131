"""The limits in force: measured on the examples that are known, and kept for the next start."""

from collections.abc import Callable, Collection, Sequence

import msgspec
import numpy as np

from radiance.memory import analysis, calibration
from radiance.memory.calibration import Calibration, KnownProbe
from radiance.memory.embedders import Embedder
from radiance.memory.matching import Ranked
from radiance.memory.scope import Candidate
from radiance.records import Example
from radiance.storage.sqlite import Database, to_json
from radiance.telemetry import get_logger

_LEAST = 8  # keys, from which on limits are worth measuring
_GROWTH = 1.25  # so much more keys make them be measured anew
_log = get_logger(__name__)
Rank = Callable[[str, Collection[str], Callable[[str], np.ndarray | None]], Ranked]
"""A question, answers that are taken not to be known, and what has its vectors."""


class Calibrator:
    """Used by one thread; ``found`` may be read by any.

    Args:
        db: Where they are kept.
        embedder: Which may have a part in the scores.
        promised: The shares ``max_wrong`` and ``max_near``.
        ranked_by: The rules that rank; limits that others measured do not count.

    Attributes:
        found: The limits in force, and what they were measured on.
    """

    def __init__(
        self, db: Database, embedder: Embedder, promised: tuple[float, float], ranked_by: str
    ) -> None:
        self._db, self._embedder, self._promised = db, embedder, promised
        self._ranked_by = f"{ranked_by} {embedder.identity}"
        self.found = Calibration()

    def open(self) -> None:
        """Take what a run before has measured, where it was promised the same."""
        rows = self._db.read("SELECT value FROM memory_state WHERE name = 'calibration'")
        if rows:
            kept = msgspec.json.decode(rows[0]["value"], type=Calibration)
            is_same = (kept.max_wrong, kept.max_near) == self._promised
            if is_same and kept.ranked_by == self._ranked_by:
                self.found = kept

    def is_due(self, size: int) -> bool:
        """Whether much of so many keys was not measured on yet."""
        return size >= _LEAST and size >= _GROWTH * self.found.size

    def measure(
        self,
        known: Sequence[tuple[Candidate, Example]],
        size: int,
        rank: Rank,
        without_taught: Callable[[Sequence[KnownProbe]], list[KnownProbe]],
        pause: Callable[[], object],
        is_stopping: Callable[[], bool],
    ) -> Calibration | None:
        """Measure from where on a match answers; nothing is in force yet. None where it is stopped.

        Args:
            known: What is asked about.
            size: How many keys the index has.
            rank: What is in scope of a question.
            without_taught: Takes out foreign questions that were taught.
            pause: Called between two questions.
            is_stopping: Whether to give up.
        """
        probes = without_taught(calibration.probes(known))
        vectors: dict[str, np.ndarray] = {}

        def ask(question: str, without: Collection[str]) -> Ranked:
            pause()
            return rank(question, without, vectors.get)

        measured = calibration.calibrate(probes, ask, *self._promised, size)
        if self._embedder.dimensions:
            by_words = measured.limits
            for probe in probes:
                pause()
                if is_stopping():
                    return None
                if probe.question not in vectors:
                    texts = [probe.question, analysis.without_names(probe.question)]
                    vectors[probe.question] = self._embedder.embed(texts)
            measured = calibration.calibrate(probes, ask, *self._promised, size)
            measured = msgspec.structs.replace(measured, by_words=by_words)
        return msgspec.structs.replace(measured, ranked_by=self._ranked_by)

    def put(self, measured: Calibration) -> None:
        """Set them in force, and keep them."""
        self.found = measured
        with self._db.aside() as connection:  # no request waits for the disk
            connection.execute(
                "INSERT OR REPLACE INTO memory_state VALUES ('calibration', ?)",
                (to_json(measured),),
            )
        _log.info("memory_calibrated", **msgspec.to_builtins(measured))
