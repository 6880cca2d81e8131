"""The registry's rows as records. Only for this room; everything else goes through ``Registry``."""

import json
from datetime import datetime
from typing import Literal

import msgspec

from radiance.records import Checkpoint, CheckpointStatus, EvalReport, Release
from radiance.storage.sqlite import Connection, Row, to_text

BASE = "base"
STABLE_LINK = "stable"
CURRENT = "SELECT checkpoint_id FROM releases ORDER BY number DESC LIMIT 1"


def current_id(connection: Connection) -> str | None:
    """What is served as of the open transaction; None is the base."""
    row = connection.execute(CURRENT).fetchone()
    return row["checkpoint_id"] if row else None


def insert_release(
    connection: Connection,
    checkpoint_id: str | None,
    action: Literal["promote", "rollback"],
    actor: str,
    reason: str,
    at: datetime,
) -> Release:
    """Add a release in the open transaction."""
    row = connection.execute(
        "INSERT INTO releases (checkpoint_id, action, actor, reason, at) VALUES (?, ?, ?, ?, ?)"
        " RETURNING *",
        (checkpoint_id, action, actor, reason, to_text(at)),
    ).fetchone()
    return to_release(row)


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
