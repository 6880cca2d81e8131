"""`radiance mcp`: the service's tools on stdin and stdout, for a program that starts it."""

import click

from radiance.cli.client import ServiceClient, service_options
from radiance.mcp.needs import the_sdk


@click.command()
@service_options
def mcp(client: ServiceClient) -> None:
    """Serve the Model Context Protocol on stdin and stdout, for the service that runs.

    Programs start this themselves; docs/MCP.md has what to write into their settings. It ends when
    its stdin does. The service has the same at /mcp.

    Examples:
      radiance mcp
      radiance mcp --url http://10.0.0.5:8042
    """
    import asyncio

    from radiance.client import AsyncClient

    with the_sdk():
        from radiance.mcp.server import serve_stdio
    asyncio.run(serve_stdio(AsyncClient(client.url, client.api_key)))
