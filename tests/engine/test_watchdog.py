"""Whether tokens are delivered, with an engine thread that really hangs, dies or fails."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from radiance.engine import heartbeat
from radiance.engine.requests import Request
from radiance.engine.watchdog import EngineWatchdog
from radiance.engine.worker import Engine
from radiance.errors import EngineFailed
from tests.shared_data import REPOSITORY
from tests.support import WITHOUT_ANCHORS, ApiError, Running


def until_not_ready(running: Running) -> str:
    while True:
        try:
            running.client.get("/ready")
        except ApiError as error:
            return error.body["reason"]
        time.sleep(0.05)


def on_its_way(request: Callable[[], Any]) -> Callable[[], Any]:
    """A request in a thread of its own; what came of it, which may be an ApiError."""
    found: list[Any] = []

    def ask() -> None:
        try:
            found.append(request())
        except ApiError as error:
            found.append(error)

    thread = threading.Thread(target=ask)
    thread.start()

    def wait() -> Any:
        thread.join()
        return found[0]

    return wait


def in_flight(running: Running) -> Callable[[], Any]:
    return on_its_way(lambda: running.client.ask("Tell me a long story.", max_tokens=200))


def stream_of(running: Running) -> list[dict[str, Any]]:
    """The events of a streamed chat, to the end of the connection."""
    body = {
        "model": "radiance",
        "messages": [{"role": "user", "content": "Tell me a long story."}],
        "max_tokens": 200,
        "stream": True,
    }
    url = f"{running.client.url}/v1/chat/completions"
    with running.client.open(urllib.request.Request(url, json.dumps(body).encode())) as response:
        lines = [line.decode().strip() for line in response]
    return [json.loads(line[6:]) for line in lines if line.startswith("data: {")]


class Hang:
    """Holds the engine's thread in a decode step, as a lost device does, until it is let go."""

    def __init__(self, engine: Engine, after_tokens: int) -> None:
        self.hangs, self.release = threading.Event(), threading.Event()
        decoder = engine._decoder
        step, wanted = decoder.step, engine.stats.generated_tokens + after_tokens

        def hanging_step() -> bool:
            if engine.stats.generated_tokens >= wanted:
                self.hangs.set()
                self.release.wait()
            return step()

        decoder.step = hanging_step  # type: ignore[method-assign]


def test_a_hanging_engine_is_told_its_requests_fail_and_it_may_recover(
    serve_ember: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "_LEAST_S", 2.0)
    running = serve_ember(
        **WITHOUT_ANCHORS, **{"engine.wedged_after_s": 600}
    )  # it is not given up in this test
    engine, client = running.service.services.engine, running.client
    client.ask("Who are you?", max_tokens=3)  # a first time would be given longer
    hang = Hang(engine, after_tokens=2)
    streamed = on_its_way(lambda: stream_of(running))
    assert hang.hangs.wait(60)
    ways = {
        "search": in_flight(running),
        "scoring": on_its_way(
            lambda: client.post(
                "/v1/completions",
                {"model": "radiance", "prompt": "A b c", "max_tokens": 0, "echo": True}
                | {"logprobs": 1},
            )
        ),
        "pin": on_its_way(lambda: client.post("/pin", {})),
    }
    try:
        assert until_not_ready(running) == "the engine is stuck"
        for name, wait in ways.items():
            error = wait()
            assert isinstance(error, ApiError), (name, error)
            assert (error.status, error.error["code"]) == (500, "internal"), name
            assert "stuck" in error.error["message"]
        events = streamed()
        assert events[0]["choices"][0]["delta"]
        assert "stuck" in events[-1]["error"]["message"]
        assert client.get("/health")["status"] == "ok"
    finally:
        hang.release.set()
    client.wait_ready()
    assert client.ask("Who are you?", max_tokens=3)["completion_tokens"] == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_dead_engine_fails_its_requests_and_is_told(serve_ember: Callable[..., Running]) -> None:
    running = serve_ember(**WITHOUT_ANCHORS)
    engine = running.service.services.engine

    def die() -> None:
        raise SystemExit

    failed = in_flight(running)
    while not engine.stats.rows_decoding:
        time.sleep(0.005)
    engine._inbox.put(die)
    error = failed()
    assert (error.status, error.error["code"]) == (500, "internal")
    assert until_not_ready(running) == "the engine has died"
    with pytest.raises(ApiError) as caught:
        running.client.ask("Who are you?")
    assert caught.value.status == 503


def test_an_engine_that_fails_every_request_is_not_ready_until_it_delivers(
    serve_ember: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    running = serve_ember(**WITHOUT_ANCHORS)
    decoder = running.service.services.engine._decoder
    with monkeypatch.context() as broken:

        def step() -> bool:
            raise RuntimeError("the device is gone")

        broken.setattr(decoder, "step", step)
        for _ in range(3):
            with pytest.raises(ApiError) as caught:
                running.client.ask("Who are you?")
            assert caught.value.status == 500
        assert "failed its last" in until_not_ready(running)
    running.client.wait_ready()  # by a request of the supervisor's own: nobody else may ask


def test_it_gives_up_once_and_not_for_a_process_that_stood_still(engine: Engine) -> None:
    now: list[float] = [0.0]
    given_up: list[tuple[str, bool]] = []

    def give_up(reason: str, is_of_training: bool) -> None:
        given_up.append((reason, is_of_training))

    engine_watchdog = EngineWatchdog(engine, 3.0, give_up, clock=lambda: now[0])
    fault, asked = EngineFailed("x"), Request([1], 1)
    for _ in range(3):
        engine_watchdog._note_end(None, asked, fault)

    def look(at: float) -> None:
        now[0] = at
        engine_watchdog._note_end(None, asked, fault)  # whatever the probe says, it goes on failing
        engine_watchdog.look()

    for at in (1.0, 2.0, 3.0, 60.0, 61.0, 62.0):  # suspended for most of a minute
        look(at)
    assert given_up == []
    for at in (63.0, 64.0, 65.0):
        look(at)
    assert len(given_up) == 1
    reason, is_of_training = given_up[0]
    assert "failed its last" in reason
    assert not is_of_training


class DeadEngine:
    """An engine that has died, and whose requests cannot even be failed."""

    is_alive = is_ready = is_at_training = False
    stale_s, thread_id = 0.0, None

    def observe(self, observer: Any) -> None:
        """Nothing ends any more."""

    def fail_in_flight(self, error: Exception) -> int:
        raise OSError("a second fault")


def test_a_second_fault_does_not_keep_a_dead_engine_s_process_alive() -> None:
    given_up: list[str] = []
    dead = cast(Engine, DeadEngine())
    watchdog = EngineWatchdog(dead, 3.0, lambda reason, is_of_training: given_up.append(reason))
    for _ in range(2):
        with contextlib.suppress(OSError):
            watchdog.look()
    assert given_up == ["the engine has died"]


SCRIPT = """
import sys, threading, time
from pathlib import Path
from radiance import config
from radiance.engine import heartbeat
from radiance.service import app, server

heartbeat._LEAST_S = 2.0

class Doomed(app.Service):
    def start(self):
        super().start()
        threading.Thread(target=self.doom, daemon=True).start()

    def doom(self):
        engine = self.services.engine
        if sys.argv[2] == "hang":
            engine.call(lambda: time.sleep(3600))
        else:
            engine._inbox.put(sys.exit)

app.Service = Doomed
overrides = {"server.port": 0, "engine.wedged_after_s": 1.0, "log.format": "json",
             "evaluation.anchor_provider": "none", "anchor.method": "naive"}
sys.exit(server.serve(config.load(Path(sys.argv[1]), overrides)))
"""


def start(root: Path, how: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(root), how],
        cwd=REPOSITORY,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.usefixtures("forked")
@pytest.mark.slow
@pytest.mark.parametrize("how", ["hang", "die"])
def test_a_process_without_an_engine_ends_and_the_next_start_knows(
    tmp_path: Path, how: str
) -> None:
    process = start(tmp_path, how)
    _, errors = process.communicate()
    events = [json.loads(line) for line in errors.splitlines() if line.startswith("{")]
    named = {event["event"]: event for event in events}
    assert process.returncode == 1
    assert named["process_ends"]["reason"] == named["engine_given_up"]["reason"]
    if how == "hang":
        assert "worker.py" in named["engine_faulty"]["engine_at"]
    assert "Thread" in (tmp_path / "runs" / "crash.log").read_text()


@pytest.mark.usefixtures("forked")
@pytest.mark.slow
def test_sigterm_ends_even_a_process_whose_engine_hangs(tmp_path: Path) -> None:
    process = start(tmp_path, "hang")
    assert process.stderr is not None
    for line in process.stderr:
        if '"engine_faulty"' in line:
            break
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode in (1, -signal.SIGTERM)
