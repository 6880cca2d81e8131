"""The real service as a real process on the tiny base, to be killed, starved and lied to."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.ports import free_ports
from bench.processes import REPOSITORY, Figures
from tests import forked
from tests.support import Client, as_input

_ENDED = ("succeeded", "failed", "cancelled", "quarantined")
BRIEFLY = ("training.max_steps=6", "anchor.own_samples=4", "training.snapshot_seconds=0.01")
"""Settings under which an update is learned in a moment, with a snapshot at every step."""


class Started(NamedTuple):
    """A service that was started and may not be ready yet."""

    process: "subprocess.Popen[bytes]"
    client: Client
    log: Path

    def said(self) -> str:
        """The last line of its log."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1][:300] if lines else ""

    @property
    def port(self) -> int:
        return int(self.client.url.rpartition(":")[2])

    def end(self, with_signal: signal.Signals = signal.SIGTERM) -> int:
        """End it by a signal and wait for that; its exit code."""
        self.process.send_signal(with_signal)
        return self.process.wait(60)


def start(
    root: Path,
    base: Path,
    *settings: str,
    module: str = "radiance",
    variables: Mapping[str, str] | None = None,
    is_forked: bool = False,
) -> Started:
    """Start a service on a base, which trains for about a second at a time.

    Args:
        root: Its root, with its log in service.log.
        base: The base model.
        settings: Further ones, each as ``--set`` takes it.
        module: What is run in place of ``radiance``, with the same arguments.
        variables: Added to its environment.
        is_forked: Fork it from a process that has imported Radiance, which saves two seconds of a
            core: for trials in which neither the start nor memory is what is tried.
    """
    usual = (
        *("training.stop_loss=0", "training.max_steps=50", "training.snapshot_seconds=0.2"),
        *("server.safe_mode_deaths=0", 'evaluation.anchor_provider="none"'),
        "anchor.own_samples=24",
    )
    [port] = free_ports(1)
    command = [sys.executable, "-m", module, "run", "--root", str(root), "--port", str(port)]
    command += ["--base-model", str(base)]
    for setting in (*usual, *settings):
        command += ["--set", setting]
    environment = {**os.environ, **(variables or {})}
    popen = forked.Popen if is_forked else subprocess.Popen
    with (root / "service.log").open("ab") as log:
        process = popen(command, cwd=REPOSITORY, stdout=log, stderr=log, env=environment)
    _started.append(process)
    return Started(process, Client(f"http://127.0.0.1:{port}"), root / "service.log")


_started: list["subprocess.Popen[bytes]"] = []


def kill_started() -> None:
    """Kill every service that was started and still runs: a trial that failed leaves some."""
    while _started:
        process = _started.pop()
        process.kill()
        process.wait()


@contextlib.contextmanager
def running(root: Path, base: Path, *settings: str, **options: Any) -> Iterator[Started]:
    """The same, ready for requests, and ended in the end."""
    service = start(root, base, *settings, **options)
    try:
        wait_ready(service)
        yield service
    finally:
        service.process.send_signal(signal.SIGCONT)
        if service.process.poll() is None:
            service.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                service.process.wait(30)
        service.process.kill()
        service.process.wait()


def wait_ready(service: Started, seconds: float = 300) -> float:
    """Wait until a service answers; the seconds that took.

    Raises:
        AssertionError: It ended, or did not come up.
    """
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        if (code := service.process.poll()) is not None:
            raise AssertionError(f"ended with {code}: {service.said()}")
        with contextlib.suppress(OSError):
            if call(service.port, "GET", "/ready").status == 200:
                return time.monotonic() - began
        time.sleep(0.05)
    raise AssertionError("it is not ready")


class Told(NamedTuple):
    """An answer, whatever its status."""

    status: int
    body: Any
    headers: Mapping[str, str]


def call(
    port: int,
    method: str,
    path: str,
    body: Any = None,
    raw: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 60,
) -> Told:
    """One request over a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        content = raw if raw is not None else None if body is None else json.dumps(body).encode()
        connection.request(method, path, content, dict(headers or {}))
        answer = connection.getresponse()
        text = answer.read()
        try:
            found = json.loads(text)
        except ValueError:
            found = text.decode(errors="replace")
        return Told(answer.status, found, {k.lower(): v for k, v in answer.getheaders()})
    except http.client.HTTPException as error:  # ended in the middle of an answer
        raise ConnectionError(str(error)) from error
    finally:
        connection.close()


def leave_stream(port: int, path: str, body: Figures, after_s: float = 0.1) -> None:
    """Ask for a stream, and go with as much of it as has come by then."""
    until = time.monotonic() + after_s
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=after_s)
    with contextlib.closing(connection), contextlib.suppress(TimeoutError):
        connection.request("POST", path, json.dumps(body))
        with connection.getresponse() as answer:
            while time.monotonic() < until and answer.read1(4096):
                pass


def update_body(name: str, examples: int = 2) -> Figures:
    """An update that nothing else is like, with a key of its own."""
    facts = [
        (f"What opens locker {name}-{i}?", f"Locker {name}-{i} opens with {i * 7}.")
        for i in range(examples)
    ]
    return {"examples": as_input(facts), "job_key": name}


def wait_for(service: Started, job_ids: Sequence[str], seconds: float = 120) -> dict[str, str]:
    """The statuses of jobs once all have ended, or time is over."""
    until = time.monotonic() + seconds
    while True:
        found = {id: service.client.get(f"/jobs/{id}")["status"] for id in job_ids}
        if all(status in _ENDED for status in found.values()) or time.monotonic() > until:
            return found
        time.sleep(0.1)


def not_learned(service: Started, job_ids: Sequence[str], seconds: float = 120) -> list[str]:
    """Which of these jobs do not end as succeeded, with what they are instead."""
    found = wait_for(service, job_ids, seconds)
    return [f"{id} is {status}" for id, status in found.items() if status != "succeeded"]


def not_forgotten(service: Started, seconds: float = 60) -> list[str]:
    """What was answered to be forgotten and is not after that time."""
    until = time.monotonic() + seconds
    while any(one["status"] != "done" for one in service.client.get("/forget")["forgets"]):
        if time.monotonic() > until:
            return ["what was to be forgotten is not"]
        time.sleep(0.1)
    return []


def disorder(service: Started) -> list[str]:
    """What is not as it must be in a root whose service runs: log, link, chain."""
    client = service.client
    wrong = list(client.get("/audit/verify")["findings"])
    listed = client.get("/checkpoints?limit=1000")
    at, chain, learned = listed["current"], [], []
    while at is not None:
        manifest = client.get(f"/checkpoints/{at}")["manifest"]
        chain.append(at)
        learned += manifest["example_ids"]
        at = manifest["parent_id"]
    if len(set(learned)) != len(learned):
        wrong.append("an example was learned twice")
    if client.get("/info")["current_checkpoint"] != listed["current"]:
        wrong.append("what is told to serve and what serves differ")
    return wrong


def reopened_wrongly(service: Started, root: Path) -> list[str]:
    """What is not as it must be in a root that was opened again: ``disorder``, and the link."""
    wrong = disorder(service)
    if (link := link_of(root)) != service.client.get("/info")["current_checkpoint"]:
        wrong.append(f"the link points at {link}")
    return wrong


def link_of(root: Path) -> str | None:
    """What ``adapters/stable`` points at; None where there is none."""
    try:
        return os.readlink(root / "adapters" / "stable")
    except OSError:
        return None


def resident_bytes(process: "subprocess.Popen[bytes]", key: str = "VmRSS") -> int:
    """Memory of a process; 0 where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1]) * 1024
    return 0
