"""A job made of a file outlives its process, and its recipe with it."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import openai
from click.testing import CliRunner

from radiance.cli import main
from tests.support import FACTS, Running, as_input

QUICK = {
    "anchor.method": "naive",
    "evaluation.anchor_provider": "none",
    "training.dropout": 0.1,
    "training.max_steps": 60,
}


def client_of(running: Running) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{running.client.url}/v1", api_key="none", max_retries=0)


def test_a_job_goes_on_after_a_restart_and_can_be_made_again(
    serve: Callable[..., Running], tmp_path: Path, tiny_base: Path
) -> None:
    running = serve(**QUICK, **{"training.snapshot_seconds": 0.2})
    lines = "\n".join(map(json.dumps, as_input(FACTS))).encode()
    with client_of(running) as client:
        file = client.files.create(file=("facts.jsonl", lines), purpose="fine-tune")
        job = client.fine_tuning.jobs.create(
            training_file=file.id,
            model="radiance",
            seed=11,
            hyperparameters={"n_epochs": 40, "batch_size": 4, "learning_rate_multiplier": 0.5},
        )
    number = job.id.removeprefix("ftjob-")
    while True:
        progress = running.client.get(f"/jobs/job_{number}")["progress"]
        if progress and progress["step"] >= 5:
            break
        time.sleep(0.02)
    assert progress["max_steps"] == 50  # 40 passes over 5 examples, 4 at a time
    running.stop()

    again = serve(**QUICK)
    with client_of(again) as client:
        assert client.files.content(file.id).read() == lines
        while (job := client.fine_tuning.jobs.retrieve(job.id)).status in ("queued", "running"):
            time.sleep(0.05)
        assert job.status == "succeeded"
        steps = [
            event.data["step"]  # type: ignore[index]
            for event in client.fine_tuning.jobs.list_events(job.id, limit=100)
            if event.type == "metrics"
        ]
    assert sorted(steps) == list(range(1, 51))
    checkpoint = (job.fine_tuned_model or "").removeprefix("radiance:")
    made = again.client.get(f"/checkpoints/{checkpoint}")["manifest"]
    assert (made["seed"], made["steps"], made["training"]["batch_size"]) == (11, 50, 4)
    again.stop()

    options = ("--root", str(tmp_path), "--base-model", str(tiny_base))
    result = CliRunner().invoke(main, ["reproduce", checkpoint, *options, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["is_equal"]
