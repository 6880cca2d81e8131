from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from radiance.registry.store import Registry
from radiance.registry.verification import verify
from radiance.release.outcome_trials import OutcomeTrial, OutcomeTrials
from radiance.storage.sqlite import Database


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    (tmp_path / "adapters").mkdir()
    return tmp_path


@pytest.fixture
def db(root: Path) -> Iterator[Database]:
    database = Database(root / "runs" / "radiance.db")
    yield database
    database.close()


@pytest.fixture
def trials(root: Path, db: Database) -> OutcomeTrials:
    return OutcomeTrials(db, Registry(db, root / "adapters").audit)


def play(trials: OutcomeTrials, count: int, candidate: str = "b") -> OutcomeTrial:
    """The candidate always succeeds, the champion every fourth time."""
    for number in range(count):
        trials.record("alphas", "a", candidate, 0.05, is_candidate=False, success=number % 4 == 0)
        trials.record("alphas", "a", candidate, 0.05, is_candidate=True, success=True)
    return trials.all("alphas")[-1]


def test_a_verdict_is_reached_kept_and_on_record(root: Path, trials: OutcomeTrials) -> None:
    found = play(trials, 60)
    assert found.verdict == "candidate"
    assert (found.of_champion.answers, found.of_champion.successes) == (60, 15)
    assert found.evidence > 20
    for _ in range(60):
        trials.record("alphas", "a", "b", 0.05, is_candidate=False, success=True)
        trials.record("alphas", "a", "c", 0.05, is_candidate=True, success=False)
    assert [trial.verdict for trial in trials.all("alphas")] == ["candidate", "undecided"]
    assert trials.all("strategies") == []
    actions = [(entry.action, entry.subject) for entry in trials._audit.recent(100)]
    assert sorted(actions) == [("trial_start", "b"), ("trial_start", "c"), ("trial_verdict", "b")]
    assert verify(root / "runs" / "radiance.db", root / "adapters").is_sound


def test_trials_outlive_the_process(root: Path, db: Database, trials: OutcomeTrials) -> None:
    play(trials, 3)
    db.close()
    reopened = Database(root / "runs" / "radiance.db")
    again = OutcomeTrials(reopened, Registry(reopened, root / "adapters").audit)
    assert [trial.of_candidate.answers for trial in again.all("alphas")] == [3]
    assert play(again, 1).of_candidate.answers == 4
    reopened.close()


def test_a_known_trial_is_not_adopted_again(trials: OutcomeTrials) -> None:
    first = play(trials, 2)
    trials.adopt(play(trials, 1))
    assert trials.all("alphas")[0].of_candidate.answers == 3
    for _ in range(2):
        trials.adopt(msgspec.structs.replace(first, candidate="old"))
    assert trials.all("alphas")[1].of_candidate == first.of_candidate
