"""What happens to a cycle that cannot end as it should."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from radiance.errors import Diverged, StorageError
from radiance.records import Checkpoint, Cycle
from radiance.registry.store import Registry
from radiance.training.trainer import Trainer
from tests.support import FACTS, WITHOUT_ANCHORS, Running, as_input


def failing_once(wrapped: Callable[..., Any], failures: list[str]) -> Callable[..., Any]:
    """The first call fails as a full disk would."""

    def call(*arguments: Any) -> Any:
        if not failures:
            failures.append("failed")
            raise StorageError("no space left on device")
        return wrapped(*arguments)

    return call


def test_disk_that_fails_after_the_commit_delays_the_end(
    serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    running = serve()
    services, failures = running.service.services, []
    acknowledge = failing_once(services.jobs.acknowledge, failures)
    monkeypatch.setattr(services.jobs, "acknowledge", acknowledge)
    job = running.client.teach(FACTS[:2])
    assert failures
    assert job["status"] == "succeeded"
    checkpoints = running.client.get("/checkpoints")
    assert checkpoints["current"] == job["checkpoint"]
    assert len(checkpoints["checkpoints"]) == 1, "it was not trained twice"


def test_disk_that_fails_while_a_cycle_fails_delays_the_end(
    serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    running = serve(**{"training.max_loss": 0.01})
    services, failures = running.service.services, []
    monkeypatch.setattr(services.jobs, "try_alone", failing_once(services.jobs.try_alone, failures))
    job = running.client.teach(FACTS[:2])
    assert failures
    assert job["status"] == "quarantined"
    assert "training.max_loss" in job["error"]


def test_what_diverges_is_kept_out_and_what_trained_with_it_is_learned(
    serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    step, cycles = Trainer._take_step, list[int]()

    def take_step(trainer: Trainer) -> Any:
        lessons = trainer._material.new
        if any(len(lesson.example.tokens) > 200 for lesson in lessons):
            cycles.append(len(lessons))
            raise Diverged("step 1: loss 99 is above training.max_loss (50). Lower training.lr.")
        return (yield from step(trainer))

    monkeypatch.setattr(Trainer, "_take_step", take_step)
    batched = {"update.mode": "batched", "update.max_examples": 3, "training.max_steps": 2}
    client = serve(**batched, **WITHOUT_ANCHORS).client
    told = [FACTS[0], ("What is long?", "x " * 150), FACTS[1]]
    ids = [client.post("/update", {"examples": as_input([one])})["job_id"] for one in told]
    first, bad, last = (client.wait_for(job) for job in ids)
    assert (first["status"], last["status"]) == ("succeeded", "succeeded")
    assert (bad["status"], bad["deaths"], cycles) == ("quarantined", 2, [3, 1])
    assert bad["error"].startswith("Training this job diverged 2 times, so it is kept out: step 1:")


def test_rollback_during_training_is_not_undone(serve: Callable[..., Running]) -> None:
    """The cycle began from what was rolled back: it ends at once; another begins from the base."""
    settings = {"training.max_steps": 24, "training.stop_loss": 0.0}
    running = serve(**settings, **WITHOUT_ANCHORS)
    client = running.client
    first = client.teach(FACTS[:1])["checkpoint"]
    job_id = client.post("/update", {"examples": as_input(FACTS[1:])})["job_id"]
    client.wait_for_step(job_id, 2)
    client.post("/training/pause", {})  # else a short training may end before the rollback
    assert client.post("/rollback", {})["current_checkpoint"] is None
    client.post("/training/resume", {})
    job = client.wait_for(job_id)
    assert job["status"] == "succeeded"
    manifest = client.get(f"/checkpoints/{job['checkpoint']}")["manifest"]
    assert manifest["parent_id"] is None
    assert manifest["replayed_ids"] == []
    assert first != job["checkpoint"]
    steps = running.service.services.pipeline.stats.steps
    assert 2 * 24 < steps < 3 * 24, "two were trained to their end"


def test_nothing_is_left_of_a_candidate_whose_parent_was_rolled_back_at_the_last_moment(
    serve: Callable[..., Running], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    running = serve(**WITHOUT_ANCHORS)
    client = running.client
    client.teach(FACTS[:1])
    commit, staged = Registry.commit, list[Path]()

    def late(registry: Registry, cycle: Cycle, staging: Path, *others: Any) -> Checkpoint:
        if not staged:
            staged.append(staging)
            assert (staging / "adapters.safetensors").exists()
            client.post("/rollback", {})
        return commit(registry, cycle, staging, *others)

    monkeypatch.setattr(Registry, "commit", late)
    assert client.teach(FACTS[1:])["status"] == "succeeded"
    assert staged
    assert list((tmp_path / "adapters").glob(".tmp-*")) == []


def test_corrected_example_leaves_replay(serve: Callable[..., Running]) -> None:
    running = serve()
    question = FACTS[0][0]
    running.client.teach(FACTS[:2])
    running.client.teach([(question.upper(), "The door code is 9-9-9 now.")])
    last = running.client.teach(FACTS[2:3])
    manifest = running.client.get(f"/checkpoints/{last['checkpoint']}")["manifest"]
    assert manifest["replayed_ids"] == ["job_000001.1", "job_000002.0"]


def test_held_back_examples_are_not_trained(serve_ember: Callable[..., Running]) -> None:
    """On Ember, which learns enough in a dozen steps for the losses to part."""
    settings = {"evaluation.holdout_ratio": 0.2, "training.max_steps": 12, "training.lr": 4e-3}
    running = serve_ember(**settings, **WITHOUT_ANCHORS)
    facts = [
        (f"What opens locker {i}?", f"Locker {i} opens with {i * 37 + 11}.") for i in range(10)
    ]
    report = running.client.get(f"/checkpoints/{running.client.teach(facts)['checkpoint']}")[
        "report"
    ]
    assert report["eval_loss"] > 2 * report["finetune_loss"]
