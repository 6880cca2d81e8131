"""Names and notes that people give to checkpoints: on record in the audit log alone.

The newest entry of a checkpoint counts. A label is for reading; to ask for a checkpoint by a name,
see ``names``.
"""

import json
from datetime import datetime

import msgspec

from radiance.registry import audit
from radiance.registry.store import Registry
from radiance.storage.sqlite import Readable


class Label(msgspec.Struct, frozen=True):
    """What a person calls a checkpoint.

    Attributes:
        name: On one line; "" where it has none.
        note: What is to be remembered of it; "" where there is nothing.
    """

    name: str
    note: str
    actor: str
    at: datetime


def labels(db: Readable) -> dict[str, Label]:
    """The label of every checkpoint that has one, by its id."""
    found: dict[str, Label] = {}
    for entry in audit.all_of(db, "label"):
        assert entry.subject is not None
        told = json.loads(entry.body)
        found[entry.subject] = Label(
            told["name"], told["note"], entry.actor, datetime.fromisoformat(entry.at)
        )
    return {id: label for id, label in found.items() if label.name or label.note}


def label(registry: Registry, checkpoint_id: str, name: str, note: str, actor: str) -> Label:
    """Give a checkpoint a name and a note in place of those it had; durable on return.

    Args:
        registry: Knows the checkpoint, and keeps the log.
        checkpoint_id: Of the checkpoint.
        name: "" takes it away.
        note: Likewise.
        actor: Who gives them.

    Raises:
        NotFound: There is no such checkpoint.
    """
    with registry.audit.sealed():
        registry.get(checkpoint_id)
        at = registry.clock()
        with registry.db.transaction() as connection:
            body = {"name": name, "note": note}
            audit.append(connection, "label", actor, checkpoint_id, body, at)
    return Label(name, note, actor, at)
