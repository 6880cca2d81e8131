"""Jobs, checkpoints, health: what an operator asks and does."""

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from radiance import __version__
from radiance.api.bodies import list_limit
from radiance.api.info import training_progress
from radiance.api.services import Services, services_of
from radiance.api.update import supersedes
from radiance.errors import RequestError, Unavailable
from radiance.records import Checkpoint, Job, JobStatus


async def list_jobs(request: Request) -> Response:
    """The newest jobs first."""
    services = services_of(request)
    limit, status = list_limit(request), _status(request)
    jobs = await run_in_threadpool(services.jobs.recent, limit, status)
    return JSONResponse({"jobs": [_job(services, job) for job in jobs]})


async def show_job(request: Request) -> Response:
    """One job, with its progress while it trains, and what it corrects."""
    services = services_of(request)
    job = await run_in_threadpool(services.jobs.get, request.path_params["job_id"])
    corrected = await run_in_threadpool(supersedes, services, job)
    return JSONResponse({**_job(services, job), "supersedes": corrected})


async def cancel_job(request: Request) -> Response:
    """Take a queued job out of the queue."""
    services = services_of(request)
    job = await run_in_threadpool(services.jobs.cancel, request.path_params["job_id"])
    return JSONResponse(_job(services, job))


async def retry_job(request: Request) -> Response:
    """Queue a failed or quarantined job again."""
    services = services_of(request)
    job = await run_in_threadpool(services.jobs.retry, request.path_params["job_id"])
    services.pipeline.wake()
    return JSONResponse(_job(services, job))


async def list_checkpoints(request: Request) -> Response:
    """The newest checkpoints first."""
    services = services_of(request)
    current = await run_in_threadpool(services.registry.current)
    checkpoints = await run_in_threadpool(services.registry.all, list_limit(request))
    return JSONResponse(
        {
            "current": current.checkpoint_id if current else None,
            "pinned": msgspec.to_builtins(await run_in_threadpool(services.registry.pinned)),
            "checkpoints": [_checkpoint(checkpoint) for checkpoint in checkpoints],
        }
    )


async def show_checkpoint(request: Request) -> Response:
    """One checkpoint, what the gate decided on it, how it was voted on, and its manifest."""
    services = services_of(request)
    checkpoint_id = request.path_params["checkpoint_id"]
    checkpoint = await run_in_threadpool(services.registry.get, checkpoint_id)
    manifest = await run_in_threadpool(services.registry.manifest, checkpoint_id)
    decision = await run_in_threadpool(services.registry.decision, checkpoint_id)
    votes = await run_in_threadpool(services.feedback.votes, checkpoint_id)
    return JSONResponse(
        {
            **_checkpoint(checkpoint),
            "decision": msgspec.to_builtins(decision),
            "feedback": msgspec.to_builtins(votes),
            "manifest": msgspec.to_builtins(manifest),
        }
    )


async def show_evaluation(request: Request) -> Response:
    """Everything that was measured of a checkpoint, probe by probe."""
    services = services_of(request)
    evaluation = await run_in_threadpool(
        services.registry.evaluation, request.path_params["checkpoint_id"]
    )
    return JSONResponse(msgspec.to_builtins(evaluation))


async def health(_: Request) -> Response:
    """The process is alive; nothing is said of the model."""
    return JSONResponse({"status": "ok", "version": __version__})


async def ready(request: Request) -> Response:
    """200 while tokens can be delivered, 503 with the reason otherwise."""
    try:
        services = services_of(request)
    except Unavailable as error:
        return JSONResponse({"ready": False, "reason": str(error)}, status_code=503)
    if (reason := services.not_ready) is not None:
        return JSONResponse({"ready": False, "reason": reason}, status_code=503)
    return JSONResponse({"ready": True})


def _job(services: Services, job: Job) -> dict[str, object]:
    has_ended = job.finished_at is not None
    return {
        **msgspec.to_builtins(job),
        "progress": training_progress(services, job.job_id),
        "preparing": None if has_ended else services.pipeline.preparing,
    }


def _checkpoint(checkpoint: Checkpoint) -> dict[str, object]:
    return msgspec.to_builtins(checkpoint)


def _status(request: Request) -> JobStatus | None:
    given = request.query_params.get("status")
    if given is None:
        return None
    if given not in set(JobStatus):
        raise RequestError(
            "status: is not a job's status.",
            field="status",
            value=given,
            remedy=f"Send one of {', '.join(JobStatus)}.",
        )
    return JobStatus(given)
