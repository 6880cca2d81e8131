"""``training.max_minutes``: a cycle that takes too long ends, and its jobs can be tried again."""

from collections.abc import Callable

from click.testing import CliRunner

from radiance.cli import main
from radiance.learning.progress import TrainingClock
from tests.support import Running


def test_a_pause_counts_as_one_long_step() -> None:
    now = 0.0
    clock = TrainingClock(1.5, lambda: now)
    now = 3600.0
    assert not clock.is_over()
    now += 3600.0
    assert clock.is_over()


def test_no_limit_is_none() -> None:
    now = 0.0
    clock = TrainingClock(0.0, lambda: now)
    now = 1e9
    assert not clock.is_over()


def test_a_cycle_over_its_time_fails_its_job_and_all_such_are_retried_at_once(
    serve: Callable[..., Running], checkpointed_root: object
) -> None:
    """The job that the gate rejected is left alone: it would come to the same."""
    client = serve(**{"training.max_minutes": 1e-9, "training.max_steps": 50}).client
    (rejected,) = [job["job_id"] for job in client.get("/jobs?status=failed")["jobs"]]
    ended = [client.teach([(f"Who is in room {n}?", f"Guest {n} is.")]) for n in (1, 2)]
    for job in ended:
        assert job["status"] == "failed"
        assert "training.max_minutes (1e-09)" in job["error"]
    client.post("/training/pause", {})
    done = CliRunner().invoke(main, ["jobs", "retry", "--all", "--url", client.url])
    assert (done.exit_code, done.stderr) == (0, "2 jobs queued again.\n")
    states = {job["job_id"]: job["status"] for job in client.get("/jobs")["jobs"]}
    assert {states[job["job_id"]] for job in ended} == {"queued"}
    assert states[rejected] == "failed"
