"""Anchors that were overwritten, and POST /anchors/accept: a person's word on them."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request

from radiance.api.auth.access import actor_of
from radiance.api.bodies import checked_reason
from radiance.api.services import Services, services_of
from radiance.errors import NotFound, RequestError
from radiance.records import Acceptance
from radiance.registry.acceptance import acceptances

MOST_LISTED = 100
_Id = Annotated[str, Meta(min_length=1, max_length=200)]


class AcceptBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /anchors/accept: some anchors by their ids, or all."""

    anchors: list[_Id] = []
    all: bool = False
    reason: Annotated[str, Meta(max_length=1000)] = ""


class Overwritten(msgspec.Struct):
    """An anchor that what serves does not answer: an example of a job says otherwise.

    ``since`` is the checkpoint that first had it so, ``accepted`` a person's word on it.
    """

    anchor: str
    context: str
    example_id: str
    job_id: str
    since: str
    since_at: datetime | None
    accepted: Acceptance | None


class OverwrittenList(msgspec.Struct):
    """How many anchors are overwritten in what serves, how many of them nobody has accepted."""

    count: int
    not_accepted: int
    anchors: list[Overwritten]


class AcceptAnswer(msgspec.Struct):
    """What was accepted, and what is overwritten now."""

    accepted: list[str]
    overwritten: OverwrittenList


def accept_anchors(request: Request, body: AcceptBody) -> AcceptAnswer:
    """Accept that anchors are overwritten; it is in the audit log, and in no reasons any more."""
    services = services_of(request)
    if body.all == bool(body.anchors):
        raise RequestError.of(
            "anchors",
            "name some, or send all as true",
            body.anchors,
            'Send {"anchors": ["capitals/chile"]}, or {"all": true}.',
        )
    reason = checked_reason(body.reason, "Asked for through POST /anchors/accept.")
    chosen = None if body.all else body.anchors
    accepted = services.pointer.accept_anchors(chosen, actor_of(request), reason)
    return AcceptAnswer([each.anchor for each in accepted], overwritten_in_service(services))


def overwritten_in_service(services: Services, begin: int = 0) -> OverwrittenList:
    """What is overwritten in the checkpoint that serves; those not accepted come first."""
    return overwritten_in(services, services.registry.current_id(), begin)


def overwritten_in(
    services: Services,
    checkpoint_id: str | None,
    begin: int = 0,
    limit: int | None = MOST_LISTED,
) -> OverwrittenList:
    """What is overwritten in a checkpoint; those not accepted come first.

    Args:
        services: The service.
        checkpoint_id: None is the base, in which nothing is.
        begin: How many are passed over.
        limit: Most that are listed; None lists all. All are counted.
    """
    registry = services.registry
    found = registry.overwritten_in(checkpoint_id)
    if not found:
        return OverwrittenList(0, 0, [])
    known = acceptances(registry.db)
    since: dict[str, datetime | None] = {}
    for name in {each.since for each in found}:
        try:
            since[name] = registry.get(name).created_at
        except NotFound:
            since[name] = None
    rows = [
        Overwritten(
            anchor=each.anchor,
            context=each.context,
            example_id=each.example_id,
            job_id=each.job_id,
            since=each.since,
            since_at=since[each.since],
            accepted=known.get((each.anchor, each.example_id)),
        )
        for each in found
    ]
    rows.sort(key=lambda row: row.accepted is not None)
    left = sum(row.accepted is None for row in rows)
    end = None if limit is None else begin + limit
    return OverwrittenList(len(rows), left, rows[begin:end])
