"""GET, POST and DELETE /canary: a checkpoint tried beside the one that serves."""

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from radiance.api.auth.access import actor_of
from radiance.api.bodies import read_body
from radiance.api.pointer import checked_reason
from radiance.api.services import Services, services_of
from radiance.errors import RequestError
from radiance.release.comparison import ArmSummary, Row
from radiance.release.experiments import Experiment, Mode

_MOST_CHARACTERS = 1000


class CanaryBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /canary; ``force`` also shows what the gate rejected."""

    checkpoint: Annotated[str, Meta(min_length=1, max_length=100)]
    mode: Mode = "canary"
    share: Annotated[float, Meta(gt=0, le=1)] | None = None
    reason: Annotated[str, Meta(max_length=_MOST_CHARACTERS)] = ""
    force: bool = False


class Arms(msgspec.Struct, frozen=True):
    """Both arms of an experiment."""

    champion: ArmSummary
    candidate: ArmSummary


class CanaryShown(msgspec.Struct, frozen=True):
    """An experiment, its arms and their comparison."""

    number: int
    mode: Mode
    candidate: str | None
    share: float
    started_at: datetime
    started_by: str
    reason: str
    ended_at: datetime | None
    ended_by: str | None
    end_reason: str | None
    dropped: int
    arms: Arms
    comparison: list[Row]
    confidence: float


class CanaryAnswer(msgspec.Struct, frozen=True):
    """What runs, and what ended last."""

    running: CanaryShown | None
    last: CanaryShown | None


async def show_canary(request: Request) -> Response:
    """The canary or shadow under way, and the one that ended last."""
    return JSONResponse(await run_in_threadpool(_show, services_of(request)))


async def start_canary(request: Request) -> Response:
    """Try a checkpoint on a share of the callers, or unseen beside what serves."""
    services = services_of(request)
    body = await read_body(request, CanaryBody, services.config.server.max_body_bytes)
    share = body.share if body.share is not None else 0.1 if body.mode == "canary" else 1.0
    reason = checked_reason(body.reason, "Asked for through POST /canary.")
    await run_in_threadpool(
        lambda: services.traffic.begin(
            body.mode, body.checkpoint, share, actor_of(request), reason, force=body.force
        )
    )
    return JSONResponse(await run_in_threadpool(_show, services), status_code=201)


async def stop_canary(request: Request) -> Response:
    """End it: everybody is answered by what serves from now on."""
    services = services_of(request)
    given = request.query_params.get("reason", "")
    if len(given) > _MOST_CHARACTERS:
        raise RequestError(
            f"reason: has more than {_MOST_CHARACTERS} characters.",
            field="reason",
            remedy="Shorten it.",
        )
    reason = checked_reason(given, "Asked for through DELETE /canary.")
    await run_in_threadpool(services.traffic.end, actor_of(request), reason)
    return JSONResponse(await run_in_threadpool(_show, services))


def running_canary(services: Services) -> dict[str, Any] | None:
    """The experiment under way, as ``CanaryShown``."""
    return _describe(services, services.traffic.running)


def _show(services: Services) -> dict[str, Any]:
    last = _describe(services, services.experiments.last())
    return {"running": running_canary(services), "last": last}


def _describe(services: Services, experiment: Experiment | None) -> dict[str, Any] | None:
    return None if experiment is None else services.traffic.describe(experiment)
