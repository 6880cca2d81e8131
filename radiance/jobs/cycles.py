"""The learning cycles on record: the jobs of each, its candidate, how it ended."""

from datetime import datetime
from typing import Literal

import msgspec

from radiance.errors import NotFound
from radiance.examples.queries import to_job
from radiance.records import Job
from radiance.storage.sqlite import Readable, Row, to_json

Ending = Literal["open", "finished", "failed", "abandoned"]
_MOST = (1 << 63) - 1


class PastCycle(msgspec.Struct, frozen=True):
    """A cycle on record.

    Attributes:
        id: From 1 on.
        status: "open" while its jobs are leased or wait to be leased as they were; "abandoned"
            where others were leased instead.
        candidate_id: The checkpoint it made, or was to make.
        parent_id: The checkpoint it continued from; None for the base.
        progress: The last step whose state was saved.
        jobs: What it took, as they are now, oldest first; they may be in another cycle since.
    """

    id: int
    status: Ending
    created_at: datetime
    candidate_id: str
    parent_id: str | None
    fingerprint: str
    settings_hash: str
    progress: int
    jobs: tuple[Job, ...]


class CycleLog:
    """All cycles on record, to read. Safe to use from several threads where the database is."""

    def __init__(self, db: Readable) -> None:
        self._db = db

    def get(self, cycle_id: int) -> PastCycle:
        """One cycle, running or past, with its jobs.

        Raises:
            NotFound: There is none of that number.
        """
        sql = "SELECT * FROM cycles WHERE id = ?"
        rows = self._db.read(sql, (cycle_id,)) if cycle_id <= _MOST else []
        if not rows:
            raise NotFound(
                f"There is no cycle {cycle_id}.",
                field="cycle_id",
                value=cycle_id,
                remedy=f"{self.span()}.",
            )
        return _with_jobs(self._db, rows)[0]

    def recent(self, limit: int, before: int | None = None) -> list[PastCycle]:
        """The newest cycles, newest first; only those below ``before`` where it is given."""
        rows = self._db.read(
            "SELECT * FROM cycles WHERE id < ? ORDER BY id DESC LIMIT ?",
            (_MOST if before is None else before, limit),
        )
        return _with_jobs(self._db, rows)

    def span(self) -> str:
        """The numbers of the cycles there are, as a clause."""
        (row,) = self._db.read("SELECT MIN(id) AS first, MAX(id) AS last FROM cycles")
        if row["first"] is None:
            return "No cycle has run yet"
        if row["first"] == row["last"]:
            return f"There is cycle {row['first']}"
        return f"There are cycles {row['first']} to {row['last']}"


def _with_jobs(db: Readable, rows: list[Row]) -> list[PastCycle]:
    jobs: dict[int, list[Job]] = {row["id"]: [] for row in rows}
    found = db.read(
        "SELECT cycle_jobs.cycle_id AS of_cycle, jobs.* FROM cycle_jobs"
        " JOIN jobs ON jobs.number = cycle_jobs.job"
        " WHERE cycle_jobs.cycle_id IN (SELECT value FROM json_each(?)) ORDER BY jobs.number",
        (to_json(list(jobs)),),
    )
    for row in found:
        jobs[row["of_cycle"]].append(to_job(row))
    return [
        PastCycle(
            id=row["id"],
            status=row["status"],
            created_at=datetime.fromisoformat(row["created_at"]),
            candidate_id=row["candidate_id"],
            parent_id=row["parent_id"],
            fingerprint=row["fingerprint"],
            settings_hash=row["settings_hash"],
            progress=row["progress"],
            jobs=tuple(jobs[row["id"]]),
        )
        for row in rows
    ]
