"""The resources: checkpoints, and the decisions on them as the audit log has them."""

from dataclasses import dataclass
from typing import Any

from radiance.client import AsyncClient
from radiance.client.wire import segment
from radiance.errors import NotFound

_CHECKPOINTS, _DECISIONS = "radiance://checkpoints", "radiance://decisions"
_MOST_LISTED = 100


@dataclass(frozen=True)
class Resource:
    """Something that can be read as JSON; in a template's ``uri`` a name stands in braces."""

    uri: str
    name: str
    description: str


TEMPLATES = (
    Resource(f"{_CHECKPOINTS}/{{id}}", "checkpoint", "A checkpoint, and what was measured of it."),
    Resource(f"{_DECISIONS}/{{number}}", "decision", "An entry of the audit log."),
)
_LISTS = (
    Resource(_CHECKPOINTS, "checkpoints", "What was learned, the newest first."),
    Resource(_DECISIONS, "decisions", "What was decided, by whom and why, the newest first."),
)


async def listed(client: AsyncClient) -> list[Resource]:
    """Both lists, and the newest checkpoints."""
    answer = await client.call("GET", "/checkpoints", query={"limit": _MOST_LISTED})
    return [
        *_LISTS,
        *(
            Resource(
                f"{_CHECKPOINTS}/{found['checkpoint_id']}",
                found["checkpoint_id"],
                f"A checkpoint of {found['created_at']}, {found['status']}.",
            )
            for found in answer["checkpoints"]
        ),
    ]


async def read(client: AsyncClient, uri: str) -> dict[str, Any]:
    """What a resource holds.

    Raises:
        NotFound: There is none of that address.
        RequestError: The key lacks the scope.
    """
    kind, _, name = uri.removeprefix("radiance://").partition("/")
    if uri == _CHECKPOINTS:
        return await client.call("GET", "/checkpoints", query={"limit": _MOST_LISTED})
    if uri == _DECISIONS:
        return await client.call("GET", "/audit", query={"limit": _MOST_LISTED})
    if kind == "checkpoints" and name:
        return await client.call("GET", f"/checkpoints/{segment(name)}")
    if kind == "decisions" and name.isascii() and name.isdecimal() and len(name) < 16:
        query = {"before": int(name) + 1, "limit": 1}
        entries = (await client.call("GET", "/audit", query=query))["entries"]
        if entries and entries[0]["number"] == int(name):
            return entries[0]
    raise NotFound.named(
        "resource", uri, "uri", f"Read {_CHECKPOINTS}, {_DECISIONS}, or what stands in them."
    )
