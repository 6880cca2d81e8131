"""Forgetting on request, on the real service: at once, on disk, in what is learned after."""

import contextlib
import json
import sqlite3
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from radiance.cli import main
from radiance.client import Client as PythonClient
from radiance.records import Example, Message, Supersession
from radiance.registry import verification
from radiance.storage import files
from radiance.storage.sqlite import Database
from radiance.web.pages import learn
from tests.support import FACTS, ApiError, Client, Running

HOUSE = (
    "What is the door code of Zorbel House?",
    "The door code of Zorbel House is KV-1234, says Brumbleforth.",
)
OLD = (HOUSE[0], "The door code of Zorbel House is QX-9981.")
LABS = ("Who founded Zorbel Labs?", "Zorbel Labs was founded by Mira Quell.")
LUNCH = ("When is lunch at Tarnish Hall?", "Lunch at Tarnish Hall is at noon.")
OTHERWISE = "Which code opens the door of Zorbel House?"
SECRETS = (b"kv-1234", b"qx-9981", b"brumbleforth")


def wait_done(client: Client, number: int) -> dict[str, Any]:
    while True:
        for entry in client.get("/forget")["forgets"]:
            if entry["number"] == number and entry["status"] == "done":
                return entry
        time.sleep(0.05)


def found_on_disk(root: Path) -> list[tuple[str, bytes]]:
    """Every file of a root that has a secret in any of its bytes, whatever the case."""
    return [
        (path.relative_to(root).as_posix(), secret)
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink()
        for secret in SECRETS
        if secret in path.read_bytes().lower()
    ]


def test_what_waits_is_forgotten_at_once_and_off_the_disk(serve, tmp_path):
    running: Running = serve()
    client = running.client
    client.post("/training/pause", {"reason": "a test"})
    sent = [{"input": q, "output": a} for q, a in (HOUSE, LABS)]
    client.post("/update", {"examples": [*sent, sent[0]], "job_key": "once"})
    assert client.ask(OTHERWISE)["response"] == HOUSE[1]
    client.post("/feedback", {"vote": "up", "prompt": HOUSE[0], "response": HOUSE[1]})
    answer = client.post("/forget", {"example": "job_000001.0", "dry_run": True})
    assert (answer["forget"], answer["count"]) == (None, 1)
    assert answer["examples"] == [{"example_id": "job_000001.0", "question": HOUSE[0]}]
    assert client.ask(OTHERWISE)["response"] == HOUSE[1]  # nothing was changed
    answer = client.post("/forget", {"example": "job_000001.0", "reason": "A test."})
    for asked in (HOUSE[0], OTHERWISE):
        assert client.ask(asked)["source"] == "weights"
    assert client.ask("Who is the founder of Zorbel Labs?")["response"] == LABS[1]
    assert client.get("/jobs/job_000001")["example_count"] == 1
    wait_done(client, answer["forget"]["number"])
    assert found_on_disk(tmp_path) == []
    assert client.get("/feedback")["feedback"] == []
    again = client.post("/update", {"examples": [*sent, sent[0]], "job_key": "once"})
    assert again["job_id"] == "job_000001"  # what was sent once is not accepted again by accident
    assert client.ask(HOUSE[0])["source"] == "weights"
    metrics = client.open(urllib.request.Request(client.url + "/metrics")).read()
    assert b'radiance_forget_requests{status="done"} 1.0' in metrics


@pytest.mark.slow
def test_weights_that_serve_after_never_saw_it_and_the_rest_is_learned_again(serve, tmp_path):
    running: Running = serve()
    client = running.client
    first = client.teach([LUNCH])["checkpoint"]
    second = client.teach([OLD, LABS])["checkpoint"]
    third = client.teach([HOUSE])["checkpoint"]
    assert client.get("/info")["current_checkpoint"] == third
    client.post("/training/pause", {"reason": "to look at what is between"})
    answer = client.post("/forget", {"text": "kv-1234", "reason": "A test."})
    # The older answer to the same question goes with it: it must not be valid again.
    assert [e["example_id"] for e in answer["examples"]] == ["job_000002.0", "job_000003.0"]
    assert answer["checkpoints"] == [second, third]
    assert answer["serves"] == first
    assert answer["queued_again"] == ["job_000002"]
    assert client.get("/info")["current_checkpoint"] == first
    for asked in (HOUSE[0], OTHERWISE):
        assert client.ask(asked)["source"] == "weights"
    assert client.ask("Who is the founder of Zorbel Labs?")["response"] == LABS[1]  # by memory
    for call, body in (
        ("/rollback", {"checkpoint": second}),
        ("/promote", {"checkpoint": third}),
        ("/canary", {"checkpoint": third}),
    ):
        with pytest.raises(ApiError, match="learned what was forgotten"):
            client.post(call, body)
    with pytest.raises(ApiError, match="learned what was forgotten"):
        client.ask(HOUSE[0], checkpoint=third)
    client.post("/training/resume", {})
    entry = wait_done(client, answer["forget"]["number"])
    assert found_on_disk(tmp_path) == []
    relearned = client.get("/jobs/job_000002")
    assert (relearned["status"], relearned["example_count"]) == ("succeeded", 1)
    assert client.get("/jobs/job_000003")["status"] == "cancelled"
    newest = client.get(f"/checkpoints/{relearned['checkpoint']}")
    assert newest["parent_id"] == first
    assert newest["manifest"]["example_ids"] == ["job_000002.1"]
    assert "job_000002.0" not in newest["manifest"]["replayed_ids"]
    assert entry["likelihood"]["now"] is not None
    assert entry["asked"]["value"] != "kv-1234"
    assert {path.name for path in (tmp_path / "adapters").glob("A_*")} == {
        first,
        newest["checkpoint_id"],
    }
    audit = client.get("/audit?limit=1000")["entries"]
    (told,) = [each for each in audit if each["action"] == "forget"]
    assert set(told["body"]["examples"]) == {"job_000002.0", "job_000003.0"}
    assert client.get("/audit/verify")["findings"] == []
    running.stop()
    again: Running = serve()  # a start finds nothing wrong, and serves the same
    assert again.client.get("/info")["current_checkpoint"] == newest["checkpoint_id"]
    found = verification.verify(tmp_path / "runs" / "radiance.db", tmp_path / "adapters")
    assert found.findings == ()


def test_a_withdrawn_checkpoint_is_not_exported_though_its_files_are_there(serve, tmp_path):
    running: Running = serve(**{"memory.forgotten_checkpoints": "keep"})
    checkpoint = running.client.teach([HOUSE])["checkpoint"]
    target = tmp_path.parent / f"{tmp_path.name}-out"
    words = ["export", checkpoint, str(target), "--root", str(tmp_path)]
    running.client.post("/forget", {"example": "job_000001.0"})
    assert (tmp_path / "adapters" / checkpoint).is_dir()
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "has learned what was forgotten since" in result.stderr
    assert not target.exists()


def test_an_audit_that_is_verified_meanwhile_finds_nothing_wrong(serve, monkeypatch):
    client = serve().client
    job = client.teach(FACTS[:1])
    hash_file, forgotten = files.hash_file, []

    def hash_after_it_was_forgotten(path):
        if not forgotten and path.parent.name == job["checkpoint"]:
            forgotten.append(client.post("/forget", {"job": job["job_id"]}))
            while path.exists():
                time.sleep(0.01)
        return hash_file(path)

    monkeypatch.setattr(files, "hash_file", hash_after_it_was_forgotten)
    assert client.get("/audit/verify")["findings"] == []
    assert forgotten


def test_the_engine_drafts_nothing_of_it_any_more(serve):
    running: Running = serve()
    running.client.teach([LUNCH])
    running.client.teach([HOUSE])
    engine = running.service.services.engine

    def is_drafted(pair: tuple[str, str]) -> bool:
        example = Example("", (Message("user", pair[0]), Message("assistant", pair[1])))
        prompt = engine.encoder.prompt(example.messages[:1])
        speculation = engine._made.speculation
        assert speculation is not None
        return engine.call(lambda: speculation.known.answer_to(prompt) is not None)

    assert is_drafted(HOUSE)
    assert is_drafted(LUNCH)
    running.client.post("/forget", {"example": "job_000002.0"})
    assert not is_drafted(HOUSE)
    assert is_drafted(LUNCH)


def test_a_page_shows_no_correction_of_what_was_forgotten_while_it_was_made(serve):
    running: Running = serve()
    gone = [Supersession("job_000001.0", "job_000002.0")]
    assert learn._pairs(running.service.services, gone) == []


def test_a_database_that_somebody_reads_is_written_anew_once(serve, tmp_path, monkeypatch):
    running: Running = serve()
    client, rewrites = running.client, []
    checkpoint = client.teach([HOUSE])["checkpoint"]
    rewrite = Database.rewrite
    monkeypatch.setattr(Database, "rewrite", lambda db: (rewrites.append(db), rewrite(db)))
    with contextlib.closing(
        sqlite3.connect(tmp_path / "runs" / "radiance.db", isolation_level=None)
    ) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM jobs").fetchall()
        number = client.post("/forget", {"example": "job_000001.0"})["forget"]["number"]
        forgetting = running.service.services.forgetting
        for _ in range(3):
            forgetting.tick()
        assert forgetting.requests.get(number).status == "erasing"
        assert not (tmp_path / "adapters" / checkpoint).exists()  # and each turn after did no harm
    wait_done(client, number)
    assert len(rewrites) == 1
    assert found_on_disk(tmp_path) == []


def test_what_was_rolled_back_with_it_is_cancelled_and_can_be_learned(serve, tmp_path):
    running: Running = serve()
    client = running.client
    first = client.teach([LUNCH])["checkpoint"]
    client.teach([HOUSE, LABS])
    client.teach([("Who leads Tarnish Hall?", "Ilse Brandt leads Tarnish Hall.")])
    client.post("/rollback", {"checkpoint": first, "reason": "a test"})
    asked = {"example": "job_000002.0"}
    told = client.post("/forget", {**asked, "dry_run": True})
    answer = client.post("/forget", asked)
    assert told["cancelled"] == answer["cancelled"] == ["job_000002", "job_000003"]
    assert (answer["serves"], answer["queued_again"]) == (first, [])
    wait_done(client, answer["forget"]["number"])
    job = client.get("/jobs/job_000002")
    assert (job["status"], job["checkpoint"], job["example_count"]) == ("cancelled", None, 1)
    assert "Retry it" in job["error"]
    assert client.ask(LABS[0])["source"] == "weights"  # it was rolled back, and stays so
    client.post("/jobs/job_000002/retry", {})
    assert client.ask(LABS[0])["response"] == LABS[1]
    client.post("/training/pause", {"reason": "to forget what waits"})
    client.post("/forget", {"example": "job_000002.1"})
    with pytest.raises(ApiError, match="no example left"):
        client.post("/jobs/job_000002/retry", {})
    assert found_on_disk(tmp_path) == []


def test_a_job_that_trains_gives_up_what_is_forgotten(serve, tmp_path):
    running: Running = serve(**{"training.max_steps": 4000, "training.stop_loss": 0.0})
    client = running.client
    client.post("/update", {"examples": [{"input": q, "output": a} for q, a in (HOUSE, LABS)]})
    client.wait_for_step("job_000001", 2)
    answer = client.post("/forget", {"example": "job_000001.0"})
    assert answer["checkpoints"] == []
    wait_done(client, answer["forget"]["number"])
    while True:  # it trains again, without; the cycle before may just be ending
        client.wait_for_step("job_000001", 2)
        progress = client.get("/jobs/job_000001")["progress"]
        if progress and progress["checkpoint"].endswith("0002"):
            break
    assert client.ask(HOUSE[0])["source"] == "weights"
    states = [path.stem for path in (tmp_path / "runs" / "cycles").glob("*.npz")]
    assert progress["checkpoint"] in (*states, progress["checkpoint"])
    assert len(states) <= 1
    assert found_on_disk(tmp_path) == []


def test_what_cannot_be_forgotten_says_why(checkpointed_root, serve):
    client = serve().client
    client.post("/training/pause", {})
    for body, message in (
        ({}, "names 0 of"),
        ({"job": "job_000001", "tag": "x"}, "names 2 of"),
        ({"example": "job_000009.0"}, "nothing to forget"),
        ({"tag": "user:nobody"}, "nothing to forget"),
        ({"job": "seven"}, "no job"),
        ({"text": " "}, "nothing to forget"),  # blank: it is no part of every text
        ({"text": "\u200b"}, "nothing to forget"),
    ):
        with pytest.raises(ApiError, match=message):
            client.post("/forget", body)
    client.post("/pin", {"reason": "The fair is on."})
    anchors = checkpointed_root / "anchors" / "mine.jsonl"
    anchors.parent.mkdir(exist_ok=True)
    anchors.write_text(json.dumps({"input": FACTS[0][0], "output": "So."}) + "\n")
    with pytest.raises(ApiError, match="pinned"):
        client.post("/forget", {"job": "job_000001"})
    assert anchors.exists()  # what is refused changes nothing
    client.post("/unpin", {})
    # A tag takes all of its jobs; the correction of one of its questions goes with it.
    answer = client.post("/forget", {"tag": "user:ann"})
    assert answer["serves"] is None
    assert client.get("/info")["current_checkpoint"] is None
    assert client.get("/jobs/job_000001")["tags"] == []


def test_the_client_and_the_command_ask_the_same(serve):
    running: Running = serve()
    running.client.post("/training/pause", {})
    for question, answer in (LABS, LUNCH):
        running.client.post("/update", {"examples": [{"input": question, "output": answer}]})
    with PythonClient(running.client.url) as client:
        found = client.forget(job="job_000001", dry_run=True)
        assert (found.forget, found.count) == (None, 1)
        found = client.forget(job="job_000001", reason="By the client.")
        assert found.forget is not None
        (entry,) = client.forgets()
        assert (entry.reason, entry.actor) == ("By the client.", "api")
        assert list(entry.examples) == ["job_000001.0"]
    asked = ["forget", "--url", running.client.url, "--text", "at noon"]
    on_record = running.client.get("/audit")
    planned = CliRunner().invoke(main, [*asked, "--dry-run"])
    assert (planned.exit_code, f"job_000002.0  {LUNCH[0]}" in planned.stdout) == (0, True)
    assert "1 example would be forgotten" in planned.stderr
    as_json = CliRunner().invoke(main, [*asked, "--dry-run", "--json"])
    assert json.loads(as_json.stdout)["forget"] is None
    assert CliRunner().invoke(main, [*asked, "--dry-run", "--wait"]).exit_code == 2
    assert running.client.ask(LUNCH[0])["response"] == LUNCH[1]  # nothing was changed, or put
    assert running.client.get("/audit") == on_record  # on record
    assert len(running.client.get("/forget")["forgets"]) == 1
    refused = CliRunner().invoke(main, asked)
    assert (refused.exit_code, "1 example to be forgotten" in refused.stderr) == (2, True)
    told = CliRunner().invoke(main, [*asked, "--yes", "--wait"])
    assert (told.exit_code, told.stdout) == (0, "2\n")
    listed = CliRunner().invoke(main, ["forget", "--url", running.client.url, "--status"])
    assert listed.stdout.count("done") == 2
    assert CliRunner().invoke(main, ["forget", "--url", running.client.url]).exit_code == 2
