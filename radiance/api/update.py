"""POST /update: examples in, durable before the answer goes out."""

from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from radiance.api.bodies import read_json
from radiance.api.rooms import Rooms, rooms_of
from radiance.errors import RequestError
from radiance.intake.admission import admit
from radiance.records import Job, content_hash

_MOST_KEY_CHARACTERS = 200


async def update(request: Request) -> Response:
    """Accept examples; they are on disk when this answers."""
    rooms = rooms_of(request)
    body = await read_json(request, rooms.config.server.max_body_bytes)
    key = _key(body, request.headers.get("idempotency-key"))
    answer = await run_in_threadpool(accept, rooms, body, key)
    rooms.pipeline.wake()
    return JSONResponse(answer, status_code=202)


def accept(rooms: Rooms, body: Any, key: str | None) -> dict[str, Any]:
    """Keep the examples of a body, durably; what POST /update answers."""
    rooms.check_learns()
    admitted = admit(body, rooms.config.update, rooms.engine.encoder.check_fits)
    identity = {name: value for name, value in body.items() if name != "job_key"}
    job, _ = rooms.jobs.add(admitted, content_hash(identity), key)
    near = rooms.jobs.may_supersede(job, lineage(rooms, job))
    return {
        "job_id": job.job_id,
        "queued": True,
        "accepted": job.example_count,
        "duplicates": len(admitted.raw) - len(admitted.examples),
        "supersedes": supersedes(rooms, job),
        "may_supersede": msgspec.to_builtins(near),
    }


def supersedes(rooms: Rooms, job: Job) -> list[dict[str, str]]:
    """The earlier examples that a job corrects: ``{"example_id", "by"}``."""
    if not rooms.jobs.is_asked_elsewhere(job):  # spares the walk through the whole lineage
        return []
    return msgspec.to_builtins(rooms.jobs.supersedes(job, lineage(rooms, job)))


def lineage(rooms: Rooms, job: Job) -> list[str]:
    """A job's checkpoint and its ancestors; what is served, and that one's, before it has one."""
    current = rooms.registry.current() if job.checkpoint is None else None
    tip = job.checkpoint or (current and current.checkpoint_id)
    return rooms.registry.ancestors(tip) if tip else []


def _key(body: Any, header: str | None) -> str | None:
    """The idempotency key, from the header or the body."""
    in_body = body.get("job_key") if isinstance(body, dict) else None
    if header is not None and not 1 <= len(header) <= _MOST_KEY_CHARACTERS:
        raise RequestError(
            f"Idempotency-Key: has {len(header)} characters.",
            field="Idempotency-Key",
            value=header,
            remedy=f"Send 1 to {_MOST_KEY_CHARACTERS} characters.",
        )
    if header is not None and in_body is not None and header != in_body:
        raise RequestError(
            "job_key: differs from the Idempotency-Key header.",
            field="job_key",
            value=in_body,
            remedy="Send one of the two.",
        )
    return header or in_body
