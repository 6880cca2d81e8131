"""Forgetting a fact or a document: first what that does, then a button; and what became of it."""

from collections.abc import Mapping, Sequence

import msgspec
from starlette.requests import Request

from radiance.api.auth.access import actor_of
from radiance.api.bodies import checked_reason
from radiance.api.services import Services
from radiance.errors import Conflict, NotFound
from radiance.records import Asked
from radiance.registry.store import BASE
from radiance.web.forms import Fields
from radiance.web.page import Data, Page, number_below, page_url
from radiance.web.told import all_told, told

_DEFAULT_REASON = "Asked for on the dashboard."
_MOST_CHARACTERS, _MOST_SHOWN = 1000, 20


def describe(services: Services, request: Request) -> Data:
    """What forgetting ``?example=`` or ``?document=`` does; and the requests, the newest first."""
    asked = _asked(request.query_params)
    before = number_below(request, "before")
    found = services.forgetting.requests.recent(_MOST_SHOWN + 1, before)
    listed = found[:_MOST_SHOWN]
    has_more = len(found) > _MOST_SHOWN
    return {
        "asked": asked and msgspec.to_builtins(asked),
        "preview": _preview(services, asked) if asked else None,
        "forgets": msgspec.to_builtins(listed),
        "newer": page_url(request, before=None, done=None) if before is not None else None,
        "older": page_url(request, before=listed[-1].number, done=None) if has_more else None,
    }


def _asked(given: Mapping[str, str]) -> Asked | None:
    if example_id := given.get("example"):
        return Asked("example", example_id)
    if document_id := given.get("document"):
        return Asked("document", document_id)
    return None


def _preview(services: Services, asked: Asked) -> Data | None:
    """What it would do, or what forbids it; None where what is asked about is there no longer."""
    try:
        found = services.forgetting.preview(asked)
    except NotFound:
        return None
    except Conflict as error:
        return {"forbidden": str(error)}
    return {
        "examples": all_told(found.examples[:_MOST_SHOWN]),
        "count": len(found.examples),
        "passages": len(found.passages),
        "documents": sorted({kept.document for kept in found.passages}),
        "serving": services.registry.current_id() or BASE,
        "serves": found.serves or BASE,
        "checkpoints": found.checkpoints,
        "queued_again": found.queued_again,
        "alike": _alike(services, found.alike),
    }


def _alike(services: Services, ids: Sequence[str]) -> list[Data]:
    """What stays with the same value: examples with their text, passages by their document."""
    texts = {example.id: told(example) for example in services.examples.by_ids(list(ids))}
    return [texts.get(id) or {"id": id, "text": id, "turns": [id]} for id in ids]


def act(services: Services, request: Request, fields: Fields) -> str:
    """Forget it, in the name of whoever asked."""
    reason = checked_reason(fields.get("reason", "")[:_MOST_CHARACTERS], _DEFAULT_REASON)
    asked = _asked(fields) or Asked("example", "")
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
