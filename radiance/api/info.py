"""GET /info: what is served, what is waiting, what was learned and forgotten."""

from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from radiance import __version__, records
from radiance.api.canary import running_canary
from radiance.api.feedback import votes_by_checkpoint
from radiance.api.rooms import Rooms, rooms_of

_CURVE_POINTS = 1000
_CURVES_OF_ANCHORS = ("forgetting_loss", "retention_score", "drift_loss")


async def info(request: Request) -> Response:
    """The service at a glance."""
    return JSONResponse(await run_in_threadpool(_describe, rooms_of(request)))


def _describe(rooms: Rooms) -> dict[str, Any]:
    current = rooms.registry.current()
    last_update = rooms.jobs.last_update()
    report = current.report if current else None
    summary = None
    if rooms.has_anchors and report is not None and report.anchor_ce_delta is not None:
        summary = {
            "anchor_ce_delta": report.anchor_ce_delta,
            "retention_score": report.retention_score,
        }
    last = rooms.curves.last
    return {
        "base_model": rooms.config.base_model,
        "current_checkpoint": current.checkpoint_id if current else None,
        "pinned": msgspec.to_builtins(rooms.registry.pinned()),
        "queue_depth": rooms.jobs.depth(),
        "last_update": last_update.isoformat() if last_update else None,
        "loss_curves": {
            "finetune_loss": last("finetune_loss", _CURVE_POINTS),
            **{
                name: last(name, _CURVE_POINTS) if rooms.has_anchors else None
                for name in _CURVES_OF_ANCHORS
            },
            "eval_loss": last("eval_loss", _CURVE_POINTS),
            "recall_exact": last("recall_exact", _CURVE_POINTS),
        },
        "forgetting_summary": summary,
        "hardware": {"device": rooms.engine.device.name, "backend": rooms.engine.device.backend},
        "version": __version__,
        "update_mode": rooms.config.update.mode,
        "waiting_examples": rooms.jobs.waiting_examples(),
        "context_tokens": rooms.engine.encoder.context_tokens,
        "training": training_progress(rooms),
        "preparing": rooms.pipeline.preparing,
        "gate": _gate(rooms),
        "feedback": votes_by_checkpoint(rooms),
        "monitor": msgspec.to_builtins(rooms.monitor.state),
        "canary": running_canary(rooms),
        "uptime_s": round((records.now() - rooms.started_at).total_seconds(), 1),
    }


def _gate(rooms: Rooms) -> dict[str, Any]:
    """The policy in force, and what the gate decided last, with every rule's row."""
    policy = rooms.config.gate
    last = None
    for newest in rooms.registry.all(1):
        decision = rooms.registry.decision(newest.checkpoint_id)
        if decision is not None:
            last = {"checkpoint": newest.checkpoint_id, **msgspec.to_builtins(decision)}
    return {"gate": policy.gate, "rollback_mode": policy.rollback_mode, "last_decision": last}


def training_progress(rooms: Rooms, job_id: str | None = None) -> dict[str, Any] | None:
    """How far the running cycle is; None if none runs, or if it does not train ``job_id``."""
    progress = rooms.pipeline.progress
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
