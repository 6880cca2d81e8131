"""A checkpoint tried beside the one that serves, on a real service."""

import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

import pytest

from radiance import config
from radiance.engine.requests import Weights
from radiance.release import canary
from tests.support import FACTS, ApiError, Running, start_service

WATCHFUL = {
    "monitor.action": "rollback",
    "monitor.min_answers": 5,
    "monitor.probe_minutes": 0.0,
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, brief: dict[str, Any]) -> Iterator[Running]:
    """A service with two checkpoints, of which the first serves; its reports are always fresh."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(canary, "_REPORTED_S", 0.0)
        for name in ("_TICK_S", "_SAVE_S", "_GUARD_S"):
            patch.setattr(canary, name, 0.05)
        running = start_service(config.load(tmp_path_factory.mktemp("root"), brief | WATCHFUL))
        first = running.client.teach(FACTS[:1])["checkpoint"]
        running.client.teach(FACTS[1:2])
        running.client.post("/rollback", {"checkpoint": first})
        yield running
        running.stop()


@pytest.fixture
def checkpoints(running: Running) -> Iterator[tuple[str, str]]:
    """The one that serves, and the other; what is under way ends."""
    listed = running.client.get("/checkpoints")["checkpoints"]
    other, first = (c["checkpoint_id"] for c in listed)
    if running.client.get("/checkpoints")["current"] != first:
        running.client.post("/rollback", {"checkpoint": first})
    yield first, other
    if running.client.get("/canary")["running"]:
        running.client.call("DELETE", "/canary")


def ask(running: Running, caller: str, **options: Any) -> str:
    body = {"prompt": "Who are you?", "max_tokens": 3, "temperature": 0, **options}
    return running.client.post("/search", body, headers={"X-Radiance-Key": caller})["checkpoint"]


def until(running: Running, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    while not holds(shown := running.client.get("/canary")):
        time.sleep(0.1)
    return shown


@pytest.mark.slow
def test_a_share_of_the_callers_and_always_the_same_ones(
    running: Running, checkpoints: tuple[str, str]
) -> None:
    first, other = checkpoints
    client = running.client
    started = client.post("/canary", {"checkpoint": other, "share": 0.3, "reason": "A try."})
    assert started["running"]["candidate"] == client.get("/info")["canary"]["candidate"] == other
    callers = [f"caller {n}" for n in range(40)]
    answered = {caller: ask(running, caller) for caller in callers}
    assert set(answered.values()) == {first, other}
    assert 3 <= sum(found == other for found in answered.values()) <= 24
    assert {caller: ask(running, caller) for caller in callers} == answered
    route = running.service.services.canary.route
    share = sum(
        isinstance(w := route(str(n)), Weights) and w.kind != "serving" for n in range(4000)
    )
    assert share / 4000 == pytest.approx(0.3, abs=0.03)
    assert ask(running, callers[0], checkpoint="stable") == first, "whoever names one gets it"

    tried = next(caller for caller, found in answered.items() if found == other)
    headers = {"X-Radiance-Key": tried}
    vote = client.post("/feedback", {"vote": "up"}, headers=headers)
    assert vote["checkpoint"] == other, "of the checkpoint that answers the voter"
    chat = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}
    named = client.post("/v1/chat/completions", {**chat, "model": "radiance"}, headers=headers)
    assert named["choices"]

    shown = until(
        running,
        lambda s: sum(a["answers"] for a in s["running"]["arms"].values()) >= 81,
    )["running"]
    arms = shown["arms"]
    assert (arms["champion"]["checkpoint"], arms["candidate"]["checkpoint"]) == (first, other)
    assert arms["candidate"]["votes"] == {"up": 1, "down": 0}
    assert arms["candidate"]["latency_s"]["p50"] > 0
    assert arms["candidate"]["failures"] == 0
    with urllib.request.urlopen(f"{client.url}/metrics") as response:
        text = response.read().decode()
    for arm in ("champion", "candidate"):
        assert f'radiance_canary_answers{{arm="{arm}"}} {arms[arm]["answers"]:.1f}' in text
    rows = {row["figure"]: row for row in shown["comparison"]}
    assert rows["latency_s"]["low"] <= rows["latency_s"]["difference"] <= rows["latency_s"]["high"]


def test_a_shadow_is_unseen_and_compared_pair_by_pair(
    running: Running, checkpoints: tuple[str, str]
) -> None:
    first, other = checkpoints
    running.client.post("/canary", {"checkpoint": other, "mode": "shadow"})
    for number in range(4):
        assert ask(running, f"caller {number}", prompt=FACTS[1][0]) == first
        until(
            running,
            lambda s, wanted=number + 1: (
                s["running"]["arms"]["candidate"]["answers"] >= wanted
                or s["running"]["dropped"] > 0
            ),
        )
    shown = running.client.call("DELETE", "/canary")["last"]
    rows = {row["figure"]: row for row in shown["comparison"]}
    pairs = rows["mean_logprob"]["champion_count"]
    assert pairs == shown["arms"]["candidate"]["answers"]
    assert pairs + shown["dropped"] == 4
    assert rows["mean_logprob"]["unit"] == "pair"
    assert rows["mean_logprob"]["champion"] < 0
    assert 0 <= rows["agreement"]["low"] <= rows["agreement"]["candidate"]
    entries = running.client.get("/audit?limit=2")["entries"]
    assert [(e["action"], e["subject"]) for e in entries] == [
        ("canary_stop", other),
        ("canary_start", other),
    ]
    assert entries[0]["body"]["summary"]["arms"]["candidate"]["answers"] == pairs
    assert running.client.get("/audit/verify")["is_sound"]


def test_it_ends_by_itself_once_it_serves(running: Running, checkpoints: tuple[str, str]) -> None:
    _, other = checkpoints
    running.client.post("/canary", {"checkpoint": other})
    running.client.post("/promote", {"checkpoint": other})
    ended = until(running, lambda s: s["running"] is None)["last"]
    assert (ended["ended_by"], ended["end_reason"]) == ("canary", "It serves now.")
    assert ask(running, "anybody", memory="off") == other


def test_one_that_is_ending_is_not_hidden_behind_the_one_before(
    running: Running, checkpoints: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client, experiments = running.client, running.service.services.experiments
    number = client.post("/canary", {"checkpoint": checkpoints[1]})["running"]["number"]
    stop, ending, may_end = experiments.stop, threading.Event(), threading.Event()

    def stop_late(*given: Any) -> Any:
        ending.set()
        assert may_end.wait(30)
        return stop(*given)

    monkeypatch.setattr(experiments, "stop", stop_late)
    with ThreadPoolExecutor(2) as pool:
        ended = pool.submit(client.call, "DELETE", "/canary")
        assert ending.wait(30)
        shown = pool.submit(client.get, "/canary")
        wait([shown], timeout=0.5)  # what is shown too early is the one before
        may_end.set()
        answer = shown.result()
        ended.result()
    assert (answer["running"] or answer["last"])["number"] == number


def test_it_ends_where_what_it_continues_from_is_taken_back(
    running: Running, checkpoints: tuple[str, str]
) -> None:
    first, other = checkpoints
    running.client.post("/canary", {"checkpoint": other})
    running.client.post("/rollback", {"checkpoint": "base", "reason": "It was rude."})
    ended = until(running, lambda s: s["running"] is None)["last"]
    assert first in ended["end_reason"]
    assert "It was rude." in ended["end_reason"]
    running.client.post("/promote", {"checkpoint": first})


def test_a_candidate_that_people_dislike_is_taken_away(
    running: Running, checkpoints: tuple[str, str]
) -> None:
    _, other = checkpoints
    running.client.post("/canary", {"checkpoint": other, "share": 1.0})
    for _ in range(12):
        running.client.post("/feedback", {"vote": "down"})
    ended = until(running, lambda s: s["running"] is None)["last"]
    assert "thumbs_down" in ended["end_reason"]


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"checkpoint": "A_2020-01-01_0001"}, 404, "checkpoint"),
        ({"checkpoint": "base", "share": 0}, 400, "share"),
        ({"checkpoint": "base", "share": 1.5}, 400, "share"),
        ({"checkpoint": "base", "mode": "both"}, 400, "mode"),
        ({}, 400, "checkpoint"),
        ({"checkpoint": "base", "reason": "a\x00b"}, 400, "reason"),
    ],
)
def test_what_cannot_be_tried_is_refused_by_name(
    running: Running, body: Any, status: int, param: str
) -> None:
    with pytest.raises(ApiError) as caught:
        running.client.post("/canary", body)
    assert (caught.value.status, caught.value.error["param"]) == (status, param)


def test_one_at_a_time_and_not_what_serves(running: Running, checkpoints: tuple[str, str]) -> None:
    first, other = checkpoints
    for body in ({"checkpoint": first}, {"checkpoint": other}):
        if body["checkpoint"] == other:
            running.client.post("/canary", {"checkpoint": "base", "mode": "shadow"})
        with pytest.raises(ApiError) as caught:
            running.client.post("/canary", body)
        assert caught.value.status == 409
    running.client.call("DELETE", "/canary")
    with pytest.raises(ApiError) as caught:
        running.client.call("DELETE", "/canary")
    assert caught.value.status == 409


def test_it_goes_on_after_a_restart_with_the_same_callers(serve: Callable[..., Running]) -> None:
    running = serve(**WATCHFUL)
    other = running.client.teach(FACTS[:1])["checkpoint"]
    running.client.post("/rollback", {"checkpoint": "base"})
    running.client.post("/canary", {"checkpoint": other, "share": 0.5})
    callers = [f"caller {n}" for n in range(8)]
    before = [ask(running, caller) for caller in callers]
    running.stop()
    running = serve(**WATCHFUL)
    shown = running.client.get("/canary")["running"]
    assert sum(arm["answers"] for arm in shown["arms"].values()) == 8
    assert [ask(running, caller) for caller in callers] == before
