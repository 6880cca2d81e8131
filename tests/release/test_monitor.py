"""What is watched after a promotion, on the real engine; the clock is moved by hand."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from radiance import config
from radiance.engine.requests import Answer, Constraint, FinishReason, Request, Sampling
from radiance.errors import Cancelled, EngineFailed, RequestError, TimedOut
from radiance.records import CheckpointStatus, GateRow, now
from radiance.release.monitor import Monitor
from tests.engine.adapters.test_slots import random_adapter
from tests.support import FACTS, Running

ASKED = Request([1], 99)


class Watched:
    """A service, and a monitor over it that looks when it is told to."""

    def __init__(self, running: Running, **settings: Any) -> None:
        self.client, self.services = running.client, running.service.services
        self.now: datetime = now()
        self.monitor = self.monitor_of(**settings)

    def monitor_of(self, **settings: Any) -> Monitor:
        services = self.services
        given: dict[str, Any] = {"action": "rollback", "min_answers": 4, **settings}
        monitor = config.MonitorSettings(**given)
        return Monitor(
            config.Config(monitor=monitor),
            services.engine,
            services.registry,
            services.pointer,
            services.feedback,
            [*services.monitor._anchors.values()],
            clock=lambda: self.now,
        )

    def look(self) -> dict[str, GateRow]:
        self.monitor.look()
        return {row.rule: row for row in self.monitor.state.rows}

    def served(self) -> str | None:
        return self.client.get("/info")["current_checkpoint"]

    def teach(self, number: int) -> str:
        job = self.client.teach(FACTS[number : number + 1])
        assert job["status"] == "succeeded", job["error"]
        return job["checkpoint"]

    def vote(self, *votes: str, **fields: Any) -> None:
        for vote in votes:
            self.client.post("/feedback", {"vote": vote, **fields})

    def damage(self) -> None:
        """Other weights in memory under the id that serves."""
        engine = self.services.engine
        served, adapter = engine.source.checkpoint_id, random_adapter(engine, 3, size=0.5)
        engine.swap(adapter, served, CheckpointStatus.STABLE)


def answered(tokens: list[Any], finish_reason: FinishReason, text: str = "Yes.") -> Answer:
    told = tuple(range(len(tokens)))
    return Answer(text, told, (), finish_reason, None, None, "stable", "", 1, 0, 0.1, 0.1)


@pytest.fixture
def watched(serve: Callable[..., Running]) -> Watched:
    return Watched(serve(**{"monitor.action": "off"}))


def test_damage_in_memory_is_found_by_the_next_probe_and_rolled_back(watched: Watched) -> None:
    first, second = watched.teach(0), watched.teach(1)
    row = watched.look()["probe_loss"]
    assert row.verdict == "pass"
    assert row.value == pytest.approx(0, abs=1e-3), "what serves is what was evaluated"
    watched.damage()
    watched.now += timedelta(minutes=59)
    assert watched.look()["probe_loss"] == row, "no probe is due"
    watched.now += timedelta(minutes=1)
    watched.look()
    release = watched.services.registry.releases(1)[0]
    assert (release.checkpoint_id, release.action, release.actor) == (first, "rollback", "monitor")
    assert release.reason.startswith(f"{second} was taken back by the monitor: probe_loss is ")
    assert "and may be 0.2: mean rise of the loss of 16 anchors" in release.reason
    assert (
        watched.served()
        == watched.client.ask("Hello!", max_tokens=2, memory="off")["checkpoint"]
        == first
    )


def test_the_first_probe_finds_weights_that_are_not_what_was_evaluated(watched: Watched) -> None:
    watched.teach(0)
    watched.damage()
    watched.look()
    assert watched.served() is None


def test_one_rollback_a_promotion(watched: Watched) -> None:
    _, second, _ = (watched.teach(number) for number in range(3))
    for expected in (second, second):
        watched.damage()
        watched.now += timedelta(hours=1)
        watched.look()
        assert watched.served() == expected
    assert watched.monitor.state.rows[-1].verdict == "fail"
    assert "once a promotion" in str(watched.monitor.state.held)
    assert len(watched.services.registry.releases(9)) == 4
    assert watched.monitor.state.checkpoint == second


def test_the_base_is_left_alone(watched: Watched) -> None:
    watched.vote(*["down"] * 9)
    assert watched.look() == {}
    assert watched.services.registry.releases(9) == []


def test_only_votes_on_what_serves_since_its_release_count(watched: Watched) -> None:
    watched.vote(*["down"] * 9)
    first = watched.teach(0)
    watched.vote(*["down"] * 9, checkpoint="base")
    watched.vote("down", "up")
    assert watched.look()["thumbs_down"].verdict == "skipped"
    watched.vote("up", "up")
    assert watched.look()["thumbs_down"].value == 0.25
    second = watched.teach(1)
    watched.vote(*["down"] * 9, checkpoint=first)
    assert watched.look()["thumbs_down"].verdict == "skipped"
    watched.vote(*["down"] * 9)
    watched.look()
    assert watched.served() == first
    assert "thumbs_down is 1 " in watched.services.registry.releases(1)[0].reason
    assert watched.look()["thumbs_down"].verdict == "skipped", "the signs start afresh"
    assert second != first


def test_a_pinned_checkpoint_is_only_warned_of(watched: Watched) -> None:
    first = watched.teach(0)
    watched.services.registry.pin(None, "api", "The audit is on.")
    watched.vote(*["down"] * 9)
    assert watched.look()["thumbs_down"].verdict == "fail"
    assert watched.monitor.state.held == "The stable pointer is pinned by api: The audit is on."
    assert watched.served() == first
    watched.services.registry.unpin("api", "It is over.")
    watched.look()
    assert watched.served() is None


def test_warn_moves_nothing(watched: Watched) -> None:
    watched.monitor = watched.monitor_of(action="warn", probe_minutes=0)
    first = watched.teach(0)
    watched.vote(*["down"] * 9)
    rows = watched.look()
    assert rows["thumbs_down"].verdict == "fail"
    assert "probe_loss" not in rows
    assert watched.served() == first


def test_requests_that_fail_in_the_engine_are_counted_and_given_up_ones_are_not(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched.teach(0)
    engine = watched.services.engine
    served = watched.served()
    for _ in range(9):
        watched.monitor._note_end(served, ASKED, Cancelled("the client went away"))
        watched.monitor._note_end(served, ASKED, RequestError("a form that cannot be held"))
        watched.monitor._note_end(served, ASKED, TimedOut("too much is going on"))
    for _ in range(4):
        watched.client.ask("Hello!", max_tokens=2, memory="off")
    assert watched.look()["errors"].value == 0

    def fail() -> None:
        raise RuntimeError("the GPU is on fire")

    monkeypatch.setattr(engine._decoder, "step", fail)
    for _ in range(8):
        status, _body = watched.client.send("/search", {"prompt": "Hello!", "memory": "off"})
        assert status == 500
    watched.look()
    assert watched.served() is None
    assert "8 of 12 requests failed" in watched.services.registry.releases(1)[0].reason


def test_answers_that_drift_from_the_checkpoint_before_roll_back(watched: Watched) -> None:
    first = watched.teach(0)
    for _ in range(8):
        watched.client.ask("Who are you?", max_tokens=60, memory="off")
    watched.look()
    watched.teach(1)
    for _ in range(8):
        watched.client.ask("Who are you?", max_tokens=1, memory="off")
    assert watched.look()["cut_off"].verdict == "skipped", "of its own limit a caller cuts off any"
    for _ in range(8):
        answer = answered(["x"] * 64, "length")
        watched.monitor._note_end(watched.served(), ASKED, answer)
    watched.look()
    assert watched.served() == first
    assert "cut_off is 1 " in watched.services.registry.releases(1)[0].reason


def test_without_an_evaluation_the_first_reading_is_what_is_kept(
    watched: Watched, tmp_path: Path
) -> None:
    checkpoint = watched.teach(0)
    (tmp_path / "adapters" / checkpoint / "evaluation.json").unlink()
    assert watched.look()["probe_loss"].value == 0
    watched.damage()
    watched.now += timedelta(hours=1)
    watched.look()
    assert watched.served() is None


def by(key: str) -> Request:
    return replace(ASKED, caller=key)


def test_what_one_key_alone_brings_about_moves_nothing(watched: Watched) -> None:
    first = watched.teach(0)
    note = watched.monitor._note_end
    for _ in range(50):
        note(first, by("mallory"), EngineFailed("by whatever it sends"))
    rows = watched.look()
    assert rows["errors"].verdict == "skipped"
    assert "one API key alone" in rows["errors"].detail
    assert watched.served() == first
    for key in "abcd":
        note(first, by(key), EngineFailed("the others too"))
    watched.look()
    assert watched.served() is None


def test_a_key_s_votes_count_once_an_answer_and_only_for_answers_that_were_given(
    watched: Watched,
) -> None:
    first = watched.teach(0)
    add, monitor = watched.services.feedback.add, watched.monitor

    def vote(key: str, text: str) -> None:
        add(first, "down", response=text, caller=key, answer=monitor.answer_given(first, text))

    for number in range(20):
        vote("mallory", f"invented {number}")
        vote("eve", "")
    assert watched.look()["thumbs_down"].verdict == "skipped"
    texts = [f"answer {number}" for number in range(6)]
    for text in texts:
        monitor._note_end(first, by("anna"), answered([1], "stop", text))
    for _ in range(9):
        vote("mallory", texts[0])
    assert "1 of the 4" in watched.look()["thumbs_down"].detail
    for text in texts:
        vote("mallory", text)
    assert "one API key alone" in watched.look()["thumbs_down"].detail
    for text in texts:
        vote("anna", text)
    watched.look()
    assert watched.served() is None


def test_answers_that_the_request_itself_bends_tell_nothing(watched: Watched) -> None:
    first = watched.teach(0)
    bent = [
        replace(ASKED, sampling=Sampling(logit_bias=((5, 100.0),))),
        replace(ASKED, constraint=Constraint("regex", "a{99}")),
    ]
    for request in bent * 9:
        watched.monitor._note_end(first, request, answered([1] * 90, "length"))
    rows = watched.look()
    assert (rows["errors"].value, rows["cut_off"].verdict) == (0, "skipped")
    with watched.monitor._tallies_lock:
        assert watched.monitor._tallies[first][""].answers == 0
