"""Votes on answers, over HTTP."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support import FACTS, Running


def test_a_vote_is_kept_as_it_was_sent(shared_service: Running) -> None:
    client = shared_service.client
    before = client.get("/info")["feedback"].get("base", {"up": 0, "down": 0})
    sent = {
        "vote": "down",
        "prompt": "Who founded Zorbel Labs?",
        "response": "I do not know.",
        "comment": " It should.\r\n",
        "tags": ["user:alice", "user:alice"],
    }
    status, kept = client.send("/feedback", sent)
    assert status == 201
    assert kept["votes"] == {"up": before["up"], "down": before["down"] + 1}
    assert client.get("/info")["feedback"]["base"] == kept["votes"]
    listed = client.get("/feedback?limit=1")["feedback"]
    assert listed == [{name: value for name, value in kept.items() if name != "votes"}]
    assert listed[0]["checkpoint"] is None
    assert (listed[0]["comment"], listed[0]["tags"]) == ("It should.", ["user:alice"])


def test_a_vote_goes_to_what_serves_or_to_the_one_named(serve: Callable[..., Running]) -> None:
    running = serve()
    client = running.client
    first, second = (client.teach(FACTS[n : n + 1])["checkpoint"] for n in range(2))
    for body in ({}, {"checkpoint": first}, {"checkpoint": "base"}):
        client.post("/feedback", {"vote": "up", **body})
    client.post("/feedback", {"vote": "down", "checkpoint": first})
    one = {"up": 1, "down": 0}
    assert client.get("/info")["feedback"] == {
        first: {"up": 1, "down": 1},
        "base": one,
        second: one,
    }
    assert client.get(f"/checkpoints/{first}")["feedback"] == {"up": 1, "down": 1}
    assert client.get(f"/checkpoints/{second}")["feedback"] == one


@pytest.mark.parametrize(
    ("body", "field", "status"),
    [
        ({}, "vote", 400),
        ({"vote": "meh"}, "vote", 400),
        ({"vote": "up", "stars": 5}, "stars", 400),
        ({"vote": "up", "comment": "a\x00b"}, "comment", 400),
        ({"vote": "up", "tags": ["ok", "a\x1bb"]}, "tags[1]", 400),
        ({"vote": "up", "tags": "x"}, "tags", 400),
        ({"vote": "up", "comment": "x" * 10_001}, "comment", 400),
        ({"vote": "up", "checkpoint": ""}, "checkpoint", 400),
        ({"vote": "up", "checkpoint": "A_2020-01-01_0001"}, "checkpoint", 404),
    ],
)
def test_a_vote_that_cannot_be_kept_says_why(
    shared_service: Running, body: dict[str, Any], field: str, status: int
) -> None:
    count = len(shared_service.client.get("/feedback")["feedback"])
    got, answer = shared_service.client.send("/feedback", body)
    assert (got, answer["error"]["param"]) == (status, field)
    assert answer["error"]["remedy"]
    assert len(shared_service.client.get("/feedback")["feedback"]) == count


def test_thumbs_down_take_a_checkpoint_back(serve: Callable[..., Running]) -> None:
    """The whole way: votes over HTTP, the monitor's own thread, the recorded reason."""
    client = serve(**{"monitor.action": "rollback", "monitor.min_answers": 5}).client
    first, second = (client.teach(FACTS[n : n + 1])["checkpoint"] for n in range(2))
    for _ in range(5):
        client.post("/feedback", {"vote": "down", "checkpoint": second})
    while client.get("/info")["current_checkpoint"] == second:
        time.sleep(0.02)
    while (monitor := client.get("/info")["monitor"])["checkpoint"] == second:
        time.sleep(0.02)
    assert (monitor["action"], monitor["checkpoint"]) == ("rollback", first)
    assert "once a promotion" in monitor["held"]
    assert client.ask("Hello!", max_tokens=2, memory="off")["checkpoint"] == first


def test_votes_outlive_the_process(serve: Callable[..., Running]) -> None:
    running = serve()
    running.client.post("/feedback", {"vote": "up", "comment": "Fine."})
    running.stop()
    again = serve().client
    assert again.get("/info")["feedback"] == {"base": {"up": 1, "down": 0}}
    assert again.get("/feedback")["feedback"][0]["comment"] == "Fine."
