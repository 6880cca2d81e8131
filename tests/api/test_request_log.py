"""What a request leaves behind: an id and an event, never its text."""

import logging
import re
import time
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from radiance.api.route import OPEN, Route
from radiance.api.routes import ROUTES, create_app
from radiance.config import Config
from radiance.errors import Unavailable
from tests.support import Running


def never_started() -> Any:
    raise Unavailable("starting")


def events(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [
        {"level": record.levelname, **record.msg}
        for record in caplog.records
        if isinstance(record.msg, dict) and record.msg["event"] == "request_answered"
    ]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-123", True), ("a" * 128, True), ("a" * 129, False), ("a b", False), ("é", False)],
)
def test_an_id_is_taken_where_it_is_one_and_made_where_not(given: str, kept: bool) -> None:
    with TestClient(create_app(never_started, Config()), "http://localhost") as client:
        headers = {b"X-Request-Id": given.encode()}
        ids = [client.get(p, headers=headers).headers["x-request-id"] for p in ("/health", "/no")]
        assert "x-request-id" in client.get("/health", headers={"Host": "evil.example"}).headers
    for found in ids:
        assert found == given if kept else re.fullmatch(r"req_[0-9a-f]{24}", found)


def test_a_defect_of_ours_has_an_id_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_: Request) -> Response:
        raise ZeroDivisionError

    monkeypatch.setattr(
        "radiance.api.routes.ROUTES",
        [*ROUTES, Route("/broken", broken, OPEN, method="GET", gives="text/plain")],
    )
    app = create_app(never_started, Config())
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        answer = client.get("/broken", headers={"X-Request-Id": "mine"})
    assert (answer.status_code, answer.headers["x-request-id"]) == (500, "mine")
    (event,) = events(caplog)
    assert (event["level"], event["route"], event["status"]) == ("WARNING", "/broken", 500)


def test_an_event_tells_how_a_request_ended_and_not_what_it_said(
    shared_service: Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = shared_service.client
    prompt = "Who founded Zorbel Labs, of all?"
    said = client.post(
        "/search", {"prompt": prompt, "max_tokens": 4}, headers={"X-Request-Id": "q1"}
    )["response"]
    client.send("/search", {"prompt": ""})
    client.get("/health")
    while len(found := [e for e in events(caplog) if e["route"] != "/ready"]) < 3:
        time.sleep(0.01)  # an event comes after the last byte, which the client did not wait for
    asked, refused, quiet = found
    assert asked["request_id"] == "q1"
    assert (asked["method"], asked["status"], asked["checkpoint"]) == ("POST", 200, "base")
    assert asked["duration_ms"] > 0
    assert (refused["status"], "checkpoint" in refused) == (400, False)
    assert quiet["level"] == "DEBUG"
    assert len({e["request_id"] for e in (asked, refused, quiet)}) == 3
    written = " ".join(record.getMessage() for record in caplog.records)
    assert prompt not in written
    assert said.strip() not in written
