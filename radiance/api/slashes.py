"""Paths with a slash too many, as in ``/v1//chat/completions`` and ``/v1/models/``."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

_SLASHES = re.compile(r"/{2,}")
_WITHOUT_VERSION = "/chat/completions"  # mlx-lm's server has it so, too


class SingleSlashes:
    """Takes slashes in a row for one, and none at the end of what clients of OpenAI's API ask.

    They join a base URL that ends in one with a path, or add one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = scope["path"] if scope["type"] == "http" else ""
        path = _SLASHES.sub("/", given)
        if path.startswith("/v1/"):
            path = path.rstrip("/")
        elif path == _WITHOUT_VERSION:
            path = f"/v1{path}"
        if path != given:
            scope = {**scope, "path": path, "raw_path": path.encode("ascii", "replace")}
        await self._app(scope, receive, send)
