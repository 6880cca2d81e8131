"""The durable queue: from an accepted update to the checkpoint that holds it.

A job that ``add`` has returned is on the medium. It is leased by one cycle at a time, and it is
trained into exactly one checkpoint: ``lease`` hands out queued jobs only, ``acknowledge`` ends
them, and after a crash ``recover`` returns to the queue what was not committed.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

import msgspec

from radiance import records
from radiance.config import UpdateSettings
from radiance.errors import Conflict, Overloaded
from radiance.examples.admission import Admitted
from radiance.examples.queries import job_id, job_number, job_row, to_job
from radiance.jobs import transitions
from radiance.jobs.job_log import JobLog
from radiance.jobs.selection import choose, example_ids, resumable
from radiance.records import Cycle, Example, Job, JobStatus, Recipe, content_hash
from radiance.storage.sqlite import Connection, Database, to_json, to_text

_RETRY_WHEN_FULL_S = 60
_RETRYABLE = (JobStatus.FAILED, JobStatus.QUARANTINED, JobStatus.CANCELLED)


class JobQueue(JobLog):
    """All jobs, to read and to change, and their leases. Safe to use from several threads.

    Args:
        db: Where they are kept.
        clock: The time that is noted for what happens now; aware, UTC.
        most_waiting: Jobs that may wait before ``add`` refuses.
        index: Told of every job's examples in the transaction that keeps them.
    """

    def __init__(
        self,
        db: Database,
        clock: Callable[[], datetime] = records.now,
        index: Callable[[Connection, Sequence[Example]], object] = lambda connection, examples: (
            None
        ),
        most_waiting: int = 10_000,
    ) -> None:
        super().__init__(db)
        self._clock = clock
        self._index = index
        self._most_waiting = most_waiting

    def add(
        self,
        admitted: Admitted,
        body_hash: str,
        key: str | None = None,
        recipe: Recipe | None = None,
        record: Callable[[Connection, int], object] = lambda connection, number: None,
        sender: str = "",
    ) -> tuple[Job, bool]:
        """Keep an update as a queued job; durable on return.

        Args:
            admitted: The checked update.
            body_hash: Identity of what was sent, to tell a repeated request from a reused key.
            key: The caller's name for this request; sending it again makes no second job. One that
                had failed is queued again, unless the gate rejected what came of it.
            recipe: How to train it, and alone; None: by the settings, with others.
            record: Called in the open transaction with the number of a job that was made, before
                its examples are kept. What it raises leaves nothing of the job.
            sender: The name of the API key that it was sent with; "" where none is needed.

        Returns:
            The job, and whether it was made by this call.

        Raises:
            Conflict: ``key`` named another body before.
            Overloaded: Too many jobs wait.
        """
        with self._db.transaction() as connection:
            named = connection.execute("SELECT * FROM jobs WHERE key = ?", (key,)).fetchone()
            if named is not None:
                job = to_job(named)
                if named["body_hash"] != body_hash:
                    raise Conflict(
                        f"The job_key {key!r} belongs to {job.job_id}, which was sent with another"
                        " body.",
                        field="job_key",
                        value=key,
                        remedy="Use a new job_key for new examples.",
                    )
                if job.status == JobStatus.FAILED and job.rejected_checkpoint is None:
                    job = transitions.queue_again(connection, named)
                return job, False
            waiting = "SELECT COUNT(*) FROM jobs WHERE status = 'queued'"
            if connection.execute(waiting).fetchone()[0] >= self._most_waiting:
                raise Overloaded(
                    f"{self._most_waiting} updates wait to be learned", _RETRY_WHEN_FULL_S
                )
            number = connection.execute(
                "INSERT INTO jobs (key, body_hash, status, created_at, example_count, tags, recipe,"
                " sender, supersede) VALUES (?, ?, 'queued', ?, ?, ?, ?, ?, ?)",
                (
                    key,
                    body_hash,
                    to_text(self._clock()),
                    len(admitted.examples),
                    to_json(admitted.tags),
                    None if recipe is None else to_json(recipe),
                    sender,
                    admitted.supersede,
                ),
            ).lastrowid
            assert number is not None
            record(connection, number)
            connection.execute(
                "INSERT INTO originals VALUES (?, ?)", (number, to_json(admitted.raw))
            )
            examples = [
                msgspec.structs.replace(example, id=f"{job_id(number)}.{example.id}")
                for example in admitted.examples
            ]
            connection.executemany(
                "INSERT INTO examples VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        example.id,
                        number,
                        int(place.id),
                        to_json(example.messages),
                        example.text,
                        example.question_hash,
                        example.content_hash,
                    )
                    for example, place in zip(examples, admitted.examples, strict=True)
                ],
            )
            self._index(connection, examples)
            return to_job(job_row(connection, job_id(number))), True

    def cancel(self, job: str) -> Job:
        """Take a queued job out of the queue for good.

        Raises:
            NotFound: There is no such job.
            Conflict: It is not queued.
        """
        with self._db.transaction() as connection:
            row = job_row(connection, job)
            if row["status"] != JobStatus.QUEUED:
                raise Conflict(
                    f"{job} is {row['status']}; only a queued job can be cancelled.",
                    field="job_id",
                    value=job,
                    remedy="Roll back to an earlier checkpoint to undo what was learned.",
                )
            connection.execute(
                "UPDATE jobs SET status = 'cancelled', finished_at = ? WHERE number = ?",
                (to_text(self._clock()), row["number"]),
            )
            return to_job(job_row(connection, job))

    def retry(self, job: str) -> Job:
        """Queue a failed, quarantined or cancelled job again, as if nothing had happened to it.

        Raises:
            NotFound: There is no such job.
            Conflict: It is none of the three, or everything that it taught was forgotten.
        """
        with self._db.transaction() as connection:
            row = job_row(connection, job)
            if row["status"] not in _RETRYABLE:
                raise Conflict(
                    f"{job} is {row['status']}; only a failed, quarantined or cancelled job can be"
                    " retried.",
                    field="job_id",
                    value=job,
                    remedy="Send its examples as a new update.",
                )
            number = (row["number"],)
            if not connection.execute("SELECT 1 FROM examples WHERE job = ?", number).fetchone():
                raise Conflict(
                    f"{job} has no example left: all that it taught was forgotten.",
                    field="job_id",
                    value=job,
                    remedy="Send new examples.",
                )
            return transitions.queue_again(connection, row)

    def lease(
        self,
        settings: UpdateSettings,
        parent_id: str | None,
        settings_hash: str,
        new_candidate_id: Callable[[Connection], str],
        now: datetime,
    ) -> Cycle | None:
        """Give the jobs whose turn it is to a cycle, or None while nothing is due.

        After an interruption it gives out the same cycle again, if the same jobs are still queued
        and parent and settings are the same, so that the cycle meets what it saved.

        Args:
            settings: When to train; see ``selection.due``.
            parent_id: The checkpoint the cycle would continue from.
            settings_hash: Identity of everything else that shapes the result.
            new_candidate_id: Makes a checkpoint id inside the open transaction.
            now: The present.
        """
        with self._db.transaction() as connection:
            if connection.execute("SELECT 1 FROM jobs WHERE status = 'running'").fetchone():
                return None
            open_cycle = connection.execute("SELECT * FROM cycles WHERE status = 'open'").fetchone()
            if open_cycle is not None:
                jobs = resumable(connection, open_cycle, parent_id, settings_hash)
                if jobs:
                    return transitions.start(connection, open_cycle, jobs, now)
                transitions.end(connection, open_cycle["id"], "abandoned")
            jobs = choose(connection, settings, now)
            if not jobs:
                return None
            fingerprint = content_hash([parent_id, example_ids(connection, jobs), settings_hash])
            cycle_id = connection.execute(
                "INSERT INTO cycles"
                " (fingerprint, candidate_id, parent_id, settings_hash, status, created_at)"
                " VALUES (?, ?, ?, ?, 'open', ?)",
                (fingerprint, new_candidate_id(connection), parent_id, settings_hash, to_text(now)),
            ).lastrowid
            connection.executemany(
                "INSERT INTO cycle_jobs VALUES (?, ?)", [(cycle_id, job["number"]) for job in jobs]
            )
            cycle = connection.execute("SELECT * FROM cycles WHERE id = ?", (cycle_id,)).fetchone()
            return transitions.start(connection, cycle, jobs, now)

    def is_due(self, settings: UpdateSettings, now: datetime) -> bool:
        """Whether ``lease`` would give out a new cycle."""
        with self._db.transaction() as connection:
            return bool(choose(connection, settings, now))

    def note_progress(self, cycle_id: int, step: int) -> None:
        """Note that a cycle got to an optimizer step; a new step clears the count of interruptions.

        Only a step further than any before counts: a job that is always killed at the same place
        must come to an end.
        """
        with self._db.transaction() as connection:
            grown = connection.execute(
                "UPDATE cycles SET progress = ? WHERE id = ? AND progress < ?",
                (step, cycle_id, step),
            )
            if grown.rowcount:
                connection.execute(
                    "UPDATE jobs SET interruptions = 0 WHERE cycle_id = ?", (cycle_id,)
                )

    def acknowledge(self, cycle_id: int, checkpoint_id: str, at: datetime) -> None:
        """End a cycle: its jobs have succeeded and are in ``checkpoint_id``. Repeating is harmless.

        Jobs of the cycle that were put back into the queue meanwhile have succeeded too.

        Raises:
            NotFound: There is no such cycle.
            Conflict: The cycle failed or was abandoned.
        """
        with self._db.transaction() as connection:
            transitions.acknowledge(connection, cycle_id, checkpoint_id, at)

    def fail(
        self,
        cycle_id: int,
        error: str,
        record: Callable[[Connection], object] = lambda connection: None,
        rejected: str | None = None,
    ) -> None:
        """End a cycle: its jobs have failed because of ``error``, a sentence.

        Does nothing if the cycle has ended already.

        Args:
            cycle_id: Which one.
            error: Why.
            record: Called in the open transaction, if the cycle ends by this.
            rejected: The checkpoint that the gate refused, if that is why.
        """
        with self._db.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET status = 'failed', error = ?, rejected_checkpoint = ?,"
                " finished_at = ? WHERE cycle_id = ? AND status = 'running'",
                (error, rejected, to_text(self._clock()), cycle_id),
            )
            if transitions.end(connection, cycle_id, "failed"):
                record(connection)

    def pardon(self, connection: Connection, checkpoint_id: str) -> None:
        """In the open transaction: jobs that failed by a rejected checkpoint have succeeded in it.

        For when a person serves it all the same; its examples then count as learned. Jobs that were
        queued again meanwhile are left alone.
        """
        connection.execute(
            "UPDATE jobs SET status = 'succeeded', checkpoint = rejected_checkpoint,"
            " rejected_checkpoint = NULL, error = NULL"
            " WHERE rejected_checkpoint = ? AND status = 'failed'",
            (checkpoint_id,),
        )

    def call_off(self, cycle_id: int, job_ids: Collection[str] | None = None) -> None:
        """End a cycle: these of its jobs are cancelled for good, or all; the others wait again."""
        with self._db.transaction() as connection:
            rows = connection.execute(
                "SELECT number FROM jobs WHERE cycle_id = ? AND status = 'running'", (cycle_id,)
            )
            numbers = {row["number"] for row in rows}
            if job_ids is not None:
                numbers &= {job_number(job) for job in job_ids}
            connection.executemany(
                "UPDATE jobs SET status = 'cancelled', finished_at = ? WHERE number = ?",
                [(to_text(self._clock()), number) for number in numbers],
            )
            transitions.put_back(connection, cycle_id)
            transitions.end(connection, cycle_id, "abandoned")

    def interrupt(self, connection: Connection, accepted: Collection[str]) -> None:
        """In the open transaction: end the open cycle, so that what it began comes to nothing.

        Its jobs wait again; another cycle takes them. They have succeeded where its candidate is
        committed already.

        Args:
            connection: The open transaction.
            accepted: Ids of the checkpoints that were committed and not rejected.
        """
        cycle = connection.execute("SELECT * FROM cycles WHERE status = 'open'").fetchone()
        if cycle is None:
            return
        if cycle["candidate_id"] in accepted:
            transitions.acknowledge(connection, cycle["id"], cycle["candidate_id"], self._clock())
            return
        transitions.put_back(connection, cycle["id"])
        transitions.end(connection, cycle["id"], "abandoned")

    def release(self, cycle_id: int) -> None:
        """Put a cycle's jobs back into the queue, as on a clean shutdown; nothing is counted."""
        with self._db.transaction() as connection:
            transitions.put_back(connection, cycle_id)

    def try_alone(
        self,
        cycle_id: int,
        most: int,
        told: Callable[[int], str],
        record: Callable[[Connection], object] = lambda connection: None,
    ) -> None:
        """Put back the jobs of a cycle that failed by something that is in one of them.

        Each is tried alone then; one to which that has happened before is at its end.

        Args:
            cycle_id: Which one.
            most: Quarantine after so many of those, crashes of the process included.
            told: Why a job is quarantined after so many times, as a sentence.
            record: Called in the open transaction, if a job is.
        """
        with self._db.transaction() as connection:
            if transitions.try_alone(connection, cycle_id, most, told, self._clock()):
                record(connection)

    def recover(
        self,
        self_inflicted: bool,
        max_deaths: int,
        max_interruptions: int,
        released: Collection[str] = (),
    ) -> list[Job]:
        """Put in order, at start, what the last process left running.

        The jobs of a cycle whose candidate is in ``released`` have succeeded. Every other one goes
        back to the queue with its count of deaths or interruptions one higher, or into quarantine
        when that count is at its limit.

        Args:
            self_inflicted: Whether the last process died of itself (abort, segmentation fault).
            max_deaths: Quarantine after so many of those.
            max_interruptions: Quarantine after so many other ends in a row without progress.
            released: Ids of the checkpoints that the registry has committed.

        Returns:
            The jobs that were running, as they are now, oldest first.
        """
        with self._db.transaction() as connection:
            touched = transitions.recover(
                connection, self_inflicted, max_deaths, max_interruptions, released, self._clock()
            )
            return [to_job(job_row(connection, job_id(number))) for number in touched]
