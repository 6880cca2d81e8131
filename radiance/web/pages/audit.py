"""The audit log, newest first, and whether it is whole."""

from typing import Any

import msgspec
from starlette.requests import Request

from radiance import records
from radiance.api.audit import entry_before
from radiance.api.services import Services
from radiance.registry.audit import AuditEntry
from radiance.registry.verification import verify
from radiance.web.page import Data, Page, page_url
from radiance.web.reasons import why

_REMEDY = "Follow the links of the page."
_PER_PAGE = 50
_VERIFIED_UNASKED = 300  # entries that are walked in some milliseconds


def describe(services: Services, request: Request) -> Data:
    """A page of entries; ``?verify=yes`` walks the whole chain, a short one is walked anyway."""
    entries = services.registry.audit.recent(_PER_PAGE + 1, entry_before(request, _REMEDY))
    listed, has_more = entries[:_PER_PAGE], len(entries) > _PER_PAGE
    older = page_url(request, before=listed[-1].number, verify=None) if has_more else None
    head = services.registry.audit.head()
    return {
        "entries_total": head.number,
        "verification": _verification(services, request, head.number),
        "entries": [_entry(services, entry) for entry in listed],
        "newer": page_url(request, before=None, verify=None)
        if entry_before(request, _REMEDY)
        else None,
        "older": older,
    }


def _verification(services: Services, request: Request, entries: int) -> Any:
    """What was found now, or earlier of the same entries; None where nobody has looked."""
    site = request.app.state.site
    asked = request.query_params.get("verify") == "yes"
    if asked or entries <= _VERIFIED_UNASKED:
        found = verify(services.config.database_path, services.config.adapters_path)
        site.verified = {**msgspec.to_builtins(found), "at": records.now().isoformat()}
    verified = site.verified
    return verified if verified and verified["entries"] >= entries else None


def _entry(services: Services, entry: AuditEntry) -> Data:
    """An entry; ``why`` says of a decision of the gate what ``reason`` has in numbers of rules."""
    body = entry.to_plain()["body"]
    decision = body.get("decision") or {}
    reason = body.get("withheld") or body.get("reason") or decision.get("reason")
    reason = reason or body.get("finding") or body.get("error")
    found = services.registry.decision(entry.subject) if entry.subject and decision else None
    told = why(found) if found is not None and found.reason == reason else None
    return {**msgspec.to_builtins(entry), "body": body, "reason": reason, "why": told}


PAGE = Page(
    path="/audit",
    title="Audit log",
    template="audit.html",
    describe=describe,
    topics=("audit",),
    nav="Audit log",
    scope="admin",
    shares_path=True,
)
