"""Checkpoints that have learned what is to be forgotten: which, and what serves instead."""

from collections.abc import Collection

from radiance.errors import CorruptCheckpoint
from radiance.registry.checkpoints import Checkpoints
from radiance.storage.sqlite import Connection, to_json


def holders(connection: Connection, job_ids: Collection[str]) -> list[str]:
    """The checkpoints that learned one of these jobs, and all that continue from them; by age.

    What the gate refused is among them: it was trained all the same.
    """
    rows = connection.execute(
        """
        WITH RECURSIVE held (id) AS (
            SELECT checkpoints.id FROM checkpoints, json_each(checkpoints.job_ids)
            WHERE json_each.value IN (SELECT value FROM json_each(?))
            UNION
            SELECT checkpoints.id FROM checkpoints JOIN held ON checkpoints.parent_id = held.id
        )
        SELECT id FROM checkpoints WHERE id IN (SELECT id FROM held)
            AND id NOT IN (SELECT checkpoint_id FROM withdrawn) ORDER BY number
        """,
        (to_json(list(job_ids)),),
    ).fetchall()
    return [row["id"] for row in rows]


def newest_without(
    checkpoints: Checkpoints, served: str, held: Collection[str]
) -> tuple[str | None, list[str]]:
    """The newest ancestor of what serves that is none of ``held``, and those in between.

    One whose files are damaged, or whose weights were pruned, is passed over. None is the base.
    """
    left, pruned = [], checkpoints.pruned()
    for checkpoint_id in checkpoints.ancestors(served):
        if checkpoint_id not in held and checkpoint_id not in pruned:
            try:
                checkpoints.verify(checkpoint_id)
            except CorruptCheckpoint:
                pass
            else:
                return checkpoint_id, left
        left.append(checkpoint_id)
    return None, left
