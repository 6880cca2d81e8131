"""The rules over a serving checkpoint's signs of health."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.config import MonitorSettings
from radiance.gate import health
from radiance.gate.health import Tally
from radiance.records import Votes

SETTINGS = MonitorSettings(
    min_answers=20, max_thumbs_down=0.5, max_errors=0.1, max_output_drift=0.3
)
CONFIDENCE = 0.95


@pytest.mark.parametrize(
    ("up", "down", "verdict"),
    [(0, 19, "skipped"), (0, 20, "fail"), (9, 11, "pass"), (3, 17, "fail"), (400, 600, "fail")],
)
def test_thumbs_down_must_surely_be_above_the_limit(up: int, down: int, verdict: str) -> None:
    row = health.thumbs_down(Votes(up, down), SETTINGS, CONFIDENCE)
    assert (row.verdict, row.limit) == (verdict, 0.5)
    if row.verdict != "skipped":
        assert row.low is not None
        assert row.value == down / (up + down)
        assert (row.low > row.limit) == (verdict == "fail")


def test_requests_that_fail_count_beside_the_answers() -> None:
    assert health.errors(Tally(answers=12, failures=8), SETTINGS, CONFIDENCE).verdict == "fail"
    assert health.errors(Tally(answers=199, failures=1), SETTINGS, CONFIDENCE).verdict == "pass"
    assert health.errors(Tally(answers=11, failures=8), SETTINGS, CONFIDENCE).verdict == "skipped"


def test_drift_is_against_the_checkpoint_before() -> None:
    """Clients that always ask for few tokens cut every answer off, whatever the checkpoint."""
    short = Tally(answers=100, cut_off=100)
    worse = Tally(answers=100, cut_off=90, looping=80)
    good = Tally(answers=100)

    def verdicts(now: Tally, before: Tally) -> list[str]:
        return [r.verdict for r in health.output_drift(now, before, SETTINGS, CONFIDENCE)]

    assert verdicts(short, short) == ["pass", "pass"]
    assert verdicts(worse, good) == ["fail", "fail"]
    assert verdicts(worse, short) == ["pass", "fail"]
    assert verdicts(good, worse) == ["pass", "pass"]
    assert verdicts(worse, Tally(answers=19)) == ["skipped", "skipped"]


def test_answers_are_tallied() -> None:
    tally = Tally()
    tally.add_answer([1, 2, 3], is_cut_off=True)  # by a limit that would cut off any
    tally.add_answer([5] * 64, is_cut_off=True)
    tally.add_answer(range(40), is_cut_off=False)
    assert tally == Tally(answers=2, others=1, cut_off=1, looping=1)


@given(st.lists(st.integers(0, 9), max_size=40))
def test_what_is_said_over_and_over_loops_and_what_is_said_once_does_not(said: list[int]) -> None:
    assert not health.is_looping(range(len(said)))
    assert not health.is_looping(said[:14])
    assert health.is_looping((said or [0]) * 20)


def test_probed_losses_are_compared_anchor_by_anchor() -> None:
    at_promotion = {"a": 1.0, "b": 3.0}
    row = health.probe_loss({"a": 1.5, "b": 3.1, "c": 99.0}, at_promotion, 0.2)
    assert row.verdict == "fail"
    assert row.value == pytest.approx(0.3)
    assert health.probe_loss(at_promotion, at_promotion, 0.2).verdict == "pass"
    assert health.probe_loss({"a": 0.0, "b": 0.0}, at_promotion, 0.2).verdict == "pass"
    assert health.probe_loss({}, {}, 0.2).verdict == "skipped"


@pytest.mark.parametrize("damage", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_fails_and_can_be_shown(damage: float) -> None:
    row = health.probe_loss({"a": damage}, {"a": 1.0}, 0.2)
    assert (row.verdict, row.value) == ("fail", None)
    assert "not finite" in health.explain(row)


def test_a_failure_is_told_with_value_and_limit() -> None:
    told = health.explain(health.thumbs_down(Votes(1, 29), SETTINGS, CONFIDENCE))
    assert told.startswith("thumbs_down is 0.967 (surely above 0.85")
    assert told.endswith("and may be 0.5: 29 of 30 votes are down")
