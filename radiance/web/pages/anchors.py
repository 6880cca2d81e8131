"""Old facts that were overwritten: what the base says, what is said now, a person's word on it."""

import msgspec
from starlette.requests import Request

from radiance.anchors.sets import answer
from radiance.api.anchors import MOST_LISTED, Overwritten, overwritten_in_service
from radiance.api.auth.access import actor_of
from radiance.api.bodies import checked_reason
from radiance.api.services import Services
from radiance.errors import RequestError
from radiance.web.forms import Fields
from radiance.web.page import Data, Page, number_below, page_url

_DEFAULT_REASON = "Accepted on the dashboard."
_MOST_CHARACTERS = 1000


def described(services: Services, found: list[Overwritten]) -> list[Data]:
    """Overwritten anchors with question, old answer and new one, where these are known."""
    if not found:
        return []
    held = {anchor.example.id: anchor for anchor in services.anchors.anchors}
    taught = {e.id: e for e in services.examples.by_ids([each.example_id for each in found])}
    rows = []
    for each in found:
        anchor, example = held.get(each.anchor), taught.get(each.example_id)
        is_chat = anchor is not None and bool(anchor.example.messages)
        rows.append(
            {
                **msgspec.to_builtins(each),
                "question": anchor.example.messages[-2].content if anchor and is_chat else "",
                "old": answer(anchor.example) if anchor else "",
                "new": answer(example) if example else "",
            }
        )
    return rows


def describe(services: Services, request: Request) -> Data:
    """What is overwritten in what serves, what nobody has accepted first; ``?from=`` goes on."""
    begin = number_below(request, "from") or 0
    found = overwritten_in_service(services, begin)
    end = begin + len(found.anchors)
    return {
        "checkpoint": services.registry.current_id(),
        "count": found.count,
        "not_accepted": found.not_accepted,
        "rows": described(services, found.anchors),
        "begin": begin,
        "newer": page_url(request, **{"from": max(0, begin - MOST_LISTED) or None, "done": None})
        if begin
        else None,
        "older": page_url(request, **{"from": end, "done": None}) if end < found.count else None,
        "held": len(services.anchors),
        "source": services.anchors.source,
        "own": services.anchors.own,
        "contexts": [
            {"name": name, "count": many} for name, many in services.anchors.counts.items()
        ],
    }


def act(services: Services, request: Request, fields: Fields) -> str:
    """Accept what was ticked, or all."""
    chosen = None if fields.get("do") == "all" else fields.getlist("anchor")
    if chosen is not None and not chosen:
        raise RequestError.of(
            "anchor", "nothing was ticked", None, "Tick what is meant to be so, or accept all."
        )
    reason = checked_reason(fields.get("reason", "")[:_MOST_CHARACTERS], _DEFAULT_REASON)
    services.pointer.accept_anchors(chosen, actor_of(request, "dashboard"), reason)
    return "/anchors?done=accepted"


PAGE = Page(
    path="/anchors",
    title="Old facts",
    template="anchors.html",
    describe=describe,
    topics=("serving", "audit"),
    section="/gate",
    act=act,
    notices={"accepted": "Accepted: it is on record, and in no warning any more."},
)
