"""Why a checkpoint became what it became, in one sentence for somebody who knows no rule. Pure."""

import re
from collections import Counter

from radiance.gate.rules import OVERWRITTEN
from radiance.records import CheckpointStatus, Decision, Evaluation, GateRow
from radiance.web import wording

_COUNTED = re.compile(r"(\d+) of (\d+) ")
_NAMED_CONTEXTS = 2
_LOSSES = {"anchor_mean", "anchor_cvar", "worst_context", "drift", "catastrophic", "cumulative"}


def why(decision: Decision, evaluation: Evaluation | None = None) -> str:
    """What the gate found, without its rules and numbers.

    Args:
        decision: The gate's.
        evaluation: What it decided on, where old facts are to be named by what they are about.
    """
    failed = {row.rule: row for row in decision.rows if row.verdict == "fail"}
    lost = _lost(failed, decision, evaluation)
    if not lost and failed.keys() & _LOSSES:
        lost = "its answers to old questions moved too far from what they were"
    found = [text for text in (_learned(failed), lost) if text]
    if (row := failed.get("recall")) and (counted := _counted(row)):
        kept, asked = counted
        found.append(f"{asked - kept} of {asked} earlier examples are no longer answered")
    if (row := failed.get(OVERWRITTEN)) and row.value is not None:
        many = int(row.value)
        verb = "was" if many == 1 else "were"
        found.append(f"{wording.plural(many, 'old fact')} {verb} overwritten by what was taught")
    if (row := failed.get("bleeding")) and (counted := _counted(row)):
        many, asked = counted
        found.append(f"{many} of {asked} questions about names never taught got a taught answer")
    if not found:
        return _without_reason(decision)
    sentence = "; ".join(found)
    noted = " That is only noted: it serves." if decision.status == CheckpointStatus.STABLE else ""
    return f"{sentence[0].upper()}{sentence[1:]}.{noted}"


def measured(row: GateRow) -> str:
    """What a rule measured and what it asks for, as a sentence with its limit in it.

    A row's detail ends in front of the limit, which stands in a column of its own elsewhere.
    """
    what, _, asks = row.detail.partition("; ")
    limit = wording.number(row.limit)
    found = {
        "it may be at most the limit": f"It may be at most {limit}.",
        "the share must be at least the limit": f"The share must be at least {limit}.",
        "it must be above the limit": f"It must be above {limit}.",
        "the upper bound must be below the limit": f"Its upper bound must be below {limit}.",
    }.get(asks, asks)
    return f"{what[:1].upper()}{what[1:]}. {found}".strip()


def _without_reason(decision: Decision) -> str:
    if decision.status == CheckpointStatus.REJECTED:
        return decision.reason
    applied = sum(row.verdict != "skipped" for row in decision.rows)
    passed = sum(row.verdict == "pass" for row in decision.rows)
    if not applied:
        return decision.reason
    return f"It learned what was taught, and nothing that was measured got worse: {passed} checks."


def _learned(failed: dict[str, GateRow]) -> str:
    if (row := failed.get("new_task_exact")) and (counted := _counted(row)):
        known, asked = counted
        verb = "was" if known == 1 else "were"
        some = f"only {known} of {wording.plural(asked, 'new example')} {verb}"
        few = some if known else "none of what was taught was"
        return f"{few} learned word for word"
    if failed.keys() & {"loss_sanity", "new_task_gain"}:
        return "it hardly learned its new examples"
    return ""


def _lost(failed: dict[str, GateRow], decision: Decision, evaluation: Evaluation | None) -> str:
    """The old facts that are answered no longer; named where anything but these failed too."""
    row = next((row for row in decision.rows if row.rule == "anchor_broken"), None)
    counted = _counted(row) if row is not None else None
    if counted is None or not counted[0] or not failed.keys() & {"anchor_broken", *_LOSSES}:
        return ""
    many, asked = counted
    verb = "is" if many == 1 else "are"
    return f"{many} of {asked} old facts {verb} no longer answered{_about(evaluation)}"


def _about(evaluation: Evaluation | None) -> str:
    """What most of the lost anchors are about: ``, mostly capitals and inventors``."""
    if evaluation is None:
        return ""
    lost = Counter(
        probe.group
        for probe in evaluation.anchors
        if probe.was_exact_in_parent and not probe.is_exact
    )
    if len({probe.group for probe in evaluation.anchors}) < 2 or not lost:
        return ""
    names = [name.replace("-", " ") for name, _ in lost.most_common(_NAMED_CONTEXTS)]
    mostly = "mostly " if len(lost) > len(names) else "all "
    return f", {mostly}{' and '.join(names)}"


def _counted(row: GateRow) -> tuple[int, int] | None:
    """The two numbers that a row's detail begins with: ``13 of 111``."""
    found = _COUNTED.match(row.detail)
    return None if found is None else (int(found[1]), int(found[2]))
