"""Training held up by a person: durable, so that a restart does not begin what was stopped."""

from datetime import datetime

import msgspec

from radiance import records
from radiance.storage.sqlite import Database, to_text


class Pause(msgspec.Struct, frozen=True):
    """Why nothing is trained.

    Attributes:
        actor: Who asked for it.
        reason: Why, as a sentence.
    """

    actor: str
    reason: str
    at: datetime


class PauseSwitch:
    """Whether a person has paused training. Safe to use from several threads."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self) -> Pause | None:
        """The pause in force; None where there is none."""
        rows = self._db.read("SELECT * FROM pauses ORDER BY number DESC LIMIT 1")
        if not rows or not rows[0]["is_paused"]:
            return None
        row = rows[0]
        return Pause(row["actor"], row["reason"], datetime.fromisoformat(row["at"]))

    def set(self, is_paused: bool, actor: str, reason: str) -> None:
        """Pause or resume; durable on return."""
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO pauses (at, actor, reason, is_paused) VALUES (?, ?, ?, ?)",
                (to_text(records.now()), actor, reason, is_paused),
            )
