"""Every rule passes what it should, fails what it should, and says nothing where it cannot know."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance import config
from radiance.gate.rules import RULES, decide
from radiance.records import (
    CheckpointStatus,
    Decision,
    EvalReport,
    Evaluation,
    GateRow,
    OverwrittenAnchor,
    Probe,
    UntaughtProbe,
)

STRICT = config.GateSettings(gate="strict")
rises = st.lists(st.floats(-0.5, 4), min_size=2, max_size=80)


def probe(rise: float = 0.0, *, group: str = "", before: float = 0.1, **changes: Any) -> Probe:
    """An anchor whose loss rose; it breaks where it rose by half a nat."""
    plain = Probe(
        id="a",
        group=group,
        tokens=8,
        loss=before + rise,
        parent_loss=before,
        base_loss=before,
        kl_base=abs(rise),
        kl_parent=abs(rise),
        is_exact=rise < 0.5,
        was_exact_in_parent=True,
        was_exact_in_base=True,
    )
    return msgspec.structs.replace(plain, **changes)


def learned(count: int = 5, *, known: int = 5) -> tuple[Probe, ...]:
    """New examples, of which some are answered exactly now; none was before."""
    return tuple(
        probe(-2.9 if i < known else 0.0, before=3.0, is_exact=i < known, was_exact_in_parent=False)
        for i in range(count)
    )


def evaluation(
    anchors: Sequence[float] | Sequence[Probe] = (0.0,) * 100, **parts: Any
) -> Evaluation:
    probes = tuple(a if isinstance(a, Probe) else probe(a) for a in anchors)
    parts.setdefault("learned", learned())
    return Evaluation(EvalReport(0.1, 0.1), "h", anchors=probes, **parts)


def row(decision: Decision, rule: str) -> GateRow:
    (found,) = (row for row in decision.rows if row.rule == rule)
    return found


def failed(decision: Decision) -> set[str]:
    return {row.rule for row in decision.rows if row.verdict == "fail"}


# A tenth of the anchors is wholly broken: mean rise 0.3, over every limit.
HARMFUL = evaluation([3.0] * 10 + [0.0] * 90)


def test_rows_are_those_of_the_rules_in_order() -> None:
    decision = decide(evaluation(), STRICT)
    assert [row.rule for row in decision.rows] == [rule.__name__ for rule in RULES]
    assert decision.status == CheckpointStatus.STABLE
    assert decision.promote


@pytest.mark.parametrize(
    ("gate", "mode", "status"),
    [
        ("off", "off", CheckpointStatus.STABLE),
        ("off", "warn", CheckpointStatus.RISKY),
        ("off", "auto_rollback", CheckpointStatus.REJECTED),
        ("strict", "off", CheckpointStatus.REJECTED),
        ("strict", "warn", CheckpointStatus.REJECTED),
    ],
)
def test_catastrophe_by_mode(gate: Any, mode: Any, status: CheckpointStatus) -> None:
    decision = decide(HARMFUL, config.GateSettings(gate=gate, rollback_mode=mode))
    assert decision.status == status
    assert decision.promote == (status != CheckpointStatus.REJECTED)
    assert "(catastrophic 0.3, limit 0.03)" in decision.reason
    assert "catastrophic" in failed(decision)


@pytest.mark.parametrize("mode", ["off", "warn", "auto_rollback"])
def test_harm_short_of_a_catastrophe_is_for_the_strict_gate_alone(mode: Any) -> None:
    mild = evaluation([probe(0.0, is_exact=place >= 8) for place in range(100)])
    policy = config.GateSettings(rollback_mode=mode)
    decision = decide(mild, policy)
    assert (decision.status, decision.promote) == (CheckpointStatus.STABLE, True)
    assert "anchor_broken" in decision.reason
    assert not decide(mild, msgspec.structs.replace(policy, gate="strict")).promote


@pytest.mark.parametrize(
    ("parts", "rules"),
    [
        ({"anchors": [0.025] * 90 + [0.1] * 10}, {"anchor_mean", "catastrophic"}),
        (
            {"anchors": [0.15] * 10 + [0.0] * 90, "policy": {"max_anchor_cvar": 0.15}},
            {"anchor_cvar"},
        ),
        (
            {"anchors": [probe(0.0, is_exact=i >= 8) for i in range(100)]},
            {"anchor_broken"},
        ),
        (
            {"anchors": [probe(0.3 if i < 3 else 0, group=f"c{i // 4}") for i in range(100)]},
            {"worst_context"},
        ),
        ({"recalled": [probe(0.6), *[probe(0.0)] * 8]}, {"recall"}),
        ({"anchors": [probe(0.0, kl_parent=0.3)] * 100}, {"drift"}),
        ({"anchors": [probe(0.0, base_loss=-0.5)] * 100}, {"cumulative"}),
        ({"learned": learned(5, known=2)}, {"new_task_exact"}),
        ({"learned": learned(5, known=0)}, {"new_task_exact", "new_task_gain"}),
        ({"learned": [probe(0.3, is_exact=True)] * 5}, {"loss_sanity"}),
    ],
)
def test_each_rule_fails_by_itself(parts: dict[str, Any], rules: set[str]) -> None:
    policy = msgspec.structs.replace(STRICT, **parts.pop("policy", {}))
    decision = decide(evaluation(**parts), policy)
    assert failed(decision) & rules == rules
    assert failed(decision) <= rules | {"drift"}
    assert not decision.promote
    assert all(rule in decision.reason for rule in rules)


def test_a_task_need_not_be_known_by_heart_but_learned() -> None:
    for known, verdicts in ((0, {"skipped", "fail"}), (2, {"skipped", "pass"})):
        task = msgspec.structs.replace(evaluation(learned=learned(5, known=known)), is_task=True)
        decision = decide(task, STRICT)
        rules = ("new_task_exact", "new_task_gain")
        assert {row(decision, rule).verdict for rule in rules} == verdicts


def test_one_broken_anchor_is_forgiven() -> None:
    """Of a hundred, alone in its context of three: chance, and not a context that was lost."""
    anchors = [probe(0.3 if i == 0 else 0.0, group=f"c{i // 3}") for i in range(100)]
    decision = decide(evaluation(anchors), STRICT)
    assert failed(decision) == set()
    assert row(decision, "worst_context").value == 0


def test_recall_of_nine_in_ten_passes() -> None:
    decision = decide(evaluation(recalled=[probe(0.6), *[probe(0.0)] * 9]), STRICT)
    assert row(decision, "recall").value == 0.9
    assert decision.promote


def test_repeating_what_is_known_passes() -> None:
    decision = decide(evaluation(learned=[probe(0.01)] * 5), STRICT)
    assert decision.promote
    assert row(decision, "new_task_gain").verdict == "skipped"


def test_without_anchors_and_history_only_the_new_task_counts() -> None:
    decision = decide(evaluation(anchors=[]), STRICT)
    judged = {row.rule for row in decision.rows if row.verdict != "skipped"}
    assert judged == {"loss_sanity", "new_task_exact", "new_task_gain"}
    assert decision.promote
    assert all(r.value is None and r.high is None for r in decision.rows if r.rule not in judged)


def test_few_anchors_do_not_refuse_what_nobody_could_pass() -> None:
    """Of ten anchors none broken still leaves a quarter possible: the rule has no say."""
    decision = decide(evaluation([0.0] * 10), STRICT)
    assert row(decision, "anchor_broken").verdict == "skipped"
    assert row(decision, "anchor_mean").verdict == "pass"
    assert decision.promote
    assert row(decide(evaluation([0.0]), STRICT), "anchor_mean").verdict == "skipped"


@pytest.mark.parametrize(
    "parts",
    [
        {"anchors": [probe(0.0)] * 9 + [probe(0.0, kl_parent=float("nan"))]},
        {"held_back": [probe(float("inf"))]},
    ],
)
def test_what_is_not_finite_is_refused_by_any_policy(parts: dict[str, Any]) -> None:
    decision = decide(evaluation(**parts), config.GateSettings(rollback_mode="off"))
    assert (decision.status, decision.promote) == (CheckpointStatus.REJECTED, False)
    assert "not finite" in decision.reason


def test_rows_survive_json() -> None:
    rotten = evaluation([probe(float("nan"))] * 3, recalled=[probe(0.1)])
    for decision in (decide(HARMFUL, STRICT), decide(rotten, STRICT)):
        assert msgspec.json.decode(msgspec.json.encode(decision), type=Decision) == decision


@given(rises)
def test_decision_depends_on_the_anchors_and_not_on_their_order(values: list[float]) -> None:
    one, other = decide(evaluation(values), STRICT), decide(evaluation(values[::-1]), STRICT)
    assert failed(one) == failed(other)


@given(rises, st.floats(0.01, 2))
def test_more_harm_to_all_never_helps(values: list[float], more: float) -> None:
    """Every anchor a little worse: whatever failed still fails."""
    before, after = (evaluation([v + extra for v in values]) for extra in (0.0, more))
    harm = {"anchor_mean", "anchor_cvar", "anchor_broken", "worst_context", "catastrophic"}
    assert failed(decide(before, STRICT)) & harm <= failed(decide(after, STRICT))


@given(rises, st.sampled_from(["off", "warn", "auto_rollback"]))
def test_strict_serves_only_what_every_mode_serves(values: list[float], mode: Any) -> None:
    found = evaluation(values)
    if decide(found, STRICT).promote:
        assert (
            decide(found, config.GateSettings(rollback_mode=mode)).status == CheckpointStatus.STABLE
        )


def test_false_promotion_at_the_limit_is_as_rare_as_promised() -> None:
    """Samples of a hundred from candidates whose true harm is just over a limit."""
    generator = np.random.default_rng(0)
    promoted = 0
    for _ in range(400):  # 12 % of all anchors broken, each by about 0.3 nats: mean rise 0.036
        broken = generator.random(100) < 0.12
        sample = np.where(broken, generator.gamma(2.0, 0.15, 100), 0.0)
        probes = [probe(rise, is_exact=not lost) for rise, lost in zip(sample, broken, strict=True)]
        promoted += decide(evaluation(probes), STRICT).promote
    assert promoted / 400 <= 0.05


def test_false_rejection_of_the_harmless_is_rare() -> None:
    generator = np.random.default_rng(0)
    refused = 0
    # What five facts cost by default: a mean rise of 0.006, skewed, and 2 % of all anchors broken.
    for _ in range(400):
        broken = generator.random(100) < 0.02
        sample = generator.gamma(0.25, 0.024, 100)
        probes = [probe(rise, is_exact=not lost) for rise, lost in zip(sample, broken, strict=True)]
        refused += not decide(evaluation(probes), STRICT).promote
    assert refused / 400 <= 0.10


# ── What was overwritten ────────────────────────────────────────────────────────────────────────


def lost(count: int, accepted: int = 0) -> tuple[OverwrittenAnchor, ...]:
    return tuple(
        OverwrittenAnchor(f"a{n}", "c", f"job_{n // 4 + 1:06d}.{n}", "A_1", n < accepted)
        for n in range(count)
    )


@given(
    count=st.integers(0, 30),
    accepted=st.integers(0, 30),
    limit=st.integers(0, 5),
    gate=st.sampled_from(["off", "strict"]),
    mode=st.sampled_from(["off", "warn", "auto_rollback"]),
)
def test_what_nobody_accepted_keeps_a_checkpoint_from_being_stable_in_silence(
    count: int, accepted: int, limit: int, gate: Any, mode: Any
) -> None:
    policy = config.GateSettings(gate=gate, rollback_mode=mode, max_overwritten=limit)
    decision = decide(evaluation(overwritten=lost(count, accepted)), policy)
    left = max(0, count - accepted)
    assert decision.promote, "it refuses nothing by itself"
    if left <= limit:
        assert decision.status == CheckpointStatus.STABLE
        assert "overwritten" not in decision.reason
        assert row(decision, "overwritten").verdict == "pass"
        return
    assert decision.status == (CheckpointStatus.STABLE if mode == "off" else CheckpointStatus.RISKY)
    assert f"{left} anchor" in decision.reason
    assert f"limit {limit})" in decision.reason


@given(
    own=st.integers(0, 10),
    accepted=st.integers(0, 10),
    limit=st.integers(0, 5),
    mode=st.sampled_from(["off", "warn", "auto_rollback"]),
)
def test_strict_refuses_what_an_update_overwrote_without_saying_so(
    own: int, accepted: int, limit: int, mode: Any
) -> None:
    every = tuple(
        msgspec.structs.replace(each, is_unintended=place < own)
        for place, each in enumerate(lost(12, accepted))
    )
    found = evaluation(overwritten=every)
    policy = config.GateSettings(rollback_mode=mode, max_overwritten=limit)
    assert decide(found, policy).promote, "only the strict gate refuses it"
    decision = decide(found, msgspec.structs.replace(policy, gate="strict"))
    assert decision.promote == (max(0, own - accepted) <= limit)
    if not decision.promote:
        assert '"supersede": true' in decision.reason


def test_jobs_that_overwrote_are_named_and_accepted_ones_counted() -> None:
    reason = decide(evaluation(overwritten=lost(9, 2)), config.GateSettings()).reason
    assert (
        "7 anchors are overwritten by job_000001, job_000002, job_000003, not accepted, besides 2 "
        "that are accepted (overwritten 7, limit 0)"
    ) in reason
    assert "and others" in decide(evaluation(overwritten=lost(20)), config.GateSettings()).reason


def test_harm_of_another_kind_is_refused_as_ever() -> None:
    harmful = msgspec.structs.replace(HARMFUL, overwritten=lost(1))
    assert decide(harmful, STRICT).status == CheckpointStatus.REJECTED
    policy = config.GateSettings(rollback_mode="auto_rollback")
    assert decide(harmful, policy).status == CheckpointStatus.REJECTED


def test_a_limit_on_nothing_measured_is_skipped() -> None:
    assert row(decide(evaluation(()), STRICT), "overwritten").verdict == "skipped"


# ── Bleeding ────────────────────────────────────────────────────────────────────────────────────


@given(asked=st.integers(0, 24), bled=st.integers(0, 24), limit=st.sampled_from([0.0, 0.25, 1.0]))
def test_bleeding_is_judged_by_its_share(asked: int, bled: int, limit: float) -> None:
    bled = min(bled, asked)
    probes = tuple(UntaughtProbe(f"u{n}", n < bled, n >= bled) for n in range(asked))
    policy = config.GateSettings(gate="strict", max_bleeding=limit)
    decision = decide(evaluation(untaught=probes), policy)
    found = row(decision, "bleeding")
    assert (decision.status, decision.promote) == (CheckpointStatus.STABLE, True), "it warns"
    assert ("bleeding" in decision.reason) == (found.verdict == "fail")
    refusing = msgspec.structs.replace(policy, bleeding="refuse")
    assert decide(evaluation(untaught=probes), refusing).promote == (found.verdict != "fail")
    if not asked:
        assert found.verdict == "skipped"
        return
    assert (found.value, found.verdict) == (
        bled / asked,
        "pass" if bled / asked <= limit else "fail",
    )
    assert f"{bled} of {asked} questions" in found.detail
