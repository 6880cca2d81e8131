"""A route: a URL, who may ask it, what it takes and what it gives, in one place.

A handler returns what ``gives`` says, a Struct, and the route encodes it once. The same declaration
makes the OpenAPI document, so the two cannot part.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import Any, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route as PlainRoute
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from radiance.api.auth.access import Access
from radiance.api.auth.keys import Scope

OPEN = None
"""The scope of a route that needs no key."""
JSON = "application/json"

T = TypeVar("T")
Schema = dict[str, Any]
Handler = Callable[[Request], Awaitable[Any]]


@dataclass(frozen=True)
class Reply(Generic[T]):
    """A Struct with a status or headers of its own."""

    body: T
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Route(PlainRoute):
    """A route; raises TypeError where what it takes is not said.

    Args:
        path: URL, with parameters as Starlette has them.
        handler: Answers a request with what ``gives`` says, a ``Reply`` around it, or a response.
        scope: What an API key must allow; ``OPEN``: none is needed; ``ANY``: any key will do.
        method: The one method.
        gives: Type of the JSON that is answered, or the media type of whatever else is.
        takes: Type of the body, None where there is none. GET and DELETE have none by default.
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
        gives: Any,
        takes: Any | UnsetType | None = UNSET,
        takes_media: str = JSON,
        status: int = 200,
        queries: Mapping[str, Schema] | None = None,
        streams: Any = None,
        others: Mapping[int, Any] | None = None,
        is_documented: bool = True,
    ) -> None:
        if takes is UNSET and method not in ("GET", "DELETE"):
            raise TypeError(f"{method} {path} does not say what it takes")
        super().__init__(path, _encoding(handler, status), methods=[method])
        self.handler = handler
        self.scope: Scope | Literal["any"] | None = scope
        self.method = method
        self.gives = gives
        self.takes = None if takes is UNSET else takes
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


def _encoding(handler: Handler, status: int) -> Callable[[Request], Awaitable[Response]]:
    """The handler as Starlette calls it."""

    @wraps(handler)
    async def answer(request: Request) -> Response:
        given = await handler(request)
        if isinstance(given, Response):
            return given
        if isinstance(given, Reply):
            return json_response(given.body, given.status or status, given.headers)
        return json_response(given, status)

    return answer
