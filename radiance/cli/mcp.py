"""`radiance mcp`: the service's tools on stdin and stdout, for a program that starts it."""

from typing import TYPE_CHECKING

import click

from radiance.cli.client import ServiceClient, service_options
from radiance.mcp.needs import the_sdk

if TYPE_CHECKING:
    from radiance.client import AsyncClient

_CONNECT_S = 2.0  # as long as a service takes to listen; a model that waits longer learns no more


@click.command()
@service_options
def mcp(client: ServiceClient) -> None:
    """Serve the Model Context Protocol on stdin and stdout.

    The tools are those of the running service.
    Programs start this themselves; docs/MCP.md says what to write into their settings. It ends when
    its stdin ends. The service offers the same at /mcp.

    Examples:
      radiance mcp
      radiance mcp --url http://10.0.0.5:8042
    """
    import asyncio

    with the_sdk():
        from radiance.mcp.server import serve_stdio
    asyncio.run(serve_stdio(tools_client(client)))


def tools_client(service: ServiceClient) -> "AsyncClient":
    """What the tools ask: soon says so where no service listens."""
    from radiance.client import AsyncClient

    return AsyncClient(service.url, service.api_key, connect_s=_CONNECT_S)
