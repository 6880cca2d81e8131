"""Training is held up by a person or by the machine, across restarts; requests go on."""

from collections.abc import Callable
from datetime import timedelta

from radiance import records
from tests.support import FACTS, WITHOUT_ANCHORS, Running, as_input


def test_a_pause_holds_a_running_cycle_and_survives_a_restart(
    serve: Callable[..., Running],
) -> None:
    settings = {"training.max_steps": 60, "training.stop_loss": 0.0}
    settings |= {"training.snapshot_seconds": 0.1, **WITHOUT_ANCHORS}
    running = serve(**settings)
    client = running.client
    job_id = client.post("/update", {"examples": as_input(FACTS)})["job_id"]
    client.wait_for_step(job_id, 1)
    state = client.post("/training/pause", {"reason": "The fair is on."})
    assert state["state"] == "paused"
    assert state["pause"]["reason"] == "The fair is on."
    assert state["held_up_by"] == f"paused by {state['pause']['actor']}: The fair is on."

    def step() -> int:
        return client.get(f"/jobs/{job_id}")["progress"]["step"]

    running.service.services.engine.call(lambda: None)
    before = step()
    for question, _ in FACTS:
        assert client.ask(question, max_tokens=8)["finish_reason"]
    assert step() == before < 60

    running.stop()  # although nothing moves, it ends, and what was done is kept
    again = serve(**settings)
    state = again.client.get("/training")
    assert (state["state"], state["pause"]["reason"]) == ("paused", "The fair is on.")
    assert again.client.get(f"/jobs/{job_id}")["status"] in ("queued", "running")
    assert again.client.post("/training/resume", {})["pause"] is None
    assert again.client.wait_for(job_id)["status"] == "succeeded"


def test_quiet_hours_let_nothing_begin(serve: Callable[..., Running]) -> None:
    now = records.now().astimezone()
    hours = f"{now - timedelta(minutes=1):%H:%M}-{now + timedelta(hours=2):%H:%M}"
    running = serve(**{"training.quiet_hours": [hours], "training.max_steps": 5})
    job_id = running.client.post("/update", {"examples": as_input(FACTS[:1])})["job_id"]
    state = running.client.get("/training")
    assert (state["state"], state["pause"]) == ("paused", None)
    assert "quiet hours" in state["held_up_by"]
    running.service.services.pipeline.wake()
    assert running.client.ask("Who are you?", max_tokens=4)["finish_reason"]
    assert running.client.get(f"/jobs/{job_id}")["status"] == "queued"
