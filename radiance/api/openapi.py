"""GET /openapi.json: the whole service as an OpenAPI 3.1 document, made from the code.

Paths and methods come from the table of URLs, summaries from the handlers' docstrings, schemas from
the Structs that each route names.
"""

import inspect
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from radiance import __version__
from radiance.api.errors import AnthropicErrorAnswer, ErrorAnswer, OpenAIErrorAnswer, error_answer
from radiance.api.route import JSON, Route

Json = dict[str, Any]
"""An object of the document."""
EVENTS = "text/event-stream"
# Some read a stream as a whole, some event by event; what an event's data holds stands beside it.
_STREAM: dict[str, Any] = {
    "type": ["string", "object"],
    "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
    "required": ["data"],
}
_SCHEMAS = "#/components/schemas/{name}"
_SECURITY = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key with the scope named; none on loopback unless configured.",
    }
}
_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")


async def show_openapi(request: Request) -> Response:
    """This document."""
    state = request.app.state
    if not hasattr(state, "openapi"):
        state.openapi = document(request.app.routes)
    return JSONResponse(state.openapi)


def document(table: Sequence[BaseRoute]) -> Json:
    """The document for a table of URLs; pages for people have no place in it."""
    routes = [route for route in table if isinstance(route, Route) and route.is_documented]
    shapes = [*dict.fromkeys(kind for route in routes for kind in route.schemas)]
    shapes += [ErrorAnswer, OpenAIErrorAnswer, AnthropicErrorAnswer]
    schemas, components = msgspec.json.schema_components(shapes, ref_template=_SCHEMAS)
    schema_of = dict(zip(shapes, schemas, strict=True))
    paths: dict[str, Json] = {}
    for route in routes:
        path = _PARAMETER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, schema_of)
    found = {
        "openapi": "3.1.0",
        "info": {
            "title": "Radiance",
            "version": __version__,
            "summary": "A local language-model service that learns from what it is told.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": components, "securitySchemes": _SECURITY},
    }
    return msgspec.json.decode(msgspec.json.encode(found))


def _operation(route: Route, schema_of: dict[Any, Json]) -> Json:
    summary, _, description = (inspect.getdoc(route.handler) or "").partition("\n\n")
    content = _content(route.gives, JSON, schema_of)
    if route.streams is not None:
        content |= {EVENTS: {"schema": _STREAM, "x-event-schema": schema_of[route.streams]}}
    refusal = error_answer(route.path)
    operation: Json = {
        "operationId": route.name,
        "summary": " ".join(summary.split()),
        "tags": [route.path.split("/")[1]],
        "parameters": [
            *(
                {**_parameter(name, "path", {"type": "string"}), "required": True}
                for name in _PARAMETER.findall(route.path)
            ),
            *(_parameter(name, "query", schema) for name, schema in route.queries.items()),
        ],
        "responses": {
            str(route.status): {"description": "Done.", "content": content},
            "default": {
                "description": "Refused or failed.",
                "content": _content(refusal, JSON, schema_of),
            },
            **{
                str(status): {
                    "description": "See the body.",
                    "content": _content(kind, JSON, schema_of),
                }
                for status, kind in route.others.items()
            },
        },
        "security": [{}] if route.scope is None else [{"key": [route.scope]}, {}],
    }
    if description:
        operation["description"] = " ".join(description.split())
    if route.takes is not None:
        body = _content(route.takes, route.takes_media, schema_of)
        operation["requestBody"] = {"required": True, "content": body}
    return operation


def _content(kind: Any, media: str, schema_of: dict[Any, Json]) -> Json:
    """A body's media type and schema; what is named by its media type alone has no schema."""
    if isinstance(kind, str):
        return {kind: {}}
    return {media: {"schema": schema_of[kind]}}


def _parameter(name: str, place: str, schema: Json) -> Json:
    return {"name": name, "in": place, "schema": schema}
