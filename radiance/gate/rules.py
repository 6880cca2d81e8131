"""Decides whether a candidate may serve. Pure: an Evaluation and a policy in, a Decision out.

Each rule is a function that makes one row. Three kinds of evidence (docs/GATE.md has the figures):

- *Forgetting on the anchors must be shown to be small*: the upper confidence bound is held against
  the limit. A candidate whose true value is at the limit then passes with at most 1 - confidence,
  however few the anchors; too few anchors refuse harmless candidates instead. Because a candidate
  must pass every such rule, their errors need no correction for being several (Berger,
  Multiparameter hypothesis testing and acceptance sampling, Technometrics 24, 1982, 295-300).
- *A context is refused only if it is clearly worse*: a hundred anchors are three in each of thirty
  contexts, of which nothing can be shown to be small.
- *What was counted whole is judged as it is*: new examples, and earlier ones, are themselves what
  matters and no sample of it; their intervals are for the reader.

A rule that nothing could be measured for, or that no candidate could pass on so few anchors, is
skipped and has no say.
"""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from radiance import config
from radiance.gate import intervals
from radiance.gate.intervals import Estimate
from radiance.records import CheckpointStatus, Decision, Evaluation, GateRow, Probe

Rule = Callable[[Evaluation, config.GateSettings], GateRow]

# How a row's detail ends: what its limit asks for.
AT_MOST = "it may be at most the limit"
_AT_LEAST = "the share must be at least the limit"
_ABOVE = "it must be above the limit"
_REMEDY = 'Where it is meant, send the update again with "supersede": true.'
_BOUND_BELOW = "the upper bound must be below the limit"


def decide(
    candidate: Evaluation, policy: config.GateSettings, rules: Sequence[Rule] | None = None
) -> Decision:
    """Apply every rule and say what becomes of the candidate.

    ``rules`` are ``RULES`` unless given: the signal lab judges a signal model by some of these and
    a few of its own.

    ``gate = "strict"`` refuses what fails any rule. Otherwise only catastrophic forgetting has a
    say, as ``rollback_mode`` tells; the other rows are recorded. A candidate whose losses are not
    finite cannot answer and is refused by any policy.

    What is overwritten and not accepted keeps a candidate from being stable. The strict gate
    refuses it where the candidate's own update did it and did not say that it means to; what an
    ancestor did refuses nothing. Bleeding refuses where the policy has it so.
    """
    if not _is_finite(candidate):
        row = GateRow("loss_sanity", None, 0.0, None, None, "fail", "a loss is not finite")
        return Decision(
            CheckpointStatus.REJECTED, False, f"The candidate is broken: {explain(row)}.", (row,)
        )
    rows = tuple(rule(candidate, policy) for rule in (RULES if rules is None else rules))
    failed = [row for row in rows if row.verdict == "fail"]
    is_catastrophic = any(row.rule == CATASTROPHIC for row in failed)
    is_overwritten = any(row.rule == OVERWRITTEN for row in failed)
    why = "; ".join(explain(row) for row in failed)
    if policy.gate == "strict" and (refuses := refusing(candidate, policy, failed)):
        hint = f" {_REMEDY}" if OVERWRITTEN in refuses else ""
        return Decision(
            CheckpointStatus.REJECTED,
            False,
            f"The strict gate rejected the candidate: {why}.{hint}",
            rows,
        )
    if is_catastrophic and policy.rollback_mode == "auto_rollback":
        return Decision(
            CheckpointStatus.REJECTED, False, f"auto_rollback rejected the candidate: {why}.", rows
        )
    if (is_catastrophic or is_overwritten) and policy.rollback_mode != "off":
        return Decision(
            CheckpointStatus.RISKY, True, f"The candidate serves, marked risky: {why}.", rows
        )
    if failed:
        return Decision(
            CheckpointStatus.STABLE,
            True,
            f"The candidate serves; this is only logged: {why}.",
            rows,
        )
    applied = sum(row.verdict == "pass" for row in rows)
    reason = (
        f"The candidate passed {applied} of {len(rows)} rules; the others had nothing to measure."
    )
    if applied == len(rows):
        reason = f"The candidate passed all {applied} rules."
    return Decision(CheckpointStatus.STABLE, True, reason, rows)


def refusing(
    candidate: Evaluation, policy: config.GateSettings, failed: Iterable[GateRow]
) -> set[str]:
    """The rules among those that a candidate failed for which the strict gate refuses it."""
    found = {row.rule for row in failed}
    if policy.bleeding == "warn":
        found.discard(BLEEDING)
    own = sum(each.is_unintended and not each.is_accepted for each in candidate.overwritten)
    if own <= policy.max_overwritten:
        found.discard(OVERWRITTEN)
    return found


def explain(row: GateRow) -> str:
    """A row that failed, as a clause: what was measured, then rule, value, bound and limit.

    ``mean rise of the loss of 90 anchors (anchor_mean 0.14, upper bound 0.18, limit 0.05)``
    """
    if row.value is None:
        return f"{row.rule}: {row.detail}"
    bound = f", upper bound {row.high:.3g}" if row.rule in _BOUNDED and row.high is not None else ""
    measured, _, _ = row.detail.partition(";")
    return f"{measured} ({row.rule} {row.value:.3g}{bound}, limit {row.limit:.3g})"


# ── What was learned ────────────────────────────────────────────────────────────────────────────


def loss_sanity(candidate: Evaluation, policy: config.GateSettings) -> GateRow:
    """The new examples' loss is not above what it was; what was known may rise as an anchor may."""
    if not candidate.learned:
        return skipped("loss_sanity", 0.0, "no new examples")
    value = _token_mean(candidate.learned, [p.loss for p in candidate.learned])
    before = _token_mean(candidate.learned, [p.parent_loss for p in candidate.learned])
    limit = before + policy.max_anchor_mean
    detail = f"loss of the new examples, in nats per token; {AT_MOST}"
    return make_row("loss_sanity", value, limit, None, value <= limit, detail)


def new_task_exact(candidate: Evaluation, policy: config.GateSettings) -> GateRow:
    """Share of the new examples that are answered exactly; of a task nothing is asked by heart."""
    limit = policy.min_new_exact
    if candidate.is_task:
        return skipped("new_task_exact", limit, "a task is not learned by heart")
    if not candidate.learned:
        return skipped("new_task_exact", limit, "no new examples")
    count = sum(p.is_exact for p in candidate.learned)
    found = intervals.proportion(count, len(candidate.learned), policy.confidence)
    many = _many(candidate.learned, "new example")
    detail = f"{count} of {many} {_are(count)} answered exactly; {_AT_LEAST}"
    return make_row("new_task_exact", found.value, limit, found, found.value >= limit, detail)


def new_task_gain(candidate: Evaluation, policy: config.GateSettings) -> GateRow:
    """Mean fall of the new examples' loss, of those the parent did not answer exactly."""
    limit = policy.min_new_gain
    unknown = [p for p in candidate.learned if not p.was_exact_in_parent]
    if not unknown:
        return skipped("new_task_gain", limit, "no new example that the parent did not know")
    found = intervals.mean([p.parent_loss - p.loss for p in unknown], policy.confidence)
    many = _many(unknown, "new example")
    detail = f"mean fall of the loss of {many}, in nats per token; {_ABOVE}"
    return make_row("new_task_gain", found.value, limit, found, found.value > limit, detail)


# ── What was forgotten ──────────────────────────────────────────────────────────────────────────


def anchor_mean(candidate: Evaluation, policy: config.GateSettings) -> GateRow:
    """Mean rise of an anchor's loss over the parent's; the upper bound counts."""
    rises = _rises(candidate.anchors)
    found = intervals.mean(rises, policy.confidence) if len(rises) > 1 else None
    detail = f"mean rise of the loss of {_many(rises, 'anchor')}, in nats per token"
    return bounded("anchor_mean", found, policy.max_anchor_mean, detail, "too few anchors")


def anchor_cvar(candidate: Evaluation, policy: config.GateSettings) -> GateRow:
    """Mean rise among the worst anchors; the upper bound counts."""
    rises, share = _rises(candidate.anchors), policy.cvar_share
    found = intervals.tail_mean(rises, share, policy.confidence) if len(rises) > 1 else None
    worst = f"the worst {share:.0%} of {_many(rises, 'anchor')}"
    detail = f"mean rise of the loss of {worst}, in nats per token"
    return bounded("anchor_cvar", found, policy.max_anchor_cvar, detail, "too few anchors")


def anchor_broken(candidate: Evaluation, policy: config.GateSettings) -> GateRow:
    """Share of the anchors answered exactly before that no longer are; the upper bound counts.

    It sees what the losses' bounds cannot: where only a few anchors break, a sample may hold none
    of them and show no spread at all, but its size alone bounds their share.
    """
    limit = policy.max_anchor_broken
    known = [p for p in candidate.anchors if p.was_exact_in_parent]
    few = f"{_many(known, 'anchor')} that the parent answered exactly: too few to tell"
    if not known or intervals.proportion(0, len(known), policy.confidence).high >= limit:
        return skipped("anchor_broken", limit, few)
    count = sum(not p.is_exact for p in known)
    found = intervals.proportion(count, len(known), policy.confidence)
    detail = f"{count} of {_many(known, 'anchor')} {_are(count)} no longer answered exactly"
    return bounded("anchor_broken", found, limit, detail, few)


def worst_context(candidate: Evaluation, policy: config.GateSettings) -> GateRow:
    """The worst mean rise of a context, without its worst anchor: one anchor is no context."""
    limit, least = policy.max_context_mean, policy.context_anchors
    contexts: dict[str, list[float]] = {}
    for probe in candidate.anchors:
        contexts.setdefault(probe.group, []).append(probe.loss - probe.parent_loss)
    judged = {name: sorted(rises) for name, rises in contexts.items() if len(rises) >= least}
    if len(contexts) < 2 or not judged:
        return skipped("worst_context", limit, f"no two contexts, or none of {least} anchors")
    means = {name: float(np.mean(rises[:-1])) for name, rises in judged.items()}
    worst = max(means, key=means.__getitem__)
    rises = judged[worst]
    found = Estimate(means[worst], means[worst], float(np.mean(rises)))
    detail = (
        f"mean rise in {worst!r}, the worst of {len(judged)} contexts, without its worst of "
        f"{_many(rises, 'anchor')} (with it: the upper end), in nats per token; {AT_MOST}"
    )
    return make_row("worst_context", found.value, limit, found, found.value <= limit, detail)


def recall(candidate: Evaluation, policy: config.GateSettings) -> GateRow:
    """Share of the earlier examples the parent answered exactly that still are."""
    known = [p for p in candidate.recalled if p.was_exact_in_parent]
    if not known:
        return skipped("recall", policy.min_recall, "no earlier example that the parent knew")
    count = sum(p.is_exact for p in known)
    found = intervals.proportion(count, len(known), policy.confidence)
    many = _many(known, "earlier example")
    detail = f"{count} of {many} {_are(count)} still answered exactly; {_AT_LEAST}"
    passes = found.value >= policy.min_recall
    return make_row("recall", found.value, policy.min_recall, found, passes, detail)


def bleeding(candidate: Evaluation, policy: config.GateSettings) -> GateRow:
    """Share of the questions about names that were never taught that get a taught value."""
    limit, asked = policy.max_bleeding, candidate.untaught
    if not asked:
        return skipped(BLEEDING, limit, "no question about a name that was never taught")
    count = sum(probe.has_taught_value for probe in asked)
    found = intervals.proportion(count, len(asked), policy.confidence)
    what = f"{count} of {len(asked)} questions about names that were never taught"
    detail = f"{what} are answered with a taught value; {AT_MOST}"
    return make_row(BLEEDING, found.value, limit, found, found.value <= limit, detail)


def drift(candidate: Evaluation, policy: config.GateSettings) -> GateRow:
    """Mean KL(parent || candidate) on the anchors; the upper bound counts."""
    values = [p.kl_parent for p in candidate.anchors]
    found = intervals.mean(values, policy.confidence) if len(values) > 1 else None
    detail = f"mean KL divergence from the parent on {_many(values, 'anchor')}, in nats per token"
    return bounded("drift", found, policy.max_drift, detail, "too few anchors")


def catastrophic(candidate: Evaluation, policy: config.GateSettings) -> GateRow:
    """forgetting_loss_delta: the rise of forgetting_loss over the parent's, as it was measured."""
    found = _token_rise(candidate.anchors, lambda p: p.parent_loss, policy.confidence)
    detail = "rise of the anchors' loss over the parent's, in nats per token"
    return measured(CATASTROPHIC, found, policy.catastrophic_delta, detail)


def cumulative(candidate: Evaluation, policy: config.GateSettings) -> GateRow:
    """The rise of forgetting_loss over the base's: many small steps are one large one."""
    found = _token_rise(candidate.anchors, lambda p: p.base_loss, policy.confidence)
    detail = "rise of the anchors' loss over the base's, in nats per token"
    return measured("cumulative", found, policy.max_cumulative, detail)


def overwritten(candidate: Evaluation, policy: config.GateSettings) -> GateRow:
    """How many anchors it or an ancestor overwrote that no person has accepted."""
    limit = policy.max_overwritten
    if not candidate.anchors and not candidate.overwritten:
        return skipped(OVERWRITTEN, limit, "no anchors")
    open_ones = [each for each in candidate.overwritten if not each.is_accepted]
    accepted = len(candidate.overwritten) - len(open_ones)
    beside = f", besides {accepted} that are accepted" if accepted else ""
    if not open_ones:
        detail = f"no anchor is overwritten{beside}; {AT_MOST}"
        return make_row(OVERWRITTEN, 0, limit, None, True, detail)
    jobs = list(dict.fromkeys(each.job_id for each in open_ones))
    by = ", ".join(jobs[:_NAMED]) + (" and others" if len(jobs) > _NAMED else "")
    what = "anchor is" if len(open_ones) == 1 else "anchors are"
    detail = f"{len(open_ones)} {what} overwritten by {by}, not accepted{beside}; {AT_MOST}"
    passes = len(open_ones) <= limit
    return make_row(OVERWRITTEN, len(open_ones), limit, None, passes, detail)


CATASTROPHIC, OVERWRITTEN, BLEEDING = "catastrophic", "overwritten", "bleeding"
_NAMED = 3  # jobs that a sentence names
_BOUNDED = frozenset({"anchor_mean", "anchor_cvar", "anchor_broken", "drift"})
RULES: tuple[Rule, ...] = (
    loss_sanity,
    new_task_exact,
    new_task_gain,
    anchor_mean,
    anchor_cvar,
    anchor_broken,
    worst_context,
    recall,
    bleeding,
    drift,
    catastrophic,
    cumulative,
    overwritten,
)
LEARNING_RULES = frozenset({"new_task_exact", "new_task_gain", "loss_sanity"})
"""Rules that a smaller step makes harder to pass, not easier."""


# ── Rows ────────────────────────────────────────────────────────────────────────────────────────


def _is_finite(candidate: Evaluation) -> bool:
    kinds = (candidate.learned, candidate.held_back, candidate.anchors, candidate.recalled)
    return all(
        math.isfinite(value)
        for kind in kinds
        for p in kind
        for value in (p.loss, p.parent_loss, p.base_loss, p.kl_base, p.kl_parent)
    )


def _rises(probes: Sequence[Probe]) -> list[float]:
    return [p.loss - p.parent_loss for p in probes]


def _many(counted: Sequence[object], noun: str) -> str:
    """``1 anchor``, ``13 anchors``."""
    return f"{len(counted)} {noun}{'' if len(counted) == 1 else 's'}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _token_mean(probes: Sequence[Probe], values: Sequence[float]) -> float:
    return float(np.average(values, weights=[p.tokens for p in probes]))


def _token_rise(
    probes: Sequence[Probe], before: Callable[[Probe], float], confidence: float
) -> Estimate | None:
    """Mean rise per token, with the bounds of a mean over the anchors weighted by their tokens."""
    if not probes:
        return None
    tokens = np.array([p.tokens for p in probes], dtype=np.float64)
    rises = np.array([p.loss - before(p) for p in probes])
    return intervals.mean(rises * tokens / tokens.mean(), confidence)


def skipped(rule: str, limit: float, detail: str) -> GateRow:
    """A row that has no say, and why."""
    return GateRow(rule, None, limit, None, None, "skipped", detail)


def make_row(
    rule: str, value: float, limit: float, found: Estimate | None, passes: bool, detail: str
) -> GateRow:
    """A row that passes or fails; bounds that are infinite are left out."""
    low = found.low if found and math.isfinite(found.low) else None
    high = found.high if found and math.isfinite(found.high) else None
    return GateRow(rule, value, limit, low, high, "pass" if passes else "fail", detail)


def bounded(
    rule: str, found: Estimate | None, limit: float, detail: str, otherwise: str
) -> GateRow:
    """A row that passes if the upper bound is below the limit."""
    if found is None:
        return skipped(rule, limit, otherwise)
    detail = f"{detail}; {_BOUND_BELOW}"
    return make_row(rule, found.value, limit, found, found.high < limit, detail)


def measured(rule: str, found: Estimate | None, limit: float, detail: str) -> GateRow:
    """A row that passes if the value itself is not above the limit."""
    if found is None:
        return skipped(rule, limit, "no anchors")
    detail = f"{detail}; {AT_MOST}"
    return make_row(rule, found.value, limit, found, found.value <= limit, detail)
