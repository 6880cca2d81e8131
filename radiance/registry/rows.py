"""The registry's rows as records. Only for this package; others go through ``Registry``."""

import json
from datetime import datetime
from typing import Literal

import msgspec

from radiance.errors import Conflict
from radiance.records import Checkpoint, CheckpointStatus, Cycle, EvalReport, Manifest, Pin, Release
from radiance.registry.audit import AuditEntry, newest_of
from radiance.storage.sqlite import Connection, Row, to_json, to_text

BASE = "base"
STABLE_LINK = "stable"
NO_CYCLE = 0
"""The cycle of what was made elsewhere; real ones count from 1."""
CURRENT = "SELECT checkpoint_id FROM releases ORDER BY number DESC LIMIT 1"


def current_id(connection: Connection) -> str | None:
    """What is served as of the open transaction; None is the base."""
    row = connection.execute(CURRENT).fetchone()
    return row["checkpoint_id"] if row else None


def insert_checkpoint(
    connection: Connection, cycle: Cycle, manifest: Manifest, status: CheckpointStatus
) -> Row:
    """Add a checkpoint in the open transaction."""
    return connection.execute(
        "INSERT INTO checkpoints (id, parent_id, status, created_at, cycle_id, fingerprint,"
        " content_hash, report, job_ids) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *",
        (
            cycle.candidate_id,
            cycle.parent_id,
            status,
            to_text(manifest.created_at),
            cycle.id,
            cycle.fingerprint,
            manifest.content_hash,
            to_json(manifest.report),
            to_json(cycle.job_ids),
        ),
    ).fetchone()


def insert_release(
    connection: Connection,
    checkpoint_id: str | None,
    action: Literal["promote", "rollback"],
    actor: str,
    reason: str,
    at: datetime,
) -> Row:
    """Add a release in the open transaction."""
    return connection.execute(
        "INSERT INTO releases (checkpoint_id, action, actor, reason, at) VALUES (?, ?, ?, ?, ?)"
        " RETURNING *",
        (checkpoint_id, action, actor, reason, to_text(at)),
    ).fetchone()


def to_checkpoint(row: Row, current: str | None) -> Checkpoint:
    """A row of ``checkpoints`` as a record; ``current`` is the id that is served."""
    return Checkpoint(
        checkpoint_id=row["id"],
        parent_id=row["parent_id"],
        status=CheckpointStatus(row["status"]),
        created_at=datetime.fromisoformat(row["created_at"]),
        cycle_id=row["cycle_id"],
        content_hash=row["content_hash"],
        report=msgspec.json.decode(row["report"], type=EvalReport),
        job_ids=tuple(json.loads(row["job_ids"])),
        is_current=row["id"] == current,
        is_imported=row["cycle_id"] == NO_CYCLE,
        is_pruned=row["pruned_at"] is not None,
    )


def to_release(row: Row) -> Release:
    """A row of ``releases`` as a record."""
    return Release(
        number=row["number"],
        checkpoint_id=row["checkpoint_id"],
        action=row["action"],
        actor=row["actor"],
        reason=row["reason"],
        at=datetime.fromisoformat(row["at"]),
    )


def to_pin(entry: AuditEntry) -> Pin | None:
    """What the newest entry about pinning says; None where it was the end of that."""
    if entry.action != "pin":
        return None
    return Pin(
        checkpoint_id=entry.subject,
        actor=entry.actor,
        reason=json.loads(entry.body)["reason"],
        at=datetime.fromisoformat(entry.at),
    )


def refuse_pruned(connection: Connection, checkpoint_id: str | None) -> None:
    """Refuse, in the open transaction that would use it, a checkpoint without weights.

    What was looked at before the transaction may have been pruned meanwhile.

    Raises:
        Conflict: Its weights were pruned.
    """
    row = connection.execute(
        "SELECT 1 FROM checkpoints WHERE id = ? AND pruned_at IS NOT NULL", (checkpoint_id,)
    ).fetchone()
    if row is not None:
        raise pruned(str(checkpoint_id))


def pruned(checkpoint_id: str) -> Conflict:
    """What is said of a checkpoint without weights to whoever wants it."""
    return Conflict(
        f"{checkpoint_id} cannot serve: its weights were pruned ([retention]).",
        field="checkpoint",
        value=checkpoint_id,
        remedy="Choose another checkpoint: `radiance checkpoints list` marks those.",
    )


def why_held(connection: Connection) -> str | None:
    """Why the pointer may not move by itself, as of the open transaction."""
    entry = newest_of(connection, ("pin", "unpin"))
    pin = None if entry is None else to_pin(entry)
    return None if pin is None else f"The stable pointer is pinned (by {pin.actor}: {pin.reason})"
