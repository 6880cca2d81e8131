"""Which earlier examples are learned again beside the new ones."""

import hashlib
from collections.abc import Collection

from radiance.storage.sqlite import Database, to_json

# Within the lineage, the example learned last is the valid one among those with one question.
_NEWEST_PER_QUESTION = """
    SELECT id, question_hash FROM (
        SELECT examples.id, examples.question_hash, jobs.cycle_id, jobs.number, examples.place,
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
    db: Database,
    limit: int,
    exclude_questions: Collection[str],
    seed: int,
    checkpoints: Collection[str],
) -> list[str]:
    """Ids of at most ``limit`` valid examples, in the order in which they were learned."""
    rows = db.read(_NEWEST_PER_QUESTION, (to_json(list(checkpoints)),))
    excluded = set(exclude_questions)
    ids = [row["id"] for row in rows if row["question_hash"] not in excluded]
    if len(ids) <= limit:
        return ids
    # Ranked by hash rather than drawn: one example more changes at most one place of the choice.
    chosen = set(sorted(ids, key=lambda id: _rank(seed, id))[:limit])
    return [id for id in ids if id in chosen]


def _rank(seed: int, example_id: str) -> bytes:
    return hashlib.sha256(f"{seed} {example_id}".encode()).digest()
