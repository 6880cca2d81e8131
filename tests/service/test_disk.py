"""A disk that fails ends no accepted job, and a root that is gone is noticed and not replaced."""

import errno
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from radiance import config
from radiance.errors import StorageError, Unavailable
from radiance.learning import holding, pipeline
from radiance.records import JobStatus
from radiance.registry import root_watch
from radiance.service.app import Service
from radiance.storage import steps
from tests.support import FACTS, ApiError, Client, Running, as_input


class Disk:
    """Fails the n-th durable step from now on, once or until it is mended."""

    def __init__(self) -> None:
        self.count, self.fails_at, self.is_for_good = 0, 0, False
        self.number = errno.EIO
        self.failed: list[str] = []

    def __call__(self, name: str) -> None:
        self.count += 1
        reached = self.fails_at and self.count >= self.fails_at
        if reached and (self.is_for_good or not self.failed):
            self.failed.append(name)
            raise OSError(self.number, os.strerror(self.number), "/secret/path")

    def fail(self, after: int, number: int = errno.EIO, *, for_good: bool = False) -> None:
        self.count, self.fails_at, self.is_for_good, self.number = 0, after, for_good, number
        self.failed = []

    def mend(self) -> None:
        self.fails_at = 0


@pytest.fixture
def disk() -> Iterator[Disk]:
    found = Disk()
    steps.set_hook(found)
    yield found
    steps.set_hook(None)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held is tried again soon, and the root is looked at often."""
    monkeypatch.setattr(holding, "_FIRST_S", 0.05)
    monkeypatch.setattr(pipeline, "_POLL_S", 0.05)
    monkeypatch.setattr(root_watch, "_LOOK_S", 0.05)


def post(client: Client, number: int) -> str:
    return client.post("/update", {"examples": as_input(FACTS[number : number + 1])})["job_id"]


@pytest.mark.parametrize("after", [1, 3, 5, 7])
def test_one_error_in_a_cycle_ends_no_job(
    serve: Callable[..., Running], disk: Disk, after: int
) -> None:
    running = serve(**{"training.snapshot_seconds": 0.001})
    running.client.post("/training/pause", {})
    job_id = post(running.client, 0)
    running.client.post("/training/resume", {})
    disk.fail(after)
    job = running.client.wait_for(job_id)
    assert disk.failed
    assert job["status"] == "succeeded", (disk.failed, job["error"])


@pytest.mark.slow
def test_one_error_anywhere_ends_no_job(serve: Callable[..., Running], disk: Disk) -> None:
    running = serve(**{"training.snapshot_seconds": 0.001})
    client = running.client
    for after in range(1, 60):
        disk.mend()
        client.post("/training/pause", {})
        job_id = client.post(
            "/update", {"examples": [{"input": f"Who is {after}?", "output": f"Nobody {after}."}]}
        )["job_id"]
        client.post("/training/resume", {})
        disk.fail(after)
        job = client.wait_for(job_id)
        assert job["status"] == "succeeded", (after, disk.failed, job["error"])
        if not disk.failed:
            assert after > 10
            break
    disk.mend()
    assert client.get("/audit/verify")["is_sound"]


def test_a_full_disk_holds_what_waits_and_says_why(
    serve: Callable[..., Running], disk: Disk
) -> None:
    running = serve()
    client = running.client
    client.post("/training/pause", {})
    job_id = post(client, 0)
    client.post("/training/resume", {})
    disk.fail(1, errno.ENOSPC, for_good=True)
    while "No space left" not in str((job := client.get(f"/jobs/{job_id}"))["held"]):
        time.sleep(0.02)
    assert job["status"] in ("queued", "running")
    assert client.get("/ready")["held"] == job["held"] == "storage: No space left on device"
    assert client.ask("Who are you?", max_tokens=2)["response"] is not None
    for path, body in (
        ("/update", {"examples": as_input(FACTS[1:2])}),
        ("/feedback", {"vote": "up"}),
        ("/training/pause", {}),
    ):
        with pytest.raises(ApiError) as caught:
            client.post(path, body)
        error, headers = caught.value.error, caught.value.headers
        assert caught.value.status in (503, 507), path
        assert int(headers["Retry-After"]) > 0
        assert "/" not in error["message"]
    disk.mend()
    assert client.wait_for(job_id)["status"] == "succeeded"
    assert client.get("/ready")["held"] is None


@pytest.mark.parametrize("how", ["rollback", "forget"])
def test_a_move_on_record_is_told_as_done_and_the_link_follows_once_it_can(
    serve: Callable[..., Running], tmp_path: Path, how: str
) -> None:
    running = serve()
    link, moves = tmp_path / "adapters" / "stable", Links()
    job = running.client.teach(FACTS[:1])
    assert os.readlink(link) == job["checkpoint"]
    steps.set_hook(moves)
    moves.fail = True
    if how == "rollback":
        running.client.post("/rollback", {"reason": "It hurts."})
    else:
        running.client.post("/forget", {"job": job["job_id"]})
    assert running.client.get("/info")["current_checkpoint"] is None
    assert os.readlink(link) == job["checkpoint"], "the disk failed"
    moves.fail = False
    until = time.monotonic() + 60
    while link.is_symlink() and time.monotonic() < until:
        time.sleep(0.02)
    assert not link.is_symlink()
    assert not running.client.get("/audit/verify")["findings"]


class Links:
    """While told so, fails whatever would change a link."""

    def __init__(self) -> None:
        self.fail = False

    def __call__(self, name: str) -> None:
        if self.fail and "link" in name:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), "/secret/path")


def test_the_same_key_after_a_failure_is_learned(serve: Callable[..., Running]) -> None:
    running = serve()
    client, jobs = running.client, running.service.services.jobs
    client.post("/training/pause", {})
    body = {"examples": as_input(FACTS[:1]), "job_key": "mine"}
    job_id = client.post("/update", body)["job_id"]
    with jobs._db.transaction() as connection:
        connection.execute(
            "UPDATE jobs SET status = 'failed', error = 'x', finished_at = created_at"
        )
    again = client.post("/update", body)
    assert (again["job_id"], again["status"], again["queued"]) == (job_id, "queued", True)
    assert "paused by" in again["held"]
    client.post("/training/resume", {})
    assert client.wait_for(job_id)["status"] == "succeeded"
    after = client.post("/update", body)
    assert (after["status"], after["queued"], after["held"]) == ("succeeded", False, None)


def test_a_job_in_training_is_cancelled_and_what_trains_with_it_waits(
    serve: Callable[..., Running],
) -> None:
    batched = {"update.mode": "batched", "update.max_examples": 2}
    endless = {"training.max_steps": 5000, "training.stop_loss": 0.0}
    client = serve(**batched, **endless).client
    ids = [post(client, number) for number in range(2)]
    client.wait_for_step(ids[0], 1)
    assert client.post(f"/jobs/{ids[0]}/cancel", {})["status"] == JobStatus.CANCELLED
    assert client.get(f"/jobs/{ids[1]}")["status"] in ("queued", "running")


# ------------------------------------------------------------------------------ identity


@pytest.mark.parametrize("lost", ["runs", "runs/radiance.db", "runs/radiance.lock", "adapters"])
def test_a_root_that_is_gone_accepts_nothing_and_serves_on(
    serve: Callable[..., Running], tmp_path: Path, lost: str
) -> None:
    client = serve().client
    checkpoint = client.teach(FACTS[:1])["checkpoint"]
    (tmp_path / lost).rename(tmp_path / "away")
    assert client.send("/update", {"examples": as_input(FACTS[1:2])})[0] == 503
    while ready_status(client) != 503:
        time.sleep(0.02)
    answer = client.ask("Who are you?", max_tokens=2, memory="off")
    assert answer["checkpoint"] == checkpoint
    (tmp_path / "away").rename(tmp_path / lost)
    while ready_status(client) != 200:
        time.sleep(0.02)
    assert client.teach(FACTS[1:2])["status"] == "succeeded"


def ready_status(client: Client) -> int:
    try:
        client.get("/ready")
    except ApiError as error:
        return error.status
    return 200


def test_a_database_that_was_replaced_is_not_written(
    serve: Callable[..., Running], tmp_path: Path
) -> None:
    client = serve().client
    path = tmp_path / "runs" / "radiance.db"
    shutil.copy(path, tmp_path / "older")
    (tmp_path / "older").replace(path)
    assert client.send("/feedback", {"vote": "up"})[0] == 503


@pytest.fixture
def taught(serve: Callable[..., Running], tmp_path: Path) -> Path:
    """The root of a service that learned something and has stopped."""
    running = serve()
    running.client.teach(FACTS[:1])
    running.stop()
    return tmp_path


def start(root: Path, tiny_base: Path, brief: dict[str, Any]) -> None:
    service = Service(config.load(root, brief), tiny_base)
    try:
        service.start()
    finally:
        service.stop()


@pytest.mark.parametrize("how", ["missing", "empty"])
def test_a_lost_database_is_no_new_root(
    taught: Path, tiny_base: Path, brief: dict[str, Any], how: str
) -> None:
    database = taught / "runs" / "radiance.db"
    head = (taught / "runs" / "audit.head").read_bytes()
    link = os.readlink(taught / "adapters" / "stable")
    database.unlink() if how == "missing" else database.write_bytes(b"")
    with pytest.raises(StorageError, match=f"the database is {how}"):
        start(taught, tiny_base, brief)
    assert (taught / "runs" / "audit.head").read_bytes() == head
    assert os.readlink(taught / "adapters" / "stable") == link
    assert not database.exists() or database.stat().st_size == 0


def test_a_database_older_than_its_log_s_head_is_refused_until_somebody_says_so(
    taught: Path, tiny_base: Path, brief: dict[str, Any]
) -> None:
    connection = sqlite3.connect(taught / "runs" / "radiance.db")
    with connection:
        triggers = connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in triggers.fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute("DELETE FROM audit")
    connection.close()
    with pytest.raises(StorageError, match="its log ends at entry 0"):
        start(taught, tiny_base, brief)
    (taught / "runs" / "audit.head").unlink()
    start(taught, tiny_base, brief)


def test_who_deletes_the_lock_starts_no_second_service(
    serve: Callable[..., Running], tmp_path: Path, tiny_base: Path, brief: dict[str, Any]
) -> None:
    serve()
    with pytest.raises(Unavailable, match=f"pid {os.getpid()}"):
        start(tmp_path, tiny_base, brief)
    (tmp_path / "runs" / "radiance.lock").unlink()
    with pytest.raises(Unavailable, match="served by another process"):
        start(tmp_path, tiny_base, brief)


def test_an_older_database_is_copied_before_it_is_changed(
    taught: Path, tiny_base: Path, brief: dict[str, Any]
) -> None:
    connection = sqlite3.connect(taught / "runs" / "radiance.db")
    with connection:
        connection.execute("DELETE FROM migrations WHERE name = 'm012_acceptances'")
        connection.execute("DROP INDEX audit_of_acceptances")
    connection.close()
    start(taught, tiny_base, brief)
    (copy,) = (taught / "runs").glob("radiance.db.before-*")
    with sqlite3.connect(copy) as kept:
        names = {row[0] for row in kept.execute("SELECT name FROM migrations")}
    assert "m012_acceptances" not in names


def test_a_folder_in_the_place_of_a_file_is_told_in_a_sentence(
    tmp_path: Path, tiny_base: Path, brief: dict[str, Any]
) -> None:
    (tmp_path / "runs" / "crash.log").mkdir(parents=True)
    with pytest.raises(StorageError, match="move away what stands there"):
        start(tmp_path, tiny_base, brief)
