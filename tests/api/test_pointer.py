"""Promoting and pinning by hand, lineage, and the record of it all, on a real service."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support import FACTS, ApiError, Running


def refusal(running: Running, path: str, body: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        running.client.post(path, body)
    return caught.value


def test_pinned_service_learns_on_and_serves_what_is_pinned(serve: Callable[..., Running]) -> None:
    running = serve()
    client = running.client
    served = client.teach(FACTS[:1])["checkpoint"]
    pinned = client.post("/pin", {"reason": "The fair is on."})
    assert pinned["current_checkpoint"] == served
    assert pinned["pinned"]["reason"] == client.get("/info")["pinned"]["reason"]

    jobs = [client.teach(FACTS[i : i + 1], tags=[f"n:{i}"]) for i in (1, 2)]
    assert [job["status"] for job in jobs] == ["succeeded", "succeeded"]
    learned = [client.get(f"/checkpoints/{job['checkpoint']}") for job in jobs]
    assert [c["parent_id"] for c in learned] == [served, served]
    assert [c["manifest"]["replayed_ids"] for c in learned] == [["job_000001.0"]] * 2
    assert client.get("/checkpoints")["current"] == served
    assert client.ask("Who?", memory="off")["checkpoint"] == served

    last = jobs[1]["checkpoint"]
    moved = client.post("/promote", {"checkpoint": last, "reason": "The better one."})
    assert (moved["current_checkpoint"], moved["release"]["actor"]) == (last, "api")
    assert client.ask("Who?", memory="off")["checkpoint"] == last
    assert client.post("/unpin", {})["pinned"] is None
    newest = client.teach(FACTS[3:4])["checkpoint"]
    assert client.get("/checkpoints")["current"] == newest
    replayed = client.get(f"/checkpoints/{newest}")["manifest"]["replayed_ids"]
    assert replayed == ["job_000001.0", "job_000003.0"], "what the served lineage has learned"

    lineage = client.get(f"/checkpoints/{newest}/lineage")
    assert [g["checkpoint_id"] for g in lineage["lineage"]] == [newest, last, served]
    assert lineage["continues_at"] is None
    assert lineage["base"]["model"] == running.service.services.config.base_model
    job = lineage["lineage"][1]["jobs"][0]
    assert (job["job_id"], job["tags"]) == ("job_000003", ["n:2"])
    assert job["examples"][0]["id"] == "job_000003.0"
    assert job["examples"][0]["shown"] == " → ".join(FACTS[2])
    assert client.get(f"/checkpoints/{newest}/lineage?limit=1")["continues_at"] == last

    entries = client.get("/audit?limit=1000")["entries"]
    assert [e["action"] for e in reversed(entries)] == [
        *("promote", "pin", "commit", "commit", "promote_by_hand", "unpin", "promote")
    ]
    assert [e["number"] for e in client.get("/audit?limit=1&before=3")["entries"]] == [2]
    body = entries[0]["body"]
    assert body["examples"].keys() == {"job_000004.0"}
    assert body["replayed"].keys() == {"job_000001.0", "job_000003.0"}
    assert body["settings"]["training"]["max_steps"] == 2
    assert body["decision"]["rows"]
    assert body["versions"]["mlx"]
    found = client.get("/audit/verify")
    assert (found["is_sound"], found["findings"], found["entries"]) == (True, [], 7)
    kept = entries[3]["hash"]
    assert client.get(f"/audit/verify?head={kept}")["is_sound"]
    assert not client.get(f"/audit/verify?head={'0' * 63}1")["is_sound"]


def test_rejected_checkpoint_is_served_by_force_and_counts_as_learned(
    serve: Callable[..., Running],
) -> None:
    running = serve(**{"gate.gate": "strict"})
    client = running.client
    job = client.teach(FACTS[:1])
    assert job["status"] == "failed"
    rejected = job["rejected_checkpoint"]
    error = refusal(running, "/promote", {"checkpoint": rejected})
    assert (error.status, error.error["param"]) == (409, "checkpoint")
    assert "force" in error.error["remedy"]
    client.post("/promote", {"checkpoint": rejected, "force": True})
    answer = client.ask("Who?", memory="off")
    assert (answer["checkpoint"], answer["checkpoint_status"]) == (rejected, "risky")
    job = client.get(f"/jobs/{job['job_id']}")
    assert (job["status"], job["checkpoint"], job["error"]) == ("succeeded", rejected, None)
    second = client.teach(FACTS[1:2])["rejected_checkpoint"]
    manifest = client.get(f"/checkpoints/{second}")["manifest"]
    assert (manifest["parent_id"], manifest["replayed_ids"]) == (rejected, ["job_000001.0"])
    assert client.get("/audit/verify")["is_sound"]


def test_failed_cycle_is_on_record(serve: Callable[..., Running]) -> None:
    running = serve(**{"training.max_loss": 0.01})
    job = running.client.teach(FACTS[:1])
    (entry,) = running.client.get("/audit")["entries"]
    assert (entry["action"], entry["subject"]) == ("cycle_failed", None)
    assert entry["body"]["reason"] in job["error"]
    assert entry["body"]["cycle"]["job_ids"] == [job["job_id"]]


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/promote", {}, 400, "checkpoint"),
        ("/promote", {"checkpoint": ""}, 400, "checkpoint"),
        ("/promote", {"checkpoint": "A_2020-01-01_0001"}, 404, "checkpoint"),
        ("/promote", {"checkpoint": "A_1", "force": "yes"}, 400, "force"),
        ("/pin", {"checkpoint": "A_2020-01-01_0001"}, 404, "checkpoint"),
        ("/pin", {"checkpoints": "A_1"}, 400, "checkpoints"),
        ("/pin", {"reason": "x" * 1001}, 400, "reason"),
        ("/rollback", {"reason": "a\x00b"}, 400, "reason"),
        ("/unpin", {}, 409, None),
        ("/unpin", [], 400, None),
    ],
)
def test_moves_that_cannot_be_are_refused_by_name(
    shared_service: Running, path: str, body: Any, status: int, param: str | None
) -> None:
    error = refusal(shared_service, path, body)
    assert (error.status, error.error["param"]) == (status, param)
    assert error.error["remedy"]
    assert shared_service.client.get("/audit")["entries"] == []


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/audit?limit=0", "limit"),
        ("/audit?before=x", "before"),
        ("/audit?before=0", "before"),
        ("/audit/verify?head=abc", "head"),
        ("/checkpoints/A_2020-01-01_0001/lineage", "checkpoint"),
    ],
)
def test_questions_that_make_no_sense_are_refused_by_name(
    shared_service: Running, path: str, param: str
) -> None:
    with pytest.raises(ApiError) as caught:
        shared_service.client.get(path)
    assert caught.value.error["param"] == param
