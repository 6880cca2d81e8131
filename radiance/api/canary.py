"""GET, POST and DELETE /canary: a checkpoint tried beside the one that serves."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request

from radiance.api.auth.access import actor_of
from radiance.api.bodies import checked_reason
from radiance.api.services import Services, services_of
from radiance.errors import RequestError
from radiance.release.comparison import ExperimentReport
from radiance.release.experiments import Experiment, Mode

_MOST_CHARACTERS = 1000


class CanaryBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /canary; ``force`` also shows what the gate rejected."""

    checkpoint: Annotated[str, Meta(min_length=1, max_length=100)]
    mode: Mode = "canary"
    share: Annotated[float, Meta(gt=0, le=1)] | None = None
    reason: Annotated[str, Meta(max_length=_MOST_CHARACTERS)] = ""
    force: bool = False


class CanaryAnswer(msgspec.Struct, frozen=True):
    """What runs, and what ended last."""

    running: ExperimentReport | None
    last: ExperimentReport | None


def show_canary(request: Request) -> CanaryAnswer:
    """The canary or shadow under way, and the one that ended last."""
    services = services_of(request)
    running, last = services.canary.running_and_last()
    return CanaryAnswer(_report(services, running), _report(services, last))


def start_canary(request: Request, body: CanaryBody) -> CanaryAnswer:
    """Try a checkpoint on a share of the callers, or unseen beside what serves."""
    share = body.share if body.share is not None else 0.1 if body.mode == "canary" else 1.0
    reason = checked_reason(body.reason, "Asked for through POST /canary.")
    services_of(request).canary.begin(
        body.mode, body.checkpoint, share, actor_of(request), reason, force=body.force
    )
    return show_canary(request)


def stop_canary(request: Request) -> CanaryAnswer:
    """End it: everybody is answered by what serves from now on."""
    given = request.query_params.get("reason", "")
    if len(given) > _MOST_CHARACTERS:
        raise RequestError.of(
            "reason", f"has more than {_MOST_CHARACTERS} characters", None, "Shorten it."
        )
    reason = checked_reason(given, "Asked for through DELETE /canary.")
    services_of(request).canary.end(actor_of(request), reason)
    return show_canary(request)


def running_canary(services: Services) -> ExperimentReport | None:
    """The experiment under way."""
    return _report(services, services.canary.running)


def _report(services: Services, experiment: Experiment | None) -> ExperimentReport | None:
    return None if experiment is None else services.canary.report(experiment)
