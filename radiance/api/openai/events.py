"""Server-sent events as OpenAI's clients read them."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import msgspec
from starlette.responses import StreamingResponse

from radiance.api.errors import response_to
from radiance.errors import RadianceError

HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def event_stream(chunks: AsyncGenerator[Any, None], headers: dict[str, str]) -> StreamingResponse:
    """A stream of Structs, ended by ``[DONE]``, or by an error where one came up."""
    return StreamingResponse(_lines(chunks), 200, {**HEADERS, **headers}, "text/event-stream")


def event(body: bytes) -> bytes:
    """One event."""
    return b"data: " + body + b"\n\n"


def named_event(kind: str, body: bytes) -> bytes:
    """One event of a kind."""
    return b"event: " + kind.encode() + b"\n" + event(body)


async def _lines(chunks: AsyncGenerator[Any, None]) -> AsyncIterator[bytes]:
    try:
        async with aclosing(chunks) as told:
            async for chunk in told:
                yield event(msgspec.json.encode(chunk))
    except RadianceError as error:
        # The status is sent already. Clients raise what they find under "error".
        yield event(bytes(response_to(error, "/v1/").body))
    else:
        yield event(b"[DONE]")
