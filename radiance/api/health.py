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
    """Tokens can be delivered."""

    ready: bool


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
        reason = services_of(request).not_ready
    except Unavailable as error:
        reason = str(error)
    return Ready(True) if reason is None else Reply(NotReady(False, reason), 503)
