"""POST /rollback, /promote, /pin, /unpin: moving the stable pointer by hand, and holding it."""

from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from radiance.api.auth.access import actor_of
from radiance.api.bodies import checked_reason, read_body
from radiance.api.services import Services, services_of
from radiance.records import Pin, Release

_Reason = Annotated[str, Meta(max_length=1000)]
_Id = Annotated[str, Meta(min_length=1, max_length=100)]
T = TypeVar("T")


class RollbackBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /rollback; no checkpoint means the one served before, "base" the base."""

    checkpoint: _Id | None = None
    reason: _Reason = ""


class PromoteBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /promote; ``force`` also serves what the gate rejected."""

    checkpoint: _Id
    reason: _Reason = ""
    force: bool = False


class PinBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /pin; no checkpoint means the one that is served, "base" the base."""

    checkpoint: _Id | None = None
    reason: _Reason = ""


class UnpinBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /unpin."""

    reason: _Reason = ""


class MoveAnswer(msgspec.Struct):
    """The stable pointer has moved."""

    current_checkpoint: str | None
    release: Release


class PinAnswer(msgspec.Struct):
    """The stable pointer is held, or free (null)."""

    current_checkpoint: str | None
    pinned: Pin | None


async def rollback(request: Request) -> MoveAnswer:
    """Serve an earlier checkpoint again. Requests in flight finish on the one they began with."""
    services, body = await _read(request, RollbackBody)
    reason = checked_reason(body.reason, "Asked for through POST /rollback.")
    release = await run_in_threadpool(
        services.pointer.rollback, body.checkpoint, actor_of(request), reason
    )
    return MoveAnswer(release.checkpoint_id, release)


async def promote(request: Request) -> MoveAnswer:
    """Serve a checkpoint, whether or not it ever was; a rejected one only by force."""
    services, body = await _read(request, PromoteBody)
    reason = checked_reason(body.reason, "Asked for through POST /promote.")
    release = await run_in_threadpool(
        services.pointer.promote, body.checkpoint, actor_of(request), reason, force=body.force
    )
    return MoveAnswer(release.checkpoint_id, release)


async def pin(request: Request) -> PinAnswer:
    """Hold the stable pointer: cycles go on and are not promoted, monitors do not roll back."""
    services, body = await _read(request, PinBody)
    reason = checked_reason(body.reason, "Asked for through POST /pin.")
    pinned = await run_in_threadpool(
        services.pointer.pin, body.checkpoint, actor_of(request), reason
    )
    return PinAnswer(pinned.checkpoint_id, pinned)


async def unpin(request: Request) -> PinAnswer:
    """Let the stable pointer move by itself again, from the next cycle on."""
    services, body = await _read(request, UnpinBody)
    reason = checked_reason(body.reason, "Asked for through POST /unpin.")
    await run_in_threadpool(services.pointer.unpin, actor_of(request), reason)
    current = await run_in_threadpool(services.registry.current)
    return PinAnswer(current.checkpoint_id if current else None, None)


async def _read(request: Request, kind: type[T]) -> tuple[Services, T]:
    services = services_of(request)
    return services, await read_body(request, kind, services.config.server.max_body_bytes)
