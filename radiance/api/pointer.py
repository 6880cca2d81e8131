"""POST /rollback, /promote, /pin, /unpin: moving the stable pointer by hand, and holding it."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request

from radiance.api.auth.access import actor_of
from radiance.api.bodies import checked_reason
from radiance.api.services import services_of
from radiance.records import Pin, Release

_Reason = Annotated[str, Meta(max_length=1000)]
_Id = Annotated[str, Meta(min_length=1, max_length=100)]


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


def rollback(request: Request, body: RollbackBody) -> MoveAnswer:
    """Serve an earlier checkpoint again. Requests in flight finish on the one they began with."""
    reason = checked_reason(body.reason, "Asked for through POST /rollback.")
    release = services_of(request).pointer.rollback(body.checkpoint, actor_of(request), reason)
    return MoveAnswer(release.checkpoint_id, release)


def promote(request: Request, body: PromoteBody) -> MoveAnswer:
    """Serve a checkpoint, whether or not it ever was; a rejected one only by force."""
    reason = checked_reason(body.reason, "Asked for through POST /promote.")
    release = services_of(request).pointer.promote(
        body.checkpoint, actor_of(request), reason, force=body.force
    )
    return MoveAnswer(release.checkpoint_id, release)


def pin(request: Request, body: PinBody) -> PinAnswer:
    """Hold the stable pointer: cycles go on and are not promoted, monitors do not roll back."""
    reason = checked_reason(body.reason, "Asked for through POST /pin.")
    pinned = services_of(request).pointer.pin(body.checkpoint, actor_of(request), reason)
    return PinAnswer(pinned.checkpoint_id, pinned)


def unpin(request: Request, body: UnpinBody) -> PinAnswer:
    """Let the stable pointer move by itself again, from the next cycle on."""
    services = services_of(request)
    reason = checked_reason(body.reason, "Asked for through POST /unpin.")
    services.pointer.unpin(actor_of(request), reason)
    return PinAnswer(services.registry.current_id(), None)
