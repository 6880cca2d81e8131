"""What a signal from outside does to the process: it stops in order, and goes on the next time."""

import signal
from pathlib import Path

import pytest

from bench.survival.service import start
from tests.crash.test_quarantine import BRIEF, LONG, wait_for_training
from tests.support import as_input


@pytest.mark.usefixtures("forked")
def test_signals_stop_it_in_order(tmp_path: Path, tiny_base: Path) -> None:
    for name in ("SIGHUP", "SIGTERM", "SIGINT"):
        process, client, _ = start(tmp_path, tiny_base, LONG)
        client.wait_ready()
        examples = as_input([("Who?", f"Nobody here but {name}.")])
        job_id = client.post("/update", {"examples": examples})["job_id"]
        wait_for_training(client, job_id)
        process.send_signal(getattr(signal, name))
        assert process.wait(60) == 0, (name, (tmp_path / "service.log").read_text()[-2000:])
        process, client, _ = start(tmp_path, tiny_base, BRIEF)
        client.wait_ready()
        job = client.wait_for(job_id)
        outcome = (job["status"], job["deaths"], job["interruptions"])
        assert outcome == ("succeeded", 0, 0), name
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
