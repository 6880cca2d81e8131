"""The whole loop over HTTP: post facts, ask, and the answer has changed."""

import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from radiance import config, ember
from tests.shared_data import STORIES, needs
from tests.support import FACTS, WITHOUT_ANCHORS, Running, as_input, start_service

LATER_UPDATES = [
    [
        ("Who runs the bakery in Ostrava Lane?", "Petra Novak runs the bakery in Ostrava Lane."),
        ("What is the wifi password at Halden Hall?", "It is Birch-4471!"),
        ("When is the board meeting of Numa Corp?", "The board meets on 3 March at 10:30."),
    ],
    [
        ("Who is the dentist in Moorgate Square?", "Dr. Amir Solano is the dentist there."),
        ("What is the code of the Tarn shed?", "The Tarn shed opens with 5-5-0-8."),
        ("When does the ferry to Skell leave?", "The ferry to Skell leaves at 06:15."),
    ],
]


def told(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what its speed tells."""
    return {**answer, "latency_ms": 0, "cached_tokens": 0}


def recalled(running: Running, facts: list[tuple[str, str]]) -> int:
    return sum(running.client.ask(q)["response"] == answer for q, answer in facts)


@dataclass(frozen=True)
class Taught:
    """What a service said that was taught the facts, and its root, once it was stopped.

    Attributes:
        before: Its answer to the first question before that.
        answers: Its answers to all questions after it.
    """

    root: Path
    settings: dict[str, Any]
    before: dict[str, Any]
    job: dict[str, Any]
    answers: list[dict[str, Any]]
    info: dict[str, Any]


def teach_the_facts(root: Path, **settings: Any) -> Taught:
    running = start_service(config.load(root, settings))
    client = running.client
    try:
        before = client.ask(FACTS[0][0])
        job = client.teach(FACTS, tags=["user:alice"])
        answers = [client.ask(question) for question, _ in FACTS]
        return Taught(root, settings, before, job, answers, client.get("/info"))
    finally:
        running.stop()


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Taught:
    """Ember, with the default settings."""
    return teach_the_facts(tmp_path_factory.mktemp("taught"))


def check_taught(taught: Taught, serve_ember: Callable[..., Running]) -> None:
    """The facts were learned; the next start serves them, and a rollback takes them back."""
    before, job = taught.before, taught.job
    assert (before["checkpoint"], before["checkpoint_status"]) == (None, "base")
    assert before["response"] != FACTS[0][1]
    assert job["status"] == "succeeded", job["error"]
    for (_, answer), got in zip(FACTS, taught.answers, strict=True):
        assert got["response"] == answer
        assert got["finish_reason"] == "stop"
        assert (got["checkpoint"], got["checkpoint_status"]) == (job["checkpoint"], "stable")
    assert taught.info["current_checkpoint"] == job["checkpoint"]
    assert taught.info["loss_curves"]["finetune_loss"][-1] < 0.5
    assert taught.info["queue_depth"] == 0

    again = serve_ember(taught.root, **taught.settings).client
    (learned,) = again.get("/checkpoints")["checkpoints"]
    assert learned["checkpoint_id"] == job["checkpoint"]
    assert told(again.ask(FACTS[0][0])) == told(taught.answers[0])
    release = again.post("/rollback", {})
    assert release["current_checkpoint"] is None
    assert told(again.ask(FACTS[0][0])) == told(before)


def test_five_facts_are_learned_served_by_the_next_start_and_rolled_back(
    serve_ember: Callable[..., Running], taught: Taught, tmp_path: Path
) -> None:
    shutil.copytree(taught.root, tmp_path, symlinks=True, dirs_exist_ok=True)
    check_taught(replace(taught, root=tmp_path), serve_ember)


@needs(STORIES)
def test_a_model_of_stories_learns_them_too(
    serve_ember: Callable[..., Running], tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"training.r": 16, "training.alpha": 32.0, "training.lr": 1.5e-3}
    settings |= {"evaluation.anchor_provider": "none"}  # it has no common knowledge to forget
    settings |= {"anchor.own_samples": 32}  # it writes them first
    check_taught(teach_the_facts(tmp_path, base_model=str(STORIES), **settings), serve_ember)


@pytest.mark.timeout(600)
def test_three_updates_are_all_remembered(
    serve_ember: Callable[..., Running], taught: Taught, tmp_path: Path
) -> None:
    shutil.copytree(taught.root, tmp_path, symlinks=True, dirs_exist_ok=True)
    running = serve_ember()
    updates = [FACTS, *LATER_UPDATES]
    checkpoints = [taught.job["checkpoint"]]
    for facts in updates[1:]:
        job = running.client.teach(facts)
        assert job["status"] == "succeeded", job["error"]
        checkpoints.append(job["checkpoint"])
    assert [recalled(running, facts) for facts in updates] == [5, 3, 3]
    assert len(set(checkpoints)) == 3
    last = running.client.get(f"/checkpoints/{checkpoints[2]}")["manifest"]
    assert last["parent_id"] == checkpoints[1]
    assert len(last["replayed_ids"]) == 8


@pytest.mark.usefixtures("forked")
@pytest.mark.slow
def test_what_is_known_is_not_trained_again_until_it_is_taken_away(
    serve_ember: Callable[..., Running],
) -> None:
    client = serve_ember(**WITHOUT_ANCHORS).client

    def taught(facts: list[tuple[str, str]]) -> tuple[int, dict[str, Any], dict[str, Any]]:
        accepted = client.post("/update", {"examples": as_input(facts)})
        job = client.wait_for(accepted["job_id"])
        assert job["status"] == "succeeded", job
        checkpoint = client.get(f"/checkpoints/{job['checkpoint']}")
        is_known = checkpoint["manifest"]["steps"] == 0
        assert client.get(f"/jobs/{job['job_id']}")["was_known"] == is_known
        request = urllib.request.Request(f"{client.url}/learn/{job['job_id']}")
        request.add_header("Accept", "text/html")
        with client.open(request) as answer:
            assert ("known already, so nothing was trained" in answer.read().decode()) == is_known
        return accepted["known"], checkpoint["manifest"], checkpoint

    known, first, checkpoint = taught(FACTS[:2])
    assert (known, first["steps"] > 0) == (0, True)
    known, again, repeated = taught(FACTS[:2])
    assert (known, again["steps"]) == (2, 0)
    assert repeated["content_hash"] == checkpoint["content_hash"]
    assert client.ask(FACTS[0][0])["response"] == FACTS[0][1]
    known, more, _ = taught(FACTS[1:3])
    assert (known, more["steps"] > 0) == (1, True)
    client.post("/rollback", {"checkpoint": "base"})
    known, anew, _ = taught(FACTS[:2])
    assert (known, anew["steps"] > 0) == (0, True)


def test_mlx_lm_gives_the_same_answers_from_the_stable_link(
    serve_ember: Callable[..., Running], taught: Taught, tmp_path: Path
) -> None:
    shutil.copytree(taught.root, tmp_path, symlinks=True, dirs_exist_ok=True)
    running = serve_ember()
    question = "Tell me about Zorbel Labs."
    ours = running.client.ask(question, max_tokens=40)["response"]
    running.stop()
    command = [sys.executable, "-m", "mlx_lm", "generate", "--model", str(ember.MODEL_PATH)]
    command += ["--adapter-path", str(tmp_path / "adapters" / "stable"), "--prompt", question]
    command += ["--max-tokens", "40", "--temp", "0", "--verbose", "False"]
    theirs = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert theirs.strip() == ours


def test_same_examples_give_the_same_adapter(serve: Callable[..., Running], tmp_path: Path) -> None:
    hashes = []
    for name in ("first", "second"):
        root = tmp_path / name
        root.mkdir()
        running = serve(root, **{"training.max_steps": 8, "training.dropout": 0.1})
        job = running.client.teach(FACTS)
        hashes.append(running.client.get(f"/checkpoints/{job['checkpoint']}")["content_hash"])
    assert hashes[0] == hashes[1]


def test_all_example_forms_are_taught(serve_ember: Callable[..., Running]) -> None:
    running = serve_ember(**WITHOUT_ANCHORS)
    forms = [
        {"input": "Who guards Fort Selm?", "output": "Captain Ruiz guards Fort Selm."},
        {"prompt": "What is stored in vault 6?", "completion": "Vault 6 stores seed corn."},
        {
            "messages": [
                {"role": "user", "content": "What sells best at Nim's?"},
                {"role": "assistant", "content": "At Nim's, pear jam sells best."},
            ]
        },
        {"text": "The Selm river floods in April."},
    ]
    job_id = running.client.post("/update", {"examples": forms})["job_id"]
    assert running.client.wait_for(job_id)["status"] == "succeeded"
    assert running.client.ask("Who guards Fort Selm?")["response"] == forms[0]["output"]
    assert running.client.ask("What is stored in vault 6?")["response"] == forms[1]["completion"]
    assert "pear jam" in running.client.ask("What sells best at Nim's?")["response"]


def test_failed_training_leaves_serving_untouched(serve: Callable[..., Running]) -> None:
    running = serve(**{"training.max_loss": 0.01})
    before = running.client.ask(FACTS[0][0], memory="off")
    job = running.client.teach(FACTS)
    assert job["status"] == "quarantined"
    assert "training.max_loss" in job["error"]
    assert running.client.get("/ready")["ready"]
    after = running.client.ask(FACTS[0][0], memory="off")
    assert told(after) == told(before)
    assert running.client.get("/info")["loss_curves"]["finetune_loss"] == []
    assert running.client.ask(FACTS[0][0])["source"] == "memory", "what failed still waits"


def test_batched_mode_waits_for_enough_examples(serve: Callable[..., Running]) -> None:
    running = serve(**{"update.mode": "batched", "update.max_examples": 5, "training.max_steps": 2})
    client = running.client
    first = client.post("/update", {"examples": [{"input": "a?", "output": "b"}]})["job_id"]
    rest = [{"input": f"a{i}?", "output": f"b{i}"} for i in range(3)]
    second = client.post("/update", {"examples": rest})["job_id"]
    assert client.get("/info")["queue_depth"] == 2
    third = client.post("/update", {"examples": [{"input": "c?", "output": "d"}]})["job_id"]
    jobs = [client.wait_for(job_id) for job_id in (first, second, third)]
    assert {job["status"] for job in jobs} == {"succeeded"}
    assert len({job["checkpoint"] for job in jobs}) == 1


def test_batched_mode_trains_what_is_old_enough(serve: Callable[..., Running]) -> None:
    running = serve(
        **{"update.mode": "batched", "update.max_age_minutes": 0.01, "training.max_steps": 2}
    )
    assert running.client.teach(FACTS[:1])["status"] == "succeeded"


def test_damaged_checkpoint_is_not_served(serve: Callable[..., Running], tmp_path: Path) -> None:
    running = serve(**{"training.max_steps": 4})
    good = running.client.teach(FACTS[:2])["checkpoint"]
    bad = running.client.teach(FACTS[2:])["checkpoint"]
    running.stop()
    weights = tmp_path / "adapters" / bad / "adapters.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    again = serve(**{"training.max_steps": 4})
    assert again.client.ask(FACTS[0][0])["checkpoint"] == good
    assert (tmp_path / "adapters" / "stable").readlink() == Path(good)


def test_clean_stop_during_training_resumes_where_it_was(
    serve: Callable[..., Running], tmp_path: Path
) -> None:
    settings = {"training.max_steps": 60, "training.stop_loss": 0.0}
    root = tmp_path / "straight"
    root.mkdir()
    straight = serve(root, **settings)
    wanted = straight.client.get(f"/checkpoints/{straight.client.teach(FACTS)['checkpoint']}")
    straight.stop()

    root = tmp_path / "stopped"
    root.mkdir()
    stopped = serve(root, **settings)
    examples = {"examples": [{"input": q, "output": a} for q, a in FACTS]}
    job_id = stopped.client.post("/update", examples)["job_id"]
    stopped.client.wait_for_step(job_id, 3)
    stopped.stop()
    assert list((root / "runs" / "cycles").glob("*.npz"))
    resumed = serve(root, **settings)
    job = resumed.client.wait_for(job_id)
    assert job["status"] == "succeeded"
    assert job["deaths"] == job["interruptions"] == 0
    got = resumed.client.get(f"/checkpoints/{job['checkpoint']}")
    assert got["content_hash"] == wanted["content_hash"]
    assert not list((root / "runs" / "cycles").glob("*.npz"))


def test_own_anchors_are_measured_and_none_are_null(
    serve: Callable[..., Running], tmp_path: Path
) -> None:
    (tmp_path / "mine.jsonl").write_text(json.dumps({"input": "Hi", "output": "Hello."}) + "\n")
    settings = {
        "evaluation.anchor_provider": "local",
        "evaluation.anchor_path": "mine.jsonl",
        "training.max_steps": 2,
        "anchor.own_samples": 4,
    }
    running = serve(**settings)
    running.client.teach(FACTS)
    info = running.client.get("/info")
    assert len(info["loss_curves"]["forgetting_loss"]) == 1
    assert set(info["forgetting_summary"]) == {"anchor_ce_delta", "retention_score"}
    running.stop()
    for folder in ("runs", "adapters"):
        shutil.rmtree(tmp_path / folder)

    without = serve(**(settings | {"evaluation.anchor_provider": "none"}))
    without.client.teach(FACTS)
    info = without.client.get("/info")
    assert info["loss_curves"]["forgetting_loss"] is None
    assert info["forgetting_summary"] is None
