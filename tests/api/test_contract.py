"""The specification's API, field for field."""

import random
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from radiance import ember
from radiance.api.routes import create_app
from radiance.config import Config
from radiance.config.derived import most_own_samples
from radiance.errors import Unavailable
from tests.support import FACTS, ApiError, Running, as_input


def test_search_answers_with_the_fields_of_the_specification(shared_service: Running) -> None:
    answer = shared_service.client.post("/search", {"prompt": "Who are you?"})
    wanted = {"response", "checkpoint", "checkpoint_status", "latency_ms"}
    assert wanted <= set(answer)
    assert (answer["checkpoint"], answer["checkpoint_status"]) == (None, "base")
    assert answer["latency_ms"] > 0


def test_info_has_the_fields_of_the_specification(shared_service: Running) -> None:
    info = shared_service.client.get("/info")
    assert info["base_model"] == shared_service.service.services.config.base_model
    assert info["current_checkpoint"] is None
    assert info["queue_depth"] == 0
    assert info["last_update"] is None
    assert set(info["loss_curves"]) >= {"finetune_loss", "forgetting_loss", "eval_loss"}
    assert info["forgetting_summary"] is None
    assert set(info["hardware"]) == {"device", "backend"}
    assert info["hardware"]["backend"] == "cpu"


def test_health_speaks_for_the_process(shared_service: Running) -> None:
    assert shared_service.client.get("/health")["status"] == "ok"


def test_max_tokens_bounds_the_answer(shared_ember: Running) -> None:
    answer = shared_ember.client.ask("Tell me about the sea.", max_tokens=2)
    assert answer["completion_tokens"] <= 2
    whole = shared_ember.client.ask("Who are you?", max_tokens=1024)
    assert whole["finish_reason"] == "stop"
    exactly = shared_ember.client.ask("Who are you?", max_tokens=whole["completion_tokens"])
    assert exactly["response"] == whole["response"]


def test_update_job_and_checkpoint_have_their_fields(serve: Callable[..., Running]) -> None:
    client = serve(**{"training.max_steps": 3}).client
    accepted = client.post("/update", {"examples": as_input(FACTS), "tags": ["user:alice"]})
    assert (accepted["job_id"], accepted["queued"]) == ("job_000001", True)
    job = client.wait_for(accepted["job_id"])
    assert set(job) >= {"job_id", "status", "checkpoint", "error"}
    assert (job["status"], job["error"], job["tags"]) == ("succeeded", None, ["user:alice"])

    listed = client.get("/checkpoints")
    assert listed["current"] == job["checkpoint"]
    shown = client.get(f"/checkpoints/{job['checkpoint']}")
    assert shown["is_current"]
    manifest = shown["manifest"]
    assert manifest["example_ids"] == [f"job_000001.{i}" for i in range(5)]
    assert manifest["parent_id"] is None
    assert manifest["steps"] == 3
    assert manifest["training"]["r"] == 8
    assert manifest["report"].keys() >= {"finetune_loss", "eval_loss", "retention_score"}

    info = client.get("/info")
    assert len(info["loss_curves"]["finetune_loss"]) == 4
    assert info["last_update"] is not None
    assert set(info["forgetting_summary"]) == {"anchor_ce_delta", "retention_score"}


def test_same_key_and_body_is_the_same_job(serve: Callable[..., Running]) -> None:
    client = serve(**{"training.max_steps": 1}).client
    body = {"examples": as_input(FACTS[:2])}
    first = client.post("/update", body, headers={"Idempotency-Key": "k1"})
    again = client.post("/update", body, headers={"Idempotency-Key": "k1"})
    in_body = client.post("/update", {**body, "job_key": "k1"})
    assert first["job_id"] == again["job_id"] == in_body["job_id"]
    with pytest.raises(ApiError) as caught:
        client.post("/update", {"examples": as_input(FACTS[2:])}, headers={"Idempotency-Key": "k1"})
    assert caught.value.status == 409
    assert "k1" in caught.value.error["message"]
    other = client.post("/update", body, headers={"Idempotency-Key": "k2"})
    assert other["job_id"] != first["job_id"]


def test_queued_jobs_can_be_cancelled_and_finished_ones_not(serve: Callable[..., Running]) -> None:
    client = serve(**{"update.mode": "batched"}).client
    job_id = client.post("/update", {"examples": as_input(FACTS)})["job_id"]
    assert client.call("POST", f"/jobs/{job_id}/cancel")["status"] == "cancelled"
    with pytest.raises(ApiError) as caught:
        client.call("POST", f"/jobs/{job_id}/cancel")
    assert caught.value.status == 409


def test_failed_job_can_be_tried_again(serve: Callable[..., Running]) -> None:
    client = serve(**{"training.max_loss": 0.01}).client
    job = client.teach(FACTS)
    assert job["status"] == "quarantined"
    assert client.call("POST", f"/jobs/{job['job_id']}/retry")["status"] in ("queued", "running")
    assert client.wait_for(job["job_id"])["status"] == "quarantined"


def test_before_the_start_it_says_so() -> None:
    from starlette.testclient import TestClient

    def starting() -> None:
        raise Unavailable("starting")

    app = create_app(starting, Config())  # type: ignore[arg-type]
    with TestClient(app, base_url="http://localhost") as client:
        assert client.get("/health").status_code == 200
        ready = client.get("/ready")
        assert (ready.status_code, ready.json()["reason"]) == (503, "starting")
        refused = client.post("/search", json={"prompt": "Hi"})
        assert refused.status_code == 503
        assert refused.headers["retry-after"]
        assert refused.json()["error"]["code"] == "unavailable"


def test_client_that_goes_away_frees_its_row(shared_service: Running) -> None:
    parts = urlsplit(shared_service.client.url)
    body = b'{"prompt": "Tell me a long story.", "max_tokens": 900, "temperature": 5}'
    head = (
        f"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    )
    engine = shared_service.service.services.engine
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
        connection.sendall(head + body)
        while engine.call(lambda: len(engine._decoder)) == 0:
            time.sleep(0.01)
    while engine.call(lambda: len(engine._decoder)):
        time.sleep(0.01)  # a row that stays would time the test out long before 900 tokens


def test_live_weights_answer_with_status_training(serve: Callable[..., Running]) -> None:
    # It is asked all the time: by its share of the background it would train for minutes.
    busy = {"training.priority": "eager", "training.stop_loss": 0.0, "training.max_steps": 60}
    client = serve(**busy).client
    job_id = client.post("/update", {"examples": as_input(FACTS)})["job_id"]
    statuses = set()
    while ("training", "base") not in statuses:
        assert client.get(f"/jobs/{job_id}")["status"] in ("queued", "running"), statuses
        got = client.ask(FACTS[0][0], max_tokens=4, use_training_adapter=True)
        plain = client.ask(FACTS[0][0], max_tokens=4)
        statuses.add((got["checkpoint_status"], plain["checkpoint_status"]))
    job = client.wait_for(job_id)
    after = client.ask(FACTS[0][0], max_tokens=4, use_training_adapter=True)
    status = client.get(f"/checkpoints/{job['checkpoint']}")["status"]
    assert (after["checkpoint"], after["checkpoint_status"]) == (job["checkpoint"], status)


@pytest.mark.slow
def test_an_update_does_not_wait_for_what_is_prepared(
    serve_ember: Callable[..., Running],
) -> None:
    # A seed of its own: no earlier service has written these samples.
    seed = random.randrange(2**32)
    running = serve_ember(**{"training.seed": seed, "training.max_steps": 1})
    client = running.client
    while not (told := client.get("/info")["preparing"]):
        time.sleep(0.01)
    assert told.startswith("own samples: ")
    job = client.wait_for(client.post("/update", {"examples": as_input(FACTS[:1])})["job_id"])
    assert job["status"] == "succeeded"
    manifest = running.service.services.registry.manifest(job["checkpoint"])
    assert manifest.anchor["own_samples"] < most_own_samples(
        running.service.services.engine.base.hidden_size
    )
    while not (client.get("/info")["preparing"] or "").startswith("own samples: "):
        time.sleep(0.01)  # goes on by itself


def test_second_service_on_a_root_is_refused(serve: Callable[..., Running], tmp_path: Path) -> None:
    serve()
    with pytest.raises(Unavailable, match="served by another process"):
        serve()


def test_concurrent_updates_are_all_accepted_and_trained(serve: Callable[..., Running]) -> None:
    batched = {"update.mode": "batched", "update.max_examples": 24, "training.max_steps": 5}
    client = serve(**batched).client
    ids: list[str] = []

    def post(number: int) -> None:
        facts = [(f"What is item {number}-{i}?", f"It is {number * i}.") for i in range(3)]
        ids.append(client.post("/update", {"examples": as_input(facts)})["job_id"])

    threads = [threading.Thread(target=post, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 8
    jobs = [client.wait_for(job_id) for job_id in ids]
    assert {job["status"] for job in jobs} == {"succeeded"}


def test_packaged_model_directory_is_whole() -> None:
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {
        path.name for path in ember.MODEL_PATH.iterdir()
    }
