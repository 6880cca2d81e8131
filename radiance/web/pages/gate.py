"""The gate: every decision, and every rule of one with its limit, value, interval and verdict."""

from typing import Any

import msgspec
from starlette.requests import Request

from radiance.api.services import Services
from radiance.web.charts.intervals import interval
from radiance.web.decided import decided
from radiance.web.page import Data, Page, page_url
from radiance.web.reasons import measured, why

_PER_PAGE = 25


def describe(services: Services, request: Request) -> Data:
    """A page of decisions, newest first, and the policy in force."""
    before = request.query_params.get("before")
    found = services.registry.all(_PER_PAGE + 1, before)
    listed = found[:_PER_PAGE]
    decisions = []
    for checkpoint in listed:
        decision = services.registry.decision(checkpoint.checkpoint_id)
        if decision is None:
            continue
        verdicts = [row.verdict for row in decision.rows]
        decisions.append(
            {
                "checkpoint": checkpoint.checkpoint_id,
                "status": decision.status,
                "at": checkpoint.created_at.isoformat(),
                "why": why(decision),
                "passed": verdicts.count("pass"),
                "failed": verdicts.count("fail"),
                "skipped": verdicts.count("skipped"),
            }
        )
    has_more = len(found) > _PER_PAGE
    return {
        "policy": msgspec.to_builtins(services.config.gate),
        "decisions": decisions,
        "newer": page_url(request, before=None) if before else None,
        "older": page_url(request, before=listed[-1].checkpoint_id) if has_more else None,
    }


def describe_one(services: Services, request: Request) -> Data:
    """Every rule of one decision."""
    checkpoint_id = request.path_params["checkpoint_id"]
    decision = services.registry.decision(checkpoint_id)
    shown: Any = decided(services, checkpoint_id)
    if decision is not None:
        for plain, row in zip(shown["rows"], decision.rows, strict=True):
            plain["drawn"] = interval(row)
            plain["detail"] = measured(row)
    return {
        "checkpoint": checkpoint_id,
        "decision": shown,
        "jobs": services.registry.get(checkpoint_id).job_ids,
        "is_current": services.registry.current_id() == checkpoint_id,
    }


LIST = Page(
    path="/gate",
    title="Gate",
    template="gate.html",
    describe=describe,
    topics=("checkpoints",),
    nav="Gate",
)
ONE = Page(
    path="/gate/{checkpoint_id}",
    title="Decision",
    template="decision.html",
    describe=describe_one,
    section="/gate",
)
