"""How jobs go to a cycle and come back, as steps inside one open transaction.

At most one cycle is open: a second one would start from the same parent, and whichever committed
last would undo the other.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

from radiance.config import UpdateSettings
from radiance.errors import Conflict, NotFound
from radiance.examples.queries import job_id
from radiance.records import Cycle, content_hash
from radiance.storage.sqlite import Connection, Row, to_json, to_text


def due(settings: UpdateSettings, waiting_examples: int, oldest_age: timedelta) -> bool:
    """Whether a cycle should start now. Pure.

    Args:
        settings: immediate trains as soon as anything waits; batched once enough examples wait or
            the oldest has waited long enough.
        waiting_examples: Curated examples of all queued jobs.
        oldest_age: How long the oldest queued job has waited.
    """
    if waiting_examples == 0:
        return False
    if settings.mode == "immediate" or waiting_examples >= settings.max_examples:
        return True
    return oldest_age >= timedelta(minutes=settings.max_age_minutes)


def lease(
    connection: Connection,
    settings: UpdateSettings,
    parent_id: str | None,
    settings_hash: str,
    new_candidate_id: Callable[[Connection], str],
    now: datetime,
) -> Cycle | None:
    """See ``JobQueue.lease``."""
    if connection.execute("SELECT 1 FROM jobs WHERE status = 'running'").fetchone():
        return None
    open_cycle = connection.execute("SELECT * FROM cycles WHERE status = 'open'").fetchone()
    if open_cycle is not None:
        jobs = _resumable(connection, open_cycle, parent_id, settings_hash)
        if jobs:
            return _start(connection, open_cycle, jobs, now)
        _end(connection, open_cycle["id"], "abandoned")
    jobs = _choose(connection, settings, now)
    if not jobs:
        return None
    fingerprint = content_hash([parent_id, _example_ids(connection, jobs), settings_hash])
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
    return _start(connection, cycle, jobs, now)


def note_progress(connection: Connection, cycle_id: int, step: int) -> None:
    """See ``JobQueue.note_progress``."""
    grown = connection.execute(
        "UPDATE cycles SET progress = ? WHERE id = ? AND progress < ?", (step, cycle_id, step)
    )
    if grown.rowcount:
        connection.execute("UPDATE jobs SET interruptions = 0 WHERE cycle_id = ?", (cycle_id,))


def acknowledge(connection: Connection, cycle_id: int, checkpoint_id: str, at: datetime) -> None:
    """See ``JobQueue.acknowledge``."""
    row = connection.execute("SELECT status FROM cycles WHERE id = ?", (cycle_id,)).fetchone()
    if row is None:
        raise NotFound(f"There is no cycle {cycle_id}.", field="cycle_id", value=cycle_id)
    if row["status"] == "finished":
        return
    if row["status"] != "open":
        raise Conflict(f"Cycle {cycle_id} was {row['status']} and cannot be acknowledged.")
    connection.execute(
        "UPDATE jobs SET status = 'succeeded', cycle_id = ?, checkpoint = ?, finished_at = ?"
        " WHERE number IN (SELECT job FROM cycle_jobs WHERE cycle_id = ?)"
        " AND status IN ('queued', 'running')",
        (cycle_id, checkpoint_id, to_text(at), cycle_id),
    )
    _end(connection, cycle_id, "finished")


def fail(
    connection: Connection, cycle_id: int, error: str, rejected: str | None, at: datetime
) -> bool:
    """See ``JobQueue.fail``; whether the cycle was still open."""
    connection.execute(
        "UPDATE jobs SET status = 'failed', error = ?, rejected_checkpoint = ?, finished_at = ?"
        " WHERE cycle_id = ? AND status = 'running'",
        (error, rejected, to_text(at), cycle_id),
    )
    return _end(connection, cycle_id, "failed")


def pardon(connection: Connection, checkpoint_id: str) -> None:
    """See ``JobQueue.pardon``."""
    connection.execute(
        "UPDATE jobs SET status = 'succeeded', checkpoint = rejected_checkpoint,"
        " rejected_checkpoint = NULL, error = NULL"
        " WHERE rejected_checkpoint = ? AND status = 'failed'",
        (checkpoint_id,),
    )


def call_off(connection: Connection, cycle_id: int, at: datetime) -> None:
    """See ``JobQueue.call_off``."""
    connection.execute(
        "UPDATE jobs SET status = 'cancelled', finished_at = ?"
        " WHERE cycle_id = ? AND status = 'running'",
        (to_text(at), cycle_id),
    )
    _end(connection, cycle_id, "abandoned")


def release(connection: Connection, cycle_id: int) -> None:
    """See ``JobQueue.release``."""
    connection.execute(
        "UPDATE jobs SET status = 'queued', cycle_id = NULL"
        " WHERE cycle_id = ? AND status = 'running'",
        (cycle_id,),
    )


def recover(
    connection: Connection,
    self_inflicted: bool,
    max_deaths: int,
    max_interruptions: int,
    released: Collection[str],
    at: datetime,
) -> list[int]:
    """See ``JobQueue.recover``; returns the numbers of the jobs that were running."""
    running = connection.execute(
        "SELECT * FROM jobs WHERE status = 'running' ORDER BY number"
    ).fetchall()
    cycle = connection.execute("SELECT * FROM cycles WHERE status = 'open'").fetchone()
    if cycle is not None and cycle["candidate_id"] in released:
        acknowledge(connection, cycle["id"], cycle["candidate_id"], at)
        return [row["number"] for row in running]
    for row in running:
        deaths = row["deaths"] + self_inflicted
        interruptions = row["interruptions"] + (not self_inflicted)
        connection.execute(
            "UPDATE jobs SET deaths = ?, interruptions = ? WHERE number = ?",
            (deaths, interruptions, row["number"]),
        )
        error = _quarantine_reason(deaths, max_deaths, interruptions, max_interruptions)
        if error is None:
            connection.execute(
                "UPDATE jobs SET status = 'queued', cycle_id = NULL WHERE number = ?",
                (row["number"],),
            )
        else:
            connection.execute(
                "UPDATE jobs SET status = 'quarantined', error = ?, finished_at = ?"
                " WHERE number = ?",
                (error, to_text(at), row["number"]),
            )
    return [row["number"] for row in running]


def _quarantine_reason(
    deaths: int, max_deaths: int, interruptions: int, max_interruptions: int
) -> str | None:
    if deaths >= max_deaths:
        return (
            f"The process died {_times(deaths)} while it trained this job, so it is kept out."
            " Lower training.batch_size or shorten the examples, then retry it."
        )
    if interruptions >= max_interruptions:
        return (
            f"Training this job was interrupted {_times(interruptions)} in a row without progress,"
            " so it is kept out. Find out what stops the process, then retry it."
        )
    return None


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _resumable(
    connection: Connection, cycle: Row, parent_id: str | None, settings_hash: str
) -> list[Row]:
    """The jobs of an interrupted cycle if it can go on as it was, else nothing."""
    if (cycle["parent_id"], cycle["settings_hash"]) != (parent_id, settings_hash):
        return []
    jobs = connection.execute(
        "SELECT jobs.* FROM cycle_jobs JOIN jobs ON jobs.number = cycle_jobs.job"
        " WHERE cycle_jobs.cycle_id = ? ORDER BY jobs.number",
        (cycle["id"],),
    ).fetchall()
    if any(job["status"] != "queued" for job in jobs):
        return []
    # After a death each runs alone, so that only the one that kills ends in quarantine.
    if len(jobs) > 1 and any(job["deaths"] for job in jobs):
        return []
    return jobs


def _choose(connection: Connection, settings: UpdateSettings, now: datetime) -> list[Row]:
    """The oldest queued jobs that make the next cycle; nothing while none is due."""
    waiting, oldest_at = connection.execute(
        "SELECT SUM(example_count), MIN(created_at) FROM jobs WHERE status = 'queued'"
    ).fetchone()
    if waiting is None:
        return []
    queued = connection.execute("SELECT * FROM jobs WHERE status = 'queued' ORDER BY number")
    oldest = queued.fetchone()
    # A job that has been leased before was due then. One with a recipe of its own was asked for by
    # itself, so it does not wait for others, nor do those before it that it must come after.
    is_due = (
        oldest["started_at"] is not None
        or _has_recipe_waiting(connection)
        or due(settings, waiting, now - datetime.fromisoformat(oldest_at))
    )
    if not is_due:
        return []
    chosen = [oldest]
    if settings.mode == "immediate" or oldest["deaths"] or oldest["recipe"]:
        return chosen
    count = oldest["example_count"]
    answers = _answers(connection, oldest)
    for job in queued:
        count += job["example_count"]
        own = _answers(connection, job)
        # A correction waits for the cycle after the one that learns what it corrects.
        corrects = any(answers.get(question, answer) != answer for question, answer in own.items())
        if count > settings.max_examples or corrects or job["deaths"] or job["recipe"]:
            break
        chosen.append(job)
        answers |= own
    return chosen


def _has_recipe_waiting(connection: Connection) -> bool:
    found = connection.execute(
        "SELECT 1 FROM jobs WHERE status = 'queued' AND recipe IS NOT NULL LIMIT 1"
    )
    return found.fetchone() is not None


def _answers(connection: Connection, job: Row) -> dict[str, str]:
    rows = connection.execute(
        "SELECT question_hash, content_hash FROM examples WHERE job = ?", (job["number"],)
    )
    return {row["question_hash"]: row["content_hash"] for row in rows}


def _example_ids(connection: Connection, jobs: Sequence[Row]) -> list[str]:
    rows = connection.execute(
        "SELECT id FROM examples WHERE job IN (SELECT value FROM json_each(?)) ORDER BY job, place",
        (to_json([job["number"] for job in jobs]),),
    )
    return [row["id"] for row in rows]


def _start(connection: Connection, cycle: Row, jobs: Sequence[Row], now: datetime) -> Cycle:
    connection.executemany(
        "UPDATE jobs SET status = 'running', cycle_id = ?, started_at = ? WHERE number = ?",
        [(cycle["id"], to_text(now), job["number"]) for job in jobs],
    )
    return Cycle(
        id=cycle["id"],
        fingerprint=cycle["fingerprint"],
        candidate_id=cycle["candidate_id"],
        parent_id=cycle["parent_id"],
        job_ids=tuple(job_id(job["number"]) for job in jobs),
    )


def _end(connection: Connection, cycle_id: int, status: str) -> bool:
    ended = connection.execute(
        "UPDATE cycles SET status = ? WHERE id = ? AND status = 'open'", (status, cycle_id)
    )
    return ended.rowcount > 0
