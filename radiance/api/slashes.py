"""Paths in which a slash stands twice, as in ``/v1//chat/completions``."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

_SLASHES = re.compile(r"/{2,}")


class SingleSlashes:
    """Takes slashes in a row for one: clients join a base URL that ends in one with a path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "//" in scope["path"]:
            path = _SLASHES.sub("/", scope["path"])
            scope = {**scope, "path": path, "raw_path": path.encode("ascii", "replace")}
        await self._app(scope, receive, send)
