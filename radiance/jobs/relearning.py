"""What becomes of jobs whose checkpoints can never serve again: learned anew, or cancelled."""

from collections.abc import Collection

from radiance.examples.queries import job_id
from radiance.storage.sqlite import Connection, to_json


def learned_in(connection: Connection, checkpoints: Collection[str]) -> list[str]:
    """Ids of the jobs that some checkpoints have learned, as of the open transaction."""
    rows = connection.execute(
        "SELECT number FROM jobs WHERE status = 'succeeded'"
        " AND checkpoint IN (SELECT value FROM json_each(?)) ORDER BY number",
        (to_json(list(checkpoints)),),
    )
    return [job_id(row["number"]) for row in rows]


def learn_again(connection: Connection, checkpoints: Collection[str]) -> list[str]:
    """In the open transaction: queue what some checkpoints have learned; the jobs' ids.

    They come before what was accepted later, as their numbers do.
    """
    rows = connection.execute(
        "UPDATE jobs SET status = 'queued', cycle_id = NULL, checkpoint = NULL,"
        " finished_at = NULL, deaths = 0, interruptions = 0"
        " WHERE status = 'succeeded' AND checkpoint IN (SELECT value FROM json_each(?))"
        " RETURNING number",
        (to_json(list(checkpoints)),),
    ).fetchall()
    return [job_id(number) for number in sorted(row["number"] for row in rows)]


def cancel_learned_in(connection: Connection, checkpoints: Collection[str]) -> list[str]:
    """In the open transaction: cancel what only these checkpoints have learned; the jobs' ids.

    For checkpoints that can never serve again and did not serve: what was rolled back, or held
    by a pin. Whoever wants it learned all the same retries the job.
    """
    rows = connection.execute(
        "UPDATE jobs SET status = 'cancelled', checkpoint = NULL, error ="
        " 'Its checkpoint had also learned what was forgotten. Retry it to have it learned.'"
        " WHERE status = 'succeeded' AND checkpoint IN (SELECT value FROM json_each(?))"
        " RETURNING number",
        (to_json(list(checkpoints)),),
    ).fetchall()
    return [job_id(number) for number in sorted(row["number"] for row in rows)]
