"""What becomes of jobs and of the open cycle, in the open transaction of whoever changes them.

A job is queued, running in the open cycle, and then succeeded, failed, cancelled or quarantined. A
cycle is open, and then finished, failed or abandoned.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime

from radiance.errors import Conflict, NotFound
from radiance.examples.queries import job_id, job_row, to_job
from radiance.jobs.selection import quarantine_reason
from radiance.records import Cycle, Job
from radiance.storage.sqlite import Connection, Row, to_text


def queue_again(connection: Connection, row: Row) -> Job:
    """Queue an ended job as if nothing had happened to it."""
    connection.execute(
        "UPDATE jobs SET status = 'queued', cycle_id = NULL, started_at = NULL,"
        " finished_at = NULL, error = NULL, rejected_checkpoint = NULL, deaths = 0,"
        " interruptions = 0 WHERE number = ?",
        (row["number"],),
    )
    return to_job(job_row(connection, job_id(row["number"])))


def acknowledge(connection: Connection, cycle_id: int, checkpoint_id: str, at: datetime) -> None:
    """End a cycle: its jobs have succeeded and are in ``checkpoint_id``. Repeating is harmless.

    Raises:
        NotFound: There is no such cycle.
        Conflict: The cycle failed or was abandoned.
    """
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
    end(connection, cycle_id, "finished")


def recover(
    connection: Connection,
    self_inflicted: bool,
    max_deaths: int,
    max_interruptions: int,
    released: Collection[str],
    at: datetime,
) -> list[int]:
    """Numbers of the jobs that were running, now queued, quarantined or succeeded."""
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
        error = quarantine_reason(deaths, max_deaths, interruptions, max_interruptions)
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


def try_alone(
    connection: Connection, cycle_id: int, most: int, told: Callable[[int], str], at: datetime
) -> bool:
    """The jobs of a cycle wait again, one death more each, or are quarantined after ``most``.

    Returns:
        Whether one was quarantined, which ran alone: the cycle has failed with it.
    """
    rows = connection.execute(
        "SELECT number, deaths FROM jobs WHERE cycle_id = ? AND status = 'running'", (cycle_id,)
    ).fetchall()
    ended = [(row["number"], row["deaths"] + 1) for row in rows if row["deaths"] + 1 >= most]
    for number, times in ended:
        connection.execute(
            "UPDATE jobs SET deaths = ?, status = 'quarantined', error = ?, finished_at = ?"
            " WHERE number = ?",
            (times, told(times), to_text(at), number),
        )
    connection.execute(
        "UPDATE jobs SET deaths = deaths + 1 WHERE cycle_id = ? AND status = 'running'",
        (cycle_id,),
    )
    put_back(connection, cycle_id)
    return bool(ended) and end(connection, cycle_id, "failed")


def put_back(connection: Connection, cycle_id: int) -> None:
    """The jobs that run in a cycle wait again."""
    connection.execute(
        "UPDATE jobs SET status = 'queued', cycle_id = NULL"
        " WHERE cycle_id = ? AND status = 'running'",
        (cycle_id,),
    )


def start(connection: Connection, cycle: Row, jobs: Sequence[Row], now: datetime) -> Cycle:
    """The cycle, whose jobs run from now on."""
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


def end(connection: Connection, cycle_id: int, status: str) -> bool:
    """End a cycle; whether it was open until now."""
    ended = connection.execute(
        "UPDATE cycles SET status = ? WHERE id = ? AND status = 'open'", (status, cycle_id)
    )
    return ended.rowcount > 0
