"""GET /events: what a reader missed is told once, whoever restarted meanwhile."""

import json
import urllib.request
from collections.abc import Callable, Generator
from typing import Any
from urllib.parse import quote

import pytest

from radiance.web import events
from tests.support import WITHOUT_ANCHORS, Client, Running

Events = Generator[dict[str, Any], None, None]


def messages(client: Client, last: str = "", query: str = "") -> Events:
    """The events of a new connection, each with its name, id and data."""
    request = urllib.request.Request(client.url + "/events" + query)
    if last:
        request.add_header("Last-Event-ID", last)
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        told: dict[str, Any] = {"id": None}
        for raw in answer:
            line = raw.decode().rstrip("\n")
            name, _, value = line.partition(": ")
            if not line and "event" in told:
                yield told
                told = {"id": None}
            elif name == "data":
                told["data"] = json.loads(value)
            elif name in ("event", "id", "retry"):
                told[name] = value


def until_silence(client: Client, last: str) -> tuple[list[str], str]:
    """The topics told after ``last`` until nothing more comes, and the id to go on from."""
    topics: list[str] = []
    beats = 0
    for message in messages(client, last):
        if message["event"] == "change":
            topics += message["data"]["topics"]
            last = message["id"]
        else:
            beats += 1
            if beats == 2:  # the first greets; the second comes after a silence
                return topics, last
    raise AssertionError("the stream ended")


def test_what_was_missed_is_told_once_and_nothing_else(
    serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.3)
    monkeypatch.setattr(events, "_POLL_S", 0.05)
    running = serve(**WITHOUT_ANCHORS)  # with them, it prepares a while
    stream = messages(running.client)
    greeting = next(stream)
    assert (greeting["event"], greeting["retry"]) == ("heartbeat", "1000")
    first = next(stream)
    assert {"serving", "queue", "cycle", "audit", "votes"} <= set(first["data"]["topics"])
    stream.close()

    # While nobody listened: two things of one topic, one of another.
    running.client.post("/pin", {"reason": "one"})
    running.client.post("/unpin", {"reason": "two"})
    running.client.post("/feedback", {"checkpoint": None, "vote": "up"})
    topics, last = until_silence(running.client, first["id"])
    assert sorted(topics) == sorted(set(topics))
    assert set(topics) >= {"audit", "votes"}
    assert set(topics) <= {"audit", "votes", "serving", "alerts"}
    assert until_silence(running.client, last) == ([], last)

    # What is durable is not told again by another process of the service.
    running.stop()
    again = serve(**WITHOUT_ANCHORS)
    assert until_silence(again.client, last)[0] == []
    again.client.post("/pin", {"reason": "three"})
    assert set(until_silence(again.client, last)[0]) == {"audit", "serving"}


@pytest.mark.parametrize("given", ["nonsense", "serving:", "serving:00000000,audit", "x" * 5000])
def test_an_id_that_says_nothing_counts_as_all_changed(shared_service: Running, given: str) -> None:
    everything = set(next(m for m in messages(shared_service.client) if m["id"])["data"]["topics"])
    for found in (
        messages(shared_service.client, given),
        messages(shared_service.client, query=f"?after={quote(given)}"),
    ):
        told = next(message for message in found if message["event"] == "change")
        assert set(told["data"]["topics"]) == everything


def test_a_stream_ends_with_the_service(serve: Callable[..., Running]) -> None:
    running = serve()
    stream = messages(running.client)
    next(stream)
    running.stop()
    for _ in stream:
        pass
