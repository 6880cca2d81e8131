"""Trials that count successes: a champion and a candidate, each answer a success or not.

A canary compares what every answer has (length, latency, likelihood); an outcome trial compares
what only its owner can judge, such as whether an alpha compiles. Either side is a checkpoint, the
base or an upstream, by name. A trial begins with its first answer and is decided once the evidence
suffices (``gate.evidence``); both are entries of the audit log, in the transaction that makes them.
"""

from datetime import datetime
from typing import Literal

import msgspec

from radiance import records
from radiance.gate.evidence import Successes, as_ratio, decides, log_evidence
from radiance.registry.audit import Audit, append
from radiance.storage.sqlite import Connection, Database, Row, to_text

Verdict = Literal["undecided", "champion", "candidate"]


class OutcomeTrial(msgspec.Struct, frozen=True):
    """What one trial has shown.

    Attributes:
        subject: Whose trial it is, such as "alphas"; names are compared within a subject.
        error: Chance that equals are told apart, over all looks together.
        peak: Logarithm of the largest evidence so far: a decision once reached stays.
    """

    number: int
    subject: str
    champion: str
    candidate: str
    error: float
    started_at: datetime
    of_champion: Successes
    of_candidate: Successes
    peak: float
    verdict: Verdict

    @property
    def evidence(self) -> float:
        """The largest evidence against "equally often" so far; it decides at 1 / error."""
        return as_ratio(self.peak)


class OutcomeTrials:
    """All outcome trials. Safe to use from several threads.

    Args:
        db: Where they are kept.
        audit: Where their beginnings and verdicts are put on record.
    """

    def __init__(self, db: Database, audit: Audit) -> None:
        self._db, self._audit = db, audit

    def record(
        self,
        subject: str,
        champion: str,
        candidate: str,
        error: float,
        *,
        is_candidate: bool,
        success: bool,
    ) -> OutcomeTrial:
        """Count an answer, and decide if the evidence suffices; durable on return.

        Raises:
            StorageError: The disk failed.
        """
        with self._audit.sealed(), self._db.transaction() as connection:
            trial = self._begun(connection, subject, champion, candidate, error)
            sides = trial.of_champion, trial.of_candidate
            sides = (
                (sides[0], sides[1].plus(success))
                if is_candidate
                else (
                    sides[0].plus(success),
                    sides[1],
                )
            )
            found = log_evidence(*sides)
            verdict = trial.verdict
            if verdict == "undecided" and decides(found, trial.error):
                verdict = "candidate" if sides[1].rate > sides[0].rate else "champion"
            after = msgspec.structs.replace(
                trial,
                of_champion=sides[0],
                of_candidate=sides[1],
                peak=max(trial.peak, found),
                verdict=verdict,
            )
            _write(connection, after)
            if verdict != trial.verdict:
                self._append(connection, "trial_verdict", after)
        return after

    def adopt(self, trial: OutcomeTrial) -> None:
        """Take in what an earlier version counted elsewhere, unless the trial is known already."""
        with self._audit.sealed(), self._db.transaction() as connection:
            if _find(connection, trial.subject, trial.champion, trial.candidate) is None:
                begun = self._begun(
                    connection, trial.subject, trial.champion, trial.candidate, trial.error
                )
                _write(connection, msgspec.structs.replace(trial, number=begun.number))

    def all(self, subject: str) -> list[OutcomeTrial]:
        """The trials of a subject, oldest first."""
        rows = self._db.read(
            "SELECT * FROM outcome_trials WHERE subject = ? ORDER BY number", (subject,)
        )
        return [_to_trial(row) for row in rows]

    def _begun(
        self, connection: Connection, subject: str, champion: str, candidate: str, error: float
    ) -> OutcomeTrial:
        known = _find(connection, subject, champion, candidate)
        if known is not None:
            return known
        row = connection.execute(
            "INSERT INTO outcome_trials (subject, champion, candidate, error, started_at)"
            " VALUES (?, ?, ?, ?, ?) RETURNING *",
            (subject, champion, candidate, error, to_text(records.now())),
        ).fetchone()
        trial = _to_trial(row)
        self._append(connection, "trial_start", trial)
        return trial

    def _append(
        self,
        connection: Connection,
        action: Literal["trial_start", "trial_verdict"],
        trial: OutcomeTrial,
    ) -> None:
        append(
            connection,
            action,
            trial.subject,
            trial.candidate,
            msgspec.to_builtins(trial),
            records.now(),
        )


def _find(
    connection: Connection, subject: str, champion: str, candidate: str
) -> OutcomeTrial | None:
    row = connection.execute(
        "SELECT * FROM outcome_trials WHERE subject = ? AND champion = ? AND candidate = ?",
        (subject, champion, candidate),
    ).fetchone()
    return None if row is None else _to_trial(row)


def _write(connection: Connection, trial: OutcomeTrial) -> None:
    connection.execute(
        "UPDATE outcome_trials SET champion_answers = ?, champion_successes = ?,"
        " candidate_answers = ?, candidate_successes = ?, peak = ?, verdict = ? WHERE number = ?",
        (
            trial.of_champion.answers,
            trial.of_champion.successes,
            trial.of_candidate.answers,
            trial.of_candidate.successes,
            trial.peak,
            trial.verdict,
            trial.number,
        ),
    )


def _to_trial(row: Row) -> OutcomeTrial:
    return OutcomeTrial(
        number=row["number"],
        subject=row["subject"],
        champion=row["champion"],
        candidate=row["candidate"],
        error=row["error"],
        started_at=datetime.fromisoformat(row["started_at"]),
        of_champion=Successes(row["champion_answers"], row["champion_successes"]),
        of_candidate=Successes(row["candidate_answers"], row["candidate_successes"]),
        peak=row["peak"],
        verdict=row["verdict"],
    )
