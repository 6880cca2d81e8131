"""Whether an adapter may replace the deployed signal: the service's gate, on a signal's probes.

A day is a probe. Its loss is that of a Gaussian of the signal's own variance, half the mean squared
error in nats an asset, so that the divergence between two models' outputs is half their mean
squared distance. It is exact where the model prefers the asset that the deployed one prefers. The
rules are ``radiance/gate/rules.py``'s; the four that a desk's playbook adds stand here. All is
judged on days that training never saw, by labels as noisy as those it learned from; the truth,
which only a synthetic market has, is left to the report.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from radiance import config
from radiance.gate import intervals, rules
from radiance.gate.rules import Rule
from radiance.labs.signals import portfolio
from radiance.labs.signals.settings import PolicySettings
from radiance.records import Decision, EvalReport, Evaluation, GateRow, Probe

_UNUSED = 1e9  # a limit that nothing reaches


@dataclass(frozen=True)
class Outputs:
    """What one model says on some days, beside what it should have said.

    Attributes:
        candidate: (days, assets).
        deployed: The deployed checkpoint's, (days, assets).
        naive: The plain adapter's on the same days, (days, assets).
        labels: (days, assets).
        returns: Of the day after, (days, assets).
        names: Of the days' contexts, (days,).
    """

    candidate: np.ndarray
    deployed: np.ndarray
    naive: np.ndarray
    labels: np.ndarray
    returns: np.ndarray
    names: Sequence[str]


def judge(new: Outputs, anchors: Outputs, policy: PolicySettings, anchors_hash: str) -> Decision:
    """Apply the gate.

    Args:
        new: Ordinary days of the new regime that training did not see.
        anchors: Stress days that it did not see.
        policy: What it must show.
        anchors_hash: Of the anchor suite.
    """
    evaluation = Evaluation(
        EvalReport(
            finetune_loss=float(loss(new.candidate, new.labels).mean()),
            eval_loss=float(loss(new.candidate, new.labels).mean()),
            forgetting_loss=float(loss(anchors.candidate, anchors.labels).mean()),
        ),
        anchors_hash=anchors_hash,
        learned=_probes("new", new),
        anchors=_probes("anchor", anchors),
    )
    chosen: tuple[Rule, ...] = (
        rules.loss_sanity,
        lambda e, p: drift_fit(new, policy),
        rules.new_task_gain,
        rules.anchor_mean,
        rules.anchor_cvar,
        rules.anchor_broken,
        rules.worst_context,
        rules.drift,
        lambda e, p: tail(anchors, policy),
        lambda e, p: violations(anchors, policy),
    )
    return rules.decide(evaluation, as_gate(policy), chosen)


def as_gate(policy: PolicySettings) -> config.GateSettings:
    """The policy in the gate's own terms; rules of its that mean nothing here never bind."""
    return config.GateSettings(
        gate="strict",
        confidence=policy.confidence,
        max_anchor_mean=policy.max_anchor_mean,
        max_anchor_cvar=policy.max_anchor_cvar,
        max_anchor_broken=policy.max_anchor_broken,
        max_context_mean=policy.max_context_mean,
        max_drift=policy.max_output_drift,
        catastrophic_delta=_UNUSED,
        max_cumulative=_UNUSED,
    )


def loss(outputs: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """In nats an asset, less the constant, (days,)."""
    return 0.5 * np.square(outputs - labels, dtype=np.float64).mean(axis=-1)


def drift_fit(new: Outputs, policy: PolicySettings) -> GateRow:
    """How much worse the new regime is fitted than by the plain adapter; the upper bound counts."""
    worse = loss(new.candidate, new.labels) - loss(new.naive, new.labels)
    found = intervals.mean(worse, policy.confidence)
    detail = f"mean excess of the loss over the plain adapter's on {len(worse)} new days, in nats"
    return rules.bounded("drift_fit", found, policy.drift_tolerance, detail, "no days")


def tail(anchors: Outputs, policy: PolicySettings) -> GateRow:
    """How much worse the worst stress days' results are than the deployed signal's.

    A tail proxy: each day's result is that of weights in proportion to the signal, gross one.
    """
    ours, theirs = (_result(o, anchors.returns) for o in (anchors.candidate, anchors.deployed))
    worse = float(portfolio.cvar(theirs, 0.1) - portfolio.cvar(ours, 0.1))
    detail = (
        f"fall of the mean result on the worst tenth of {len(ours)} stress days; {rules.AT_MOST}"
    )
    passes = worse <= policy.max_tail
    return rules.make_row("tail", worse, policy.max_tail, None, passes, detail)


def violations(anchors: Outputs, policy: PolicySettings) -> GateRow:
    """Share of stress days whose outputs moved too far; the upper bound counts."""
    moved = np.square(anchors.candidate - anchors.deployed).mean(axis=-1)
    count = int((moved > policy.violation).sum())
    found = intervals.proportion(count, len(moved), policy.confidence)
    detail = f"{count} of {len(moved)} stress days moved by more than {policy.violation:g}"
    return rules.bounded("violations", found, policy.max_violations, detail, "no days")


def _result(signal: np.ndarray, returns: np.ndarray) -> np.ndarray:
    weights = signal / np.maximum(np.abs(signal).sum(axis=-1, keepdims=True), 1e-12)
    return (weights * returns).sum(axis=-1)


def _probes(kind: str, outputs: Outputs) -> tuple[Probe, ...]:
    now, before = (loss(o, outputs.labels).tolist() for o in (outputs.candidate, outputs.deployed))
    moved = loss(outputs.candidate, outputs.deployed).tolist()
    same = (outputs.candidate.argmax(axis=-1) == outputs.deployed.argmax(axis=-1)).tolist()
    return tuple(
        Probe(
            id=f"{kind}_{day}",
            group=name,
            tokens=1,
            loss=now[day],
            parent_loss=before[day],
            base_loss=before[day],
            kl_base=moved[day],
            kl_parent=moved[day],
            is_exact=same[day],
            was_exact_in_parent=kind == "anchor",
            was_exact_in_base=kind == "anchor",
        )
        for day, name in enumerate(outputs.names)
    )
