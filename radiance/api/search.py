"""POST /search: a prompt in, an answer and the checkpoint that gave it out."""

import asyncio
from concurrent.futures import Future
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from radiance.api.bodies import read_body
from radiance.api.rooms import rooms_of
from radiance.engine import generation
from radiance.engine.worker import Engine
from radiance.errors import Cancelled, RequestError
from radiance.records import Message

_DISCONNECT_POLL_S = 0.1


class SearchBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /search."""

    prompt: Annotated[str, Meta(min_length=1)]
    max_tokens: Annotated[int, Meta(ge=1)] = 256
    temperature: Annotated[float, Meta(ge=0, le=10)] = 0.2
    use_training_adapter: bool = False


async def search(request: Request) -> Response:
    """Answer a prompt from the stable adapter, or from the live training weights if asked."""
    rooms = rooms_of(request)
    body = await read_body(request, SearchBody, rooms.config.server.max_body_bytes)
    if not body.prompt.strip():
        raise RequestError(
            "prompt: is blank.", field="prompt", value=body.prompt, remedy="Ask something."
        )
    context = rooms.engine.encoder.context_tokens
    if body.max_tokens > context:
        raise RequestError(
            f"max_tokens: is {body.max_tokens}, and the model's context is {context} tokens.",
            field="max_tokens",
            value=body.max_tokens,
            remedy=f"Send at most {context}.",
        )
    tokens = rooms.engine.encoder.prompt([Message("user", body.prompt)])
    future = rooms.engine.generate(
        generation.Request(
            tokens=tokens,
            max_tokens=min(body.max_tokens, context - len(tokens)),
            temperature=body.temperature,
            use_training=body.use_training_adapter,
        )
    )
    answer = await _wait(request, rooms.engine, future)
    return JSONResponse(
        {
            "response": answer.text,
            "checkpoint": answer.checkpoint_id,
            "checkpoint_status": answer.checkpoint_status,
            "latency_ms": round(answer.latency_s * 1000, 1),
            "finish_reason": answer.finish_reason,
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": len(answer.tokens),
        }
    )


async def _wait(
    request: Request, engine: Engine, future: "Future[generation.Answer]"
) -> generation.Answer:
    """Wait for an answer; give the request up when its client goes away."""
    waiting = asyncio.wrap_future(future)
    try:
        while True:
            done, _ = await asyncio.wait({waiting}, timeout=_DISCONNECT_POLL_S)
            if done:
                return waiting.result()
            if await request.is_disconnected():
                raise Cancelled("the client went away")
    finally:
        if not future.done():
            engine.cancel(future)
