"""GET /openapi.json: the whole service as an OpenAPI 3.1 document, made from the code.

Paths and methods come from the table of URLs, summaries from the handlers' docstrings, schemas from
the Structs that ``contracts`` names for each of them.
"""

import inspect
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from radiance import __version__
from radiance.api.contracts import CONTRACTS, Contract
from radiance.api.openai.shapes import Error
from radiance.api.responses import ErrorAnswer

_SCHEMAS = "#/components/schemas/{name}"
_SECURITY = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key with the scope named; none on loopback unless configured.",
    }
}
_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")
_OPENAI = "/v1/"


async def show_openapi(request: Request) -> Response:
    """This document."""
    state = request.app.state
    if not hasattr(state, "openapi"):
        state.openapi = document(request.app.routes)
    return JSONResponse(state.openapi)


def document(table: Sequence[BaseRoute]) -> dict[str, Any]:
    """The document for a table of URLs; pages for people have no place in it."""
    known = {**CONTRACTS, show_openapi: Contract(None)}
    routes = [r for r in table if isinstance(r, Route) and r.endpoint in known]
    contracts = [known[route.endpoint] for route in routes]
    kinds = {kind: None for contract in contracts for kind in contract.kinds}
    shapes = [*kinds, Error, ErrorAnswer]
    schemas, components = msgspec.json.schema_components(shapes, ref_template=_SCHEMAS)
    schema_of = dict(zip(shapes, schemas, strict=True))
    paths: dict[str, Any] = {}
    for route, contract in zip(routes, contracts, strict=True):
        path = _PARAMETER.sub(r"{\1}", route.path)
        for method in sorted((route.methods or set()) - {"HEAD"}):
            operation = _operation(route, contract, schema_of)
            paths.setdefault(path, {})[method.lower()] = operation
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


def _operation(route: Route, contract: Contract, schema_of: dict[Any, Any]) -> dict[str, Any]:
    summary, _, description = (inspect.getdoc(route.endpoint) or "").partition("\n\n")
    operation: dict[str, Any] = {
        "operationId": route.endpoint.__name__,
        "summary": " ".join(summary.split()),
        "tags": [route.path.split("/")[1]],
        "parameters": [
            *(
                {**_parameter(name, "path", {"type": "string"}), "required": True}
                for name in _PARAMETER.findall(route.path)
            ),
            *(_parameter(name, "query", schema) for name, schema in contract.queries.items()),
        ],
        "responses": {
            str(contract.status): {
                "description": "Done.",
                "content": _content(contract.gives, contract.media, schema_of),
            },
            "default": {
                "description": "Refused or failed.",
                "content": _content(
                    Error if route.path.startswith(_OPENAI) else ErrorAnswer, None, schema_of
                ),
            },
        },
    }
    if contract.streams is not None:
        content = operation["responses"][str(contract.status)]["content"]
        content |= _content(contract.streams, "text/event-stream", schema_of)
    for status, kind in contract.others.items():
        operation["responses"][str(status)] = {
            "description": "See the body.",
            "content": _content(kind, None, schema_of),
        }
    scope = getattr(route, "scope", None)
    operation["security"] = [{}] if scope is None else [{"key": [scope]}, {}]
    if description:
        operation["description"] = " ".join(description.split())
    if contract.takes is not None:
        body = _content(contract.takes, contract.takes_media, schema_of)
        operation["requestBody"] = {"required": contract.needs_body, "content": body}
    return operation


def _content(kind: Any, media: str | None, schema_of: dict[Any, Any]) -> dict[str, Any]:
    """A body's media type and schema; text and bytes have none."""
    if kind is None:
        return {media or "application/json": {}}
    return {media or "application/json": {"schema": schema_of[kind]}}


def _parameter(name: str, place: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": place, "schema": schema}
