"""Running code that nobody trusts: a process without files, network, children or much memory.

On Linux the process gives up every system call but those that computing takes (``seccomp``), so it
can open nothing, start nothing, signal nobody and reach no network; what it needs must be loaded
before. On macOS the system's own sandbox does the same (``sandbox-exec``). Limits of time, memory
and output come on top; the parent reads no more than it allows. Elsewhere nothing is run.
"""

import contextlib
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any, Literal

from radiance.platform import seccomp

# The second is what CPython says where it has no memory left for an exception.
_OUT_OF_MEMORY = ("MemoryError", "SystemError: error return without exception set")
Status = Literal["finished", "failed", "timeout", "memory", "output", "exited", "killed"]
_PROFILE = """(version 1)
(deny default)
(allow process-exec (literal "{python}"))
(allow file-read*)
(allow file-read-data file-write-data (literal "/dev/null"))
(allow sysctl-read)
(allow mach-lookup)
(deny network*)
(deny process-fork)
(deny file-write*)
"""
_MOST_DETAIL_CHARACTERS = 2000
_READ_BYTES = 65_536


@dataclass(frozen=True)
class Limits:
    """What the process may use. ``memory_bytes`` is address space; output is stdout and stderr."""

    seconds: float = 20.0
    memory_bytes: int = 2 << 30
    output_bytes: int = 16 << 20


@dataclass(frozen=True)
class Ran:
    """How it ended.

    Attributes:
        status: finished: with an answer. failed: with an error of its own. exited: it ended itself
            without an answer. killed: by a signal. The others: at that limit.
        answer: What it answered, as plain data; it may be a lie.
        detail: What went wrong, in words.
    """

    status: Status
    seconds: float
    answer: Any = None
    detail: str = ""


def is_available() -> bool:
    """Whether code can be confined on this machine."""
    if sys.platform == "darwin":
        return os.access("/usr/bin/sandbox-exec", os.X_OK)
    return seccomp.is_available()


def run(module: str, task: Any, limits: Limits | None = None) -> Ran:
    """Run ``module`` of ours in a process of its own, and read what it answers.

    The module reads its task with ``receive``, loads what it needs, calls ``confine``, and only
    then touches what is not trusted; it ends with ``answer`` or ``fail``.

    Raises:
        OSError: No process could be started.
    """
    limits = limits or Limits()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="radiance-sandbox-") as folder:
        child = subprocess.Popen(
            _command(module),
            cwd=folder,
            env={"PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1", "PATH": ""},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        message = json.dumps(
            {
                "seconds": limits.seconds,
                "memory": limits.memory_bytes,
                "task": task,
                "path": [entry for entry in sys.path if entry],
            }
        ).encode()
        try:
            out, err, stopped = _converse(child, message, started + limits.seconds, limits)
        finally:
            _end(child)
    return _outcome(child.returncode, out, err, stopped, time.monotonic() - started)


def _command(module: str) -> list[str]:
    code = (
        "import json, sys; message = json.loads(sys.stdin.buffer.readline()); "
        "sys.path[:] = message['path']; from runpy import run_module; "
        f"sys.radiance_message = message; run_module({module!r}, run_name='__main__')"
    )
    python = [sys.executable, "-I", "-c", code]
    if sys.platform == "darwin":
        profile = _PROFILE.format(python=os.path.realpath(sys.executable))
        return ["/usr/bin/sandbox-exec", "-p", profile, *python]
    return python


def _converse(
    child: subprocess.Popen[bytes], message: bytes, deadline: float, limits: Limits
) -> tuple[bytes, bytes, Status | None]:
    """Send the task and read the answer, no more and no longer than allowed."""
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    parts: dict[Any, bytearray] = {child.stdout: bytearray(), child.stderr: bytearray()}
    rest = memoryview(message + b"\n")
    with selectors.DefaultSelector() as ready:
        os.set_blocking(child.stdin.fileno(), False)
        ready.register(child.stdin, selectors.EVENT_WRITE)
        for stream in parts:
            ready.register(stream, selectors.EVENT_READ)
        while ready.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                return bytes(parts[child.stdout]), bytes(parts[child.stderr]), "timeout"
            for key, _ in ready.select(left):
                if key.fileobj is child.stdin:
                    rest = _send(child, rest)
                    if not rest:
                        ready.unregister(child.stdin)
                        child.stdin.close()
                    continue
                data = os.read(key.fd, _READ_BYTES)
                if not data:
                    ready.unregister(key.fileobj)
                parts[key.fileobj] += data
                if sum(map(len, parts.values())) > limits.output_bytes:
                    return bytes(parts[child.stdout]), bytes(parts[child.stderr]), "output"
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return bytes(parts[child.stdout]), bytes(parts[child.stderr]), "timeout"
    return bytes(parts[child.stdout]), bytes(parts[child.stderr]), None


def _send(child: subprocess.Popen[bytes], rest: memoryview) -> memoryview:
    assert child.stdin is not None
    try:
        return rest[os.write(child.stdin.fileno(), rest[:_READ_BYTES]) :]
    except BrokenPipeError:
        return rest[:0]


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill whatever is left of it, its group included, and let go of the pipes."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        child.kill()
    child.wait()
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None:
            try:
                stream.close()
            except BrokenPipeError:
                continue


def _outcome(code: int, out: bytes, err: bytes, stopped: Status | None, seconds: float) -> Ran:
    if stopped == "timeout":
        return Ran("timeout", seconds, detail="it ran past its time limit")
    if stopped == "output":
        return Ran("output", seconds, detail="it wrote more than it may")
    if code == -signal.SIGXCPU:
        return Ran("timeout", seconds, detail="it used up its processor time")
    if code < 0:
        return Ran("killed", seconds, detail=f"signal {signal.Signals(-code).name}")
    said: Any = None
    with contextlib.suppress(ValueError, IndexError, RecursionError):
        said = json.loads(out.splitlines()[-1])
    # Whatever it printed: only an object of ours says anything.
    if isinstance(said, dict):
        if code == 0 and "answer" in said:
            return Ran("finished", seconds, said["answer"])
        if isinstance(error := said.get("error"), str):
            status: Status = "memory" if said.get("kind") == "memory" else "failed"
            return Ran(status, seconds, detail=plain(error))
    tail = err.decode(errors="replace").strip().splitlines()[-1:]
    if tail and tail[0].startswith(_OUT_OF_MEMORY):  # not enough was left to say it as an object
        return Ran("memory", seconds, detail=tail[0])
    return Ran(
        "exited", seconds, detail=f"exit code {code} without an answer {' '.join(tail)}".strip()
    )


def plain(text: str) -> str:
    """A text from within as one that can be written anywhere, cut to two thousand characters."""
    return text[:_MOST_DETAIL_CHARACTERS].encode(errors="replace").decode()


# ── In the child ──────────────────────────────────────────────────────────────────────────────


def receive() -> Any:
    """The task that ``run`` was given."""
    return sys.radiance_message["task"]  # type: ignore[attr-defined]


def confine() -> None:
    """Give up all that computing does not take, for good.

    Raises:
        OSError: The system refused; nothing untrusted may run.
    """
    limit()
    if sys.platform == "linux":
        seccomp.forbid_all_but_computing()


def limit() -> None:
    """Keep to the limits of processor time and memory, and write no file; the rest stays open."""
    message = sys.radiance_message  # type: ignore[attr-defined]
    seconds = int(message["seconds"]) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (message["memory"], message["memory"]))


def answer(value: Any) -> None:
    """End with an answer."""
    _say({"answer": value})


def fail(error: BaseException) -> None:
    """End with an error."""
    kind = "memory" if isinstance(error, MemoryError) else "error"
    _say({"error": f"{type(error).__name__}: {error}"[:2000], "kind": kind})


def _say(value: Any) -> None:
    os.write(1, b"\n" + json.dumps(value).encode() + b"\n")
