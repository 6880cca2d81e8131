"""Whose answers an update overwrites, and who has overwritten those of a job."""

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from radiance import records
from radiance.config import SupersedeRule
from radiance.errors import Conflict
from radiance.examples.queries import job_id, job_number
from radiance.records import Example, Supersession
from radiance.storage.sqlite import Connection, Readable, Row, to_json, to_text

_MOST_NAMED = 5
_ANSWERED = """
    SELECT examples.id, examples.question_hash, examples.content_hash, jobs.sender
    FROM examples JOIN jobs ON jobs.number = examples.job
    WHERE examples.question_hash IN (SELECT value FROM json_each(?))
        AND jobs.status IN ('queued', 'running', 'succeeded')
    ORDER BY jobs.number, examples.place
"""
_OVERWRITTEN = """
    SELECT own.id, other.id AS newer
    FROM examples AS own JOIN examples AS other USING (question_hash)
        JOIN jobs ON jobs.number = other.job
    WHERE own.job = ? AND other.job > own.job AND other.content_hash != own.content_hash
        AND jobs.status IN ('queued', 'running', 'succeeded')
    ORDER BY own.place, other.job, other.place
"""
_BY_OTHERS = """
    SELECT newer.number AS job, newer.sender AS by, newer.created_at AS at, older.sender AS owner,
        COUNT(DISTINCT own.question_hash) AS answers
    FROM jobs AS newer JOIN examples AS other ON other.job = newer.number
        JOIN examples AS own ON own.question_hash = other.question_hash
            AND own.job < other.job AND own.content_hash != other.content_hash
        JOIN jobs AS older ON older.number = own.job
    WHERE newer.number > ? AND newer.created_at > ? AND newer.sender != older.sender
        AND older.status IN ('queued', 'running', 'succeeded')
    GROUP BY newer.number, older.sender ORDER BY newer.number
"""
_TOLD_FOR = timedelta(days=1)


class Overwriting(msgspec.Struct, frozen=True):
    """An update that answers otherwise what another key taught.

    Attributes:
        job: Of the update.
        by: The name of its key; "" came without one.
        owner: The name of the key whose answers they were.
        answers: How many.
        at: When it came.
    """

    job: str
    by: str
    owner: str
    answers: int
    at: datetime


class Overwritings:
    """The updates of the last day that overwrote what other keys taught; any thread.

    Each job is looked at once: this is asked every few seconds.

    Args:
        db: Where jobs and examples are.
    """

    def __init__(self, db: Readable) -> None:
        self._db = db
        self._looked_at = 0
        self._found: list[Overwriting] = []
        self._lock = threading.Lock()

    def recent(self) -> list[Overwriting]:
        """Those of the last day, the oldest first."""
        with self._lock:
            since = records.now() - _TOLD_FOR
            (newest,) = self._db.read("SELECT MAX(number) FROM jobs")[0]
            if newest is not None and newest > self._looked_at:
                rows = self._db.read(_BY_OTHERS, (self._looked_at, to_text(since)))
                self._looked_at = newest
                self._found += map(_to_overwriting, rows)
            self._found = [each for each in self._found if each.at > since]
            return list(self._found)


def _to_overwriting(row: Row) -> Overwriting:
    at = datetime.fromisoformat(row["at"])
    return Overwriting(job_id(row["job"]), row["by"], row["owner"], row["answers"], at)


def check_owned(
    connection: Connection, examples: Sequence[Example], sender: str, rule: SupersedeRule
) -> None:
    """Refuse examples that answer otherwise what another key has taught, as the rule has it.

    Args:
        connection: The open transaction that is to keep the examples.
        examples: Which; their ids are their places in the update.
        sender: The name of the key that they came with.
        rule: ``update.supersede``.

    Raises:
        Conflict: Some do; it names the first few.
    """
    if rule == "any":
        return
    asked = {example.question_hash: example for example in examples}
    stands: dict[str, Row] = {}
    for row in connection.execute(_ANSWERED, (to_json(list(asked)),)):
        before = stands.get(row["question_hash"])
        if before is None or before["content_hash"] != row["content_hash"]:
            stands[row["question_hash"]] = row  # who only repeats an answer does not own it
    others = [
        f"examples[{example.id}] answers what {row['id']} of another key taught"
        for question, example in asked.items()
        if (row := stands.get(question)) is not None
        and row["content_hash"] != example.content_hash
        and row["sender"] != sender
    ]
    if others:
        more = f"; {len(others) - _MOST_NAMED} more" if len(others) > _MOST_NAMED else ""
        raise Conflict(
            f"{'; '.join(others[:_MOST_NAMED])}{more}.",
            field="examples",
            value=len(others),
            remedy='If it is meant, send it to POST /update with "supersede": true.'
            if rule == "ask"
            else "Leave them out, or send them with that key or one of scope admin.",
        )


def superseded_by(db: Readable, job: str) -> list[Supersession]:
    """Which examples of a job newer accepted ones answer otherwise, each with the newest.

    Raises:
        NotFound: It is the id of no job.
    """
    newest = {row["id"]: row["newer"] for row in db.read(_OVERWRITTEN, (job_number(job),))}
    return [Supersession(id, newer) for id, newer in newest.items()]
