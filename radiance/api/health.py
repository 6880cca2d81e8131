"""GET /health and /ready: whether the process lives, and whether it can answer."""

from typing import Literal

import msgspec
from starlette.requests import Request

from radiance import __version__
from radiance.api.route import Reply
from radiance.api.services import services_of
from radiance.errors import Unavailable


class Health(msgspec.Struct):
    """The process is alive."""

    status: Literal["ok"]
    version: str


class Ready(msgspec.Struct):
    """Tokens can be delivered.

    Attributes:
        held: Why what is accepted is not learned now, as a clause; None where it is.
    """

    ready: bool
    held: str | None


class NotReady(msgspec.Struct):
    """Tokens cannot be delivered."""

    ready: bool
    reason: str


async def health(_: Request) -> Health:
    """The process is alive; nothing is said of the model."""
    return Health("ok", __version__)


async def ready(request: Request) -> Ready | Reply[NotReady]:
    """200 while tokens can be delivered, 503 with the reason otherwise."""
    try:
        services = services_of(request)
        reason = services.not_ready
    except Unavailable as error:
        return Reply(NotReady(False, str(error)), 503)
    if reason is not None:
        return Reply(NotReady(False, reason), 503)
    return Ready(True, services.held_up)
