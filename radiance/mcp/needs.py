"""The SDK is optional: it is found here, or said how to get."""

from collections.abc import Iterator
from contextlib import contextmanager

from radiance.errors import NotFound


@contextmanager
def the_sdk() -> Iterator[None]:
    """Around an import of what needs the SDK.

    Raises:
        NotFound: It is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise NotFound(
            "MCP needs the package mcp, which is not installed.",
            remedy="Install it: pip install 'radiance[mcp]'.",
        ) from None
