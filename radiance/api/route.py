"""A route: a URL, who may ask it, what it takes and what it gives, in one place.

A handler's signature says what it takes and gives: with a second parameter it gets the body, read
and checked as that one's type, and what it returns, a Struct, the route encodes. The same makes the
OpenAPI document, so they cannot part. A handler that is no coroutine runs on a thread, and may
block.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial, wraps
from types import NoneType, UnionType
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import UNSET, UnsetType
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route as PlainRoute
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from radiance.api.auth.access import Access
from radiance.api.auth.keys import Scope
from radiance.api.bodies import read_body
from radiance.api.services import services_of

OPEN = None
"""The scope of a route that needs no key."""
JSON = "application/json"

T = TypeVar("T")
Schema = dict[str, Any]
Handler = Callable[..., Any]


@dataclass(frozen=True)
class Reply(Generic[T]):
    """A Struct with a status or headers of its own."""

    body: T
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Route(PlainRoute):
    """A route; raises TypeError where what it takes or gives is not said.

    Args:
        path: URL, with parameters as Starlette has them.
        handler: Answers a request, and its body if it has a parameter for it, with what ``gives``
            says, a ``Reply`` around it, or a response.
        scope: What an API key must allow; ``OPEN``: none is needed; ``ANY``: any key will do.
        method: The one method.
        gives: Type of the JSON that is answered, or the media type of whatever else is. By default
            as the handler's signature says.
        takes: Type of the body, None where there is none. By default as the signature says; GET and
            DELETE have none.
        takes_media: Media type of the body.
        status: Of success.
        queries: Schemas of what may stand behind the "?", by name.
        streams: Type of each server-sent event, where the answer may be a stream.
        others: Types of the JSON of other statuses that are no errors.
        is_documented: Whether it stands in the API document; what only pages use does not.
    """

    def __init__(
        self,
        path: str,
        handler: Handler,
        scope: Scope | Literal["any"] | None,
        *,
        method: str,
        gives: Any = None,
        takes: Any | UnsetType | None = UNSET,
        takes_media: str = JSON,
        status: int = 200,
        queries: Mapping[str, Schema] | None = None,
        streams: Any = None,
        others: Mapping[int, Any] | None = None,
        is_documented: bool = True,
    ) -> None:
        body = _body(handler)
        if takes is UNSET and body is None and method not in ("GET", "DELETE"):
            raise TypeError(f"{method} {path} does not say what it takes")
        gives = _given(handler) if gives is None else gives
        if gives is None:
            raise TypeError(f"{method} {path} does not say what it gives")
        super().__init__(path, _answering(handler, body, status), methods=[method])
        self.handler = handler
        self.scope: Scope | Literal["any"] | None = scope
        self.method = method
        self.gives = gives
        self.takes = body if takes is UNSET else takes
        self.takes_media = takes_media
        self.status = status
        self.queries = queries or {}
        self.streams = streams
        self.others = others or {}
        self.is_documented = is_documented

    @property
    def schemas(self) -> list[Any]:
        """The types that it needs described."""
        named = (self.gives, self.takes, self.streams, *self.others.values())
        return [kind for kind in named if kind is not None and not isinstance(kind, str)]

    async def handle(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Ask for the key, then answer."""
        connection = HTTPConnection(scope)
        connection.state.route = self.path
        access: Access = connection.app.state.access
        connection.state.key = access.admit(connection, self.scope)
        await super().handle(scope, receive, send)


get = partial(Route, method="GET")
post = partial(Route, method="POST")
delete = partial(Route, method="DELETE")


def json_response(
    body: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A Struct as a response."""
    return Response(msgspec.json.encode(body), status, headers, JSON)


def _body(handler: Handler) -> Any:
    """The type of a handler's second parameter; None where it has one alone."""
    names = list(inspect.signature(handler).parameters)
    return get_type_hints(handler)[names[1]] if len(names) > 1 else None


def _given(handler: Handler) -> Any:
    """What a handler returns, without statuses, headers and other responses; None: nothing else."""
    found = get_type_hints(handler).get("return", NoneType)
    for kind in get_args(found) if get_origin(found) in (Union, UnionType) else (found,):
        body = get_args(kind)[0] if get_origin(kind) is Reply else kind
        if body is not NoneType and not (isinstance(body, type) and issubclass(body, Response)):
            return body
    return None


def _answering(
    handler: Handler, body: Any, status: int
) -> Callable[[Request], Awaitable[Response]]:
    """The handler as Starlette calls it."""
    called = handler
    if not inspect.iscoroutinefunction(handler):
        called = partial(run_in_threadpool, handler)

    @wraps(handler)
    async def answer(request: Request) -> Response:
        taken = []
        if body is not None:
            most = services_of(request).config.server.max_body_bytes
            taken.append(await read_body(request, body, most))
        given = await called(request, *taken)
        if isinstance(given, Response):
            return given
        if isinstance(given, Reply):
            return json_response(given.body, given.status or status, given.headers)
        return json_response(given, status)

    return answer
