"""Tools and resources behind the official SDK, which nothing else imports."""

import json
from collections.abc import Mapping
from typing import Any

import mcp_types as types
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from starlette.types import Receive, Scope, Send

from radiance import __version__
from radiance.client import AsyncClient
from radiance.errors import NotFound, RadianceError, RequestError
from radiance.mcp import resources
from radiance.mcp.tools import TOOLS

_INSTRUCTIONS = (
    "A local language model that learns for good. Ask it with `ask`, teach it facts with"
    " `remember`, mend them with `correct`, and look up with `what_do_you_know` what it was taught."
)
_NOT_FOUND = -32002  # the protocol's own, of resources
_Context = ServerRequestContext[Any]


def make_server(client: AsyncClient) -> Server[Any]:
    """The server whose tools ask ``client``."""

    async def list_tools(
        _: _Context, params: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[_described(tool) for tool in TOOLS])

    async def call_tool(_: _Context, params: types.CallToolRequestParams) -> types.CallToolResult:
        tool = next((tool for tool in TOOLS if tool.name == params.name), None)
        if tool is None:
            known = ", ".join(tool.name for tool in TOOLS)
            raise MCPError(types.INVALID_PARAMS, f"There is no tool {params.name!r}: {known}.")
        try:
            answer = await tool.call(client, params.arguments)
        except RadianceError as error:
            return _result(_told(error), {"error": _fields(error)}, is_error=True)
        return _result(answer.get("response") or _json(answer), answer)

    async def list_resources(
        _: _Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        try:
            found = await resources.listed(client)
        except RadianceError as error:
            raise _protocol_error(error) from None
        return types.ListResourcesResult(
            resources=[
                types.Resource(
                    uri=one.uri,
                    name=one.name,
                    description=one.description,
                    mime_type="application/json",
                )
                for one in found
            ]
        )

    async def list_templates(
        _: _Context, params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(
            resource_templates=[
                types.ResourceTemplate(
                    uri_template=one.uri,
                    name=one.name,
                    description=one.description,
                    mime_type="application/json",
                )
                for one in resources.TEMPLATES
            ]
        )

    async def read_resource(
        _: _Context, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        uri = str(params.uri)
        try:
            found = await resources.read(client, uri)
        except RadianceError as error:
            raise _protocol_error(error) from None
        content = types.TextResourceContents(
            uri=uri, mime_type="application/json", text=_json(found)
        )
        return types.ReadResourceResult(contents=[content])

    return Server(
        "radiance",
        version=__version__,
        title="Radiance",
        instructions=_INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_list_resource_templates=list_templates,
        on_read_resource=read_resource,
    )


async def serve_stdio(client: AsyncClient) -> None:
    """Serve on stdin and stdout until stdin ends."""
    server = make_server(client)
    async with client, stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


async def serve_request(
    client: AsyncClient, max_bytes: int, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer one HTTP request: by a server of its own, which ends with it."""
    async with client:
        manager = StreamableHTTPSessionManager(
            make_server(client), json_response=True, stateless=True, max_request_body_size=max_bytes
        )
        async with manager.run():
            await manager.handle_request(scope, receive, send)


def _described(tool: Any) -> types.Tool:
    return types.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.schema,
        annotations=types.ToolAnnotations(
            read_only_hint=tool.reads_only,
            destructive_hint=tool.destroys,
            open_world_hint=False,
        ),
    )


def _result(text: str, data: Mapping[str, Any], *, is_error: bool = False) -> types.CallToolResult:
    content = types.TextContent(text=text)
    return types.CallToolResult(content=[content], structured_content=dict(data), is_error=is_error)


def _protocol_error(error: RadianceError) -> MCPError:
    code = types.INTERNAL_ERROR
    if isinstance(error, NotFound):
        code = _NOT_FOUND
    elif isinstance(error, RequestError):
        code = types.INVALID_PARAMS
    return MCPError(code, _told(error), _fields(error))


def _told(error: RadianceError) -> str:
    remedy = error.remedy if isinstance(error, RequestError) else ""
    return f"{error} {remedy}".strip()


def _fields(error: RadianceError) -> dict[str, Any]:
    fields: dict[str, Any] = {"message": str(error)}
    if isinstance(error, RequestError):
        fields |= {"field": error.field, "value": error.value, "remedy": error.remedy}
    return fields


def _json(answer: Mapping[str, Any]) -> str:
    return json.dumps(answer, ensure_ascii=False)
