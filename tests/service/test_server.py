"""A service in a process: its exit codes, where it says it listens, and what it refuses."""

import errno
import logging
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import uvicorn
from starlette.applications import Starlette

from radiance import config
from radiance.errors import ConfigError, StorageError, Unavailable
from radiance.records import JobStatus
from radiance.service import server
from radiance.service.app import Service
from tests.support import FACTS, as_input


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """The server takes both over, and the tests after it want them back."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


class Failing:
    """A service whose start fails."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def start(self) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("training.r: it is too large"), 2),
        (StorageError("no space left on device"), 1),
        (Unavailable("the root is served by another process"), 1),
    ],
)
def test_a_start_that_fails_is_an_exit_code_and_an_event(
    error: Exception, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    outcome = server._Outcome()
    server._start(cast(Service, Failing(error)), outcome)
    assert outcome.code == code
    assert str(error) in caplog.text
    stopping = uvicorn.Server(uvicorn.Config(Starlette()))
    outcome.stop_on_failure(stopping)
    assert stopping.should_exit


class Started:
    """A service that has started."""

    services: None = None

    def start(self) -> None:
        pass


def test_no_thread_keeps_the_interpreter_for_as_long_as_a_token_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server.overview, "prepare", lambda services: None)
    before = sys.getswitchinterval()
    try:
        server._start(cast(Service, Started()), server._Outcome())
        assert sys.getswitchinterval() <= 0.001
    finally:
        sys.setswitchinterval(before)


def test_a_defect_at_the_start_is_an_exit_code_and_goes_on_up() -> None:
    outcome = server._Outcome()
    with pytest.raises(ZeroDivisionError):
        server._start(cast(Service, Failing(ZeroDivisionError())), outcome)
    assert outcome.code == 1


def test_a_start_that_succeeds_lets_the_server_go_on() -> None:
    running = uvicorn.Server(uvicorn.Config(Starlette()))
    server._Outcome().stop_on_failure(running)
    assert not running.should_exit


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.EADDRINUSE, "in use"), "Something listens at 127.0.0.1:80 already"),
        (OSError(errno.EACCES, "denied"), "Only root may listen at 127.0.0.1:80"),
        (OSError(errno.EADDRNOTAVAIL, "no such address"), r"\(no such address\).* --host"),
    ],
)
def test_an_address_that_cannot_be_had_says_what_to_do(error: OSError, told: str) -> None:
    assert re.search(told, server._why_not("127.0.0.1", 80, error))


def test_a_port_that_is_taken_starts_nothing(tmp_path: Path, brief: dict[str, Any]) -> None:
    """It opened the root and began to learn first, and then said "the line above says why"."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = config.load(tmp_path, {**brief, "server.port": port})
        with pytest.raises(Unavailable, match=f"127.0.0.1:{port} already.*--port"):
            server.serve(settings)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("host", "shown"), [("127.0.0.1", "http://127.0.0.1:"), ("::1", "http://[::1]:")]
)
def test_it_says_where_it_listens_with_the_port_it_was_given(
    host: str, shown: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "radiance")
    announced = server._AnnouncedServer(
        uvicorn.Config(Starlette(), host=host, port=0, log_config=None, lifespan="off"), tmp_path
    )
    thread = threading.Thread(target=announced.run)
    thread.start()
    while not announced.started and thread.is_alive():
        time.sleep(0.01)
    if not announced.started:
        thread.join()
        pytest.skip(f"this machine has no {host}")
    port = announced.servers[0].sockets[0].getsockname()[1]
    announced.should_exit = True
    thread.join()
    told = [r.msg for r in caplog.records if isinstance(r.msg, dict)]
    (listening,) = [event for event in told if event["event"] == "listening"]
    assert (listening["url"], listening["root"]) == (f"{shown}{port}", str(tmp_path))


@pytest.mark.parametrize(
    ("settings", "encrypted", "event"),
    [
        ({"access.required": "never"}, False, "open_to_others"),
        ({}, False, "not_encrypted"),
        ({}, True, None),
    ],
)
def test_it_warns_of_what_others_can_do(
    settings: dict[str, Any],
    encrypted: bool,
    event: str | None,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    others = config.load(tmp_path, {"server.host": "0.0.0.0", **settings})
    server._warn_of_others(others, is_encrypted=encrypted)
    told = [r.msg["event"] for r in caplog.records if isinstance(r.msg, dict)]
    assert told == ([] if event is None else [event])


def test_a_sharded_model_needs_the_processes_of_a_launcher(tmp_path: Path) -> None:
    sharded = config.load(tmp_path, {"engine.shard": "tensor"})
    for run in (server.serve, server.train):
        with pytest.raises(ConfigError, match=r"engine\.shard"):
            run(sharded)
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def waiting(serve, tmp_path: Path, brief: dict[str, Any]) -> config.Config:
    """The settings of a root in which two jobs wait; no service runs."""
    running = serve(**{"update.mode": "batched"})
    for fact in FACTS[:2]:
        running.client.post("/update", {"examples": as_input([fact])})
    running.stop()
    return config.load(tmp_path, brief | {"update.mode": "batched"})


def test_training_alone_trains_all_that_waits_and_ends(waiting: config.Config) -> None:
    """Whatever update.mode says: nobody waits for more examples here."""
    jobs = server.train(waiting)
    assert [job.job_id for job in jobs] == ["job_000001", "job_000002"]
    assert {job.status for job in jobs} == {JobStatus.SUCCEEDED}
    assert jobs[0].checkpoint != jobs[1].checkpoint
    assert server.train(waiting) == []


def test_training_alone_respects_a_pause_and_says_how_to_end_it(
    serve, waiting: config.Config
) -> None:
    running = serve(**{"update.mode": "batched"})
    running.client.post("/training/pause", {"reason": "The fair is on."})
    running.stop()
    with pytest.raises(Unavailable, match=r"The fair is on\..*radiance training resume"):
        server.train(waiting)
    again = serve(**{"update.mode": "batched"})
    assert again.client.get("/info")["queue_depth"] == 2, "nothing was taken, and the root is free"
