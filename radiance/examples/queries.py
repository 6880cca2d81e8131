"""The SQL rows of jobs and examples as records, and back; for ``ExampleStore`` and ``JobQueue``."""

import json
import re
from datetime import datetime

import msgspec

from radiance.errors import NotFound
from radiance.records import Example, Job, JobStatus, Message
from radiance.storage.sqlite import Connection, Row

_JOB_ID = re.compile(r"job_(\d{6,18})")
_messages = msgspec.json.Decoder(tuple[Message, ...])


def job_id(number: int) -> str:
    """``job_000128``."""
    return f"job_{number:06d}"


def job_number(job: str) -> int:
    """The number in a job's id.

    Raises:
        NotFound: It is not the id of any job there could be.
    """
    match = _JOB_ID.fullmatch(job)
    if match is None or job_id(int(match[1])) != job:
        raise no_job(job)
    return int(match[1])


def no_job(job: str) -> NotFound:
    """The error for a job that does not exist."""
    return NotFound.named("job", job, "job_id", "Use a job_id that POST /update answered with.")


def to_time(text: str | None) -> datetime | None:
    """A time as the database kept it."""
    return None if text is None else datetime.fromisoformat(text)


def to_job(row: Row) -> Job:
    """A row of ``jobs`` as a record."""
    return Job(
        job_id=job_id(row["number"]),
        status=JobStatus(row["status"]),
        created_at=datetime.fromisoformat(row["created_at"]),
        example_count=row["example_count"],
        tags=tuple(json.loads(row["tags"])),
        sender=row["sender"],
        supersede=bool(row["supersede"]),
        cycle_id=row["cycle_id"],
        started_at=to_time(row["started_at"]),
        finished_at=to_time(row["finished_at"]),
        checkpoint=row["checkpoint"],
        error=row["error"],
        rejected_checkpoint=row["rejected_checkpoint"],
        deaths=row["deaths"],
        interruptions=row["interruptions"],
    )


def to_example(row: Row) -> Example:
    """A row of ``examples`` joined with its job's tags, as a record."""
    return Example(
        id=row["id"],
        messages=_messages.decode(row["messages"]),
        text=row["text"],
        tags=tuple(json.loads(row["tags"])),
    )


def job_row(connection: Connection, job: str) -> Row:
    """The row of a job.

    Raises:
        NotFound: There is none.
    """
    number = job_number(job)
    row = connection.execute("SELECT * FROM jobs WHERE number = ?", (number,)).fetchone()
    if row is None:
        raise no_job(job)
    return row
