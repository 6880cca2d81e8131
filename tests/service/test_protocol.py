"""Connections within limits, over real sockets: headers, slow requests, bodies, how many."""

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from radiance import limits
from tests.support import Running


@pytest.fixture
def connect(serve: Callable[..., Running]) -> Iterator[Callable[..., socket.socket]]:
    """Connections to one service."""
    opened: list[socket.socket] = []
    found: dict[str, Running] = {}

    def open_one(**settings: Any) -> socket.socket:
        running = found.setdefault("", serve(**settings)) if not found else found[""]
        where = urlsplit(running.client.url)
        opened.append(socket.create_connection((where.hostname, where.port), 60))
        return opened[-1]

    yield open_one
    for connection in opened:
        connection.close()


def answer(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """The status and the body of an answer after which the connection was closed."""
    data = b""
    try:
        while part := connection.recv(1 << 16):
            data += part
    except ConnectionResetError:  # it had more to read than it cared to
        pass
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def send(connection: socket.socket, *parts: bytes) -> None:
    """As much as is taken."""
    try:
        for part in parts:
            connection.sendall(part)
    except OSError:
        pass


BEGIN = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "rest",
    [
        [b"X: ", *[b"a" * 8192] * 40],  # one without end
        [b"X: y\r\n" * 3000] * 10,  # many short ones
        [f"X{n}: y\r\n".encode() for n in range(101)] + [b"\r\n"],
    ],
)
def test_headers_without_end_are_refused(connect, rest: list[bytes]) -> None:
    connection = connect()
    send(connection, BEGIN, *rest)
    status, body = answer(connection)
    assert status == 431
    assert "headers" in body["error"]["message"]


def test_as_many_headers_as_there_may_be_are_taken_request_after_request(connect) -> None:
    connection = connect()
    fields = b"".join(b"X%d: %s\r\n" % (n, b"y" * 500) for n in range(limits.HEADERS.value - 2))
    for _ in range(5):
        send(connection, BEGIN, fields, b"\r\n")
        data = b""
        while b'"version"' not in data:
            data += connection.recv(1 << 16)
        assert data.startswith(b"HTTP/1.1 200 ")


def test_what_is_no_http_is_told_so_in_the_form_of_errors(connect) -> None:
    connection = connect()
    send(connection, b"\x16\x03\x01\r\n\r\n")
    status, body = answer(connection)
    assert (status, body["error"]["code"]) == (400, "invalid_request")


@pytest.mark.parametrize("sent", [b"", b"GET /health HTT", BEGIN])
def test_a_connection_that_asks_nothing_is_closed(connect, sent: bytes) -> None:
    connection = connect(**{"server.receive_timeout_s": 0.3})
    send(connection, sent)
    assert answer(connection)[0] == 408


def test_a_body_that_does_not_come_is_given_up(connect) -> None:
    connection = connect(**{"server.receive_timeout_s": 0.3})
    head = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n"
    send(connection, head, b'{"prompt"')
    status, body = answer(connection)
    assert (status, body["error"]["code"]) == (408, "timeout")


REFUSED = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"


def test_a_body_that_was_refused_is_read_to_a_bound_and_not_without_end(connect) -> None:
    """It is told so before it is sent, and then closed: nobody reads a gigabyte for nothing."""
    connection = connect(**{"server.max_body_bytes": 1 << 20})
    send(connection, REFUSED % (1 << 30))
    told = connection.recv(1 << 16)
    assert told.startswith(b"HTTP/1.1 413 ")
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < 1 << 30:
            sent += connection.send(b" " * (1 << 16))
    buffered = 16 << 20  # by the system, of both sides
    assert sent <= limits.THROWN_AWAY.value * (1 << 20) + buffered


@pytest.mark.parametrize(("path", "status"), [(b"/search", b"413"), (b"/health", b"405")])
def test_whoever_looks_only_after_sending_is_told_and_the_connection_goes_on(
    connect, path: bytes, status: bytes
) -> None:
    """Also where the answer does not wait for the body."""
    connection = connect(**{"server.max_body_bytes": 1 << 20})
    for _ in range(3):
        send(connection, REFUSED.replace(b"/search", path) % (3 << 20), b" " * (3 << 20))
        told = b""
        while not told.endswith(b"}"):
            told += connection.recv(1 << 16)
        assert told.startswith(b"HTTP/1.1 " + status)


def test_the_rest_of_a_body_that_never_comes_holds_no_connection(connect) -> None:
    connection = connect(**{"server.receive_timeout_s": 0.3, "server.max_body_bytes": 1024})
    send(connection, REFUSED % (1 << 20), b" " * 100)
    told = connection.recv(1 << 16)
    send(connection, b" ")  # a little more, and no end
    connection.settimeout(10)
    while more := connection.recv(1 << 16):  # the answer may come in two; "": closed
        told += more
    assert told.startswith(b"HTTP/1.1 413 ")


def test_bodies_have_a_budget_and_small_ones_always_room(connect, monkeypatch) -> None:
    monkeypatch.setattr(limits, "BODIES_BYTES", limits.BODIES_BYTES._replace(value=300_000))
    head = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    while True:  # whichever is read last is refused
        held = connect()
        send(held, head % 350_000, b" " * 340_000)
        for _ in range(5):
            probe = connect()
            send(probe, BEGIN, b"\r\n")
            assert probe.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
            probe.close()  # a process may have so many open, and no more
        probe = connect()
        send(probe, head % 300_000, b" " * 300_000)
        if probe.recv(1 << 16).startswith(b"HTTP/1.1 429 "):
            break
        probe.close()
        held.close()
    small = b'{"prompt": "Hi", "max_tokens": 1}'
    asked = connect()
    send(asked, head % len(small), small)
    assert asked.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
    held.close()


def test_so_many_connections_and_no_more(connect) -> None:
    held = [connect(**{"server.max_connections": 4}) for _ in range(4)]
    for connection in held:
        send(connection, BEGIN, b"\r\n")
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
    statuses = {answer(connect())[0] for _ in range(3)}
    assert statuses == {503}
    held[0].close()
    while True:
        connection = connect()
        send(connection, BEGIN, b"\r\n")
        if connection.recv(1 << 16).startswith(b"HTTP/1.1 200 "):
            break


def test_connections_that_ask_nothing_keep_nobody_out(connect) -> None:
    settings = {"server.max_connections": 4, "server.receive_timeout_s": 600}
    idle = [connect(**settings) for _ in range(4)]
    send(idle[0], BEGIN)  # nor one whose headers do not end
    for oldest in idle[:2]:
        asked = connect()
        send(asked, BEGIN, b"\r\n")
        assert asked.recv(1 << 16).startswith(b"HTTP/1.1 200 ")
        assert answer(oldest)[0] == 503
