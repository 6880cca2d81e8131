"""GET /events: one stream that says what changed, so that open pages can follow the service.

The id of an event *is* the state it tells of: a short mark of each topic. Whoever comes back with
``Last-Event-ID`` (browsers do by themselves) hears exactly which topics have changed since, however
long that was and whether or not the service was restarted meanwhile; the server remembers nobody.
What an event says is only *that* something changed: pages fetch themselves anew, so they can never
show anything else than a reload would.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from radiance import records
from radiance.api.services import Services, services_of
from radiance.web import alerts

HEARTBEAT_S = 5.0
_POLL_S = 0.5
_RETRY_MS = 1000
_MOST_ID_CHARACTERS = 1000

Mark = Callable[[Services], Any]
"""Something small that differs whenever the topic has changed; cheap, durable where it can be."""


def _serving(services: Services) -> Any:
    source = services.engine.source
    return services.registry.releases(1), services.registry.pinned(), source.checkpoint_id


def _queue(services: Services) -> Any:
    return (
        services.jobs.recent(1),
        services.jobs.depth(),
        services.jobs.recent(3, records.JobStatus.RUNNING),
    )


def _cycle(services: Services) -> Any:
    progress = services.pipeline.progress
    if progress is None:
        return services.pipeline.preparing
    return progress.cycle.candidate_id, progress.stage, progress.step


def _checkpoints(services: Services) -> Any:
    return services.registry.all(1), services.registry.releases(1)


TOPICS: dict[str, Mark] = {
    "serving": _serving,
    "queue": _queue,
    "cycle": _cycle,
    "checkpoints": _checkpoints,
    "audit": lambda services: services.registry.audit.head(),
    "votes": lambda services: services.feedback.recent(1),
    "alerts": alerts.of,
    "forgetting": lambda services: services.forgetting.requests.counts(),
    "experiment": lambda services: services.canary.running,
    "pause": lambda services: services.training_pause.objection(),
    "traffic": lambda services: sum(services.engine.stats.ended.values()),
}
"""What can be followed. A package with pages of its own adds its topics here."""


def marks_of(services: Services) -> dict[str, str]:
    """Every topic with its present mark: eight hexadecimal digits."""
    return {
        topic: hashlib.blake2b(repr(mark(services)).encode(), digest_size=4).hexdigest()
        for topic, mark in TOPICS.items()
    }


def to_id(marks: dict[str, str]) -> str:
    """An event's id: ``serving:0a1b2c3d,queue:…``."""
    return ",".join(f"{topic}:{mark}" for topic, mark in marks.items())


def from_id(text: str) -> dict[str, str]:
    """The marks in an id; whatever cannot be read counts as changed."""
    pairs = (part.split(":", 1) for part in text[:_MOST_ID_CHARACTERS].split(","))
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def state_of(services: Services) -> str:
    """The present state as an id, for a page to begin from."""
    return to_id(marks_of(services))


async def stream(request: Request) -> Response:
    """Server-sent events: ``change`` with the topics that did, ``heartbeat`` every five seconds."""
    services = services_of(request)
    known = request.headers.get("last-event-id") or request.query_params.get("after", "")
    return StreamingResponse(
        _events(request, services, from_id(known)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(
    request: Request, services: Services, known: dict[str, str]
) -> AsyncIterator[str]:
    follower = request.app.state.site.follower
    yield f"retry: {_RETRY_MS}\n" + _message("heartbeat", {})
    heard = time.monotonic()
    while not request.app.state.site.is_stopping():
        marks = await follower.marks(services)
        changed = [topic for topic in marks if marks[topic] != known.get(topic)]
        if changed:
            data = {"topics": changed, "at": records.now().isoformat(timespec="milliseconds")}
            yield f"id: {to_id(marks)}\n" + _message("change", data)
            known, heard = marks, time.monotonic()
        elif time.monotonic() - heard >= HEARTBEAT_S:
            yield _message("heartbeat", {})
            heard = time.monotonic()
        await asyncio.sleep(_POLL_S)


def _message(event: str, data: Mapping[str, object]) -> str:
    return f"event: {event}\ndata: {json.dumps(data)}\n\n"


class Follower:
    """Looks at the service once for all who follow it."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._marks: dict[str, str] = {}
        self._at = -1.0

    async def marks(self, services: Services) -> dict[str, str]:
        """The present marks, at most half a poll old.

        Raises:
            Unavailable: The service is stopping.
        """
        async with self._lock:
            if time.monotonic() - self._at > _POLL_S / 2:
                self._marks = await run_in_threadpool(marks_of, services)
                self._at = time.monotonic()
            return self._marks
