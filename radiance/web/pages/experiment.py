"""The canary or shadow: which checkpoint is tried on whom, how it does, and its start and stop."""

import msgspec
from starlette.requests import Request

from radiance.api.auth.access import actor_of
from radiance.api.bodies import checked_reason
from radiance.api.services import Services
from radiance.errors import RequestError
from radiance.registry.store import BASE
from radiance.web.forms import Fields
from radiance.web.named import choices, that_may_serve
from radiance.web.page import Data, Page

_DEFAULT_REASON = "Asked for on the dashboard."
_MOST_CHARACTERS, _MOST_LISTED = 1000, 200
_FIGURES = {
    "failed": "Failed",
    "cut_off": "Cut off",
    "looping": "Going in circles",
    "tokens": "Tokens",
    "latency_s": "Seconds to the end",
    "first_token_s": "Seconds to the first token",
    "mean_logprob": "Log-probability per token",
    "votes_down": "Votes down",
    "agreement": "Same answer",
}


def brief(services: Services) -> Data | None:
    """What is tried on whom, for the pages that say what answers; None where nothing is."""
    running = services.canary.running
    if running is None:
        return None
    return {
        "mode": running.mode,
        "candidate": running.candidate or BASE,
        "share": running.share,
        "started_at": running.started_at.isoformat(),
        "by": running.started_by,
        "reason": running.reason,
    }


def describe(services: Services, request: Request) -> Data:
    """What runs with its comparison, what ended last, and what could be tried."""
    under_way, ended = services.canary.running_and_last()
    running = None if under_way is None else services.canary.report(under_way)
    last = ended if running is None else None
    serving = services.registry.current_id() or BASE
    newest = services.registry.all(_MOST_LISTED)
    listed = that_may_serve(services, newest)
    return {
        "serving": serving,
        "running": msgspec.to_builtins(running),
        "last": msgspec.to_builtins(services.canary.report(last)) if last else None,
        "choices": [name for name in (*listed, BASE) if name != serving],
        "chosen": request.query_params.get("checkpoint"),
        "names": choices(services, newest),
        "labels": _FIGURES,
    }


def act(services: Services, request: Request, fields: Fields) -> str:
    """Start one or end it, in the name of whoever asked."""
    given = fields.get("reason", "")[:_MOST_CHARACTERS]
    reason, actor = checked_reason(given, _DEFAULT_REASON), actor_of(request, "dashboard")
    match fields.get("do"):
        case "stop":
            services.canary.end(actor, reason)
            return "/experiment?done=stopped"
        case "start":
            mode = "shadow" if fields.get("mode") == "shadow" else "canary"
            share = 1.0 if mode == "shadow" else _share(fields.get("percent", ""))
            services.canary.begin(
                mode, fields.get("checkpoint", ""), share, actor, reason, force=False
            )
            return "/experiment?done=started"
    raise RequestError.of("do", "is neither start nor stop", None, "Use the page's form.")


def _share(given: str) -> float:
    """The share of the callers that a number of percent means."""
    text = given.strip().removesuffix("%")
    if not text.isdecimal() or not 1 <= int(text[:4]) <= 100:
        raise RequestError.of(
            "percent",
            "is not a number from 1 to 100",
            given,
            "Send the percentage of callers that it is to answer, such as 10.",
        )
    return int(text) / 100


PAGE = Page(
    path="/experiment",
    title="Try a checkpoint",
    template="experiment.html",
    describe=describe,
    topics=("serving", "experiment", "votes", "traffic"),
    section="/checkpoints",
    act=act,
    notices={
        "started": "It is tried from now on.",
        "stopped": "Ended: what serves answers every caller.",
    },
)
