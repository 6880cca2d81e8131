"""Servers in processes of their own, and a client that times every token it is sent.

The client speaks HTTP/1.1 itself: what is measured is the server, not a client library.
"""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from bench.models import Model
from bench.other_servers import OtherServer, environment_of_others
from bench.ports import free_ports
from bench.processes import REPOSITORY, Figures

_START_S = 180
# Nothing is prepared for learning: what is measured is serving alone.
ONLY_SERVING = ("--set", "anchor.own_samples=0", "--set", 'evaluation.anchor_provider="none"')

# With the same BLAS in front of MLX as ours has; else Linux compares libraries, not servers.
_THEIRS = """
import sys
from radiance.platform import load_fast_blas
load_fast_blas()
from mlx_lm.server import main
sys.argv = ["mlx_lm.server", *sys.argv[1:]]
main()
"""


@dataclass
class Streamed:
    """One answer as it arrived.

    Attributes:
        began_at: When the request was sent; ``time.perf_counter()``.
        arrivals: When each piece of text arrived.
    """

    began_at: float
    arrivals: list[float] = field(default_factory=list)
    text: str = ""
    tokens: int = 0
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def first_s(self) -> float:
        """From sending to the first piece of text."""
        return self.arrivals[0] - self.began_at


@dataclass(frozen=True)
class Server:
    """A server that listens on a loopback port.

    Attributes:
        model: What it calls the model it serves.
        root: Of one of ours.
    """

    port: int
    model: str
    process: "subprocess.Popen[bytes]"
    root: Path | None = None

    def chat(self, prompt: str | Sequence[Figures], max_tokens: int, **options: Any) -> Figures:
        """The body of a streamed, greedy chat completion.

        Args:
            prompt: What the user says, or all messages.
        """
        is_text = isinstance(prompt, str)
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": prompt}] if is_text else list(prompt),
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
            **options,
        }

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One plain request; status and JSON."""
        return asyncio.run(plain(self.port, method, path, body))

    @property
    def peak_memory_bytes(self) -> int:
        """The most memory the process has held at once; 0 where the system does not tell."""
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return 0


class Servers:
    """Starts servers and ends them all; use it as a context manager."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def radiance(self, model: Model, adapter: Path | None = None, *flags: str) -> Server:
        """Our service over a fresh root, answering from an adapter where one is given."""
        [port] = free_ports(1)
        root = self.folder / f"root{port}"
        command = [sys.executable, "-m", "radiance", "run", f"--root={root}", f"--port={port}"]
        command.append(f"--base-model={model.name}")
        process = self._start([*command, *flags], root.name)
        server = Server(port, "radiance", process, root)
        self._wait(server, lambda: server.call("GET", "/ready")[0] == 200)
        if adapter is not None:
            status, taken = server.call("POST", "/import", {"path": str(adapter)})
            assert status < 300, taken
            body = {"checkpoint": taken["checkpoint_id"], "force": True}
            status, moved = server.call("POST", "/promote", body)
            assert status == 200, moved
        return server

    def mlx_lm(self, model: Model, adapter: Path | None = None) -> Server:
        """mlx_lm.server, as it is installed."""
        [port] = free_ports(1)
        directory = model.mlx_lm_directory()
        command = [sys.executable, "-c", _THEIRS, f"--model={directory}", f"--port={port}"]
        command += [f"--adapter-path={adapter}"] if adapter else []
        command += ["--log-level=ERROR"]
        server = Server(port, "default_model", self._start(command, f"mlx_lm{port}"))
        self._wait(server, lambda: server.call("GET", "/v1/models")[0] == 200)
        return server

    def other(self, other: OtherServer, model: Model) -> Server:
        """Another program's server, from an environment of its own.

        Raises:
            OSError, RuntimeError: It does not install, or does not come up.
        """
        [port], directory = free_ports(1), model.mlx_lm_directory()
        command = other.start_command(directory, port)
        process = self._start(command, f"{other.name}{port}", environment_of_others())
        listening = Server(port, "", process)
        self._wait(listening, lambda: listening.call("GET", "/v1/models")[0] == 200)
        served = listening.call("GET", "/v1/models")[1]["data"]
        return Server(port, served[0]["id"] if served else "default", process)

    def _start(
        self, command: Sequence[str], name: str, variables: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        log = (self.folder / f"{name}.log").open("wb")
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", **(variables or {})}
        process = subprocess.Popen(command, cwd=REPOSITORY, stdout=log, stderr=log, env=environment)
        log.close()

        def end() -> None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
            process.wait()

        self._stack.callback(end)
        return process

    def _wait(self, server: Server, is_up: Callable[[], bool]) -> None:
        until = time.monotonic() + _START_S
        while time.monotonic() < until and server.process.poll() is None:
            with contextlib.suppress(OSError, ValueError, asyncio.IncompleteReadError):
                if is_up():
                    return
            time.sleep(0.2)
        logs = "\n".join(path.read_text()[-2000:] for path in self.folder.glob("*.log"))
        raise RuntimeError(f"a server did not come up:\n{logs}")


def save_random_adapter(
    model: Model, directory: Path, seed: int, rank: int = 8, size: float = 0.05
) -> Path:
    """An adapter of noise that mlx-lm loads: it answers at length, and always the same.

    Args:
        size: Standard deviation of its numbers.
    """
    import mlx.core as mx

    from radiance import config
    from radiance.engine.adapters.files import adapter_config, save_adapter
    from radiance.training.lora import LoraModel

    lora = LoraModel(model.load(), config.TrainingSettings(r=rank, alpha=2 * rank))
    noise = mx.random.normal((lora.size,), key=mx.random.key(seed)) * size
    directory.mkdir(parents=True)
    adapter = lora.adapter(noise)
    save_adapter(adapter, adapter_config(adapter, len(lora.model.layers)), directory)
    return directory


async def stream(port: int, body: Figures) -> Streamed:
    """Send a chat completion and take in its server-sent events."""
    found = Streamed(time.perf_counter())
    reader, writer = await _send(port, "POST", "/v1/chat/completions", body)
    try:
        found.status, found.headers = await _head(reader)
        async for line in reader:
            now = time.perf_counter()
            if not line.startswith(b"data: ") or line.startswith(b"data: [DONE]"):
                continue
            event = json.loads(line[6:])
            for choice in event.get("choices") or []:
                text = (choice.get("delta") or {}).get("content")
                if text:
                    found.arrivals.append(now)
                    found.text += text
            if usage := event.get("usage"):
                found.tokens = usage["completion_tokens"]
    finally:
        writer.close()
    return found


def run_streams(port: int, bodies: Sequence[Figures], concurrency: int) -> list[Streamed]:
    """Stream all bodies, so many at a time; in the order given."""

    async def all_of_them() -> list[Streamed]:
        places = asyncio.Semaphore(concurrency)

        async def one(body: Figures) -> Streamed:
            async with places:
                return await stream(port, body)

        return list(await asyncio.gather(*map(one, bodies)))

    return asyncio.run(all_of_them())


async def plain(port: int, method: str, path: str, body: Any) -> tuple[int, Any]:
    """One plain request; status and JSON."""
    status, content = await fetch(port, method, path, body)
    return status, json.loads(content) if content.strip() else None


async def fetch(
    port: int, method: str, path: str, body: Any = None, accept: str = "*/*"
) -> tuple[int, bytes]:
    """One plain request; status and body."""
    reader, writer = await _send(port, method, path, body, accept)
    try:
        status, _ = await _head(reader)
        return status, await reader.read()
    finally:
        writer.close()


async def _send(
    port: int, method: str, path: str, body: Any, accept: str = "*/*"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
    content = b"" if body is None else json.dumps(body).encode()
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
        f"Accept: {accept}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    writer.write(head.encode() + content)
    await writer.drain()
    return reader, writer


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers, their names in lower case."""
    status = int((await reader.readline()).split()[1])
    headers = {}
    while line := (await reader.readline()).decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    return status, headers
