"""HTTP connections within limits: uvicorn's protocol has none for what comes before a request.

Counted are the bytes and the number of a request's headers, the time until they are whole, what
still comes of a body whose request has been answered, and the connections at a time. Bodies before
that are looked after where they are read (``api/arrival.py``).
"""

import asyncio
import resource
from asyncio.events import TimerHandle
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from radiance import limits
from radiance.api.errors import error_response
from radiance.config import ServerSettings
from radiance.telemetry import get_logger

_PAUSE_S = 0.005  # after each part of a body that nobody reads: at most some 50 MB a second
_SLICE_BYTES = 16 * 1024  # fed at a time while headers come: the parser joins their parts anew
_SPARE_DESCRIPTORS = 64  # of the database, the model's files, the log
_MOST_DESCRIPTORS = 1 << 16
_log = get_logger(__name__)


class BoundedProtocol(HttpToolsProtocol):
    """One connection. ``bounded_by`` makes the class that uvicorn is given."""

    most_connections = 1
    receive_timeout_s = 30.0
    most_thrown_away = 1 << 25  # bytes
    waiting: ClassVar[dict["BoundedProtocol", None]]  # for what a client is to send, oldest first

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._in_headers, self._header_bytes, self._thrown_away = True, 0, 0
        self._thrown_before = 0  # when the time began that there is for more
        self._arrival: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody connected; one is closed where there are too many.

        That is who has waited longest without asking anything: a thousand connections that say
        nothing keep nobody out.
        """
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            idle = next((one for one in self.waiting if not one._is_being_answered), self)
            idle._stop_waiting()
            idle._refuse(503, f"There are {self.most_connections} connections.", "unavailable")
            if idle is self:
                return
        self._expect_more()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes; as many as belong to headers are counted."""
        while data and self._in_headers and not self.transport.is_closing():
            if self._arrival is None:
                self._expect_more()
            part, data = data[:_SLICE_BYTES], data[_SLICE_BYTES:]
            self._header_bytes += len(part)
            super().data_received(part)
            if self.parser is None:
                return
            if self._in_headers and self._header_bytes > limits.HEADER_BYTES.value:
                self._refuse_headers(f"more than {limits.HEADER_BYTES.value} bytes")
        if data and not self.transport.is_closing():
            super().data_received(data)
            self._throw_away(len(data))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header is whole."""
        super().on_header(name, value)
        if len(self.headers) > limits.HEADERS.value and not self.transport.is_closing():
            self._refuse_headers(f"more than {limits.HEADERS.value} fields")
            raise httptools.HttpParserCallbackError  # ends the parser's part of it

    def on_headers_complete(self) -> None:
        """The headers are whole; a request begins."""
        self._in_headers = False
        self._stop_waiting()
        if not self.transport.is_closing():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole; what comes next are headers again."""
        self._in_headers, self._header_bytes, self._thrown_away = True, 0, 0
        super().on_message_complete()
        if not self._is_being_answered and not self.transport.is_closing():  # it was, before that
            self._stop_waiting()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        """The request is answered; where its body is not whole, the rest may still come."""
        super().on_response_complete()
        if not self._in_headers and not self._is_being_answered and not self.transport.is_closing():
            self._expect_more()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is told so in the service's form of errors."""
        if not self.transport.is_closing():
            self._refuse(400, msg.removesuffix("."), "invalid_request")

    def _expect_more(self) -> None:
        self._stop_waiting()
        self._arrival = self.loop.call_later(self.receive_timeout_s, self._is_late)
        self._thrown_before = self._thrown_away
        self.waiting[self] = None

    def _stop_waiting(self) -> None:
        self.waiting.pop(self, None)
        if self._arrival is not None:
            self._arrival.cancel()
            self._arrival = None

    @property
    def _is_being_answered(self) -> bool:
        """Whether it has a request, and at most sends the next one slowly."""
        return self.cycle is not None and not self.cycle.response_complete

    def _is_late(self) -> None:
        self._stop_waiting()
        if self.transport.is_closing() or self._is_being_answered:
            return
        if not self._in_headers:  # the rest of a body; its client has its answer
            least = limits.BODY_BYTES_PER_SECOND.value * self.receive_timeout_s
            if self._thrown_away - self._thrown_before >= least:
                self._expect_more()
            else:
                self.transport.close()
            return
        self._refuse(408, f"No whole request came within {self.receive_timeout_s:g} s", "timeout")

    def _throw_away(self, count: int) -> None:
        """Read on slowly what comes of a body whose request was answered, and not without end.

        Most clients look at the answer only after they have sent everything, and a closed
        connection tells them nothing; but a gigabyte read as fast as it comes takes a core from all
        others.
        """
        if self._in_headers or self.transport.is_closing() or self._is_being_answered:
            return
        self._thrown_away += count
        if self._thrown_away > self.most_thrown_away:
            self._stop_waiting()
            self.transport.close()
            return
        self.flow.pause_reading()
        self.loop.call_later(_PAUSE_S, self._read_on)

    def _read_on(self) -> None:
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def _refuse_headers(self, why: str) -> None:
        self._refuse(431, f"The request's headers have {why}", "too_large")

    def _refuse(self, status: int, message: str, code: str) -> None:
        """Answer without a request, and close."""
        answer = error_response(status, f"{message.removesuffix('.')}.", code=code)
        head = [
            STATUS_LINE[status],
            b"content-type: application/json\r\n",
            b"content-length: " + str(len(answer.body)).encode() + b"\r\n",
            b"connection: close\r\n",
            *([b"retry-after: 1\r\n"] if status == 503 else []),
            b"\r\n",
        ]
        self.transport.write(b"".join([*head, bytes(answer.body)]))
        self.transport.close()


def bounded_by(settings: ServerSettings) -> type[BoundedProtocol]:
    """The protocol within the limits of the settings and of this process's descriptors."""
    most = min(settings.max_connections, _descriptors(settings.max_connections))

    class Protocol(BoundedProtocol):
        most_connections = most
        receive_timeout_s = settings.receive_timeout_s
        most_thrown_away = limits.THROWN_AWAY.value * settings.max_body_bytes
        waiting: ClassVar[dict[BoundedProtocol, None]] = {}

    return Protocol


def _descriptors(wanted: int) -> int:
    """How many connections there are descriptors for; the process asks for as many as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + _SPARE_DESCRIPTORS
    most = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < needed:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, most), hard))
            soft = min(needed, most)
        except (OSError, ValueError) as error:
            _log.warning("few_descriptors", descriptors=soft, reason=str(error))
    return max(1, (needed if soft == resource.RLIM_INFINITY else soft) - _SPARE_DESCRIPTORS)
