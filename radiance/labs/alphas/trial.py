"""The trial of ``alphas.challenger``: which side answers a caller, and what both sides have shown.

A success is an alpha that can be backtested. The core assigns callers and keeps the counts, the
evidence and the audit entries (``release/assignment.py``, ``release/outcome_trials.py``); here are
the words of the API and what version 0.1.0 had counted in a file of its own.
"""

from pathlib import Path
from typing import Literal

import msgspec

from radiance import records
from radiance.gate.evidence import Successes
from radiance.release import outcome_trials
from radiance.release.assignment import assign
from radiance.release.outcome_trials import OutcomeTrial, OutcomeTrials

SUBJECT = "alphas"
Arm = Literal["champion", "challenger"]
Verdict = Literal["undecided", "champion", "challenger"]
_VERDICTS: dict[outcome_trials.Verdict, Verdict] = {
    "undecided": "undecided",
    "champion": "champion",
    "candidate": "challenger",
}


class ArmCounts(msgspec.Struct):
    """One side of a trial."""

    answers: int
    successes: int


class TrialState(msgspec.Struct):
    """What a trial of two models has shown; ``evidence`` against equality decides at 1 / error."""

    champion: str
    challenger: str
    error: float
    arms: dict[Arm, ArmCounts]
    evidence: float
    verdict: Verdict


def arm_of(caller: str, champion: str, challenger: str, share: float) -> Arm:
    """The side that a caller meets, always the same within one pair of models.

    Args:
        caller: Who asks.
        champion: The checkpoint that serves, or "base".
        challenger: The checkpoint or the upstream on trial.
        share: Of the callers that the challenger answers.
    """
    given = assign(f"{SUBJECT}:{champion}/{challenger}", caller, share)
    return "challenger" if given.is_candidate else "champion"


def states(trials: OutcomeTrials) -> list[TrialState]:
    """All trials of this lab, oldest first."""
    return [
        TrialState(
            trial.champion,
            trial.candidate,
            trial.error,
            {
                "champion": _counts(trial.of_champion),
                "challenger": _counts(trial.of_candidate),
            },
            trial.evidence,
            _VERDICTS[trial.verdict],
        )
        for trial in trials.all(SUBJECT)
    ]


def _counts(side: Successes) -> ArmCounts:
    return ArmCounts(side.answers, side.successes)


class _KeptTrial(msgspec.Struct):
    """A trial as version 0.1.0 kept it."""

    champion: str
    challenger: str
    error: float
    counts: dict[Arm, ArmCounts]
    peak: float
    verdict: Verdict


def adopt(path: Path, trials: OutcomeTrials) -> None:
    """Take over the trials that version 0.1.0 kept in a file, once.

    Args:
        path: That file; it is renamed when all of it is in the database.
        trials: Where they go.

    Raises:
        StorageError: The disk failed.
        msgspec.DecodeError: The file is damaged.
    """
    if not path.exists():
        return
    verdicts: dict[Verdict, outcome_trials.Verdict] = {v: k for k, v in _VERDICTS.items()}
    for kept in msgspec.json.decode(path.read_bytes(), type=list[_KeptTrial]):
        sides = (kept.counts["champion"], kept.counts["challenger"])
        trials.adopt(
            OutcomeTrial(
                number=0,
                subject=SUBJECT,
                champion=kept.champion,
                candidate=kept.challenger,
                error=kept.error,
                started_at=records.now(),
                of_champion=Successes(sides[0].answers, sides[0].successes),
                of_candidate=Successes(sides[1].answers, sides[1].successes),
                peak=kept.peak,
                verdict=verdicts[kept.verdict],
            )
        )
    path.rename(path.with_suffix(".imported.json"))
