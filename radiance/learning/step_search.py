"""Shrinks a candidate that learned but hurts towards its parent. Pure: a search over evaluations.

A candidate at share s is ``parent + s (candidate - parent)`` in A and in B. The product AB is not
linear in s, so nothing is inferred between two shares: each one that is tried is that very adapter,
measured as any other, and the one that is returned was measured.
"""

from collections.abc import Callable
from dataclasses import dataclass

from radiance import config
from radiance.gate.rules import CATASTROPHIC, LEARNING_RULES, decide, refusing
from radiance.records import CheckpointStatus, Decision, Evaluation, GateRow

RESOLUTION = 1 / 16
"""Width to which the largest share is found; its logarithm is the number of evaluations."""


@dataclass(frozen=True)
class ScaledStep:
    """A share of the step from parent to candidate, in (0, 1], and what was measured there."""

    share: float
    evaluation: Evaluation


def largest_step(
    whole: Evaluation, evaluate: Callable[[float], Evaluation], policy: config.GateSettings
) -> ScaledStep:
    """The largest share that passes; the whole step where that passes, or where none does.

    Harm is taken to grow with the share, and bisected: the largest share that does no harm is the
    one at which most was learned. If that is not enough to pass, no smaller share is either.

    Args:
        whole: What the candidate itself scored.
        evaluate: Measures the candidate at a share.
        policy: ``scale_back`` says whether to search at all.
    """
    if not policy.scale_back or _passes(decide(whole, policy)) or not _learned(whole, policy):
        return ScaledStep(1.0, whole)
    low, high = 0.0, 1.0
    harmless: ScaledStep | None = None
    while high - low > RESOLUTION:
        share = (low + high) / 2
        step = ScaledStep(share, evaluate(share))
        if _does_no_harm(step.evaluation, policy):
            low, harmless = share, step
        else:
            high = share
    if harmless is None or not _passes(decide(harmless.evaluation, policy)):
        return ScaledStep(1.0, whole)
    return harmless


def _passes(decision: Decision) -> bool:
    """What serves though it is overwritten waits for a person: a smaller step learns only less."""
    if decision.status == CheckpointStatus.RISKY:
        return not any(row.rule == CATASTROPHIC for row in _failed(decision))
    return decision.status == CheckpointStatus.STABLE


def _failed(decision: Decision) -> list[GateRow]:
    return [row for row in decision.rows if row.verdict == "fail"]


def _learned(whole: Evaluation, policy: config.GateSettings) -> bool:
    rows = decide(whole, policy).rows
    return not any(row.rule in LEARNING_RULES and row.verdict == "fail" for row in rows)


def _does_no_harm(candidate: Evaluation, policy: config.GateSettings) -> bool:
    decision = decide(candidate, policy)
    if policy.gate != "strict":
        return _passes(decision)
    return refusing(candidate, policy, _failed(decision)) <= LEARNING_RULES
