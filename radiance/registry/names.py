"""Names that people give to checkpoints, to ask for them by; each name means one."""

from datetime import datetime

import msgspec

from radiance import records
from radiance.errors import Conflict, NotFound
from radiance.registry.rows import refuse_pruned
from radiance.storage.sqlite import Database, to_text


class Named(msgspec.Struct, frozen=True):
    """A name and the checkpoint that it means."""

    name: str
    checkpoint_id: str
    at: datetime


class CheckpointNames:
    """All given names. Safe to use from several threads."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def give(self, name: str, checkpoint_id: str, *, replace: bool = False) -> None:
        """Let a name mean a checkpoint; durable on return.

        Raises:
            Conflict: It means one already, and is not to be replaced; or the weights are pruned.
        """
        with self._db.transaction() as connection:
            if not replace:
                refuse_taken(name, self.get(name))
            refuse_pruned(connection, checkpoint_id)
            connection.execute(
                "INSERT OR REPLACE INTO checkpoint_names VALUES (?, ?, ?)",
                (name, checkpoint_id, to_text(records.now())),
            )

    def take(self, name: str) -> Named:
        """Let a name mean nothing any more; what it meant stays.

        Raises:
            NotFound: It means nothing.
        """
        named = self.get(name)
        if named is None:
            raise NotFound.named(
                "adapter",
                name,
                "lora_name",
                "Send a name that was loaded; GET /v1/models lists them.",
            )
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM checkpoint_names WHERE name = ?", (name,))
        return named

    def get(self, name: str) -> Named | None:
        """What a name means."""
        return next((one for one in self.all() if one.name == name), None)

    def all(self) -> list[Named]:
        """All names, the newest first."""
        rows = self._db.read("SELECT * FROM checkpoint_names ORDER BY at DESC, name")
        return [
            Named(row["name"], row["checkpoint_id"], datetime.fromisoformat(row["at"]))
            for row in rows
        ]


def refuse_taken(name: str, known: Named | None) -> None:
    """Refuse a name that means something.

    Raises:
        Conflict: It does.
    """
    if known is not None:
        raise Conflict(
            f"The name {name!r} is taken: it means {known.checkpoint_id}.",
            field="lora_name",
            value=name,
            remedy="Unload it first, or send load_inplace: true.",
        )
