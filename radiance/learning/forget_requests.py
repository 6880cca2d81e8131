"""The requests to forget, in the database: what each asked for, did, and has come to."""

from datetime import datetime
from typing import Any

import msgspec

from radiance import records
from radiance.errors import NotFound
from radiance.records import Asked, ForgetRequest, ForgetStatus, Likelihood
from radiance.storage.sqlite import Connection, Database, Row, to_json, to_text


class ForgetRequests:
    """Their table. Safe to use from several threads."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self, number: int) -> ForgetRequest:
        """One request.

        Raises:
            NotFound: There is none of that number.
        """
        rows = self._db.read("SELECT * FROM forgets WHERE number = ?", (number,))
        if not rows:
            raise NotFound(
                f"There is no request {number} to forget.",
                field="number",
                value=number,
                remedy="GET /forget lists them.",
            )
        return _to_forget(rows[0])

    def recent(self, limit: int, before: int | None = None) -> list[ForgetRequest]:
        """The newest requests, newest first; only those below ``before`` where it is given."""
        rows = self._db.read(
            "SELECT * FROM forgets WHERE ? IS NULL OR number < ? ORDER BY number DESC LIMIT ?",
            (before, before, limit),
        )
        return list(map(_to_forget, rows))

    def counts(self) -> dict[str, int]:
        """How many requests there are of each status."""
        rows = self._db.read("SELECT status, COUNT(*) AS n FROM forgets GROUP BY status")
        return dict.fromkeys(("erasing", "relearning", "done"), 0) | {
            r["status"]: r["n"] for r in rows
        }

    def unfinished(self) -> list[ForgetRequest]:
        """Those that are not done, the oldest first."""
        rows = self._db.read("SELECT * FROM forgets WHERE status != 'done' ORDER BY number")
        return list(map(_to_forget, rows))

    def insert(self, connection: Connection, new: ForgetRequest) -> int:
        """Add a request in an open transaction, and what it withdraws; the number that it gets.

        Args:
            connection: Of the transaction.
            new: The request; its number is passed over.
        """
        number = connection.execute(
            "INSERT INTO forgets (at, actor, reason, asked, status, examples, checkpoints, before,"
            " since, queued_again, passages) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                to_text(new.at),
                new.actor,
                new.reason,
                to_json(new.asked),
                new.status,
                to_json(new.examples),
                to_json(new.checkpoints),
                new.before,
                new.since,
                to_json(new.queued_again),
                to_json(new.passages),
            ),
        ).lastrowid
        assert number is not None
        connection.executemany(
            "INSERT INTO withdrawn VALUES (?, ?)", [(id, number) for id in new.checkpoints]
        )
        return number

    def set_likelihood(self, number: int, likelihood: Likelihood) -> None:
        """Keep how likely what was forgotten is to the weights."""
        with self._db.transaction() as connection:
            connection.execute(
                "UPDATE forgets SET likelihood = ? WHERE number = ?", (to_json(likelihood), number)
            )

    def set_status(self, number: int, status: ForgetStatus) -> None:
        """Note how far a request is."""
        finished_at = to_text(records.now()) if status == "done" else None
        with self._db.transaction() as connection:
            connection.execute(
                "UPDATE forgets SET status = ?, finished_at = ? WHERE number = ?",
                (status, finished_at, number),
            )


def _to_forget(row: Row) -> ForgetRequest:
    def of(name: str, kind: Any) -> Any:
        return None if row[name] is None else msgspec.json.decode(row[name], type=kind)

    return ForgetRequest(
        number=row["number"],
        at=datetime.fromisoformat(row["at"]),
        actor=row["actor"],
        reason=row["reason"],
        asked=of("asked", Asked),
        status=row["status"],
        examples=of("examples", dict[str, str]),
        passages=of("passages", dict[str, str]),
        checkpoints=of("checkpoints", tuple[str, ...]),
        before=row["before"],
        since=row["since"],
        queued_again=of("queued_again", tuple[str, ...]),
        likelihood=of("likelihood", Likelihood),
        finished_at=None
        if row["finished_at"] is None
        else datetime.fromisoformat(row["finished_at"]),
    )
