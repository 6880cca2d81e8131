"""Server-sent events as OpenAI's clients read them."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

import msgspec
from starlette.responses import StreamingResponse

from radiance.api.errors import response_to
from radiance.errors import RadianceError

_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def event_stream(
    events: AsyncGenerator[Any, None],
    headers: dict[str, str],
    *,
    are_named: bool = False,
    path: str = "/v1/",
) -> StreamingResponse:
    """A stream of Structs, ended by an error where one came up.

    Args:
        events: What is streamed.
        headers: Besides those of every stream.
        are_named: Whether each has its ``type`` as a name; else ``[DONE]`` ends the stream.
        path: Whose errors the error looks like.
    """

    async def lines() -> AsyncIterator[bytes]:
        try:
            async with aclosing(events) as told:
                async for each in told:
                    yield _event(msgspec.json.encode(each), each.type if are_named else "")
        except RadianceError as error:
            # The status is sent already. Clients raise what they find under "error".
            yield _event(bytes(response_to(error, path).body), "error" if are_named else "")
        else:
            if not are_named:
                yield _event(b"[DONE]", "")

    return StreamingResponse(lines(), 200, {**_HEADERS, **headers}, "text/event-stream")


def _event(body: bytes, name: str) -> bytes:
    named = f"event: {name}\n".encode() if name else b""
    return named + b"data: " + body + b"\n\n"
