"""Votes on answers, as people send them: durable rows, counted per checkpoint.

Whoever reaches the service can vote, and as often as they like: a ratio is evidence, not proof. Of
those who come with an API key a vote counts once an answer, and only for answers that were given.
"""

import json
from datetime import datetime
from typing import Literal

from radiance import records
from radiance.records import Feedback, Votes
from radiance.storage.sqlite import Database, Row, to_json, to_text

_COUNTS = "COUNT(*) FILTER (WHERE vote = 'up') AS up, COUNT(*) FILTER (WHERE vote = 'down') AS down"

_DELETED = ("deleted up votes", "deleted down votes")


class FeedbackLog:
    """All votes. Safe to use from several threads.

    Args:
        db: Where they are kept.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(
        self,
        checkpoint: str | None,
        vote: Literal["up", "down"],
        *,
        prompt: str = "",
        response: str = "",
        comment: str = "",
        tags: tuple[str, ...] = (),
        caller: str = "",
        answer: str | None = None,
    ) -> Feedback:
        """Keep a vote; durable on return.

        Args:
            checkpoint: The checkpoint that answered, which must exist; None is the base.
            vote: What was thought of the answer.
            prompt: What was asked.
            response: What was answered.
            comment: Why, in the voter's words.
            tags: Whatever the caller sorts votes by.
            caller: Whose API key it was sent with, as its digest; "": none.
            answer: Which answer that was given it is about; None: none that is known.
        """
        with self._db.transaction() as connection:
            row = connection.execute(
                "INSERT INTO feedback"
                " (at, checkpoint, vote, prompt, response, comment, tags, caller, answer)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *",
                (
                    to_text(records.now()),
                    checkpoint,
                    vote,
                    prompt,
                    response,
                    comment,
                    to_json(tags),
                    caller,
                    answer,
                ),
            ).fetchone()
        return _to_feedback(row)

    def recent(self, limit: int) -> list[Feedback]:
        """The newest votes, newest first."""
        rows = self._db.read("SELECT * FROM feedback ORDER BY number DESC LIMIT ?", (limit,))
        return [_to_feedback(row) for row in rows]

    def recent_of(self, checkpoint: str | None, limit: int) -> list[Feedback]:
        """The newest votes on a checkpoint's answers (None: the base's), newest first."""
        rows = self._db.read(
            "SELECT * FROM feedback WHERE checkpoint IS ? ORDER BY at DESC, number DESC LIMIT ?",
            (checkpoint, limit),
        )
        return [_to_feedback(row) for row in rows]

    def votes(self, checkpoint: str | None, since: datetime | None = None) -> Votes:
        """How a checkpoint (None: the base) was voted on, from ``since`` on where it is given."""
        (row,) = self._db.read(
            f"SELECT {_COUNTS} FROM feedback WHERE checkpoint IS ? AND at >= ?",  # noqa: S608
            (checkpoint, "" if since is None else to_text(since)),
        )
        return Votes(row["up"], row["down"])

    def counted(self, checkpoint: str | None, since: datetime) -> dict[str, Votes]:
        """The votes that a monitor goes by, by the key's digest; "" is who comes without one.

        Of who comes with a key, the newest vote on each answer that was given.
        """
        rows = self._db.read(
            f"SELECT caller, {_COUNTS} FROM feedback AS vote"  # noqa: S608
            " WHERE checkpoint IS :checkpoint AND at >= :since AND (caller = '' OR number ="
            " (SELECT MAX(number) FROM feedback WHERE checkpoint IS :checkpoint"
            " AND caller = vote.caller AND answer = vote.answer)) GROUP BY caller",
            {"checkpoint": checkpoint, "since": to_text(since)},
        )
        return {row["caller"]: Votes(row["up"], row["down"]) for row in rows}

    def total(self) -> Votes:
        """All votes that ever came, those among them that were deleted since."""
        (row,) = self._db.read(f"SELECT {_COUNTS} FROM feedback")  # noqa: S608
        rows = self._db.read("SELECT name, value FROM sequences WHERE name IN (?, ?)", _DELETED)
        before = {found["name"]: found["value"] for found in rows}
        up, down = (before.get(name, 0) for name in _DELETED)
        return Votes(row["up"] + up, row["down"] + down)

    def keep_newest(self, votes: int, most: int = 1000) -> None:
        """Delete all votes but the newest, at most ``most`` a call; they stay counted in ``total``.

        Args:
            votes: So many are kept; 0: all.
            most: Whoever else waits for the database waits for no more.
        """
        below = "number <= (SELECT MAX(number) FROM feedback) - ?"
        if not votes or not self._db.read(
            f"SELECT 1 FROM feedback WHERE {below} LIMIT 1",  # noqa: S608
            (votes,),
        ):
            return
        with self._db.aside() as connection:
            deleted = connection.execute(
                f"DELETE FROM feedback WHERE number IN (SELECT number FROM feedback WHERE {below}"  # noqa: S608
                " ORDER BY number LIMIT ?) RETURNING vote",
                (votes, most),
            ).fetchall()
            for name, vote in zip(_DELETED, ("up", "down"), strict=True):
                count = sum(row["vote"] == vote for row in deleted)
                connection.execute(
                    "INSERT INTO sequences VALUES (?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                    (name, count),
                )

    def by_checkpoint(self, limit: int) -> dict[str | None, Votes]:
        """Votes of the checkpoints that were voted on last, newest vote first."""
        rows = self._db.read(
            f"SELECT checkpoint, {_COUNTS} FROM feedback GROUP BY checkpoint"  # noqa: S608
            " ORDER BY MAX(number) DESC LIMIT ?",
            (limit,),
        )
        return {row["checkpoint"]: Votes(row["up"], row["down"]) for row in rows}


def _to_feedback(row: Row) -> Feedback:
    return Feedback(
        number=row["number"],
        at=datetime.fromisoformat(row["at"]),
        checkpoint=row["checkpoint"],
        vote=row["vote"],
        prompt=row["prompt"],
        response=row["response"],
        comment=row["comment"],
        tags=tuple(json.loads(row["tags"])),
    )
