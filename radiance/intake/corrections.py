"""Which examples a newer answer to the same question has replaced.

Derived from what was learned in which order within a lineage of checkpoints, never stored: after a
rollback to before a correction the old example is valid again, and nothing needs to be undone.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable

from radiance.intake.queries import job_number, to_example
from radiance.records import Example, Supersession
from radiance.storage.sqlite import Database, Row, to_json
from radiance.wording import differs_in_one_value, is_near, normalise

_MOST_COMPARED = 5000  # newest examples that a new one is compared with, word by word

# What a lineage has learned, in the order in which it learned it.
_LEARNED = """
    SELECT examples.*, jobs.tags, jobs.cycle_id, jobs.number
    FROM jobs JOIN examples ON examples.job = jobs.number
    WHERE jobs.status = 'succeeded' AND jobs.checkpoint IN (SELECT value FROM json_each(:lineage))
    ORDER BY jobs.cycle_id, jobs.number, examples.place
"""

# What a job meets that has the questions of its examples: what its lineage had learned when it was
# learned itself; while it waits, what is learned and what waits before it.
_MET = """
    SELECT examples.*, jobs.status, jobs.number
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

    Near questions whose answers differ in one value. A suspicion, fit for a hint and no more. The
    newest learned examples only, lest an update wait for a comparison with a whole history.
    """
    rows = db.read(_LEARNED, {"lineage": to_json(list(lineage))})
    newest = {row["question_hash"]: row for row in rows[-_MOST_COMPARED:]}
    old = [
        (_asked(learned), learned)
        for row in newest.values()
        if (learned := to_example(row)).messages
    ]
    found = []
    for example in examples:
        if not example.messages:
            continue
        asked = _asked(example)
        found += [
            Supersession(learned.id, example.id)
            for other, learned in old
            if other != asked
            and is_near(asked, other)
            and differs_in_one_value(example.messages[-1].content, learned.messages[-1].content)
        ]
    return found


def _asked(example: Example) -> str:
    return " ".join(normalise(message.content) for message in example.messages[:-1])
