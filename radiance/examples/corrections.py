"""Which examples a newer answer to the same question has replaced.

Derived from what was learned in which order within a lineage of checkpoints, never stored: after a
rollback to before a correction the old example is valid again, and nothing needs to be undone.
"""

import functools
from collections import defaultdict
from collections.abc import Collection, Iterable

import msgspec

from radiance.examples.queries import job_number
from radiance.records import Example, Message, Supersession, questions
from radiance.records.questions import Sense, differs_in_one_value, normalise
from radiance.storage.sqlite import Database, Row, to_json

_MOST_COMPARED = 5000  # newest examples that a new one is compared with, word by word
_MOST_PAIRS = 200_000  # comparisons for one update: a few tenths of a second
_messages = msgspec.json.Decoder(tuple[Message, ...])

# What a lineage has learned, in the order in which it learned it.
_LEARNED = """
    SELECT examples.id, examples.question_hash, examples.content_hash
    FROM jobs JOIN examples ON examples.job = jobs.number
    WHERE jobs.status = 'succeeded' AND jobs.checkpoint IN (SELECT value FROM json_each(:lineage))
    ORDER BY jobs.cycle_id, jobs.number, examples.place
"""

_NEWEST_LEARNED = """
    SELECT examples.id, examples.messages
    FROM jobs JOIN examples ON examples.job = jobs.number
    WHERE jobs.status = 'succeeded' AND jobs.checkpoint IN (SELECT value FROM json_each(:lineage))
    ORDER BY jobs.cycle_id DESC, jobs.number DESC, examples.place DESC
    LIMIT :most
"""

# What a job meets that has the questions of its examples: what its lineage had learned when it was
# learned itself; while it waits, what is learned and what waits before it.
_MET = """
    SELECT examples.id, examples.question_hash, examples.content_hash, jobs.number
    FROM jobs JOIN examples ON examples.job = jobs.number, jobs AS own
    WHERE own.number = :job AND examples.question_hash IN
            (SELECT question_hash FROM examples WHERE job = :job)
        AND (
            jobs.number = own.number
            OR jobs.status = 'succeeded'
                AND jobs.checkpoint IN (SELECT value FROM json_each(:lineage))
                AND (own.status != 'succeeded'
                    OR (jobs.cycle_id, jobs.number) < (own.cycle_id, own.number))
            OR own.status = 'queued' AND jobs.status IN ('queued', 'running')
                AND (jobs.status = 'running' OR jobs.number < own.number)
        )
    ORDER BY jobs.number = own.number, jobs.status != 'succeeded', jobs.status != 'running',
        jobs.cycle_id, jobs.number, examples.place
"""


def superseded(db: Database, lineage: Collection[str]) -> list[Supersession]:
    """Every example of a lineage that is not valid any more, each with the newest that is."""
    rows = db.read(_LEARNED, {"lineage": to_json(list(lineage))})
    newest = {row["question_hash"]: row for row in rows}
    return [
        Supersession(row["id"], newest[row["question_hash"]]["id"])
        for row in rows
        if row["content_hash"] != newest[row["question_hash"]]["content_hash"]
    ]


def is_asked_elsewhere(db: Database, job: str) -> bool:
    """Whether a job shares a question with any other; quick, however much was learned."""
    number = job_number(job)
    return bool(
        db.read(
            "SELECT 1 FROM examples AS own JOIN examples AS other USING (question_hash)"
            " WHERE own.job = ? AND other.job != own.job LIMIT 1",
            (number,),
        )
    )


def superseded_by_job(db: Database, job: str, lineage: Collection[str]) -> list[Supersession]:
    """What a job's examples replace, or will replace when it is learned.

    Only what was valid until then: of three answers to a question, the third replaces the second.

    Args:
        db: Where examples are kept.
        job: The job.
        lineage: Its checkpoint and that one's ancestors; the served ones while it has none.
    """
    number = job_number(job)
    rows = db.read(_MET, {"job": number, "lineage": to_json(list(lineage))})
    valid: dict[str, list[Row]] = defaultdict(list)
    found = []
    for row in rows:
        before = valid[row["question_hash"]]
        if before and before[0]["content_hash"] != row["content_hash"]:
            if row["number"] == number:
                found += [Supersession(old["id"], row["id"]) for old in before]
            before.clear()
        before.append(row)
    return found


def near_misses(
    db: Database, examples: Iterable[Example], lineage: Collection[str]
) -> list[Supersession]:
    """What looks as if it were corrected in other words, and is not: it stays in replay.

    Near questions whose answers differ in one value. A suspicion, fit for a hint and no more, so an
    update does not wait long for it: a large one is compared with fewer of the newest examples.
    """
    new = [(example, *_question(to_json(example.messages))) for example in examples]
    most = min(_MOST_COMPARED, _MOST_PAIRS // max(1, len(new)))
    rows = db.read(_NEWEST_LEARNED, {"lineage": to_json(list(lineage)), "most": most})
    old: dict[frozenset[str], dict[str, tuple[str, Sense, str]]] = defaultdict(dict)
    for row in rows:  # the newest first: the valid one of those with one question
        asked, sense = _question(row["messages"])
        old[sense.codes].setdefault(asked, (row["id"], sense, row["messages"]))
    return [
        Supersession(id, example.id)
        for example, asked, sense in new
        for other, (id, others, messages) in old.get(sense.codes, {}).items()
        if other != asked
        and sense.is_near(others)
        and differs_in_one_value(example.messages[-1].content, _answer(messages))
    ]


@functools.lru_cache(maxsize=2 * _MOST_COMPARED)
def _question(messages: str) -> tuple[str, Sense]:
    """What a chat, as the database keeps it, asks; "" and no sense for a plain text."""
    asked = " ".join(normalise(message.content) for message in _messages.decode(messages)[:-1])
    return asked, questions.sense(asked)


def _answer(messages: str) -> str:
    return _messages.decode(messages)[-1].content
