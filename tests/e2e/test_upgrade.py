"""A root that version 0.1.0 wrote opens, serves, verifies and goes on learning.

The root in tests/data has two checkpoints of rank 2 on Ember (three facts, then a correction), a
canary that was ended, a vote, a pin, two rollbacks and two promotions, an uploaded file, training
paused by a person, and one job that waits. 0.1.0 wrote all of it: two updates with
``training.r=2 training.max_steps=120 anchor.own_samples=32 evaluation.anchor_sample=20``, the rest
through its HTTP API.
"""

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from radiance.registry.verification import verify
from tests.support import Running

ARCHIVE = Path(__file__).parents[1] / "data" / "root-0.1.0.tar.xz"
WAITING = "job_000003"
pytestmark = pytest.mark.slow


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def test_a_root_of_0_1_0_is_taken_over(root: Path, serve_ember: Callable[..., Running]) -> None:
    brief = {"anchor.own_samples": 8, "evaluation.anchor_sample": 24, "training.cooldown_steps": 5}
    running = serve_ember(root, **{"server.port": 0, **brief})
    client = running.client
    assert client.get("/audit/verify")["findings"] == []

    listed = client.get("/checkpoints")
    assert [c["checkpoint_id"] for c in listed["checkpoints"]] == [
        "A_2026-11-28_0002",
        "A_2026-11-28_0001",
    ]
    answer = client.ask("When does Zorbel Labs open?")
    assert answer["checkpoint"] == listed["current"] == "A_2026-11-28_0002"
    assert answer["response"] == "Zorbel Labs opens at 6:15 on weekdays."
    first = client.ask("When does Zorbel Labs open?", checkpoint="A_2026-11-28_0001")
    assert first["response"] == "Zorbel Labs opens at 7:45 on weekdays."

    assert [vote["comment"] for vote in client.get("/feedback")["feedback"]] == ["right"]
    canary = client.get("/canary")
    assert canary["running"] is None
    assert canary["last"]["end_reason"] == "Enough."
    assert [f["filename"] for f in client.get("/v1/files")["data"]] == ["ft.jsonl"]
    for page in ("/overview.json", "/checkpoints.json", "/gate.json", "/audit.json"):
        assert client.get(page)

    training = client.get("/training")
    assert "Over the upgrade." in str(training)
    assert client.get(f"/jobs/{WAITING}")["status"] == "queued"
    client.post("/unpin", {"reason": "The upgrade is done."})
    client.post("/training/resume", {"reason": "The upgrade is done."})
    job = client.wait_for(WAITING)
    assert job["status"] == "succeeded"
    assert client.ask("Who is Tove?")["response"] == "Tove is a baker."
    assert client.ask("Who founded Zorbel Labs?")["checkpoint"] == job["checkpoint"]
    lineage = client.get(f"/checkpoints/{job['checkpoint']}")
    assert lineage["parent_id"] == "A_2026-11-28_0002"
    running.stop()
    found = verify(root / "runs" / "radiance.db", root / "adapters")
    assert found.is_sound, found.findings
