"""The gate and the monitors: what is harmless passes, each harm fails the rule that names it."""

from typing import Any

import numpy as np
import pytest

from radiance.labs.signals.gate import Outputs, judge
from radiance.labs.signals.monitoring import Rollback, Watched, alarms, first, serving
from radiance.labs.signals.settings import PolicySettings

DAYS, ANCHORS, ASSETS = 126, 200, 4
POLICY = PolicySettings()


def outputs(kind: str, harm: Any = None, gain: float = 1.0) -> Outputs:
    """A candidate that learns the new regime; ``harm`` moves its outputs on anchors."""
    draw = np.random.default_rng(0 if kind == "new" else 1)
    count = DAYS if kind == "new" else ANCHORS
    labels = draw.standard_normal((count, ASSETS))
    if kind == "new":
        deployed = labels + 0.8 * draw.standard_normal(labels.shape)
        candidate = labels + (1 - gain) * (deployed - labels) + 0.1
        names = ["new"] * count
    else:
        deployed = labels + 0.05 * draw.standard_normal(labels.shape)
        candidate = deployed if harm is None else harm(deployed, draw)
        names = [f"context_{day % 5}" for day in range(count)]
    returns = 0.01 * labels + 0.01 * draw.standard_normal(labels.shape)
    naive = labels + 0.1 if kind == "new" else deployed
    return Outputs(candidate, deployed, naive, labels, returns, names)


def failed(harm: Any = None, gain: float = 1.0) -> set[str]:
    decision = judge(outputs("new", gain=gain), outputs("anchor", harm), POLICY, "hash")
    assert decision.promote == all(row.verdict != "fail" for row in decision.rows)
    return {row.rule for row in decision.rows if row.verdict == "fail"}


def test_what_learns_and_keeps_passes_every_rule():
    assert failed() == set()


def test_what_did_not_learn_is_refused():
    assert "drift_fit" in failed(gain=0.2)
    assert "new_task_gain" in failed(gain=-0.3)


def test_a_general_harm_and_a_harm_in_one_context():
    assert {"anchor_mean", "drift", "violations"} <= failed(
        lambda out, draw: out + draw.standard_normal(out.shape)
    )

    def one_context(out: np.ndarray, draw: Any) -> np.ndarray:
        moved = out.copy()
        moved[::5] += 1.2
        return moved

    assert "worst_context" in failed(one_context)


def test_a_turned_signal_fails_the_tail_and_breaks_preferences():
    found = failed(lambda out, draw: -out)
    assert {"tail", "anchor_broken"} <= found


def test_rules_are_the_services_own_and_the_four_of_the_desk():
    decision = judge(outputs("new"), outputs("anchor"), POLICY, "hash")
    assert [row.rule for row in decision.rows] == [
        "loss_sanity",
        "drift_fit",
        "new_task_gain",
        "anchor_mean",
        "anchor_cvar",
        "anchor_broken",
        "worst_context",
        "drift",
        "tail",
        "violations",
    ]
    assert not [row for row in decision.rows if row.verdict == "skipped"]


# ── Monitors ────────────────────────────────────────────────────────────────────────────────────


def watch(days: Watched, policy: PolicySettings) -> Rollback | None:
    return first(alarms(days, policy))


LENGTH = 300


def watched(**changes: Any) -> Watched:
    draw = np.random.default_rng(2)
    fields: dict[str, Any] = {
        "divergence": np.full(LENGTH, 0.3),
        "violated": np.zeros(LENGTH, dtype=bool),
        "is_stress": np.arange(LENGTH) % 10 == 0,
        "results": 0.01 * draw.standard_normal(LENGTH),
        "deployed_results": 0.01 * draw.standard_normal(LENGTH),
        "at_gate": 0.3,
    }
    return Watched(**{**fields, **changes})


def test_a_healthy_signal_is_left_alone():
    assert watch(watched(), POLICY) is None


def test_each_sign_takes_it_back_and_names_itself():
    from_150 = np.arange(LENGTH) >= 150
    drifted = watch(watched(divergence=np.where(from_150, 3.0, 0.3)), POLICY)
    violated = watch(watched(violated=from_150), POLICY)
    crashed = watch(watched(results=np.where(from_150, -0.05, 0.0)), POLICY)
    assert [r.rule for r in (drifted, violated, crashed) if r] == [
        "output_drift",
        "violations",
        "tail",
    ]
    for found in (drifted, violated, crashed):
        assert found is not None
        assert 150 < found.day < 150 + POLICY.window_days
        assert found.value > found.limit


@pytest.mark.parametrize("day", [100, 170, 220])
def test_a_sign_is_seen_no_sooner_than_it_can_be_known(day: int):
    """What changes from a day on changes nothing that was decided at closes before it."""
    results = np.where(np.arange(LENGTH) >= 150, -0.05, 0.0)
    changed = results.copy()
    changed[day:] = 0.05
    first, second = (watch(watched(results=r), POLICY) for r in (results, changed))
    assert first is not None
    # The result of day t is known at the close of t + 1.
    if first.day <= day:
        assert second == first
    else:
        assert second is None or second.day > day


def test_shadow_days_trade_nothing_and_what_was_taken_back_stays_back():
    found = watch(watched(violated=np.arange(LENGTH) >= 150), POLICY)
    assert found is not None
    days = serving(LENGTH, found, True, POLICY)
    assert not days[: POLICY.shadow_days].any()
    assert days[POLICY.shadow_days : found.day + 1].all()
    assert not days[found.day + 1 :].any()
    assert not serving(LENGTH, None, False, POLICY).any()
