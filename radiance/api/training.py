"""GET /training, POST /training/pause and /training/resume: what is held up, and why."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from radiance.api.access import actor_of
from radiance.api.bodies import read_body
from radiance.api.info import training_progress
from radiance.api.rooms import Rooms, rooms_of
from radiance.errors import RequestError
from radiance.text import clean, forbidden


class PauseBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /training/pause and of POST /training/resume."""

    reason: Annotated[str, Meta(max_length=1000)] = ""


async def show_training(request: Request) -> Response:
    """Whether training runs, is held up, or has nothing to do."""
    return JSONResponse(training_state(rooms_of(request)))


async def pause(request: Request) -> Response:
    """Train nothing until it is resumed; updates are accepted and wait."""
    rooms, reason = await _read(request, "Asked for through POST /training/pause.")
    await run_in_threadpool(rooms.pacer.pause, actor_of(request), reason)
    return JSONResponse(training_state(rooms))


async def resume(request: Request) -> Response:
    """End a pause; the cycle that was held up goes on where it stood."""
    rooms, reason = await _read(request, "Asked for through POST /training/resume.")
    await run_in_threadpool(rooms.pacer.resume, actor_of(request), reason)
    rooms.pipeline.wake()
    return JSONResponse(training_state(rooms))


def training_state(rooms: Rooms) -> dict[str, Any]:
    """What GET /training answers; part of GET /info."""
    settings, held = rooms.config.training, rooms.pacer.objection()
    progress = training_progress(rooms)
    is_busy = progress is not None or rooms.pipeline.preparing is not None
    return {
        "state": "paused" if held else "running" if is_busy else "idle",
        "held_up_by": held,
        "pause": msgspec.to_builtins(rooms.pacer.pause_in_force),
        "priority": settings.priority,
        "when": list(settings.when),
        "quiet_hours": list(settings.quiet_hours),
        "preparing": rooms.pipeline.preparing,
        "progress": progress,
    }


async def _read(request: Request, default: str) -> tuple[Rooms, str]:
    rooms = rooms_of(request)
    body = await read_body(request, PauseBody, rooms.config.server.max_body_bytes)
    if bad := forbidden(body.reason):
        raise RequestError(
            f"reason: holds the character {bad}, which is not text.",
            field="reason",
            remedy="Remove it.",
        )
    return rooms, clean(body.reason) or default
