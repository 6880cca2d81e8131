"""Rows 14, 15 and 18: a day of mixed load, signals under load, backups of a running root."""

import contextlib
import hashlib
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from bench.intervals import quantile
from bench.processes import REPOSITORY, Figures
from bench.survival.clients import chat
from bench.survival.service import (
    BRIEFLY,
    Started,
    call,
    disorder,
    leave_stream,
    not_learned,
    resident_bytes,
    running,
    start,
    update_body,
    wait_ready,
)
from bench.survival.trials import Plan, Row, Trial, verdict
from tests.support import ApiError

# A minute, at most: an hour is 12 MB and no descriptor. Shorter soaks are mostly warm-up.
_SLOPES = {"rss_mb": 0.2, "arrays_mb": 0.05, "descriptors": 0.05, "threads": 0.05}
_LEAST_JUDGED_MINUTES = 30.0
_REST_S = 15.0  # threads that nobody waits on end after 10 s
_BOUNDARY = "part"
_ROOTS, _BACKUPS = 5, 10
_SLOWER = 1.5  # than answers are without backups, at most


@contextlib.contextmanager
def loaded(work: Sequence[Callable[[random.Random], None]]) -> Iterator[None]:
    """Threads that do their work over and over; what goes wrong in it is theirs to note."""
    is_over = threading.Event()

    def repeat(number: int) -> None:
        dice = random.Random(number)
        while not is_over.is_set():
            with contextlib.suppress(OSError, ApiError):
                work[number](dice)

    threads = [threading.Thread(target=repeat, args=(number,)) for number in range(len(work))]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


# ── 14: soak ──────────────────────────────────────────────────────────────────────────────────


class _Mixed:
    """Clients of all kinds, at a pace that leaves the service room."""

    def __init__(self, service: Started) -> None:
        self.service, self.done, self.failed = service, 0, []
        self.jobs: list[str] = []

    def call(
        self,
        method: str,
        path: str,
        body: Figures | None = None,
        pause: float = 0.2,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        told = call(self.service.port, method, path, body, raw, headers)
        self.done += 1
        if told.status >= (400 if path == "/documents" else 500):
            self.failed.append(f"{method} {path}: {told.status} {str(told.body)[:80]}")
        elif told.status == 202 and path == "/update":
            self.jobs.append(told.body["job_id"])
        time.sleep(pause)

    def ask(self, dice: random.Random) -> None:
        self.call("POST", "/search", {"prompt": f"Who is {dice.random()}?", "max_tokens": 8})

    def look(self, dice: random.Random) -> None:
        path = dice.choice(["/info", "/checkpoints", "/jobs", "/metrics", "/ready", "/audit"])
        self.call("GET", path, pause=0.5)

    def teach(self, dice: random.Random) -> None:
        self.call("POST", "/update", update_body(f"{dice.random()}"), pause=4)

    def move(self, dice: random.Random) -> None:
        time.sleep(10)
        self.call("POST", "/rollback", {}, pause=5)

    def document(self, dice: random.Random) -> None:
        """One of twenty documents, each time with another text."""
        place = dice.randrange(20)
        text = "\n\n".join(f"Cabinet {place} holds {dice.random()} folders." for _ in range(20))
        body = (
            f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; '
            f'filename="cabinet-{place}.md"\r\n\r\n{text}\r\n--{_BOUNDARY}--\r\n'
        )
        form = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        self.call("POST", "/documents", raw=body.encode(), headers=form, pause=10)

    def leave(self, dice: random.Random) -> None:
        """A stream that nobody reads to its end."""
        body = chat(f"Tell me {dice.random()}", stream=True, max_tokens=200)
        leave_stream(self.service.port, "/v1/chat/completions", body)
        self.done += 1
        time.sleep(0.3)


def sample_process(process: "subprocess.Popen[bytes]") -> dict[str, float]:
    """What a process takes now."""
    folder = Path(f"/proc/{process.pid}")
    return {
        "rss_mb": resident_bytes(process) / 1e6,
        "descriptors": len(list((folder / "fd").iterdir())) if folder.exists() else 0,
        "threads": len(list((folder / "task").iterdir())) if folder.exists() else 0,
    }


def _sample(service: Started) -> dict[str, float]:
    metrics = call(service.port, "GET", "/metrics").body
    arrays = [line for line in metrics.splitlines() if line.startswith("radiance_array_bytes ")]
    return sample_process(service.process) | {"arrays_mb": float(arrays[0].split()[-1]) / 1e6}


def sampled(
    minutes: float, sample: Callable[[], dict[str, float]]
) -> tuple[list[dict[str, float]], dict[str, float], dict[str, float]]:
    """Samples over so many minutes; the slope of each a minute, once what is made once is.

    And the standard error of each slope: samples fall between trainings and into them.

    Raises:
        RuntimeError: It is not answered in one of ten.
    """
    times, samples, missed = [], [], 0
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until:
        try:
            found = sample()
        except OSError:  # it is not answered in time; the hour goes on
            missed += 1
        else:
            times.append(time.monotonic() / 60)
            samples.append(found)
        time.sleep(max(1.0, minutes / 4))
    if missed > len(samples) / 9:
        raise RuntimeError(f"{missed} of {missed + len(samples)} samples were not answered")
    later = slice(len(samples) // 3, None)
    slopes, errors = {}, {}
    for name in samples[0]:
        values = np.array([one[name] for one in samples[later]])
        fitted = np.polyfit(times[later], values, 1)
        slopes[name] = float(fitted[0])
        left = values - np.polyval(fitted, times[later])
        spread = len(left) * float(np.var(times[later]))
        variance = float(left @ left) / max(1, len(left) - 2)
        errors[name] = (variance / spread) ** 0.5 if spread else 0.0
    return samples, slopes, errors


def too_steep(slopes: Mapping[str, float]) -> list[str]:
    """What grew by more a minute than may be."""
    return [
        f"{name} grew by {slope:.2f} a minute"
        for name, slope in slopes.items()
        if slope > _SLOPES[name]
    ]


def _soak(plan: Plan, root: Path) -> Figures:
    settings = (*BRIEFLY, "engine.prompt_cache_bytes=0", "retention.keep_checkpoints=20")
    with running(root, plan.base, *settings) as service:
        mixed = _Mixed(service)
        work = (
            *(mixed.ask, mixed.ask, mixed.look, mixed.teach),
            *(mixed.move, mixed.leave, mixed.document),
        )
        time.sleep(_REST_S)
        at_rest = [_sample(service)]
        with loaded(work):
            samples, slopes, errors = sampled(plan.minutes, lambda: _sample(service))
        wrong = too_steep(slopes) if plan.minutes >= _LEAST_JUDGED_MINUTES else []
        wrong += sorted(set(mixed.failed))[:3] + not_learned(service, mixed.jobs, 300)
        time.sleep(_REST_S)
        at_rest.append(_sample(service))
        wrong += disorder(service)
        if service.end():
            wrong.append("the stop failed")
    return verdict(
        wrong,
        minutes=plan.minutes,
        requests=mixed.done,
        acknowledged=len(mixed.jobs),
        first=samples[0],
        last=samples[-1],
        at_rest=at_rest,
        slopes_per_minute=slopes,
        slope_errors=errors,
    )


def _soaks(plan: Plan) -> list[Trial]:
    name, limit_s = f"{plan.minutes:g} minutes", 60 * plan.minutes + 400
    return [Trial(name, lambda root: _soak(plan, root), limit_s)]


def tell_soak(figures: Sequence[Figures]) -> str:
    one = figures[0] if figures else {}
    if "slopes_per_minute" not in one:
        return ""
    errors = one.get("slope_errors", {})
    slopes = ", ".join(
        f"{name} {slope:+.2f}" + (f" ± {errors[name]:.2f}" if name in errors else "")
        for name, slope in one["slopes_per_minute"].items()
    )
    first, last = one.get("at_rest", [{}, {}])
    rest = ", ".join(f"{name} {first[name]:.0f} to {last[name]:.0f}" for name in first)
    return (
        f"{one['minutes']:g} minutes, {one['requests']} requests, {one.get('acknowledged', 0)} "
        f"updates; slope a minute: {slopes}" + (f"; at rest before and after: {rest}" * bool(rest))
    )


# ── 15: signals ───────────────────────────────────────────────────────────────────────────────


def _signalled(plan: Plan, root: Path, with_signal: signal.Signals) -> Figures:
    taken: list[str] = []
    broken: list[str] = []
    service = start(root, plan.base, *BRIEFLY)
    wait_ready(service)

    def ask(dice: random.Random) -> None:
        told = call(service.port, "POST", "/search", {"prompt": f"{dice.random()}?"})
        if told.status not in (200, 503):
            broken.append(f"/search was told {told.status}")

    def teach(dice: random.Random) -> None:
        told = call(service.port, "POST", "/update", update_body(f"{dice.random()}"))
        if told.status == 202:
            taken.append(told.body["job_id"])
        elif told.status not in (429, 503):
            broken.append(f"/update was told {told.status}")
        time.sleep(0.2)

    with loaded((ask, ask, ask, teach, teach)):
        time.sleep(5)
        began = time.monotonic()
        code = service.end(with_signal)
        seconds = time.monotonic() - began
    wrong = sorted(set(broken)) + ([] if code == 0 else [f"it ended with {code}"])
    with running(root, plan.base, *BRIEFLY) as again:
        wrong += not_learned(again, taken, 300) + disorder(again)
    return verdict(wrong, acknowledged=len(taken), stopped_s=seconds)


def _stopped(plan: Plan, root: Path) -> Figures:
    settings = (*BRIEFLY, "training.max_steps=200", "engine.wedged_after_s=5")
    with running(root, plan.base, *settings) as service:
        job = service.client.post("/update", update_body("held"))["job_id"]
        service.client.wait_for_step(job, 1)
        service.process.send_signal(signal.SIGSTOP)
        time.sleep(12)
        service.process.send_signal(signal.SIGCONT)
        told = call(service.port, "POST", "/search", {"prompt": "Who?", "max_tokens": 4})
        wrong = [] if told.status == 200 else [f"/search was told {told.status}"]
        wrong += not_learned(service, [job]) + disorder(service)
    if "engine_faulty" in (root / "service.log").read_text():
        wrong.append("a stop from outside is taken for a fault of the engine")
    return verdict(wrong)


def _signals(plan: Plan) -> list[Trial]:
    return [
        Trial("SIGTERM", lambda root: _signalled(plan, root, signal.SIGTERM)),
        Trial("SIGHUP", lambda root: _signalled(plan, root, signal.SIGHUP)),
        Trial("SIGSTOP for 12 s, SIGCONT", lambda root: _stopped(plan, root)),
    ]


def _tell_signals(figures: Sequence[Figures]) -> str:
    times = [one["stopped_s"] for one in figures if "stopped_s" in one]
    return f"stopped within {max(times):.1f} s" if times else ""


# ── 18: backups ───────────────────────────────────────────────────────────────────────────────


def radiance(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "radiance", *arguments]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def _weights(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.glob("adapters/A_*/*"))
    }


def _backups(plan: Plan, folder: Path) -> Figures:
    root, target = folder / "root", folder / "backup"
    root.mkdir()
    wrong: list[str] = []
    copies: list[Path] = []
    beside: list[float] = []
    alone: list[float] = []
    timed_into: list[list[float]] = [[]]
    with running(root, plan.base, *BRIEFLY) as service:
        mixed = _Mixed(service)

        def timed(dice: random.Random) -> None:
            began = time.monotonic()
            into = timed_into[0]
            mixed.ask(dice)
            into.append(time.monotonic() - began - 0.2)

        def teach_often(dice: random.Random) -> None:
            mixed.call("POST", "/update", update_body(f"{dice.random()}"), pause=0.5)

        with loaded((mixed.ask, timed, teach_often)):
            time.sleep(5)
            for number in range(_BACKUPS):
                began, timed_into[0] = time.monotonic(), beside
                known = set(mixed.jobs)
                done = radiance("backup", str(target), "--root", str(root))
                if done.returncode:
                    wrong.append(f"backup {number}: {done.stderr.strip()[-200:]}")
                    continue
                copies.append(copy := folder / f"copy{number}")
                name = done.stdout.strip()
                done = radiance("restore", str(target), "--snapshot", name, "--root", str(copy))
                if done.returncode:
                    wrong.append(f"restore {number}: {done.stderr.strip()[-200:]}")
                    continue
                took, timed_into[0] = time.monotonic() - began, []
                wrong += _unlike(root, copy, len(known))
                for earlier in copies[:-1]:  # the last is to be started
                    shutil.rmtree(earlier, ignore_errors=True)
                timed_into[0] = alone  # as long without, while as much is learned
                time.sleep(took)
        wrong += sorted(set(mixed.failed))[:3]
    with running(copies[-1], plan.base, *BRIEFLY) as restored:
        wrong += disorder(restored)
    return verdict(
        wrong,
        backups=_BACKUPS,
        beside_s=[round(one, 3) for one in beside],
        alone_s=[round(one, 3) for one in alone],
    )


def _unlike(root: Path, copy: Path, jobs: int) -> list[str]:
    """What a restored root lacks of the one it was made of."""
    import sqlite3

    theirs, ours = _weights(copy), _weights(root)
    wrong = [f"{name} differs" for name, found in theirs.items() if ours.get(name) != found]
    with contextlib.closing(sqlite3.connect(copy / "runs" / "radiance.db")) as db:
        (found,) = db.execute("SELECT COUNT(*) FROM jobs").fetchone()
    return [*wrong, f"{jobs - found} acknowledged jobs are missing"] if found < jobs else wrong


def _p99s(figures: Sequence[Figures]) -> tuple[float, float]:
    """Of answers beside backups and in turn without, of all roots; NaN without any."""
    both = [[s for one in figures for s in one.get(name, ())] for name in ("beside_s", "alone_s")]
    beside, alone = (quantile(times, 0.99) if times else float("nan") for times in both)
    return beside, alone


def _slower(figures: Sequence[Figures]) -> list[str]:
    beside, alone = _p99s(figures)
    told = f"answers' p99 is {beside:.2f} s beside backups and {alone:.2f} s without"
    return [told] if beside > _SLOWER * alone else []


def _tell_backups(figures: Sequence[Figures]) -> str:
    whole = [one for one in figures if "beside_s" in one]
    if not whole:
        return ""
    beside, alone = _p99s(whole)
    answers = sum(len(one["beside_s"]) + len(one["alone_s"]) for one in whole)
    return (
        f"{sum(one['backups'] for one in whole)} backups of {len(whole)} roots; answers' p99 "
        f"{beside:.2f} s beside them and {alone:.2f} s in turn without, of {answers}"
    )


ROWS = (
    Row(
        14,
        "mixed load with updates, documents, moves and disconnects",
        _soaks,
        tell_soak,
    ),
    Row(15, "SIGTERM and SIGHUP under load; SIGSTOP and SIGCONT", _signals, _tell_signals),
    Row(
        18,
        "backups of a running root under load, each restored",
        lambda plan: [
            Trial(f"root {number}, {_BACKUPS} backups", lambda root: _backups(plan, root))
            for number in range(_ROOTS)
        ],
        _tell_backups,
        _slower,
    ),
)
