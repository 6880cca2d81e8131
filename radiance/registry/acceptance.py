"""What people accepted of the anchors that were overwritten: on record in the audit log alone.

An acceptance is of an anchor as one example overwrote it. Should another example say otherwise
again, that waits anew; after a rollback to before, there is nothing to accept.
"""

import json
from collections.abc import Collection
from datetime import datetime

from radiance.errors import Conflict, NotFound
from radiance.records import Acceptance, CheckpointStatus, OverwrittenAnchor
from radiance.registry import audit, bodies
from radiance.registry.rows import BASE
from radiance.registry.store import Registry
from radiance.storage.sqlite import Readable

_MARKING_RULES = {"overwritten", "catastrophic"}  # of the gate: what makes a checkpoint risky


def acceptances(db: Readable) -> dict[tuple[str, str], Acceptance]:
    """Everything accepted so far, by the anchor and the example that says otherwise.

    The first acceptance of each counts.
    """
    found: dict[tuple[str, str], Acceptance] = {}
    for entry in audit.all_of(db, "accept_anchors"):
        body = json.loads(entry.body)
        acceptance = Acceptance(entry.actor, body["reason"], datetime.fromisoformat(entry.at))
        for each in body["anchors"]:
            found.setdefault((each["anchor"], each["example_id"]), acceptance)
    return found


def accept(
    registry: Registry, anchors: Collection[str] | None, actor: str, reason: str
) -> list[OverwrittenAnchor]:
    """Put on record that a person accepts what is overwritten in the checkpoint that serves.

    From then on it is in no decision's reasons. A checkpoint that is risky by nothing else is
    stable once all of it is accepted.

    Args:
        registry: Says what serves, and keeps the log.
        anchors: Ids; None accepts all.
        actor: Who accepts.
        reason: Why, as a sentence.

    Returns:
        What was accepted now.

    Raises:
        NotFound: An anchor is not overwritten in what serves.
        Conflict: Nothing is overwritten, or all of it is accepted already.
    """
    with registry.audit.sealed():  # nothing else that is on record happens meanwhile
        name = registry.current_id() or BASE
        found = registry.overwritten_in(name)
        known = acceptances(registry.db)
        left = [each for each in found if (each.anchor, each.example_id) not in known]
        missing = sorted({*(anchors or ())} - {each.anchor for each in found})
        if missing:
            raise NotFound(
                f"{missing[0]!r} is no anchor that is overwritten in {name}.",
                field="anchors",
                value=missing[0],
                remedy="GET /info lists those that are; all accepts every one of them.",
            )
        chosen = [each for each in left if anchors is None or each.anchor in anchors]
        if name == BASE or not chosen:
            raise Conflict(
                f"No anchor that is overwritten in {name} waits to be accepted.",
                remedy="There is nothing to do.",
            )
        became = None
        if len(chosen) == len(left) and is_risky_by_overwriting_alone(registry, name):
            became = (CheckpointStatus.RISKY, CheckpointStatus.STABLE)
        body = bodies.acceptance(reason, chosen, became)
        with registry.db.transaction() as connection:
            if became is not None:
                connection.execute(
                    "UPDATE checkpoints SET status = ? WHERE id = ?", (became[1], name)
                )
            audit.append(connection, "accept_anchors", actor, name, body, registry.clock())
    return chosen


def is_risky_by_overwriting_alone(registry: Registry, checkpoint_id: str) -> bool:
    decision = registry.decision(checkpoint_id)
    if decision is None or registry.get(checkpoint_id).status != CheckpointStatus.RISKY:
        return False
    marks = {row.rule for row in decision.rows if row.verdict == "fail"} & _MARKING_RULES
    return decision.status == CheckpointStatus.RISKY and marks == {"overwritten"}
