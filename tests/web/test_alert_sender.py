"""Alerts to a webhook and a mail server that are there: once each, and again after a failure."""

import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from radiance.config import AlertSettings
from radiance.web.alert_sender import AlertSender
from radiance.web.alerts import Alert

DISK = Alert("bad", "disk", "The disk is nearly full: 3 MB are left.")
RISKY = Alert("warn", "risky", "What serves is marked risky.")


class Hook(ThreadingHTTPServer):
    """A webhook that keeps what it got, and refuses while ``status`` is not 204."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _HookHandler)
        self.status, self.got = 204, list[dict[str, Any]]()


class _HookHandler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        hook: Any = self.server
        if hook.status == 204:
            hook.got.append(body)
        self.send_response(hook.status)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None: ...


class _Mailbox(socketserver.StreamRequestHandler):
    """As much of SMTP as a mail takes."""

    def handle(self) -> None:
        box: Any = self.server
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline().strip():
            if line.upper() == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines = []
                while (text := self.rfile.readline().rstrip(b"\r\n")) != b".":
                    lines.append(text.decode())
                box.got.append("\n".join(lines))
            if line.upper() == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(b"250 ok\r\n")


class Mailbox(socketserver.ThreadingTCPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Mailbox)
        self.got: list[str] = []


@pytest.fixture(params=[Hook, Mailbox])
def server(request: pytest.FixtureRequest) -> Iterator[Any]:
    made = request.param()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def settings(server: Any) -> AlertSettings:
    port = server.server_address[1]
    if isinstance(server, Hook):
        return AlertSettings(webhook=f"http://127.0.0.1:{port}/hook")
    return AlertSettings(mail_to=("ann@example.org",), smtp=f"127.0.0.1:{port}")


def test_an_alert_is_sent_when_it_begins_and_not_again_while_it_lasts(server: Any) -> None:
    now = [DISK]
    sender = AlertSender(settings(server), "here", lambda: now)
    sender.look()
    sender.look()
    assert len(server.got) == 1
    assert DISK.text in str(server.got[0])
    now.append(RISKY)
    sender.look()
    assert RISKY.text in str(server.got[1])
    now.clear()
    sender.look()
    now.append(DISK)
    sender.look()
    assert len(server.got) == 3


def test_what_could_not_be_sent_is_sent_at_the_next_look() -> None:
    hook = Hook()
    thread = threading.Thread(target=hook.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        sender = AlertSender(settings(hook), "here", lambda: [DISK])
        hook.status = 500
        with pytest.raises(OSError, match="500"):
            sender.look()
        hook.status = 204
        sender.look()
        assert hook.got == [{"service": "here", "name": "disk", "level": "bad", "text": DISK.text}]
    finally:
        hook.shutdown()
        thread.join()
        hook.server_close()


def test_where_nothing_is_set_nothing_is_started() -> None:
    sender = AlertSender(AlertSettings(), "here", lambda: pytest.fail("nobody is to look"))
    sender.start()
    sender.stop()
