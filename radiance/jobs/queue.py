"""The durable queue: from an accepted update to the checkpoint that holds it.

A job that ``add`` has returned is on the medium. It is leased by one cycle at a time, and it is
trained into exactly one checkpoint: ``lease`` hands out queued jobs only, ``acknowledge`` ends
them, and after a crash ``recover`` returns to the queue what was not committed.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import msgspec

from radiance import records
from radiance.config import UpdateSettings
from radiance.errors import Conflict, NotFound
from radiance.examples import corrections, queries, replay
from radiance.examples.admission import Admitted
from radiance.examples.queries import (
    examples_by_id,
    job_id,
    job_number,
    job_row,
    no_job,
    to_job,
    to_time,
)
from radiance.jobs import cycles, leases
from radiance.jobs.cycles import PastCycle
from radiance.records import Cycle, Example, Job, JobStatus, Recipe, Supersession
from radiance.storage.sqlite import Connection, Database, to_json, to_text

_RETRYABLE = (JobStatus.FAILED, JobStatus.QUARANTINED)


class JobQueue:
    """All jobs, their examples, and the cycles that train them. Safe to use from several threads.

    Args:
        db: Where they are kept.
        clock: The time that is noted for what happens now; aware, UTC.
    """

    def __init__(self, db: Database, clock: Callable[[], datetime] = records.now) -> None:
        self._db = db
        self._clock = clock

    # ------------------------------------------------------------------------- accepting

    def add(
        self,
        admitted: Admitted,
        body_hash: str,
        key: str | None = None,
        recipe: Recipe | None = None,
        record: Callable[[Connection, int], object] = lambda connection, number: None,
    ) -> tuple[Job, bool]:
        """Keep an update as a queued job; durable on return.

        Args:
            admitted: The checked update.
            body_hash: Identity of what was sent, to tell a repeated request from a reused key.
            key: The caller's name for this request; sending it again makes no second job.
            recipe: How to train it, and alone; None: by the settings, with others.
            record: Called in the open transaction with the number of a job that was made.

        Returns:
            The job, and whether it was made by this call.

        Raises:
            Conflict: ``key`` named another body before.
        """
        with self._db.transaction() as connection:
            if key is not None and (row := _row_of_key(connection, key)) is not None:
                job = to_job(row)
                if row["body_hash"] != body_hash:
                    raise Conflict(
                        f"The job_key {key!r} belongs to {job.job_id}, which was sent with another"
                        " body.",
                        field="job_key",
                        value=key,
                        remedy="Use a new job_key for new examples.",
                    )
                return job, False
            number = connection.execute(
                "INSERT INTO jobs (key, body_hash, status, created_at, example_count, tags, recipe)"
                " VALUES (?, ?, 'queued', ?, ?, ?, ?)",
                (
                    key,
                    body_hash,
                    to_text(self._clock()),
                    len(admitted.examples),
                    to_json(admitted.tags),
                    None if recipe is None else to_json(recipe),
                ),
            ).lastrowid
            assert number is not None
            record(connection, number)
            connection.execute(
                "INSERT INTO originals VALUES (?, ?)", (number, to_json(admitted.raw))
            )
            connection.executemany(
                "INSERT INTO examples VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        f"{job_id(number)}.{example.id}",
                        number,
                        int(example.id),
                        to_json(example.messages),
                        example.text,
                        example.question_hash,
                        example.content_hash,
                    )
                    for example in admitted.examples
                ],
            )
            return to_job(job_row(connection, job_id(number))), True

    # ------------------------------------------------------------------------- reading

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

    def recent(self, limit: int, status: JobStatus | None = None) -> list[Job]:
        """The newest jobs, newest first; only those in ``status`` where one is given."""
        if status is None:
            rows = self._db.read("SELECT * FROM jobs ORDER BY number DESC LIMIT ?", (limit,))
        else:  # by its own index: there may be none among thousands
            rows = self._db.read(
                "SELECT * FROM jobs WHERE status = ? ORDER BY number DESC LIMIT ?", (status, limit)
            )
        return [to_job(row) for row in rows]

    def cycle(self, cycle_id: int) -> PastCycle:
        """A cycle, running or past, with its jobs.

        Raises:
            NotFound: There is none of that number.
        """
        return cycles.get(self._db, cycle_id)

    def cycles(self, limit: int, before: int | None = None) -> list[PastCycle]:
        """The newest cycles, newest first; only those below ``before`` where it is given."""
        return cycles.recent(self._db, limit, before)

    def examples(self, job_ids: Collection[str]) -> list[Example]:
        """The curated examples of these jobs, in the order of the jobs and then as sent."""
        found = []
        for number in map(job_number, job_ids):
            rows = self._db.read(
                "SELECT id FROM examples WHERE job = ? ORDER BY place",
                (number,),
            )
            found += [row["id"] for row in rows]
        return examples_by_id(self._db, found)

    def examples_of(self, example_ids: Collection[str]) -> list[Example]:
        """The examples of these ids that exist, in the order given."""
        return examples_by_id(self._db, example_ids)

    def search(
        self, words: str, tag: str, limit: int, before: str | None = None
    ) -> list[tuple[Example, Job]]:
        """Examples that contain ``words`` and have ``tag`` (both may be ""), newest job first.

        Each with its job; only those listed after the example ``before``, where it is given.
        """
        return queries.search(self._db, words, tag, limit, before)

    def example(self, example_id: str) -> Example:
        """The example of that id.

        Raises:
            NotFound: There is none.
        """
        found = examples_by_id(self._db, [example_id])
        if not found:
            raise NotFound(
                f"There is no example {example_id!r}.",
                field="example_id",
                value=example_id,
                remedy="Use an id from a checkpoint's manifest.",
            )
        return found[0]

    def depth(self) -> int:
        """How many jobs are queued."""
        return self._one("SELECT COUNT(*) FROM jobs WHERE status = 'queued'")

    def counts(self) -> dict[JobStatus, int]:
        """How many jobs there are of each status."""
        rows = self._db.read("SELECT status, COUNT(*) AS jobs FROM jobs GROUP BY status")
        found = {row["status"]: row["jobs"] for row in rows}
        return {status: found.get(status, 0) for status in JobStatus}

    def waiting_examples(self) -> int:
        """How many curated examples the queued jobs hold."""
        return self._one("SELECT COALESCE(SUM(example_count), 0) FROM jobs WHERE status = 'queued'")

    def oldest_waiting_at(self) -> datetime | None:
        """When the oldest queued job was accepted."""
        return to_time(self._one("SELECT MIN(created_at) FROM jobs WHERE status = 'queued'"))

    def last_update(self) -> datetime | None:
        """When the newest job was accepted."""
        return to_time(
            self._one("SELECT (SELECT created_at FROM jobs ORDER BY number DESC LIMIT 1)")
        )

    # ------------------------------------------------------------------------- by hand

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
        """Queue a failed or quarantined job again, as if nothing had happened to it.

        Raises:
            NotFound: There is no such job.
            Conflict: It is neither failed nor quarantined.
        """
        with self._db.transaction() as connection:
            row = job_row(connection, job)
            if row["status"] not in _RETRYABLE:
                raise Conflict(
                    f"{job} is {row['status']}; only a failed or quarantined job can be retried.",
                    field="job_id",
                    value=job,
                    remedy="Send its examples as a new update.",
                )
            connection.execute(
                "UPDATE jobs SET status = 'queued', cycle_id = NULL, started_at = NULL,"
                " finished_at = NULL, error = NULL, rejected_checkpoint = NULL, deaths = 0,"
                " interruptions = 0 WHERE number = ?",
                (row["number"],),
            )
            return to_job(job_row(connection, job))

    # ------------------------------------------------------------------------- the cycle

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
            settings: When to train; see ``leases.due``.
            parent_id: The checkpoint the cycle would continue from.
            settings_hash: Identity of everything else that shapes the result.
            new_candidate_id: Makes a checkpoint id inside the open transaction.
            now: The present.
        """
        with self._db.transaction() as connection:
            return leases.lease(
                connection, settings, parent_id, settings_hash, new_candidate_id, now
            )

    def note_progress(self, cycle_id: int, step: int) -> None:
        """Note that a cycle got to an optimizer step; a new step clears the count of interruptions.

        Only a step further than any before counts: a job that is always killed at the same place
        must come to an end.
        """
        with self._db.transaction() as connection:
            leases.note_progress(connection, cycle_id, step)

    def acknowledge(self, cycle_id: int, checkpoint_id: str, at: datetime) -> None:
        """End a cycle: its jobs have succeeded and are in ``checkpoint_id``. Repeating is harmless.

        Jobs of the cycle that were put back into the queue meanwhile have succeeded too.

        Raises:
            NotFound: There is no such cycle.
            Conflict: The cycle failed or was abandoned.
        """
        with self._db.transaction() as connection:
            leases.acknowledge(connection, cycle_id, checkpoint_id, at)

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
            if leases.fail(connection, cycle_id, error, rejected, self._clock()):
                record(connection)

    def pardon(self, connection: Connection, checkpoint_id: str) -> None:
        """In the open transaction: jobs that failed by a rejected checkpoint have succeeded in it.

        For when a person serves it all the same; its examples then count as learned. Jobs that were
        queued again meanwhile are left alone.
        """
        leases.pardon(connection, checkpoint_id)

    def call_off(self, cycle_id: int) -> None:
        """End a cycle: its jobs are cancelled for good."""
        with self._db.transaction() as connection:
            leases.call_off(connection, cycle_id, self._clock())

    def release(self, cycle_id: int) -> None:
        """Put a cycle's jobs back into the queue, as on a clean shutdown; nothing is counted."""
        with self._db.transaction() as connection:
            leases.release(connection, cycle_id)

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
            touched = leases.recover(
                connection, self_inflicted, max_deaths, max_interruptions, released, self._clock()
            )
            return [to_job(job_row(connection, job_id(number))) for number in touched]

    # ------------------------------------------------------------------------- replay

    def replay(
        self,
        limit: int,
        exclude_questions: Collection[str],
        seed: int,
        checkpoints: Collection[str],
    ) -> list[Example]:
        """Earlier examples that the served checkpoint has learned, to be kept by learning again.

        Of several with the same question only the one learned last is valid. The choice depends on
        ``seed`` and on nothing else that changes.

        Args:
            limit: At most so many.
            exclude_questions: ``question_hash`` of the examples that are learned now.
            seed: Seed of the choice where there are more.
            checkpoints: The served checkpoint and its ancestors.

        Returns:
            The examples in the order in which they were learned.
        """
        chosen = replay.choose(self._db, limit, exclude_questions, seed, checkpoints)
        return examples_by_id(self._db, chosen)

    def earlier(
        self,
        limit: int,
        exclude_questions: Collection[str],
        seed: int,
        checkpoints: Collection[str],
    ) -> list[tuple[Example, str]]:
        """Earlier examples to be asked again, spread evenly over the checkpoints that taught them.

        Valid ones only, as for ``replay``, and with the same arguments.

        Returns:
            The examples in the order in which they were learned, each with its checkpoint.
        """
        return replay.earlier(self._db, limit, exclude_questions, seed, checkpoints)

    def answers(
        self, question_hashes: Collection[str], checkpoints: Collection[str]
    ) -> list[Example]:
        """The valid examples of a lineage that ask one of these questions."""
        return replay.answers(self._db, question_hashes, checkpoints)

    # ------------------------------------------------------------------------- corrections

    def superseded(self, checkpoints: Collection[str]) -> list[Supersession]:
        """Every example that a lineage (a checkpoint and its ancestors) learned and then corrected.

        They stay in the database, and leave replay and everything measured on earlier examples.
        """
        return corrections.superseded(self._db, checkpoints)

    def supersedes(self, job: Job, checkpoints: Collection[str]) -> list[Supersession]:
        """What a job's examples correct, or will correct once it is learned.

        Args:
            job: The job; one that failed or was cancelled corrects nothing.
            checkpoints: Its checkpoint and that one's ancestors; the served ones while it has none.
        """
        if job.status not in (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.SUCCEEDED):
            return []
        return corrections.superseded_by_job(self._db, job.job_id, checkpoints)

    def is_asked_elsewhere(self, job: Job) -> bool:
        """Whether another job has a question of this one: only then can it correct anything."""
        return corrections.is_asked_elsewhere(self._db, job.job_id)

    def may_supersede(self, job: Job, checkpoints: Collection[str]) -> list[Supersession]:
        """Learned examples that a job seems to correct in other words; none of them is dropped.

        Only while it waits: afterwards its own examples, and newer ones, are among the learned.
        """
        if job.status not in (JobStatus.QUEUED, JobStatus.RUNNING):
            return []
        return corrections.near_misses(self._db, self.examples([job.job_id]), checkpoints)

    def _one(self, sql: str) -> Any:
        return self._db.read(sql)[0][0]


def _row_of_key(connection: Connection, key: str) -> Any:
    return connection.execute("SELECT * FROM jobs WHERE key = ?", (key,)).fetchone()
