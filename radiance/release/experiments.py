"""Experiments that try a checkpoint beside the one that serves: their rows and their trials.

One runs at a time. Its beginning and its end are entries of the audit log, in the transaction that
makes them. A trial is one answer with what was measured of it, without any text; the newest ones
are kept.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from radiance import records
from radiance.errors import Conflict
from radiance.registry.audit import Audit, append
from radiance.registry.rows import refuse_pruned
from radiance.storage.sqlite import Database, Row, to_text

Mode = Literal["canary", "shadow"]
Arm = Literal["champion", "candidate"]
MOST_TRIALS = 20_000
"""Trials kept of an experiment; the oldest go first."""
_ANSWERED = ("stop", "length")


class Experiment(msgspec.Struct, frozen=True):
    """A checkpoint on trial.

    Attributes:
        mode: "canary": it answers a share of the callers; "shadow": unseen, after the answer.
        candidate: The checkpoint; None is the base.
        share: Of the callers that it answers, or of the requests that it repeats, in (0, 1].
        dropped: Answers whose repetition or reading was given up because the engine was busy.
    """

    number: int
    mode: Mode
    candidate: str | None
    share: float
    started_at: datetime
    started_by: str
    reason: str
    ended_at: datetime | None = None
    ended_by: str | None = None
    end_reason: str | None = None
    dropped: int = 0


class ArmAnswer(msgspec.Struct, frozen=True):
    """One answer of one arm.

    Attributes:
        checkpoint: What gave it; None is the base.
        caller: Who asked, as a hash that means nothing outside of the experiment.
        pair: What two trials of the same request share; None where there is only one.
        outcome: "stop" or "length", or the name of the error.
        was_alone: Whether the engine had nothing else to do when it began.
        mean_logprob: Of the answer's tokens under the weights that gave it, in nats.
        agrees: Whether it is the champion's very answer; None where there was none.
    """

    arm: Arm
    checkpoint: str | None
    at: datetime
    caller: str
    outcome: str
    tokens: int = 0
    latency_s: float = 0.0
    first_token_s: float = 0.0
    is_looping: bool = False
    was_alone: bool = False
    pair: str | None = None
    mean_logprob: float | None = None
    agrees: bool | None = None

    @property
    def is_answer(self) -> bool:
        """Whether there was an answer at all."""
        return self.outcome in _ANSWERED


class Experiments:
    """All experiments. Safe to use from several threads.

    Args:
        db: Where they are kept.
        audit: Where their beginnings and ends are put on record.
    """

    def __init__(self, db: Database, audit: Audit) -> None:
        self._db, self._audit = db, audit

    def running(self) -> Experiment | None:
        """The one under way."""
        rows = self._db.read("SELECT * FROM experiments WHERE ended_at IS NULL")
        return _to_experiment(rows[0]) if rows else None

    def last(self) -> Experiment | None:
        """The one that ended last."""
        rows = self._db.read(
            "SELECT * FROM experiments WHERE ended_at IS NOT NULL ORDER BY number DESC LIMIT 1"
        )
        return _to_experiment(rows[0]) if rows else None

    def start(
        self, mode: Mode, candidate: str | None, share: float, actor: str, reason: str
    ) -> Experiment:
        """Begin one; durable on return.

        Raises:
            Conflict: Another one is under way, or the candidate's weights were pruned.
        """
        with self._audit.sealed(), self._db.transaction() as connection:
            if connection.execute("SELECT 1 FROM experiments WHERE ended_at IS NULL").fetchone():
                raise Conflict(
                    "A canary is under way already.", remedy="End it first: DELETE /canary."
                )
            refuse_pruned(connection, candidate)
            at = records.now()
            row = connection.execute(
                "INSERT INTO experiments (mode, candidate, share, started_at, started_by, reason)"
                " VALUES (?, ?, ?, ?, ?, ?) RETURNING *",
                (mode, candidate, share, to_text(at), actor, reason),
            ).fetchone()
            body = {"experiment": row["number"], "mode": mode, "share": share, "reason": reason}
            append(connection, "canary_start", actor, candidate, body, at)
        return _to_experiment(row)

    def stop(self, number: int, actor: str, reason: str, summary: Any) -> Experiment:
        """End one; durable on return.

        Args:
            number: Which one.
            actor: Who ends it.
            reason: Why, as a sentence.
            summary: What it showed, for the audit log.

        Raises:
            Conflict: It is not under way.
        """
        with self._audit.sealed(), self._db.transaction() as connection:
            at = records.now()
            row = connection.execute(
                "UPDATE experiments SET ended_at = ?, ended_by = ?, end_reason = ?"
                " WHERE number = ? AND ended_at IS NULL RETURNING *",
                (to_text(at), actor, reason, number),
            ).fetchone()
            if row is None:
                raise Conflict("No canary is under way.", remedy="There is nothing to do.")
            body = {"experiment": number, "reason": reason, "summary": summary}
            append(connection, "canary_stop", actor, row["candidate"], body, at)
        return _to_experiment(row)

    def add(self, number: int, trials: Sequence[ArmAnswer], dropped: int) -> None:
        """Keep trials, and count what was dropped; durable on return."""
        names = ArmAnswer.__struct_fields__
        places = ", ".join("?" * (len(names) + 1))
        with self._db.transaction() as connection:
            connection.executemany(
                f"INSERT INTO trials (experiment, {', '.join(names)}) VALUES ({places})",  # noqa: S608
                [
                    (number, *(to_text(v) if isinstance(v, datetime) else v for v in row))
                    for row in map(msgspec.structs.astuple, trials)
                ],
            )
            connection.execute(
                "UPDATE experiments SET dropped = dropped + ? WHERE number = ?", (dropped, number)
            )
            connection.execute(
                "DELETE FROM trials WHERE experiment = ? AND number <= (SELECT MAX(number) FROM"
                " trials WHERE experiment = ?) - ?",
                (number, number, MOST_TRIALS),
            )

    def keep_newest(self, experiments: int, most: int = 5000) -> None:
        """Delete the trials of all experiments but the newest, at most ``most`` a call; 0: none."""
        if not experiments:
            return
        below = "experiment <= (SELECT MAX(number) FROM experiments) - ?"
        if not self._db.read(f"SELECT 1 FROM trials WHERE {below} LIMIT 1", (experiments,)):  # noqa: S608
            return
        with self._db.aside() as connection:
            connection.execute(
                f"DELETE FROM trials WHERE number IN (SELECT number FROM trials WHERE {below}"  # noqa: S608
                " LIMIT ?)",
                (experiments, most),
            )

    def trials(self, number: int) -> list[ArmAnswer]:
        """What was kept of one, oldest first."""
        rows = self._db.read("SELECT * FROM trials WHERE experiment = ? ORDER BY number", (number,))
        return [_to_trial(row) for row in rows]


def _to_experiment(row: Row) -> Experiment:
    return msgspec.convert(dict(row), Experiment)


def _to_trial(row: Row) -> ArmAnswer:
    fields = {name: row[name] for name in ArmAnswer.__struct_fields__}
    return msgspec.convert(fields, ArmAnswer, strict=False)
