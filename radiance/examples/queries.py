"""The SQL rows of jobs and examples as records, and back.

Only for this room; everything else goes through ``JobQueue``.
"""

import json
import re
from collections.abc import Iterable
from datetime import datetime

import msgspec

from radiance.errors import NotFound
from radiance.records import Example, Job, JobStatus, Message
from radiance.storage.sqlite import Connection, Readable, Row, to_json

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
    return NotFound(
        f"There is no job {job!r}.",
        field="job_id",
        value=job,
        remedy="Use a job_id that POST /update answered with.",
    )


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


def examples_by_id(db: Readable, ids: Iterable[str]) -> list[Example]:
    """The examples of these ids that exist, in the order given."""
    wanted = list(ids)
    rows = db.read(
        "SELECT examples.*, jobs.tags FROM examples JOIN jobs ON jobs.number = examples.job"
        " WHERE examples.id IN (SELECT value FROM json_each(?))",
        (to_json(wanted),),
    )
    found = {row["id"]: to_example(row) for row in rows}
    return [found[id] for id in wanted if id in found]


def search(
    db: Readable, words: str, tag: str, limit: int, before: str | None
) -> list[tuple[Example, Job]]:
    """See ``JobQueue.search``."""
    job, _, place = (before or "").partition(".")
    pattern, raw = (_containing(text) for text in (words, to_json(words)[1:-1]))
    rows = db.read(
        """
        SELECT examples.*, jobs.tags FROM examples JOIN jobs ON jobs.number = examples.job
        WHERE (:job IS NULL OR (examples.job, -examples.place) < (:job, -:place))
            -- What is not in the JSON is not in what it says; reading it takes ten times as long.
            AND (:words = '' OR examples.text LIKE :pattern ESCAPE '|'
                OR examples.messages LIKE :raw ESCAPE '|' AND EXISTS (
                    SELECT 1 FROM json_each(examples.messages)
                    WHERE json_extract(value, '$.content') LIKE :pattern ESCAPE '|'))
            AND (:tag = '' OR EXISTS (SELECT 1 FROM json_each(jobs.tags) WHERE value = :tag))
        ORDER BY examples.job DESC, examples.place LIMIT :limit
        """,
        {
            "job": job_number(job) if before else None,
            "place": int(place) if place.isdecimal() else 0,
            "words": words,
            "pattern": pattern,
            "raw": raw,
            "tag": tag,
            "limit": limit,
        },
    )
    found = [(to_example(row), row["job"]) for row in rows]
    numbers = to_json([number for _, number in found])
    jobs = db.read(
        "SELECT * FROM jobs WHERE number IN (SELECT value FROM json_each(?))", (numbers,)
    )
    by_number = {row["number"]: to_job(row) for row in jobs}
    return [(example, by_number[number]) for example, number in found]


def _containing(text: str) -> str:
    """A pattern of LIKE, with ``|`` as its escape."""
    return "%" + re.sub(r"([%_|])", r"|\1", text) + "%"
