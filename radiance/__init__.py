"""Radiance: an always-on local LLM service that learns from what it is told.

The Python surface: ``Client`` and ``AsyncClient`` talk to a running service, ``RadianceError`` is
the base of all they raise. Everything else is the service's own and may change.
"""

TYPE_CHECKING = False  # typing's would make this import twice as long
if TYPE_CHECKING:
    from radiance.client import AsyncClient, Client
    from radiance.errors import RadianceError

__all__ = ["AsyncClient", "Client", "RadianceError", "__version__"]
__version__ = "0.2.0"


def __getattr__(name: str) -> object:
    """Import the public names when they are first asked for, so that a command starts at once."""
    if name == "RadianceError":
        from radiance.errors import RadianceError

        return RadianceError
    if name in __all__:
        from radiance import client

        return getattr(client, name)
    raise AttributeError(f"module 'radiance' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
