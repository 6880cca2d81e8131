"""GET /audit: what was decided, by whom and why; GET /audit/verify: whether that is all true."""

import re
from typing import Any

import msgspec
from starlette.requests import Request

from radiance.api.bodies import list_limit, number_in
from radiance.api.services import services_of
from radiance.errors import RequestError
from radiance.registry.verification import Verification, verify

_HASH = re.compile(r"[0-9a-f]{64}")


class EntryAnswer(msgspec.Struct):
    """An entry of the audit log."""

    number: int
    at: str
    action: str
    actor: str
    subject: str | None
    body: dict[str, Any]
    previous_hash: str
    hash: str


class EntryList(msgspec.Struct):
    """Entries, the newest first."""

    entries: list[EntryAnswer]


def list_entries(request: Request) -> EntryList:
    """The newest entries first, whole; ``?before=`` goes on from a number."""
    log = services_of(request).registry.audit
    entries = log.recent(list_limit(request), entry_before(request))
    return EntryList([EntryAnswer(**entry.to_plain()) for entry in entries])


def verify_log(request: Request) -> Verification:
    """Walk the chain and compare it with what there is; 200 whatever is found."""
    config = services_of(request).config
    return verify(config.database_path, config.adapters_path, _kept_hash(request))


def entry_before(request: Request, remedy: str = "Send the lowest number you have.") -> int | None:
    """The entry whose predecessors are wanted; None: the newest.

    Raises:
        RequestError: It is not the number of an entry.
    """
    given = request.query_params.get("before")
    if given is None:
        return None
    if (found := number_in(given, 1, (1 << 63) - 1)) is None:
        raise RequestError.of("before", "is not the number of an entry", given, remedy)
    return found


def _kept_hash(request: Request) -> str | None:
    given = request.query_params.get("head")
    if given is not None and not _HASH.fullmatch(given):
        raise RequestError.of(
            "head",
            "is not the hash of an entry",
            given,
            "Send 64 hexadecimal digits, as `radiance audit verify` prints them.",
        )
    return given
