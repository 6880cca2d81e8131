"""Forgetting one fact from the page: first what that does, then a button; and what became of it."""

import msgspec
from starlette.requests import Request

from radiance.api.auth.access import actor_of
from radiance.api.bodies import checked_reason
from radiance.api.services import Services
from radiance.errors import NotFound
from radiance.records import Asked
from radiance.registry.store import BASE
from radiance.web.forms import Fields
from radiance.web.page import Data, Page, number_below, page_url
from radiance.web.told import all_told

_DEFAULT_REASON = "Asked for on the dashboard."
_MOST_CHARACTERS, _MOST_SHOWN = 1000, 20


def describe(services: Services, request: Request) -> Data:
    """What forgetting ``?example=`` does; and the requests to forget, the newest first."""
    example_id = request.query_params.get("example")
    before = number_below(request, "before")
    found = services.forgetting.recent(_MOST_SHOWN + 1, before)
    listed = found[:_MOST_SHOWN]
    has_more = len(found) > _MOST_SHOWN
    return {
        "example": example_id,
        "preview": _preview(services, example_id) if example_id else None,
        "forgets": msgspec.to_builtins(listed),
        "newer": page_url(request, before=None, done=None) if before is not None else None,
        "older": page_url(request, before=listed[-1].number, done=None) if has_more else None,
    }


def _preview(services: Services, example_id: str) -> Data | None:
    """What it would do; None where the example is not there, or no longer."""
    try:
        found = services.forgetting.preview(Asked("example", example_id))
    except NotFound:
        return None
    current = services.registry.current()
    return {
        "examples": all_told(found.examples[:_MOST_SHOWN]),
        "count": len(found.examples),
        "serving": current.checkpoint_id if current else BASE,
        "serves": found.serves or BASE,
        "checkpoints": found.checkpoints,
        "queued_again": found.queued_again,
        "alike": found.alike,
    }


def act(services: Services, request: Request, fields: Fields) -> str:
    """Forget it, in the name of whoever asked."""
    reason = checked_reason(fields.get("reason", "")[:_MOST_CHARACTERS], _DEFAULT_REASON)
    asked = Asked("example", fields.get("example", ""))
    services.forgetting.forget(asked, actor_of(request, "dashboard"), reason)
    return "/forgetting?done=forgotten"


PAGE = Page(
    path="/forgetting",
    title="Forget",
    template="forgetting.html",
    describe=describe,
    topics=("serving", "queue", "forgetting"),
    section="/knowledge",
    act=act,
    scope="admin",
    notices={"forgotten": "Forgotten: nothing that answers knows it any more."},
)
