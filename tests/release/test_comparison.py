"""What trials show: paired and unpaired differences against hand-made data."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from radiance.gate import intervals
from radiance.records import Votes
from radiance.release.comparison import ComparisonRow, compare, summarise
from radiance.release.experiments import Arm, ArmAnswer

NOON = datetime(2026, 2, 9, 12, tzinfo=UTC)
NO_VOTES: dict[Arm, Votes] = {"champion": Votes(), "candidate": Votes()}


def trial(arm: Arm, caller: int = 0, latency: float = 1.0, **fields: Any) -> ArmAnswer:
    fields = {"outcome": "stop", "tokens": 5, **fields}
    return ArmAnswer(arm, None, NOON, str(caller), latency_s=latency, **fields)


def rows_of(trials: list[ArmAnswer], *, is_paired: bool) -> dict[str, ComparisonRow]:
    return {row.figure: row for row in compare(trials, NO_VOTES, 0.95, is_paired=is_paired)}


def test_pairs_are_compared_one_by_one_and_times_only_on_equal_terms() -> None:
    draw = np.random.default_rng(1)
    trials = []
    for number, load in enumerate(draw.uniform(1, 100, 40)):
        alone = number % 2 == 0
        trials.append(trial("champion", latency=load, pair=str(number), was_alone=alone))
        slower = load + 0.5 + draw.normal(0, 0.05) if alone else 0.001
        trials.append(
            trial("candidate", latency=slower, pair=str(number), agrees=number < 30, tokens=7)
        )
    trials.append(trial("champion", latency=1000.0))  # its repetition was dropped
    found = rows_of(trials, is_paired=True)
    latency = found["latency_s"]
    assert (latency.unit, latency.champion_count) == ("pair", 20)
    assert latency.low is not None
    assert latency.high is not None
    assert 0.4 < latency.low < 0.5 < latency.high < 0.6, "however much the load differs"
    assert found["tokens"].difference == 2
    agreement = found["agreement"]
    assert (agreement.candidate, agreement.difference) == (0.75, None)
    assert agreement.low is not None
    assert agreement.low < 0.75


def test_ratios_of_pairs_have_honest_bounds_even_where_nothing_differs() -> None:
    trials = [trial(arm, pair=str(n)) for n in range(10) for arm in ("champion", "candidate")]
    failed = rows_of(trials, is_paired=True)["failed"]
    assert failed.difference == 0
    assert failed.low is not None
    assert failed.low < -0.2, "ten pairs prove little"


def test_callers_count_once_however_often_they_ask() -> None:
    champion = [trial("champion", n, 1.0 + n / 100) for n in range(12)]
    candidate = [trial("candidate", 100 + n, 1.0 + n / 100) for n in range(12)]
    candidate += [trial("candidate", 100, 50.0) for _ in range(500)]
    latency = rows_of(champion + candidate, is_paired=False)["latency_s"]
    assert (latency.unit, latency.candidate_count) == ("caller", 12)
    assert latency.low is not None
    assert latency.low < 0, "one odd caller is no evidence"
    few = rows_of(champion[:5] + candidate, is_paired=False)["latency_s"]
    assert (few.unit, few.champion_count) == ("request", 5)


def test_failures_and_votes_are_compared_too() -> None:
    trials = [trial("champion") for _ in range(100)]
    trials += [trial("candidate", outcome="EngineFailed" if n % 2 else "length") for n in range(60)]
    votes: dict[Arm, Votes] = {"champion": Votes(30, 0), "candidate": Votes(0, 30)}
    found = {row.figure: row for row in compare(trials, votes, 0.95, is_paired=False)}
    for figure, least in (("failed", 0.3), ("cut_off", 0.8), ("thumbs_down", 0.7)):
        assert (found[figure].low or 0) > least
    summary = summarise([t for t in trials if t.arm == "candidate"], "A_1", votes["candidate"])
    assert (summary.answers, summary.failures, summary.cut_off_ratio) == (30, 30, 1.0)


def test_an_empty_arm_compares_nothing() -> None:
    assert compare([trial("champion")], NO_VOTES, 0.95, is_paired=False) == []
    empty = summarise([], None, Votes())
    assert (empty.answers, empty.latency_s, empty.cut_off_ratio) == (0, None, None)


def test_welch_holds_its_confidence_on_samples_of_unequal_spread() -> None:
    draw = np.random.default_rng(0)
    misses = 0
    for _ in range(2000):
        found = intervals.difference(draw.normal(0, 1, 8), draw.normal(1, 4, 25), 0.95)
        misses += found.low > 1
    assert misses / 2000 == pytest.approx(0.05, abs=0.015)
