"""The sequential test: right in the long run, and safe to look at."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.gate.evidence import Successes, as_ratio, decides, log_evidence


def play(rng: random.Random, one: float, other: float, most: int) -> tuple[Successes, Successes]:
    """Answers of both sides in turn, looked at after each; stops once it is decided."""
    first, second = Successes(), Successes()
    for _ in range(most):
        first, second = first.plus(rng.random() < one), second.plus(rng.random() < other)
        if decides(log_evidence(first, second), 0.05):
            break
    return first, second


def test_equals_are_seldom_told_apart_however_often_one_looks() -> None:
    rng = random.Random(0)
    wrong = sum(decides(log_evidence(*play(rng, 0.6, 0.6, 300)), 0.05) for _ in range(300))
    assert wrong / 300 <= 0.05


@pytest.mark.parametrize(("one", "other"), [(0.4, 0.8), (0.9, 0.5)])
def test_the_better_one_wins_soon(one: float, other: float) -> None:
    rng = random.Random(1)
    found = [play(rng, one, other, 1_000) for _ in range(50)]
    assert all((second.rate > first.rate) == (other > one) for first, second in found)
    assert sum(first.answers for first, _ in found) / 50 < 150


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40), st.integers(0, 40))
def test_the_evidence_does_not_care_which_side_is_which(a: int, b: int, c: int, d: int) -> None:
    one, other = Successes(a + b, a), Successes(c + d, c)
    assert log_evidence(one, other) == pytest.approx(log_evidence(other, one))


def test_one_step_of_the_evidence_is_a_fair_game() -> None:
    """Under a common rate the expected evidence after a pair of answers is at most one."""
    for rate in (0.1, 0.5, 0.8):
        total = 0.0
        for first in (0, 1):
            for second in (0, 1):
                chance = (rate if first else 1 - rate) * (rate if second else 1 - rate)
                found = log_evidence(Successes(1, first), Successes(1, second))
                total += chance * math.exp(found)
        assert total <= 1 + 1e-12


def test_overwhelming_evidence_is_still_a_float() -> None:
    found = log_evidence(Successes(10_000, 0), Successes(10_000, 10_000))
    assert math.isfinite(as_ratio(found))
    assert as_ratio(0.0) == 1.0
