"""/checkpoints: what was learned, what the gate decided on it, and what was measured of it."""

import msgspec
from msgspec.structs import asdict
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from radiance.api.bodies import list_limit
from radiance.api.services import Services, services_of
from radiance.records import Checkpoint, Decision, Evaluation, Manifest, Pin, Votes


class CheckpointAnswer(Checkpoint, frozen=True, kw_only=True):
    """A checkpoint, what the gate decided on it, its votes and its manifest."""

    decision: Decision | None
    feedback: Votes
    manifest: Manifest


class CheckpointList(msgspec.Struct):
    """Checkpoints, the newest first."""

    current: str | None
    pinned: Pin | None
    checkpoints: list[Checkpoint]


async def list_checkpoints(request: Request) -> CheckpointList:
    """The newest checkpoints first."""
    return await run_in_threadpool(_list, services_of(request), list_limit(request))


async def show_checkpoint(request: Request) -> CheckpointAnswer:
    """One checkpoint, what the gate decided on it, how it was voted on, and its manifest."""
    return await run_in_threadpool(
        _describe, services_of(request), request.path_params["checkpoint_id"]
    )


async def show_evaluation(request: Request) -> Evaluation:
    """Everything that was measured of a checkpoint, probe by probe."""
    return await run_in_threadpool(
        services_of(request).registry.evaluation, request.path_params["checkpoint_id"]
    )


def _list(services: Services, limit: int) -> CheckpointList:
    registry = services.registry
    current = registry.current()
    return CheckpointList(
        current=current.checkpoint_id if current else None,
        pinned=registry.pinned(),
        checkpoints=registry.all(limit),
    )


def _describe(services: Services, checkpoint_id: str) -> CheckpointAnswer:
    registry = services.registry
    return CheckpointAnswer(
        **asdict(registry.get(checkpoint_id)),
        manifest=registry.manifest(checkpoint_id),
        decision=registry.decision(checkpoint_id),
        feedback=services.feedback.votes(checkpoint_id),
    )
