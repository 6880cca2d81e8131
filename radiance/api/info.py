"""GET /info: what is served, what is waiting, what was learned and forgotten."""

from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from radiance import __version__, records
from radiance.api.canary import running_canary
from radiance.api.feedback import votes_by_checkpoint
from radiance.api.services import Services, services_of

_CURVE_POINTS = 1000
_CURVES_OF_ANCHORS = ("forgetting_loss", "retention_score", "drift_loss")


async def info(request: Request) -> Response:
    """The service at a glance."""
    return JSONResponse(await run_in_threadpool(_describe, services_of(request)))


def _describe(services: Services) -> dict[str, Any]:
    current = services.registry.current()
    last_update = services.jobs.last_update()
    report = current.report if current else None
    summary = None
    if services.has_anchors and report is not None and report.anchor_ce_delta is not None:
        summary = {
            "anchor_ce_delta": report.anchor_ce_delta,
            "retention_score": report.retention_score,
        }
    last = services.curves.last
    return {
        "base_model": services.config.base_model,
        "current_checkpoint": current.checkpoint_id if current else None,
        "pinned": msgspec.to_builtins(services.registry.pinned()),
        "queue_depth": services.jobs.depth(),
        "last_update": last_update.isoformat() if last_update else None,
        "loss_curves": {
            "finetune_loss": last("finetune_loss", _CURVE_POINTS),
            **{
                name: last(name, _CURVE_POINTS) if services.has_anchors else None
                for name in _CURVES_OF_ANCHORS
            },
            "eval_loss": last("eval_loss", _CURVE_POINTS),
            "recall_exact": last("recall_exact", _CURVE_POINTS),
        },
        "forgetting_summary": summary,
        "hardware": {
            "device": services.engine.device.name,
            "backend": services.engine.device.backend,
        },
        "version": __version__,
        "update_mode": services.config.update.mode,
        "waiting_examples": services.jobs.waiting_examples(),
        "context_tokens": services.engine.encoder.context_tokens,
        "training": training_progress(services),
        "preparing": services.pipeline.preparing,
        "gate": _gate(services),
        "feedback": votes_by_checkpoint(services),
        "monitor": msgspec.to_builtins(services.monitor.state),
        "canary": running_canary(services),
        "uptime_s": round((records.now() - services.started_at).total_seconds(), 1),
    }


def _gate(services: Services) -> dict[str, Any]:
    """The policy in force, and what the gate decided last, with every rule's row."""
    policy = services.config.gate
    last = None
    for newest in services.registry.all(1):
        decision = services.registry.decision(newest.checkpoint_id)
        if decision is not None:
            last = {"checkpoint": newest.checkpoint_id, **msgspec.to_builtins(decision)}
    return {"gate": policy.gate, "rollback_mode": policy.rollback_mode, "last_decision": last}


def training_progress(services: Services, job_id: str | None = None) -> dict[str, Any] | None:
    """How far the running cycle is; None if none runs, or if it does not train ``job_id``."""
    progress = services.pipeline.progress
    if progress is None or (job_id is not None and job_id not in progress.cycle.job_ids):
        return None
    return {
        "checkpoint": progress.cycle.candidate_id,
        "cycle_id": progress.cycle.id,
        "stage": progress.stage,
        "step": progress.step,
        "max_steps": progress.max_steps,
        "finetune_loss": progress.finetune_loss,
        "most_seconds_left": progress.most_seconds_left(),
    }
