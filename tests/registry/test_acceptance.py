"""What people accept of overwritten anchors: on record, by anchor and example, and its effect."""

from typing import Any

import pytest
from msgspec import structs

from radiance.errors import Conflict, NotFound
from radiance.records import (
    CheckpointStatus,
    Decision,
    EvalReport,
    Evaluation,
    Evidence,
    GateRow,
    OverwrittenAnchor,
)
from radiance.registry.acceptance import accept, acceptances
from radiance.registry.verification import verify

FRANCE = OverwrittenAnchor("capitals/france", "capitals", "job_000001.0", "A_1")
PERU = OverwrittenAnchor("capitals/peru", "capitals", "job_000001.1", "A_1")


def failed(rule: str) -> GateRow:
    return GateRow(rule, 2.0, 0.0, None, None, "fail", "2 of 100")


def commit(workshop: Any, *rules: str) -> str:
    """A checkpoint that serves as risky by these rules, with two anchors overwritten."""
    cycle = workshop.cycle(workshop.current())
    staging, manifest = workshop.stage(cycle)
    report = EvalReport(0.1, 0.2, overwritten=2)
    manifest = structs.replace(manifest, report=report)
    evaluation = Evaluation(report, overwritten=(FRANCE, PERU))
    rows = tuple(failed(rule) for rule in rules)
    decision = Decision(CheckpointStatus.RISKY, True, "It overwrote.", rows)
    workshop.registry.commit(cycle, staging, manifest, evaluation, decision, Evidence())
    workshop.registry.point_stable()
    return cycle.candidate_id


def test_all_that_is_accepted_makes_what_serves_stable(workshop):
    name = commit(workshop, "overwritten")
    registry = workshop.registry
    assert accept(registry, ["capitals/peru"], "cli", "We moved.") == [PERU]
    assert registry.get(name).status == CheckpointStatus.RISKY, "one is left"
    assert accept(registry, None, "cli", "The other, too.") == [FRANCE]
    assert registry.get(name).status == CheckpointStatus.STABLE
    known = acceptances(registry.db)
    assert known["capitals/peru", "job_000001.1"].reason == "We moved."
    assert known["capitals/france", "job_000001.0"].actor == "cli"
    with pytest.raises(Conflict, match="waits to be accepted"):
        accept(registry, None, "cli", "Again.")
    found = verify(workshop.root / "runs" / "radiance.db", workshop.adapters)
    assert found.findings == ()


def test_what_is_risky_by_more_stays_so(workshop):
    name = commit(workshop, "overwritten", "catastrophic")
    accept(workshop.registry, None, "cli", "It is meant.")
    assert workshop.registry.get(name).status == CheckpointStatus.RISKY


def test_what_is_not_overwritten_is_not_accepted(workshop):
    with pytest.raises(Conflict, match="in base waits"):
        accept(workshop.registry, None, "cli", "Why not.")
    commit(workshop, "overwritten")
    with pytest.raises(NotFound, match="'capitals/oslo' is no anchor"):
        accept(workshop.registry, ["capitals/oslo"], "cli", "Why not.")
    assert acceptances(workshop.registry.db) == {}
