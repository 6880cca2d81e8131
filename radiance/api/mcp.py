"""POST /mcp: the tools over streamable HTTP. A tool asks the service that it is part of."""

import contextlib
import functools
from collections.abc import Mapping

import httpx
import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from radiance.api.bodies import read_bytes, refuse_fault
from radiance.api.services import services_of
from radiance.client import AsyncClient
from radiance.client.transport import AsyncTransport
from radiance.mcp.needs import the_sdk
from radiance.records import json_text

_PASSED_ON = ("authorization", "x-api-key", "x-radiance-key", "host")
_HERE = "http://127.0.0.1"


async def exchange(request: Request) -> Response:
    """Answer one message of the Model Context Protocol; there are no sessions.

    Raises:
        RequestError: An object has a name twice, of which the SDK would keep one.
    """
    services = services_of(request)
    max_bytes = services.config.server.max_body_bytes
    body = await read_bytes(request, max_bytes)
    with contextlib.suppress(msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        if json_text.loses_names(body, msgspec.json.decode(body)):
            await refuse_fault(request, body)
    with the_sdk():
        await run_in_threadpool(_import_sdk)  # the first time that takes a second
    return _Exchange(request, bytes(body), max_bytes)


class _Exchange(Response):
    """The SDK's answer to a request."""

    def __init__(self, request: Request, body: bytes, max_bytes: int) -> None:
        super().__init__()
        self._client = _OwnService(request)
        self._body, self._max_bytes = body, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        from radiance.mcp.server import serve_request

        waiting: list[Message] = [{"type": "http.request", "body": self._body, "more_body": False}]

        async def again() -> Message:
            return waiting.pop() if waiting else await receive()

        await serve_request(self._client, self._max_bytes, scope, again, send)


class _OwnService(AsyncClient):
    """The service that runs this, asked as the caller of a request: by their key, and no other."""

    def __init__(self, request: Request) -> None:
        super().__init__(_HERE, patience_s=0)
        self._app: ASGIApp = request.app
        self._caller = (request.client.host, request.client.port) if request.client else None
        self._headers: Mapping[str, str] = {
            name: value for name in _PASSED_ON if (value := request.headers.get(name)) is not None
        }

    @functools.cached_property
    def _transport(self) -> AsyncTransport:
        through = httpx.ASGITransport(
            self._app, raise_app_exceptions=False, client=self._caller or ("", 0)
        )
        return AsyncTransport(self.url, None, through, self._headers)


def _import_sdk() -> None:
    import radiance.mcp.server  # noqa: F401
