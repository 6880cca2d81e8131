"""Champion against challenger: sticky, right in the long run, and safe to look at."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.labs.alphas.service import AlphaService, shortcoming
from radiance.labs.alphas.settings import AlphasSettings
from radiance.labs.alphas.trial import Counts, Trial, TrialFile, assign, log_evidence


def test_somebody_meets_one_side_and_sides_have_their_shares():
    sides = [assign(f"user {number}", 0.3, "a/b") for number in range(4_000)]
    assert sides == [assign(f"user {number}", 0.3, "a/b") for number in range(4_000)]
    assert 0.27 < sides.count("challenger") / 4_000 < 0.33
    assert sides != [assign(f"user {number}", 0.3, "a/c") for number in range(4_000)]


def play(rng: random.Random, champion: float, challenger: float, most: int) -> Trial:
    """Answers of both sides in turn, looked at after each; stops once it is decided."""
    trial = Trial("a", "b", error=0.05)
    for _ in range(most):
        trial.record("champion", rng.random() < champion)
        trial.record("challenger", rng.random() < challenger)
        if trial.verdict != "undecided":
            break
    return trial


def test_equals_are_seldom_told_apart_however_often_one_looks():
    rng = random.Random(0)
    wrong = sum(play(rng, 0.6, 0.6, 300).verdict != "undecided" for _ in range(300))
    assert wrong / 300 <= 0.05


@pytest.mark.parametrize(("champion", "challenger"), [(0.4, 0.8), (0.9, 0.5)])
def test_the_better_one_wins_soon(champion, challenger):
    rng = random.Random(1)
    better = "challenger" if challenger > champion else "champion"
    found = [play(rng, champion, challenger, 1_000) for _ in range(50)]
    assert all(trial.verdict == better for trial in found)
    assert sum(trial.counts["champion"].answers for trial in found) / 50 < 150


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_the_evidence_does_not_care_who_is_who(a, b, c, d):
    one, other = Counts(a, a + b), Counts(c, c + d)
    assert log_evidence(one, other) == pytest.approx(log_evidence(other, one))


def test_one_step_of_the_evidence_is_a_fair_game():
    """Under a common rate the expected evidence after a pair of answers is at most one."""
    for rate in (0.1, 0.5, 0.8):
        total = 0.0
        for first in (0, 1):
            for second in (0, 1):
                chance = (rate if first else 1 - rate) * (rate if second else 1 - rate)
                total += chance * 2.718281828459045 ** log_evidence(
                    Counts(first, 1), Counts(second, 1)
                )
        assert total <= 1 + 1e-12


def test_a_trial_is_kept_and_its_verdict_stays(tmp_path):
    path = tmp_path / "trial.json"
    first = TrialFile(path)
    for number in range(60):
        first.record("a", "b", 0.05, "champion", number % 4 == 0)
        first.record("a", "b", 0.05, "challenger", True)
    again = TrialFile(path)
    assert again.states() == first.states()
    state = again.states()[0]
    assert state.verdict == "challenger"
    assert state.arms["champion"] == Counts(successes=15, answers=60)
    assert state.evidence > 20
    for _ in range(60):
        again.record("a", "b", 0.05, "champion", True)
        again.record("a", "c", 0.05, "challenger", False)
    assert [state.verdict for state in again.states()] == ["challenger", "undecided"]
    json.loads(path.read_text())


def test_answers_are_judged(tmp_path):
    lab = AlphaService(AlphasSettings(), tmp_path, tmp_path)
    assert lab.judge("p", "rank(volume)").outcome == "backtested"
    assert lab.market == "made up"
    assert shortcoming("rank(volume).") is None
    assert "no alpha" in (shortcoming("rank(volume") or "")
