"""What every request leaves behind: an id, an event in the log, and counts for GET /metrics.

The id is the caller's X-Request-Id, or one made here; it comes back as that header and stands in
every event of the request. ``request_answered`` says who asked for which route, how it ended, how
long it took and which checkpoint answered; never what was asked or answered.
"""

import re
import secrets
import time
from collections import Counter, defaultdict
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from radiance.telemetry import Histogram, bound, get_logger

REQUEST_ID = "X-Request-Id"
_USABLE_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
_NO_ROUTE = "none"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_QUIET_ROUTES = ("/health", "/ready", "/metrics")  # asked every few seconds by programs
_GONE = 499
_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_log = get_logger(__name__)


def _seconds() -> Histogram:
    return Histogram(_BOUNDS_S)


class HttpStats:
    """Counts of requests, kept on the event loop.

    Attributes:
        answered: By method, route and status.
        seconds: How long they took to their last byte, by route.
        in_flight: Being answered now.
    """

    def __init__(self) -> None:
        self.answered: Counter[tuple[str, ...]] = Counter()
        self.seconds: defaultdict[str, Histogram] = defaultdict(_seconds)
        self.in_flight = 0


class RequestLog:
    """Accompanies each request from its arrival to its last byte."""

    def __init__(
        self, app: ASGIApp, stats: HttpStats, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._app, self._stats, self._clock = app, stats, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = HTTPConnection(scope).headers.get(REQUEST_ID, "")
        request_id = given if _USABLE_ID.fullmatch(given) else f"req_{secrets.token_hex(12)}"
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        status = 0

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        began = self._clock()
        self._stats.in_flight += 1
        with bound(request_id=request_id):
            try:
                await self._app(scope, receive, noting)
            except Exception:
                status = status or 500
                raise
            finally:
                self._stats.in_flight -= 1
                self._note_end(scope, state, status or _GONE, self._clock() - began)

    def _note_end(self, scope: Scope, state: dict, status: int, seconds: float) -> None:
        route: str = state.get("route", _NO_ROUTE)
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._stats.answered[method, route, str(status)] += 1
        self._stats.seconds[route].observe(seconds)
        log = _log.warning if status >= 500 else _log.info
        if route in _QUIET_ROUTES:
            log = _log.debug
        key = state.get("key")
        log(
            "request_answered",
            method=method,
            route=route,
            status=status,
            duration_ms=round(seconds * 1000, 1),
            **({"checkpoint": state["checkpoint"]} if "checkpoint" in state else {}),
            **({"key": key.name} if key is not None else {}),
        )


def name_checkpoint(connection: HTTPConnection, checkpoint_id: str | None) -> None:
    """Have the request's event in the log name the checkpoint that answers it; None is the base."""
    connection.state.checkpoint = checkpoint_id or "base"
