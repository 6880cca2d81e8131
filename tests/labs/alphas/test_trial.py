"""The desk's trial: the words of the API, what 0.1.0 counted, and an upstream on trial."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from radiance.labs.alphas.service import AlphaService, shortcoming
from radiance.labs.alphas.settings import AlphasSettings
from radiance.labs.alphas.trial import SUBJECT, adopt, arm_of, states
from radiance.registry.store import Registry
from radiance.release.outcome_trials import OutcomeTrials
from radiance.storage.sqlite import Database


@pytest.fixture
def trials(tmp_path: Path) -> Iterator[OutcomeTrials]:
    database = Database(tmp_path / "radiance.db")
    yield OutcomeTrials(database, Registry(database, tmp_path / "adapters").audit)
    database.close()


def test_the_api_speaks_of_champion_and_challenger(trials: OutcomeTrials) -> None:
    for number in range(60):
        trials.record(SUBJECT, "a", "b", 0.05, is_candidate=False, success=number % 4 == 0)
        trials.record(SUBJECT, "a", "b", 0.05, is_candidate=True, success=True)
    state = states(trials)[0]
    assert (state.champion, state.challenger, state.verdict) == ("a", "b", "challenger")
    assert (state.arms["champion"].answers, state.arms["champion"].successes) == (60, 15)
    assert {arm_of(f"user {n}", "a", "b", 0.5) for n in range(20)} == {"champion", "challenger"}


def test_what_0_1_0_counted_is_taken_over_once(tmp_path: Path, trials: OutcomeTrials) -> None:
    path = tmp_path / "alpha_trials.json"
    counts = {
        "champion": {"successes": 3, "answers": 9},
        "challenger": {"successes": 8, "answers": 8},
    }
    row = {"champion": "base", "challenger": "A_1", "error": 0.05, "counts": counts, "peak": 3.5}
    path.write_text(json.dumps([{**row, "verdict": "challenger"}]))
    adopt(path, trials)
    adopt(path, trials)
    found = trials.record(SUBJECT, "base", "A_1", 0.05, is_candidate=False, success=True)
    assert (found.of_champion.answers, found.of_champion.successes) == (10, 4)
    assert (found.of_candidate.answers, found.verdict) == (8, "candidate")
    assert not path.exists()


def test_the_desk_judges(tmp_path: Path, trials: OutcomeTrials) -> None:
    lab = AlphaService(AlphasSettings(), tmp_path, tmp_path, trials)
    assert lab.judge("p", "rank(volume)").outcome == "backtested"
    assert lab.market == "made up"
    assert shortcoming("rank(volume).") is None
    assert "no alpha" in (shortcoming("rank(volume") or "")
