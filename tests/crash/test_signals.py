"""What a signal from outside does to the process: it stops in order, and goes on the next time."""

import signal
from pathlib import Path

import pytest

from bench.survival.service import start
from tests.crash.test_quarantine import wait_for_training
from tests.support import as_input


@pytest.mark.parametrize("name", ["SIGHUP", "SIGTERM", "SIGINT"])
def test_a_signal_stops_it_in_order(tmp_path: Path, tiny_base: Path, name: str) -> None:
    process, client, _ = start(tmp_path, tiny_base)
    client.wait_ready()
    job_id = client.post("/update", {"examples": as_input([("Who?", "Nobody here.")])})["job_id"]
    wait_for_training(client, job_id)
    process.send_signal(getattr(signal, name))
    assert process.wait(60) == 0, (tmp_path / "service.log").read_text()[-2000:]
    process, client, _ = start(tmp_path, tiny_base)
    client.wait_ready()
    job = client.wait_for(job_id)
    assert (job["status"], job["deaths"], job["interruptions"]) == ("succeeded", 0, 0)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
