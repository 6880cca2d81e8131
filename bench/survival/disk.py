"""Rows 3 and 13: a disk that fails, and a clock that is moved, below Python."""

import contextlib
import errno
import mmap
import struct
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Figures
from bench.survival import small_disk
from bench.survival.preloaded import compile_library
from bench.survival.service import (
    BRIEFLY,
    Started,
    call,
    disorder,
    not_learned,
    reopened_wrongly,
    running,
    update_body,
)
from bench.survival.trials import Plan, Row, Trial, spread, verdict

_SOURCE = Path(__file__).with_name("disk.c")
_FIELDS = struct.Struct("6q")
_COUNT, _ONCE, _FROM = 0, 1, 2
_LEARN_S = 120
_AT_ONCE = 20  # calls that fail in the life of one service, an update each
_LIMIT_S = 1800
_FAULTS = [
    *((_ONCE, name) for name in ("EIO", "ENOSPC", "EMFILE", "EROFS")),
    *((_FROM, name) for name in ("ENOSPC", "EIO")),
]


@dataclass
class Faults:
    """The switchboard of the library in a process that preloads it."""

    variables: dict[str, str]
    _memory: mmap.mmap

    def set(self, mode: int = _COUNT, at: int = 0, error: int = 0, seconds: int = 0) -> None:
        """Fail from now on as told, counting calls anew; move the clock by ``seconds``."""
        self._memory[:] = _FIELDS.pack(mode, at, error, 0, 0, seconds)

    @property
    def calls(self) -> int:
        """Calls on the disk since ``set``."""
        return _FIELDS.unpack(self._memory)[3]

    @property
    def failed(self) -> int:
        """Calls that were failed since ``set``."""
        return _FIELDS.unpack(self._memory)[4]


@contextlib.contextmanager
def faults(root: Path) -> Iterator[Faults]:
    """The library, compiled, for a process over ``root``.

    Raises:
        Skipped: No compiler, or a system without LD_PRELOAD.
    """
    with tempfile.TemporaryDirectory() as folder:
        library, board = Path(folder, "disk.so"), Path(folder, "board")
        compile_library(_SOURCE, library)
        board.write_bytes(bytes(_FIELDS.size))
        variables = {
            "LD_PRELOAD": str(library),
            "RADIANCE_FAULT_ROOT": str(root),
            "RADIANCE_FAULT_FILE": str(board),
        }
        with board.open("r+b") as file, mmap.mmap(file.fileno(), _FIELDS.size) as memory:
            yield Faults(variables, memory)


# ── 3: the disk ───────────────────────────────────────────────────────────────────────────────


def _wait_prepared(service: Started) -> None:
    """Until an update has been learned: own samples and their reference are there."""
    assert service.client.teach([("What is first?", "This is first.")])["status"] == "succeeded"


def _accept(service: Started, wrong: list[str], root: Path, update: Figures) -> str | None:
    """Post an update until it is taken, for some seconds; what it is told must be of use."""
    for _ in range(8):
        told = call(service.port, "POST", "/update", update)
        if told.status == 202:
            return told.body["job_id"]
        if told.status not in (503, 507):
            wrong.append(f"/update was told {told.status}")
        if "retry-after" not in told.headers:
            wrong.append(f"{told.status} without Retry-After")
        if str(root) in str(told.body):
            wrong.append("a path of the server was told")
        time.sleep(0.25)
    return None


def count_calls(plan: Plan, root: Path) -> int:
    """How many calls on the disk one update takes, from its acceptance on."""
    with faults(root) as disk, running(root, plan.base, *BRIEFLY, variables=disk.variables) as one:
        _wait_prepared(one)
        disk.set()
        one.client.teach([("What is second?", "That is second.")])
        return disk.calls


def _failing(plan: Plan, root: Path, mode: int, name: str, calls: Sequence[int]) -> Figures:
    """One service, an update for each of the calls that fail; then the same root without faults."""
    wrong: list[str] = []
    failed = 0
    with faults(root) as disk:
        with running(root, plan.base, *BRIEFLY, variables=disk.variables) as service:
            _wait_prepared(service)
            for at in calls:
                found, has_failed = _learn_while_failing(service, disk, root, mode, name, at)
                wrong += [f"call {at}: {what}" for what in found]
                failed += has_failed
            if service.end():
                wrong.append("the stop failed")
        with running(root, plan.base, *BRIEFLY, is_forked=True) as service:  # without the library
            wrong += reopened_wrongly(service, root)
    return verdict(wrong, tried=len(calls), failed=failed)


def _learn_while_failing(
    service: Started, disk: Faults, root: Path, mode: int, name: str, at: int
) -> tuple[list[str], bool]:
    """What is wrong with an update of which a call fails, and whether one did."""
    wrong: list[str] = []
    update = update_body(f"{name} {mode} {at}")
    disk.set(mode, at, getattr(errno, name))
    job = _accept(service, wrong, root, update)
    until = time.monotonic() + (3 if mode == _FROM else 20)
    while time.monotonic() < until and not (disk.failed and mode == _ONCE):
        asked = call(service.port, "POST", "/search", {"prompt": "Who?", "max_tokens": 4})
        if asked.status != 200:
            wrong.append(f"/search was told {asked.status}")
        if job and service.client.get(f"/jobs/{job}")["status"] == "succeeded":
            break
        time.sleep(0.1)
    if mode == _FROM:
        for path in ("/training/pause", "/training/resume", "/rollback"):
            told = call(service.port, "POST", path, {})
            if told.status >= 500 and told.status not in (503, 507):
                wrong.append(f"{path} was told {told.status}")
    has_failed = disk.failed > 0
    disk.set()
    call(service.port, "POST", "/training/resume", {})  # it may have failed above
    job = job or _accept(service, wrong, root, update)
    wrong += not_learned(service, [job], _LEARN_S) if job else ["/update is not taken"]
    wrong += disorder(service)
    return sorted(set(wrong)), has_failed


def _disk(plan: Plan) -> list[Trial]:
    count = plan.step_count("calls on the disk")
    every = -(-count // _AT_ONCE)

    def trial(fault: tuple[int, str], first: int) -> Trial:
        mode, name = fault
        how = "once" if mode == _ONCE else "from there on"
        calls = range(first, count + 1, every)
        return Trial(
            f"{name} {how}, calls {first}, {first + every}, … of {count}",
            lambda root: _failing(plan, root, mode, name, calls),
            _LIMIT_S,
        )

    turns, kinds = spread(every), len(_FAULTS)
    return small_disk.trials(plan) + [
        trial(_FAULTS[(number + turn) % kinds], first)
        for turn in range(kinds)
        for number, first in enumerate(turns)
    ]


def _tell_disk(figures: Sequence[Figures]) -> str:
    tried, failed = (sum(one.get(name, 0) for one in figures) for name in ("tried", "failed"))
    return f"{tried} updates, in {failed} of which a call failed"


# ── 13: the clock ─────────────────────────────────────────────────────────────────────────────

_DAY = 86_400
_YEAR_2039 = 2_177_452_800
_JUMPS = {
    "30 days back": -30 * _DAY,
    "30 days forward": 30 * _DAY,
    "to 1971": None,
    "past 2038": _YEAR_2039,
    "an hour back, as daylight saving does": -3600,
}


def _clock(plan: Plan, root: Path, jump: str) -> Figures:
    wrong: list[str] = []
    with faults(root) as clock:
        with running(root, plan.base, *BRIEFLY, variables=clock.variables) as service:
            jobs = [service.client.post("/update", update_body("before"))["job_id"]]
            wrong += not_learned(service, jobs)
            by = _JUMPS[jump]
            seconds = 366 * _DAY - int(time.time()) if by is None else by
            seconds = seconds - int(time.time()) if by == _YEAR_2039 else seconds
            for name, moved in (("moved", seconds), ("true again", 0)):
                clock.set(seconds=moved)
                jobs.append(service.client.post("/update", update_body(name))["job_id"])
                wrong += not_learned(service, jobs[-1:])
                told = call(service.port, "POST", "/rollback", {})
                if told.status not in (200, 409):
                    wrong.append(f"/rollback was told {told.status}")
            numbers = [id.rpartition("_")[2] for id in jobs]
            if numbers != sorted(set(numbers)):
                wrong.append("the numbers of jobs do not rise")
            wrong += disorder(service)
            if service.end():
                wrong.append("the stop failed")
        with running(root, plan.base, *BRIEFLY) as service:
            wrong += disorder(service)
            wrong += not_learned(service, jobs)
    return verdict(wrong)


def _clocks(plan: Plan) -> list[Trial]:
    def trial(jump: str) -> Trial:
        return Trial(jump, lambda root: _clock(plan, root, jump))

    return [trial(jump) for jump in _JUMPS]


ROWS = (
    Row(3, "the n-th call on the disk fails, once or until it passes", _disk, _tell_disk),
    Row(13, "the clock moved under a running service", _clocks),
)
