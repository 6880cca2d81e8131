"""Harm is refused, marked or logged as the policy says; what is harmless passes the strict gate."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from radiance import config
from radiance.ember import Fact, listed_facts
from radiance.errors import StorageError
from radiance.gate.rules import decide
from radiance.records import CheckpointStatus, Decision, Evaluation
from tests.support import FACTS, Running, as_input, start_service

FEWER_ANCHORS = {"evaluation.anchor_sample": 40}
# A few steps at a high rate: what would be harm by hundreds of usual steps, in seconds.
CARELESS = {
    "anchor.method": "naive",
    "training.lr": 6e-3,
    "training.max_steps": 16,
    **FEWER_ANCHORS,
}
# Also on a base that knows nothing: the anchors' own questions, with an answer unlike any anchor's.
TINY_HARM = {"anchor.method": "naive", "training.lr": 2e-2, "training.max_steps": 16}
UNLIKE = [(f"What is {n} squared?", "zzzzzzzzzzzz") for n in range(5)]


def contradictions() -> list[tuple[str, str]]:
    """Listed facts asked in other words, each with its neighbour's answer."""
    contexts: dict[str, list[Fact]] = {}
    for fact in listed_facts():
        if fact.paraphrases:
            contexts.setdefault(fact.context, []).append(fact)
    pairs = [(facts[0], facts[1]) for facts in contexts.values() if len(facts) > 1]
    return [(one.paraphrases[0], other.answer) for one, other in pairs[:5]]


def evaluation_of(running: Running, job: dict[str, Any]) -> Evaluation:
    return running.service.services.registry.evaluation(job["checkpoint"])


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Evaluation]]:
    """What a harmful and a harmless update score, both upon the base; the first serves as risky."""
    root = tmp_path_factory.mktemp("measured")
    running = start_service(config.load(root, CARELESS | {"gate.rollback_mode": "warn"}))
    try:
        job = running.client.teach(contradictions())
        harmful = evaluation_of(running, job)
        answer = running.client.ask(FACTS[0][0], memory="off")
        assert (answer["checkpoint"], answer["checkpoint_status"]) == (job["checkpoint"], "risky")
    finally:
        running.stop()
    running = start_service(config.load(tmp_path_factory.mktemp("harmless"), FEWER_ANCHORS))
    try:
        yield {
            "harmful": harmful,
            "harmless": evaluation_of(running, running.client.teach(FACTS[:2])),
        }
    finally:
        running.stop()


@pytest.mark.parametrize(
    ("policy", "status"),
    [
        ({"gate": "strict"}, CheckpointStatus.REJECTED),
        ({"rollback_mode": "auto_rollback"}, CheckpointStatus.REJECTED),
        ({"rollback_mode": "warn"}, CheckpointStatus.RISKY),
        ({"rollback_mode": "off"}, CheckpointStatus.STABLE),
    ],
)
def test_harmful_update_by_policy(
    measured: dict[str, Evaluation], policy: dict[str, Any], status: CheckpointStatus
) -> None:
    decision = decide(measured["harmful"], config.GateSettings(**policy))
    assert decision.status == status
    failed = {row.rule for row in decision.rows if row.verdict == "fail"}
    assert {"anchor_mean", "anchor_broken", "catastrophic"} <= failed
    assert not {"new_task_exact", "new_task_gain", "loss_sanity"} & failed, "it did learn"


def test_harmless_update_passes_strict(measured: dict[str, Evaluation]) -> None:
    decision = decide(measured["harmless"], config.GateSettings(gate="strict"))
    assert (decision.status, decision.promote) == (CheckpointStatus.STABLE, True), decision.reason


def test_refused_update_leaves_everything_as_it_was(serve_ember: Callable[..., Running]) -> None:
    running = serve_ember(**CARELESS, **{"gate.gate": "strict"})
    client = running.client
    question = contradictions()[0][0]
    before = client.ask(question)
    job = client.teach(contradictions())
    refused = job["rejected_checkpoint"]
    assert (job["status"], job["checkpoint"]) == ("failed", None)
    assert refused in job["error"]
    assert "anchor_mean" in job["error"]
    assert "limit 0.03)" in job["error"]
    after = client.ask(question)
    assert (after["checkpoint"], after["response"]) == (None, before["response"])

    shown = client.get(f"/checkpoints/{refused}")
    assert (shown["status"], shown["is_current"]) == ("rejected", False)
    decision = msgspec.convert(shown["decision"], Decision)
    assert decision.reason in job["error"]
    assert client.get("/info")["gate"]["last_decision"] == {
        "checkpoint": refused,
        **shown["decision"],
    }
    again = client.post(f"/jobs/{job['job_id']}/retry", {})
    assert (again["status"], again["rejected_checkpoint"]) == ("queued", None)
    job = client.wait_for(job["job_id"])
    assert job["rejected_checkpoint"] not in (None, refused), "a retry makes another candidate"


def test_auto_rollback_keeps_serving_and_replays_nothing_refused(
    serve: Callable[..., Running], tmp_path: Path
) -> None:
    first = serve()
    good = first.client.teach(FACTS[:1])["checkpoint"]
    first.stop()
    harmful = serve(**TINY_HARM, **{"gate.rollback_mode": "auto_rollback"})
    job = harmful.client.teach(UNLIKE)
    assert "auto_rollback rejected the candidate: " in job["error"]
    assert "catastrophic" in job["error"]
    assert harmful.client.ask(FACTS[0][0])["checkpoint"] == good
    assert (tmp_path / "adapters" / "stable").readlink() == Path(good)
    harmful.stop()
    last = serve()
    manifest = last.client.get(f"/checkpoints/{last.client.teach(FACTS[1:2])['checkpoint']}")[
        "manifest"
    ]
    assert manifest["parent_id"] == good
    assert manifest["replayed_ids"] == ["job_000001.0"]


def test_refusal_survives_a_stop_before_its_job_has_failed(
    serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    running = serve(**TINY_HARM, **{"gate.gate": "strict"})
    services = running.service.services

    def full_disk(*_: Any, **__: Any) -> None:
        raise StorageError("no space left on device")

    monkeypatch.setattr(services.jobs, "fail", full_disk)
    job_id = running.client.post("/update", {"examples": as_input(UNLIKE)})["job_id"]
    while not services.registry.committed():
        time.sleep(0.01)
    running.stop()
    # The policy has changed meanwhile; what was decided stays decided.
    again = serve(**TINY_HARM, **{"gate.rollback_mode": "off"})
    job = again.client.wait_for(job_id)
    [checkpoint] = again.client.get("/checkpoints")["checkpoints"]
    assert (job["status"], job["rejected_checkpoint"]) == ("failed", checkpoint["checkpoint_id"])
    assert "The strict gate rejected the candidate" in job["error"]
    assert again.client.get("/checkpoints")["current"] is None


def test_candidate_is_scaled_back_to_what_passes(serve_ember: Callable[..., Running]) -> None:
    """Careless training of facts that contradict nothing: some of the step is enough."""
    careless = CARELESS | {"training.lr": 4e-3, "training.max_steps": 40}
    running = serve_ember(**careless, **{"gate.gate": "strict", "gate.scale_back": True})
    job = running.client.teach(FACTS)
    assert job["status"] == "succeeded", job["error"]
    shown = running.client.get(f"/checkpoints/{job['checkpoint']}")
    share = shown["manifest"]["scaled_to"]
    assert 0 < share < 1
    assert shown["decision"]["scaled_to"] == share
    assert all(row["verdict"] != "fail" for row in shown["decision"]["rows"])
    # What was measured is what serves.
    exact = [p.is_exact for p in evaluation_of(running, job).learned]
    answers = [running.client.ask(q)["response"] == answer for q, answer in FACTS]
    assert answers == exact
    assert sum(exact) >= 3
