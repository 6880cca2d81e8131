"""Rows 4 to 7: what a client sends, and what becomes of everybody else meanwhile.

What speaks OpenAI's API alone is sent to a peer as well.
"""

import contextlib
import functools
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.intervals import quantile
from bench.processes import REPOSITORY, Figures
from bench.survival.service import (
    BRIEFLY,
    Told,
    call,
    disorder,
    not_learned,
    resident_bytes,
    running,
    update_body,
)
from bench.survival.trials import Plan, Row, Trial, verdict

CHAT = "/v1/chat/completions"
_ANSWER_S = 60
_MORE_BYTES = 100 << 20


OURS, THEIRS = "radiance", "default_model"
"""What a client calls the model that serves, of us and of a peer."""


def chat(content: Any = "Hello!", **options: Any) -> Figures:
    return {
        "model": OURS,
        "messages": [{"role": "user", "content": content}],
        "max_tokens": 4,
        **options,
    }


# ── 4: adapters ───────────────────────────────────────────────────────────────────────────────

_ADAPTERS_A_TRIAL = 60


def _header(source: Path) -> tuple[dict[str, Any], bytes]:
    """The head and the numbers of a safetensors file."""
    content = source.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def _with_header(path: Path, header: Any, numbers: bytes) -> None:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + numbers)


def _spoil_weights(path: Path, dice: random.Random) -> str:
    """Change an adapter's weights so that nobody could serve them; what was done."""
    header, numbers = _header(path)
    tensors = [name for name in header if name != "__metadata__"]
    one = dice.choice(tensors)
    how = dice.choice(
        ["cut", "length", "nan", "infinite", "shape", "name", "dtype", "offset", "missing", "head"]
    )
    content = path.read_bytes()
    if how == "cut":
        path.write_bytes(content[: dice.randrange(len(content))])
    elif how == "length":
        path.write_bytes(struct.pack("<Q", dice.choice([0, 1, 2**40, 2**63])) + content[8:])
    elif how in ("nan", "infinite"):
        begin, _ = header[one]["data_offsets"]
        value = struct.pack("<f", float("nan" if how == "nan" else "inf"))
        _with_header(path, header, numbers[:begin] + value + numbers[begin + 4 :])
    elif how == "head":
        at = 8 + dice.randrange(20)
        path.write_bytes(content[:at] + b"\xff" + content[at + 1 :])
    elif how == "missing":
        _with_header(path, {**header, one: header[one] | {"data_offsets": [0, 1 << 40]}}, numbers)
    else:
        changed = dict(header[one])
        if how == "shape":
            changed["shape"] = [dice.choice([0, 1, 7, 10**12]), changed["shape"][-1]]
        elif how == "dtype":
            changed["dtype"] = dice.choice(["F99", "BOOL", "I64", ""])
        elif how == "offset":
            changed["data_offsets"] = [changed["data_offsets"][0] + 2, changed["data_offsets"][1]]
        others = {name: found for name, found in header.items() if name != one}
        name = f"{one}.elsewhere" if how == "name" else one
        _with_header(path, others | {name: changed}, numbers)
    return how


def _spoil_config(folder: Path, dice: random.Random) -> str:
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    parameters = config["lora_parameters"]
    how = dice.choice(
        ["deep", "rank", "scale", "huge", "tiny", "fifo", "zero", "bytes", "list", "base", "gone"]
    )
    if how == "deep":
        path.write_text("[" * dice.choice([3000, 200_000]))
    elif how == "rank":
        parameters["rank"] = dice.choice([0, -1, 10**400, "8", None, 3])
    elif how == "scale":
        parameters["scale"] = dice.choice(["x", None, [], -(10**400)])
    elif how in ("huge", "tiny"):
        parameters["scale"] = 1e308 if how == "huge" else 1e-320
    elif how == "list":
        config = [config]
    elif how == "base":
        config["model"] = config["base_model_name_or_path"] = "\ud800" * 600
        (folder / "manifest.json").write_text(json.dumps({"base_hash": dice.choice([5, "0" * 64])}))
    if how in ("rank", "scale", "huge", "tiny", "list", "base"):
        path.write_text(json.dumps(config))
    elif how == "bytes":
        path.write_bytes(dice.randbytes(200))
    elif how in ("fifo", "zero", "gone"):
        path.unlink()
        if how == "fifo":
            os.mkfifo(path)
        elif how == "zero":
            path.symlink_to("/dev/zero")
    return how


def spoil(adapter: Path, number: int, dice: random.Random) -> str:
    """Make an adapter one that nobody could serve; what was done. Every third by its settings."""
    if number % 3 == 0:
        return _spoil_config(adapter, dice)
    return _spoil_weights(adapter / "adapters.safetensors", dice)


def _adapters(plan: Plan, folder: Path, seed: int) -> Figures:
    from bench.models import Model
    from bench.servers import save_random_adapter

    dice, wrong = random.Random(f"adapters {seed}"), []
    good = save_random_adapter(Model(str(plan.base)), folder / "good", seed=1)
    with running(folder, plan.base, *BRIEFLY) as service:
        assert call(service.port, "POST", "/import", {"path": str(good)}).status < 300
        before = resident_bytes(service.process)
        with _others(service.port, "/search", {"prompt": "Who?", "max_tokens": 2}) as others:
            for number in range(_ADAPTERS_A_TRIAL):
                bad = shutil.copytree(good, folder / "bad")
                how = spoil(bad, number, dice)
                told = call(service.port, "POST", "/import", {"path": str(bad)})
                if not 400 <= told.status < 500:
                    wrong.append(f"{how}: {told.status} {str(told.body)[:80]}")
                shutil.rmtree(bad)
        wrong += others.wrong()
        more = resident_bytes(service.process) - before
        if more > _MORE_BYTES:
            wrong.append(f"{more / 1e6:.0f} MB more memory")
        wrong += disorder(service)
    return verdict(wrong, adapters=_ADAPTERS_A_TRIAL, more_bytes=more)


def _hostile_adapters(plan: Plan) -> list[Trial]:
    def trial(seed: int) -> Trial:
        name = f"{_ADAPTERS_A_TRIAL} adapters, seed {seed}"
        return Trial(name, lambda root: _adapters(plan, root, seed))

    return [trial(seed) for seed in range(5)]


# ── 5: malformed requests ─────────────────────────────────────────────────────────────────────

_DIGITS = "9" * 5000


def malformed(model: str) -> dict[str, tuple[str, bytes]]:
    """Requests that no client should send, by name: a path and a body."""
    asked = functools.partial(chat, model=model)
    bodies: dict[str, Any] = {
        "an empty prompt": asked(""),
        "a list as prompt": asked(["a", "b"]),
        "a number as prompt": asked(5),
        "null as prompt": asked(None),
        "an unknown part": asked([{"type": "video", "video": "x"}]),
        "no messages": {"model": model},
        "messages of another kind": {"model": model, "messages": "hello"},
        "an unknown role": {"model": model, "messages": [{"role": "emperor", "content": "Hi"}]},
        "stop is a number": asked(stop=5),
        "stop is a list of numbers": asked(stop=[1, None]),
        "max_tokens below zero": asked(max_tokens=-1),
        "max_tokens is huge": asked(max_tokens=10**30),
        "max_tokens is text": asked(max_tokens="many"),
        "temperature below zero": asked(temperature=-1),
        "temperature is text": asked(temperature="hot"),
        "top_p is 7": asked(top_p=7),
        "logit_bias outside": asked(logit_bias={"99999999": 5}),
        "logit_bias is a list": asked(logit_bias=[1]),
        "top_logprobs is huge": asked(logprobs=True, top_logprobs=10**9),
        "n is huge": asked(n=10**9),
        "an unknown adapter": asked(adapters="/nowhere"),
        "a form of no kind": asked(response_format={"type": "nonsense"}),
        "tools are text": asked(tools="x"),
        "a long prompt": asked("word " * 60_000),
        "a prompt of NUL": asked("\0" * 100),
        "a lone surrogate": asked("\ud800"),
    }
    found = {name: (CHAT, json.dumps(body).encode()) for name, body in bodies.items()}
    raw = {
        "no JSON": b"{",
        "empty": b"",
        "a list": b"[]",
        "bad UTF-8": b'{"model": "\xff\xfe"}',
        "deep": b"[" * 100_000,
        "NaN": b'{"model": model, "messages": [], "temperature": NaN}',
        "5,000 digits": f'{{"model": "{model}", "seed": {_DIGITS}}}'.encode(),
        "a key twice": b'{"model": "x", "model": "y", "messages": []}',
    }
    found |= {name: (CHAT, body) for name, body in raw.items()}
    completions = {
        "token ids outside": {"model": model, "prompt": [99_999_999], "max_tokens": 2},
        "an empty list of prompts": {"model": model, "prompt": [], "max_tokens": 2},
        "prompts of null": {"model": model, "prompt": [None], "max_tokens": 2},
    }
    for name, body in completions.items():
        found[name] = ("/v1/completions", json.dumps(body).encode())
    return found


def send_malformed(port: int, is_ours: bool, is_alive: Callable[[], bool]) -> Figures:
    """Send them all, an ordinary chat after each; counts of what went wrong."""
    wrong: list[str] = []
    model = OURS if is_ours else THEIRS
    counts = {"requests": 0, "errors_5xx": 0, "unanswered": 0}
    for name, (path, body) in malformed(model).items():
        counts["requests"] += 1
        for accept in ("application/json", "text/html") if is_ours else ("application/json",):
            try:
                headers = {"Content-Type": "application/json", "Accept": accept}
                told = call(port, "POST", path, raw=body, headers=headers, timeout=20)
            except OSError:
                counts["unanswered"] += 1
                wrong.append(f"{name}: no answer")
                continue
            if told.status >= 500:
                counts["errors_5xx"] += 1
                wrong.append(f"{name}: {told.status}")
            if is_ours and told.status >= 400 and not _is_error(told):
                wrong.append(f"{name}: {told.status} is no error as documented")
        if not is_alive():
            return verdict([*wrong, f"it ended after: {name}"], **counts, died_after=name)
        with contextlib.suppress(OSError):
            if call(port, "POST", CHAT, chat(model=model), timeout=_ANSWER_S).status != 200:
                wrong.append(f"after {name}: an ordinary chat is refused")
    return verdict(wrong, **counts)


def _is_error(told: Told) -> bool:
    if not isinstance(told.body, dict):
        return False
    error = told.body.get("error")
    return isinstance(error, dict) and {"message", "type", "param", "code"} <= error.keys()


def _malformed_to_us(plan: Plan, root: Path) -> Figures:
    with running(root, plan.base, *BRIEFLY) as service:
        return send_malformed(service.port, True, lambda: service.process.poll() is None)


def _tell_malformed(figures: Sequence[Figures]) -> str:
    one = figures[0] if figures else {}
    names = ("requests", "errors_5xx", "unanswered")
    return ", ".join(f"{one.get(name, 0)} {name.replace('_', ' ')}" for name in names)


# ── 6: too much ───────────────────────────────────────────────────────────────────────────────


class Others:
    """Another client, once it has ended: the seconds of each request, and what went wrong."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.failed: list[str] = []

    def wrong(self) -> list[str]:
        """What they were told that they should not have been."""
        return [f"another client: {what}" for what in sorted(set(self.failed))[:3]]

    @property
    def p99_s(self) -> float:
        return quantile(self.seconds, 0.99) if self.seconds else float("nan")


@contextlib.contextmanager
def _others(port: int, path: str, body: Figures) -> Iterator[Others]:
    """Another client beside the block, in a process of its own (``others``)."""
    found = Others()
    command = [sys.executable, "-m", "bench.survival.others", str(port), path]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=REPOSITORY, text=True, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(body) + "\n")
        process.stdin.flush()
        process.stdout.readline()  # it has begun
        try:
            yield found
        finally:
            process.stdin.close()
            told = json.loads(process.stdout.read() or "{}")
            found.seconds, found.failed = told.get("seconds", []), told.get("failed", ["it ended"])


def _at_once(count: int, send: Callable[[], int]) -> list[int]:
    """The statuses of so many requests at once; 0 for one that was cut off."""
    statuses: list[int] = []

    def one() -> None:
        try:
            statuses.append(send())
        except OSError:
            statuses.append(0)

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def _raw(port: int, pieces: Iterator[bytes], seconds: float = 30) -> int:
    """Send bytes until the other side answers or closes; its status, 0 where it only closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        with contextlib.suppress(OSError):
            for piece in pieces:
                connection.sendall(piece)
        answer = b""
        with contextlib.suppress(OSError):
            answer = connection.recv(64)
    return int(answer.split()[1]) if answer.startswith(b"HTTP/") else 0


def _endless_headers() -> Iterator[bytes]:
    yield b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    for number in range(200_000):
        yield b"X-%d: y\r\n" % number


def _one_long_header() -> Iterator[bytes]:
    yield b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
    for _ in range(512):
        yield b"y" * 65_536


def _body_head(path: str, length: int) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {length}\r\n\r\n".encode()


def _big_body(path: str) -> Iterator[bytes]:
    yield _body_head(path, 1 << 30)
    for _ in range(1 << 10):
        yield b" " * (1 << 20)


def _slowly(start: bytes, drop: bytes) -> Iterator[bytes]:
    yield start
    for _ in range(40):
        time.sleep(0.25)
        yield drop


def _held_bodies(port: int) -> list[int]:
    """300 bodies of 8 MB, the last byte held back; the statuses of those that were refused."""
    connections, statuses = [], []
    content = _body_head(CHAT, 8_000_001) + b" " * 8_000_000
    for _ in range(300):
        connection = socket.create_connection(("127.0.0.1", port), timeout=2)
        connections.append(connection)
        with contextlib.suppress(OSError):
            connection.sendall(content)
    for connection in connections:
        with contextlib.suppress(OSError):
            connection.settimeout(0.05)
            answer = connection.recv(64)
            statuses.append(int(answer.split()[1]) if answer.startswith(b"HTTP/") else 0)
        connection.close()
    return statuses


def _idle_connections(port: int) -> list[int]:
    """1,000 connections that send nothing; whether they were closed."""
    connections = []
    with contextlib.suppress(OSError):
        connections.extend(  # those that were made stay where one is refused
            socket.create_connection(("127.0.0.1", port), timeout=2) for _ in range(1000)
        )
    time.sleep(5)
    statuses = []
    for connection in connections:
        connection.settimeout(0.05)
        try:
            answer = connection.recv(64)
            statuses.append(408 if not answer else int(answer.split()[1]))
        except (OSError, ValueError, IndexError):
            statuses.append(1)  # still open
        connection.close()
    return statuses


def _form() -> Figures:
    properties = {f"p{number}": {"type": "string"} for number in range(3000)}
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return chat(
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    )


_REFUSED = (400, 408, 413, 429, 431)
_LEAST_S = 3.0
_SLOWER = 1.5  # than it is alone another client's p99 may be,
_UNNOTICED_S = 0.1  # or so much later, which nobody notices: the attacker computes here, too
Attack = Callable[[int], list[int]]


def attacks(is_ours: bool) -> dict[str, Attack]:
    """What is sent, by name: takes a port, returns statuses."""
    long = chat("a" * 8_000_000, model=OURS if is_ours else THEIRS)

    def posts(count: int, path: str, body: Figures) -> Attack:
        return lambda port: _at_once(
            count, lambda: call(port, "POST", path, body, timeout=_ANSWER_S).status
        )

    def raw(pieces: Callable[[], Iterator[bytes]]) -> Attack:
        return lambda port: [_raw(port, pieces())]

    found: dict[str, Attack] = {
        "a prompt of 8 MB": posts(1, CHAT, long),
        "ten prompts of 8 MB at once": posts(10, CHAT, long),
        "a body of 1 GB": raw(lambda: _big_body(CHAT)),
        "endless headers": raw(_endless_headers),
        "a header of 32 MB": raw(_one_long_header),
        "slow headers": raw(lambda: _slowly(b"GET /health HTTP/1.1\r\nHost: x\r\n", b"X: y\r\n")),
        "a slow body": raw(lambda: _slowly(_body_head(CHAT, 1000), b" ")),
        "300 bodies held back": _held_bodies,
        "1,000 idle connections": _idle_connections,
    }
    if is_ours:
        prompts = {"model": OURS, "prompt": ["Hi"] * 10_000, "max_tokens": 1}
        found |= {
            "10,000 prompts in a request": posts(1, "/v1/completions", prompts),
            "200 forms of 3,000 properties at once": posts(200, CHAT, _form()),
            "/search with 8 MB": posts(1, "/search", {"prompt": "a" * 8_000_000}),
            "an example of 8 MB": posts(1, "/update", {"examples": [{"text": "a" * 8_000_000}]}),
        }
    return found


def attack(
    port: int,
    process: "subprocess.Popen[bytes]",
    name: str,
    run: Attack,
    others_path: str,
    others_body: Figures,
) -> Figures:
    """One attack with another client beside it: statuses, memory, and what the other saw."""
    with _others(port, others_path, others_body) as alone:
        time.sleep(_LEAST_S)
    before = resident_bytes(process)
    statuses: list[int] = []
    with _others(port, others_path, others_body) as beside:
        until = time.monotonic() + _LEAST_S
        while not statuses or time.monotonic() < until:  # some are over in a moment
            statuses += run(port)
    wrong = beside.wrong()
    if not (alone.seconds and beside.seconds):
        wrong.append("another client was not answered at all")
    if beside.p99_s > max(_SLOWER * alone.p99_s, alone.p99_s + _UNNOTICED_S):
        wrong.append(
            f"another client's p99 is {beside.p99_s:.2f} s beside it and {alone.p99_s:.2f} s alone"
        )
    if process.poll() is not None:
        wrong.append("it ended")
    more = max(0, resident_bytes(process) - before)
    if more > _MORE_BYTES:
        wrong.append(f"{more / 1e6:.0f} MB more memory")
    right = {*_REFUSED, *_MAY_BE_TOLD.get(name, ())}
    if odd := sorted(set(statuses) - right):
        wrong.append(f"answered with {odd}")
    return verdict(
        wrong,
        statuses={str(one): statuses.count(one) for one in sorted(set(statuses))},
        more_bytes=more,
        p99_s=beside.p99_s,
        p99_alone_s=alone.p99_s,
    )


# Beside a refusal. 0: closed while the client still writes, so that the answer is lost on the way.
_MAY_BE_TOLD = {
    "endless headers": (0,),
    "a header of 32 MB": (0,),
    "a body of 1 GB": (0,),
    "300 bodies held back": (0,),
    "1,000 idle connections": (503,),
    "200 forms of 3,000 properties at once": (200,),
}


def _attack_us(plan: Plan, root: Path, name: str) -> Figures:
    settings = (*BRIEFLY, "server.receive_timeout_s=2")
    with running(root, plan.base, *settings) as service:
        body = {"prompt": "Who?", "max_tokens": 2, "temperature": 0}
        run = attacks(True)[name]
        found = attack(service.port, service.process, name, run, "/search", body)
        return {**found, **verdict([*filter(None, [found["why"]]), *disorder(service)])}


def _too_much(plan: Plan) -> list[Trial]:
    def trial(name: str) -> Trial:
        return Trial(name, lambda root: _attack_us(plan, root, name))

    return [trial(name) for name in attacks(True)]


def _tell_attacks(figures: Sequence[Figures]) -> str:
    most = max((one.get("more_bytes", 0) for one in figures), default=0)
    worst = max((one.get("p99_s", 0.0) for one in figures), default=0.0)
    alone = max((one.get("p99_alone_s", 0.0) for one in figures), default=0.0)
    return (
        f"at most {most / 1e6:.0f} MB more; another client's p99 at most {worst:.2f} s "
        f"(alone {alone:.2f} s)"
    )


# ── 7: a queue past its bound ─────────────────────────────────────────────────────────────────

_WAITING, _SENT = 40, 400


def _flood(plan: Plan, root: Path) -> Figures:
    with running(root, plan.base, *BRIEFLY, f"update.max_waiting_jobs={_WAITING}") as service:
        call(service.port, "POST", "/training/pause", {})
        before = resident_bytes(service.process)
        told = [
            call(service.port, "POST", "/update", update_body(f"f{number}"))
            for number in range(_SENT)
        ]
        more = resident_bytes(service.process) - before
        taken = [one.body["job_id"] for one in told if one.status == 202]
        refused = [one for one in told if one.status == 429]
        wrong = []
        if len(taken) != _WAITING or len(taken) + len(refused) != _SENT:
            wrong.append(f"{len(taken)} taken, {len(refused)} told 429")
        if any("retry-after" not in one.headers for one in refused):
            wrong.append("429 without Retry-After")
        if more > _MORE_BYTES:
            wrong.append(f"{more / 1e6:.0f} MB more memory")
        call(service.port, "POST", "/training/resume", {})
        wrong += not_learned(service, taken) + disorder(service)
    return verdict(wrong, acknowledged=len(taken), more_bytes=more)


ROWS = (
    Row(
        4,
        "adapters that are truncated, not finite, mislabelled, deep, FIFOs, devices",
        _hostile_adapters,
        lambda figures: f"{sum(one.get('adapters', 0) for one in figures)} adapters",
    ),
    Row(
        5,
        "malformed requests, as JSON and as a browser",
        lambda plan: [Trial("all", lambda root: _malformed_to_us(plan, root))],
        _tell_malformed,
    ),
    Row(6, "too much: prompts, bodies, headers, connections, forms", _too_much, _tell_attacks),
    Row(
        7,
        f"{_SENT} updates where {_WAITING} may wait",
        lambda plan: [Trial("flood", lambda root: _flood(plan, root))],
    ),
)
