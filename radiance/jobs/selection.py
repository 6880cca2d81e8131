"""Which queued jobs make the next cycle, whether it is due, and which jobs are kept out.

Read in the transaction that leases.

At most one cycle is open: a second one would start from the same parent, and whichever committed
last would undo the other.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from radiance.config import UpdateSettings
from radiance.examples.tasks import LEAST_ITEMS, teach_a_task
from radiance.records import Example, Message
from radiance.storage.sqlite import Connection, Row, to_json

_CLOCK_MOVED = timedelta(minutes=-1)  # a clock that is kept right moves by less
MOST_ONE_BY_ONE = 16
"""So many waiting jobs are learned each in a cycle of its own, where they are learned at once."""
_messages = msgspec.json.Decoder(tuple[Message, ...])


def due(settings: UpdateSettings, waiting_examples: int, oldest_age: timedelta) -> bool:
    """Whether a cycle should start now. Pure.

    Args:
        settings: immediate trains as soon as anything waits; batched once enough examples wait or
            the oldest has waited long enough.
        waiting_examples: Curated examples of all queued jobs.
        oldest_age: How long the oldest queued job has waited. Below zero the clock was set back
            since, by a day perhaps, and nobody knows how long that is: it has waited enough.
    """
    if waiting_examples == 0:
        return False
    if settings.mode == "immediate" or waiting_examples >= settings.max_examples:
        return True
    return not _CLOCK_MOVED < oldest_age < timedelta(minutes=settings.max_age_minutes)


def resumable(
    connection: Connection, cycle: Row, parent_id: str | None, settings_hash: str
) -> list[Row]:
    """The jobs of an interrupted cycle if it can go on as it was, else nothing.

    Args:
        connection: The open transaction.
        cycle: The row of the interrupted cycle.
        parent_id: The checkpoint a cycle would continue from now; None is the base.
        settings_hash: Identity of the settings it would be trained with now.
    """
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


def choose(connection: Connection, settings: UpdateSettings, now: datetime) -> list[Row]:
    """The oldest queued jobs that make the next cycle; nothing while none is due."""
    waiting, oldest_at, jobs = connection.execute(
        "SELECT SUM(example_count), MIN(created_at), COUNT(*) FROM jobs WHERE status = 'queued'"
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
    # Where more come than can be learned one by one, they are learned together.
    is_alone = settings.mode == "immediate" and jobs <= MOST_ONE_BY_ONE
    if is_alone or oldest["deaths"] or oldest["recipe"]:
        return chosen
    count = oldest["example_count"]
    answers = _answers(connection, oldest)
    is_task: bool | None = None
    for job in queued:
        count += job["example_count"]
        own = _answers(connection, job)
        # A correction waits for the cycle after the one that learns what it corrects.
        corrects = any(answers.get(question, answer) != answer for question, answer in own.items())
        if count > settings.max_examples or corrects or job["deaths"] or job["recipe"]:
            break
        # Facts are to be known by heart, which a task is not.
        if is_task is None:
            is_task = _teaches_a_task(connection, oldest)
        if _teaches_a_task(connection, job) != is_task:
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


def _teaches_a_task(connection: Connection, job: Row) -> bool:
    """Whether the examples of a job do; all of them are read, if they are enough to."""
    if job["example_count"] < LEAST_ITEMS:
        return False
    rows = connection.execute(
        "SELECT id, messages FROM examples WHERE job = ? ORDER BY place", (job["number"],)
    )
    return teach_a_task([Example(row["id"], _messages.decode(row["messages"])) for row in rows])


def example_ids(connection: Connection, jobs: Sequence[Row]) -> list[str]:
    """Ids of the jobs' examples, in the order of the jobs and then as sent."""
    rows = connection.execute(
        "SELECT id FROM examples WHERE job IN (SELECT value FROM json_each(?)) ORDER BY job, place",
        (to_json([job["number"] for job in jobs]),),
    )
    return [row["id"] for row in rows]


def quarantine_reason(
    deaths: int, max_deaths: int, interruptions: int, max_interruptions: int
) -> str | None:
    """Why a job that was running when the process ended is kept out; None: it is queued again."""
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


def out_of_memory_reason(times: int, why: str) -> str:
    """Why a job that wants more memory than there ever is is kept out."""
    return (
        f"Training this job ran out of memory {_times(times)}, so it is kept out: {why}. Shorten"
        " the examples or lower training.batch_size, then retry it."
    )


def diverged_reason(times: int, why: str) -> str:
    """Why a job whose training diverges is kept out; ``why`` is a sentence with its remedy."""
    return f"Training this job diverged {_times(times)}, so it is kept out: {why}"


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
