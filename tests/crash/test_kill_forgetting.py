"""kill -9 at random moments of forgetting: what was answered to be forgotten never comes back."""

import random
import signal
import time
from pathlib import Path

import pytest

from bench.survival.service import start
from radiance.storage.sqlite import Database
from tests.crash.test_kill import KILLS
from tests.minilm import MINILM, needs_minilm
from tests.support import ApiError, Client, as_input

_LONGEST_LIFE_S = 1.0
_BRIEFLY = ("training.max_steps=10", "training.snapshot_seconds=0.05", "anchor.own_samples=4")


def secret_of(number: int) -> tuple[str, str]:
    return f"What opens vault {number}-X?", f"Vault {number}-X opens with Brumble{number}forth."


def keep_of(number: int) -> tuple[str, str]:
    return f"Where is vault {number}-X?", f"Vault {number}-X is below Tarnish {number}."


def attic_of(number: int) -> bytes:
    """A document of two passages, one of which is to be forgotten by its words."""
    secret = f"# Attic\n\nAttic {number}-X opens with Bramble{number}forth.\n"
    return f"{secret}\n# Barn\n\nBarn {number}-X is open.\n".encode()


def files_with(root: Path, secret: bytes) -> list[str]:
    return [
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink() and secret in path.read_bytes().lower()
    ]


def wait_until_done(client: Client) -> None:
    while any(entry["status"] != "done" for entry in client.get("/forget")["forgets"]):
        time.sleep(0.1)


@pytest.mark.usefixtures("forked")
@pytest.mark.timeout(120 + 40 * KILLS)
@pytest.mark.parametrize("embedder", ["words", pytest.param("minilm", marks=needs_minilm)])
def test_killed_while_it_forgets(
    tmp_path: Path, tiny_base: Path, embedder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(20261129)
    forgotten: list[int] = []
    settings = (f'memory.embedder="{embedder}"', *_BRIEFLY)
    if embedder == "minilm":  # tests have a cache of their own
        monkeypatch.setenv("RADIANCE_CACHE", str(MINILM.parents[1]))
    process, client, _ = start(tmp_path, tiny_base, *settings)
    client.wait_ready()
    for number in range(KILLS):
        body = {"examples": as_input([secret_of(number), keep_of(number)]), "job_key": str(number)}
        job = client.post("/update", body)["job_id"]
        told = f"Cellar {number}-X opens with Grumble{number}forth.".encode()
        document = client.send_document(f"{number}.md", told)["document"]["id"]
        client.send_document(f"all-{number}.md", attic_of(number))
        time.sleep(chance.uniform(0.0, 1.0))  # it waits, trains, or was learned
        try:
            client.post("/forget", {"document": document})
            client.post("/forget", {"text": f"Bramble{number}forth"})
            client.post("/forget", {"example": f"{job}.0"})
            forgotten.append(number)
        except (OSError, ApiError) as error:
            raise AssertionError((tmp_path / "service.log").read_text()[-3000:]) from error
        time.sleep(chance.uniform(0.0, _LONGEST_LIFE_S))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process, client, _ = start(tmp_path, tiny_base, *settings)
        client.wait_ready()
        listed = client.get("/documents?limit=1000")["documents"]
        assert {(d["passages"], d["left_out"]) for d in listed} == {(1, 1)}
        for each in forgotten:
            again = client.send_document(f"all-{each}.md", attic_of(each) + b"It is dry.\n")
            assert (again["document"]["passages"], again["document"]["left_out"]) == (1, 1)
            assert client.ask(f"What opens cellar {each}-X?", max_tokens=1)["passage"] is None
            question, answer = secret_of(each)
            said = client.ask(question)
            assert said["response"] != answer
            assert f"{each}forth" not in str(said)
    wait_until_done(client)
    listed = client.get("/jobs?limit=1000")["jobs"]
    for job in listed:
        assert client.wait_for(job["job_id"])["status"] == "succeeded", job
    for number in range(KILLS):
        assert client.ask(keep_of(number)[0])["matches"], number  # nothing else was lost
        for secret in (f"{begin}mble{number}forth" for begin in ("bru", "gru", "bra")):
            assert files_with(tmp_path, secret.encode()) == []
    gone = {f"job_{number + 1:06d}.0" for number in range(KILLS)}
    at = client.get("/checkpoints")["current"]
    while at is not None:
        manifest = client.get(f"/checkpoints/{at}")["manifest"]
        assert not gone & {*manifest["example_ids"], *manifest["replayed_ids"]}
        at = manifest["parent_id"]
    assert client.get("/audit/verify")["findings"] == []
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 0
    db = Database(tmp_path / "runs" / "radiance.db")
    for vectors, of in (("memory_vectors", "memory_keys"), ("passage_vectors", "passage_keys")):
        orphans = db.read(
            f"SELECT number FROM {vectors} WHERE number NOT IN (SELECT number FROM {of})"
        )
        assert orphans == []
