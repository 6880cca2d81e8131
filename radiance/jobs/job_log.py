"""The jobs on record, to read: each as it is now, what was sent, how many wait."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec

from radiance.examples.queries import job_number, no_job, to_job, to_time
from radiance.records import Job, JobStatus, Recipe
from radiance.storage.sqlite import Database


class JobLog:
    """All jobs on record. Safe to use from several threads."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self, job: str) -> Job:
        """The job of that id.

        Raises:
            NotFound: There is none.
        """
        rows = self._db.read("SELECT * FROM jobs WHERE number = ?", (job_number(job),))
        if not rows:
            raise no_job(job)
        return to_job(rows[0])

    def raw(self, job: str) -> tuple[Any, ...]:
        """The examples of a job exactly as they were sent.

        Raises:
            NotFound: There is no such job.
        """
        rows = self._db.read("SELECT raw FROM originals WHERE job = ?", (job_number(job),))
        if not rows:
            raise no_job(job)
        return tuple(msgspec.json.decode(rows[0]["raw"]))

    def recipe(self, job_ids: Collection[str]) -> Recipe | None:
        """How the jobs of a cycle are to be trained; None: by the settings."""
        for number in map(job_number, job_ids):
            for row in self._db.read("SELECT recipe FROM jobs WHERE number = ?", (number,)):
                if row["recipe"] is not None:
                    return msgspec.json.decode(row["recipe"], type=Recipe)
        return None

    def recent(
        self, limit: int, status: JobStatus | None = None, before: str | None = None
    ) -> list[Job]:
        """The newest jobs, newest first.

        Args:
            limit: Most jobs.
            status: Only those in it, where one is given.
            before: Only those that came before this one, where one is given.

        Raises:
            NotFound: ``before`` is no id of a job.
        """
        below = 1 << 62 if before is None else job_number(before)
        if status is None:
            rows = self._db.read(
                "SELECT * FROM jobs WHERE number < ? ORDER BY number DESC LIMIT ?", (below, limit)
            )
        else:  # by its own index: there may be none among thousands
            rows = self._db.read(
                "SELECT * FROM jobs WHERE status = ? AND number < ? ORDER BY number DESC LIMIT ?",
                (status, below, limit),
            )
        return [to_job(row) for row in rows]

    def depth(self) -> int:
        """How many jobs are queued."""
        return self._one("SELECT COUNT(*) FROM jobs WHERE status = 'queued'")

    def counts(self) -> dict[JobStatus, int]:
        """How many jobs there are of each status."""
        rows = self._db.read("SELECT status, COUNT(*) FROM jobs GROUP BY status")
        found = {row[0]: row[1] for row in rows}
        return {status: found.get(status, 0) for status in JobStatus}

    def waiting_examples(self) -> int:
        """How many curated examples the queued jobs hold."""
        return self._one("SELECT COALESCE(SUM(example_count), 0) FROM jobs WHERE status = 'queued'")

    def oldest_waiting_at(self) -> datetime | None:
        """When the oldest queued job was accepted."""
        return to_time(self._one("SELECT MIN(created_at) FROM jobs WHERE status = 'queued'"))

    def open_candidate(self) -> str | None:
        """The id that the checkpoint of the open cycle gets; None while none is open."""
        rows = self._db.read("SELECT candidate_id FROM cycles WHERE status = 'open'")
        return rows[0]["candidate_id"] if rows else None

    def last_update(self) -> datetime | None:
        """When the newest job was accepted."""
        # By the number, which is indexed; MAX(created_at) would read all rows.
        rows = self._db.read("SELECT created_at FROM jobs ORDER BY number DESC LIMIT 1")
        return to_time(rows[0][0]) if rows else None

    def _one(self, sql: str) -> Any:
        return self._db.read(sql)[0][0]
