"""A job under which the process dies of itself is set aside; everything else goes on."""

import signal
import time
from pathlib import Path

import pytest

from bench.survival.service import start
from tests.support import Client, as_input

LONG, BRIEF = "training.max_steps=100000", "training.max_steps=20"


def wait_for_training(client: Client, job_id: str) -> None:
    """Wait until a job of a service with ``LONG`` runs, which does not end by itself."""
    while (status := client.get(f"/jobs/{job_id}")["status"]) != "running":
        assert status == "queued", "it ended before it was seen to run"
        time.sleep(0.02)


@pytest.mark.usefixtures("forked")
def test_job_that_aborts_the_process_twice_is_quarantined(tmp_path: Path, tiny_base: Path) -> None:
    """SIGABRT stands for what a Metal out-of-memory does to the process."""
    facts = [("Who guards Fort Selm?", "Captain Ruiz guards Fort Selm.")]
    process, client, _ = start(tmp_path, tiny_base, LONG)
    client.wait_ready()
    job_id = client.post("/update", {"examples": as_input(facts)})["job_id"]
    for death in (1, 2):
        wait_for_training(client, job_id)
        process.send_signal(signal.SIGABRT)
        process.wait()
        process, client, _ = start(tmp_path, tiny_base, LONG if death == 1 else BRIEF)
        client.wait_ready()
        assert client.get(f"/jobs/{job_id}")["deaths"] == death
    job = client.get(f"/jobs/{job_id}")
    assert job["status"] == "quarantined"
    assert "2" in job["error"] or "twice" in job["error"]
    assert "Fatal Python error: Aborted" in (tmp_path / "runs" / "crash.last.log").read_text()

    other = client.teach([("What is stored in vault 6?", "Vault 6 stores seed corn.")])
    assert other["status"] == "succeeded"
    process.send_signal(signal.SIGTERM)
    assert process.wait() == 0
