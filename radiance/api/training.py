"""GET /training, POST /training/pause and /training/resume: what is held up, and why."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from radiance.api.auth.access import actor_of
from radiance.api.bodies import read_body
from radiance.api.info import training_progress
from radiance.api.services import Services, services_of
from radiance.errors import RequestError
from radiance.records.text import clean, forbidden


class PauseBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /training/pause and of POST /training/resume."""

    reason: Annotated[str, Meta(max_length=1000)] = ""


async def show_training(request: Request) -> Response:
    """Whether training runs, is held up, or has nothing to do."""
    return JSONResponse(training_state(services_of(request)))


async def pause(request: Request) -> Response:
    """Train nothing until it is resumed; updates are accepted and wait."""
    services, reason = await _read(request, "Asked for through POST /training/pause.")
    await run_in_threadpool(services.training_pause.pause, actor_of(request), reason)
    return JSONResponse(training_state(services))


async def resume(request: Request) -> Response:
    """End a pause; the cycle that was held up goes on where it stood."""
    services, reason = await _read(request, "Asked for through POST /training/resume.")
    await run_in_threadpool(services.training_pause.resume, actor_of(request), reason)
    services.pipeline.wake()
    return JSONResponse(training_state(services))


def training_state(services: Services) -> dict[str, Any]:
    """What GET /training answers; part of GET /info."""
    settings, held = services.config.training, services.training_pause.objection()
    progress = training_progress(services)
    is_busy = progress is not None or services.pipeline.preparing is not None
    return {
        "state": "paused" if held else "running" if is_busy else "idle",
        "held_up_by": held,
        "pause": msgspec.to_builtins(services.training_pause.pause_in_force),
        "priority": settings.priority,
        "when": list(settings.when),
        "quiet_hours": list(settings.quiet_hours),
        "preparing": services.pipeline.preparing,
        "progress": progress,
    }


async def _read(request: Request, default: str) -> tuple[Services, str]:
    services = services_of(request)
    body = await read_body(request, PauseBody, services.config.server.max_body_bytes)
    if bad := forbidden(body.reason):
        raise RequestError(
            f"reason: holds the character {bad}, which is not text.",
            field="reason",
            remedy="Remove it.",
        )
    return services, clean(body.reason) or default
