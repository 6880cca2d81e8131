"""A crash loop ends in a service that answers, from what was promoted last, and trains nothing."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from radiance.service.crash_loop import CrashCounter
from tests.support import FACTS, Client, as_input, wait_for_log


def run(root: Path, base: Path) -> tuple["subprocess.Popen[bytes]", Client]:
    log = root / "log"
    log.unlink(missing_ok=True)
    options = ["--root", str(root), "--port", "0", "--base-model", str(base)]
    options += ["--set", "training.max_steps=2", "--set", "evaluation.anchor_provider=none"]
    options += ["--set", "anchor.own_samples=4"]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "radiance", "run", *options], stdout=stream, stderr=stream
        )
    client = Client(wait_for_log(process, log, r"http://127\.0\.0\.1:\d+")[0])
    client.wait_ready()
    return process, client


def stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0


@pytest.mark.usefixtures("forked")
@pytest.mark.slow
@pytest.mark.crash
@pytest.mark.timeout(300)
def test_after_three_quick_deaths_it_serves_and_does_not_train(tmp_path, tiny_base):
    process, client = run(tmp_path, tiny_base)
    learned = client.teach(FACTS[:2])["checkpoint"]
    stop(process)
    for _ in range(3):  # each begins and neither lasts nor ends
        CrashCounter(tmp_path / "runs" / "lives.json").begin()
    process, client = run(tmp_path, tiny_base)
    assert "safe_mode" in (tmp_path / "log").read_text()
    assert client.ask(FACTS[0][0])["checkpoint"] == learned
    job = client.post("/update", {"examples": as_input(FACTS[2:])})["job_id"]
    held = client.get("/training")
    assert held["state"] == "paused"
    assert held["pause"]["actor"] == "safe mode"
    assert client.get(f"/jobs/{job}")["status"] == "queued"
    client.post("/training/resume", {})
    assert client.wait_for(job)["status"] == "succeeded"
    stop(process)
    process, client = run(tmp_path, tiny_base)  # stopped as asked: no longer a crash loop
    assert client.get("/training")["pause"] is None
    stop(process)
