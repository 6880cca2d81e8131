"""The numbers that training and evaluation produce, by cycle, name and step."""

import math
from collections.abc import Iterable

from radiance.records import MetricPoint
from radiance.storage.sqlite import Database, Readable


class MetricCurves:
    """All metric points. Safe to use from several threads."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def record(self, points: Iterable[MetricPoint]) -> None:
        """Keep points; one that is kept already gets the new value.

        Values that are not finite are passed over: no chart can show them, no JSON can hold them.
        """
        rows = [(p.cycle_id, p.name, p.step, p.value) for p in points if math.isfinite(p.value)]
        if not rows:
            return
        with self._db.transaction() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO metrics (cycle_id, name, step, value) VALUES (?, ?, ?, ?)",
                rows,
            )

    def last(self, name: str, limit: int) -> list[float]:
        """The newest ``limit`` values of a metric, oldest first.

        Cycles follow one another as one curve; failed and abandoned ones are left out, because
        nothing that is served came of them.
        """
        rows = self._db.read(
            "SELECT value FROM metrics WHERE name = ? AND cycle_id NOT IN"
            " (SELECT id FROM cycles WHERE status IN ('failed', 'abandoned'))"
            " ORDER BY cycle_id DESC, step DESC LIMIT ?",
            (name, limit),
        )
        return [row["value"] for row in reversed(rows)]

    def of_cycle(self, cycle_id: int, name: str) -> list[MetricPoint]:
        """One metric of one cycle, by step."""
        rows = self._db.read(
            "SELECT cycle_id, step, name, value FROM metrics WHERE name = ? AND cycle_id = ?"
            " ORDER BY step",
            (name, cycle_id),
        )
        return [MetricPoint(**dict(row)) for row in rows]

    def steps_of_last(self, limit: int) -> list[int]:
        """How many steps each of the newest cycles took that made a checkpoint."""
        rows = self._db.read(
            "SELECT (SELECT MAX(step) FROM metrics WHERE name = 'lr'"
            " AND metrics.cycle_id = checkpoints.cycle_id) AS steps"
            " FROM checkpoints WHERE cycle_id IS NOT NULL ORDER BY number DESC LIMIT ?",
            (limit,),
        )
        return [row["steps"] for row in rows if row["steps"]]

    def keep_newest(self, cycles: int, most: int = 10) -> None:
        """Delete the points of all cycles but the newest, of at most ``most`` cycles a call.

        Args:
            cycles: So many are kept; 0: all.
            most: Whoever else writes waits for no more; who reads waits for none.
        """
        (row,) = self._db.read(
            "SELECT (SELECT MIN(cycle_id) FROM metrics) AS oldest,"
            " (SELECT MAX(id) FROM cycles) AS newest"
        )
        if not cycles or row["oldest"] is None or row["newest"] is None:
            return
        last = min(row["newest"] - cycles, row["oldest"] + most - 1)
        if row["oldest"] <= last:
            with self._db.aside() as connection:
                connection.execute("DELETE FROM metrics WHERE cycle_id <= ?", (last,))

    def all_of(self, cycle_id: int) -> dict[str, dict[int, float]]:
        """See ``all_of``."""
        return all_of(self._db, cycle_id)

    def forget_after(self, cycle_id: int, step: int) -> None:
        """Delete the points of a cycle beyond ``step``, from where it resumes."""
        with self._db.transaction() as connection:
            connection.execute(
                "DELETE FROM metrics WHERE cycle_id = ? AND step > ?", (cycle_id, step)
            )


def all_of(db: Readable, cycle_id: int) -> dict[str, dict[int, float]]:
    """Every metric of a cycle by name: its values by step, in order."""
    rows = db.read(
        "SELECT name, step, value FROM metrics WHERE cycle_id = ? ORDER BY step", (cycle_id,)
    )
    found: dict[str, dict[int, float]] = {}
    for row in rows:
        found.setdefault(row["name"], {})[row["step"]] = row["value"]
    return found
