"""Which earlier examples are learned again beside the new ones, and which are asked again."""

import hashlib
from collections import defaultdict
from collections.abc import Collection

from radiance.examples.queries import examples_by_id
from radiance.records import Example
from radiance.storage.sqlite import Readable, Row, to_json

# Within the lineage, the example learned last is the valid one among those with one question.
_NEWEST_PER_QUESTION = """
    SELECT id, question_hash, checkpoint FROM (
        SELECT examples.id, examples.question_hash, examples.place,
            jobs.cycle_id, jobs.number, jobs.checkpoint,
            ROW_NUMBER() OVER (
                PARTITION BY examples.question_hash
                ORDER BY jobs.cycle_id DESC, jobs.number DESC, examples.place DESC
            ) AS age
        FROM jobs JOIN examples ON examples.job = jobs.number
        WHERE jobs.status = 'succeeded'
            AND jobs.checkpoint IN (SELECT value FROM json_each(?))
    )
    WHERE age = 1
    ORDER BY cycle_id, number, place
"""


def choose(
    db: Readable,
    limit: int,
    exclude_questions: Collection[str],
    seed: int,
    checkpoints: Collection[str],
) -> list[str]:
    """Ids of at most ``limit`` valid examples, in the order in which they were learned."""
    ids = [row["id"] for row in _valid(db, exclude_questions, checkpoints)]
    if len(ids) <= limit:
        return ids
    # Ranked by hash rather than drawn: one example more changes at most one place of the choice.
    chosen = set(sorted(ids, key=lambda id: _rank(seed, id))[:limit])
    return [id for id in ids if id in chosen]


def earlier(
    db: Readable,
    limit: int,
    exclude_questions: Collection[str],
    seed: int,
    checkpoints: Collection[str],
) -> list[tuple[Example, str]]:
    """See ``JobQueue.earlier``."""
    chosen = dict(_spread(db, limit, exclude_questions, seed, checkpoints))
    return [(example, chosen[example.id]) for example in examples_by_id(db, chosen)]


def _spread(
    db: Readable,
    limit: int,
    exclude_questions: Collection[str],
    seed: int,
    checkpoints: Collection[str],
) -> list[tuple[str, str]]:
    """At most ``limit`` valid examples with the checkpoint that taught each, evenly over those.

    Every checkpoint gives one before any gives a second. Where there are more checkpoints than
    places, which of them give is drawn by ``seed``.

    Returns:
        Pairs of example id and checkpoint id, in the order in which they were learned.
    """
    rows = _valid(db, exclude_questions, checkpoints)
    by_checkpoint: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        by_checkpoint[row["checkpoint"]].append(row["id"])
    turns = [
        (turn, _rank(seed, checkpoint), id)
        for checkpoint, ids in by_checkpoint.items()
        for turn, id in enumerate(sorted(ids, key=lambda id: _rank(seed, id)))
    ]
    chosen = {id for *_, id in sorted(turns)[:limit]}
    return [(row["id"], row["checkpoint"]) for row in rows if row["id"] in chosen]


def answers(
    db: Readable, question_hashes: Collection[str], checkpoints: Collection[str]
) -> list[Example]:
    """See ``JobQueue.answers``."""
    asked = set(question_hashes)
    rows = _valid(db, (), checkpoints)
    return examples_by_id(db, [row["id"] for row in rows if row["question_hash"] in asked])


def _valid(
    db: Readable, exclude_questions: Collection[str], checkpoints: Collection[str]
) -> list[Row]:
    """The newest answer to each question of a lineage, in the order in which they were learned."""
    rows = db.read(_NEWEST_PER_QUESTION, (to_json(list(checkpoints)),))
    excluded = set(exclude_questions)
    return [row for row in rows if row["question_hash"] not in excluded]


def _rank(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed} {name}".encode()).digest()
