"""Row 2: the process killed before every durable step, and the power cut before every sync.

A SIGKILL leaves on the disk what is there at that moment. So one service works, is stopped before
each step for as long as its folder is copied, and each copy is opened as what a kill left.
"""

import contextlib
import itertools
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.processes import Figures
from bench.survival import power
from bench.survival.service import (
    BRIEFLY,
    Started,
    not_forgotten,
    not_learned,
    reopened_wrongly,
    running,
    start,
    update_body,
    wait_ready,
)
from bench.survival.trials import Plan, Row, Trial, spread, verdict
from radiance.registry.manifest import WEIGHTS
from tests.support import ApiError

_STEPPED = "bench.survival.stepped"
_DIES = (OSError, ApiError, AssertionError)
_AT_ONCE = 25  # states that are kept of one service's work, and opened one after another
_LIMIT_S = 1800
Facts = dict[str, list[str]]

_PRUNING = ("retention.keep_promoted=2", "server.request_timeout_s=3")


def _wait_until_deleted(path: Path) -> None:
    until = time.monotonic() + 60
    while path.exists():
        assert time.monotonic() < until, "what was pruned is there still"
        time.sleep(0.05)


def _work(service: Started, facts: Facts, weights_of: Path) -> None:
    """Accept, learn, roll back, promote, prune, forget; ``facts`` gets what is acknowledged."""
    client = service.client
    before = client.get("/info")["current_checkpoint"]
    for name in ("one", "two", "three"):
        job = client.post("/update", update_body(name))["job_id"]
        facts["jobs"].append(job)
        client.wait_for(job)
    client.post("/rollback", {"reason": "a trial"})
    newest = client.get("/checkpoints")["checkpoints"][0]["checkpoint_id"]
    assert newest != before
    client.post("/promote", {"checkpoint": newest, "force": True})
    pruned = client.post("/prune", {"keep": 1})["checkpoints"]
    assert len(pruned) == 1
    _wait_until_deleted(weights_of / pruned[0] / WEIGHTS)
    client.post("/forget", {"example": f"{facts['jobs'][0]}.0"})
    facts["forgotten"].append(f"{facts['jobs'][0]}.0")
    assert not not_forgotten(service)


def _states(plan: Plan, folder: Path, every: int, first: int) -> Iterator[tuple[int, Path, Facts]]:
    """Work, and what a SIGKILL would leave before steps ``first``, ``first + every``, …

    Yields the number of the step, a copy of the root in that moment, and what was acknowledged.
    """
    root, told = folder / "root", folder / "told"
    root.mkdir()
    told.mkdir()
    service = start(
        root,
        plan.base,
        *BRIEFLY,
        *_PRUNING,
        is_forked=True,
        module=_STEPPED,
        variables={"RADIANCE_STEPS": str(told)},
    )
    wait_ready(service)
    with _working(service, root) as (facts, is_over):
        _say(told / "every", f"{every} {first}")
        while not is_over():
            if not _is_stopped(service):
                time.sleep(0.002)
                continue
            step = (told / "taken").stat().st_size
            copy = shutil.copytree(root, folder / f"step {step}", symlinks=True)
            # Whoever is told by now was told before the copy was made.
            yield step, Path(copy), {name: [*ids] for name, ids in facts.items()}
            _say(told / "go", str(step))
            service.process.send_signal(signal.SIGCONT)
        _say(told / "every", "0 0")  # its end takes steps, too
        _say(told / "go", str(sys.maxsize))
        service.process.send_signal(signal.SIGCONT)


def _say(file: Path, what: str) -> None:
    """Write a file that another process reads, whole or not at all."""
    new = file.with_suffix(".new")
    new.write_text(what)
    new.replace(file)


def _is_stopped(service: Started) -> bool:
    """Whether all threads of a process are stopped."""
    tasks = Path(f"/proc/{service.process.pid}/task").glob("*/stat")
    with contextlib.suppress(OSError):
        return all(task.read_text().rpartition(")")[2].split()[0] == "T" for task in tasks)
    return False


@contextlib.contextmanager
def _working(service: Started, root: Path) -> Iterator[tuple[Facts, Callable[[], bool]]]:
    """Have the work done in another thread; what was acknowledged so far, and whether it is over.

    In the end it must have been done to its end, where nothing was raised.
    """
    facts: Facts = {"jobs": [], "forgotten": []}
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(_work, service, facts, root / "adapters")
        try:
            yield facts, work.done
            work.result()
            assert service.end() == 0
        finally:
            if service.process.poll() is None:
                service.process.kill()
                service.process.wait()


def count_steps(plan: Plan, folder: Path) -> int:
    """How many durable steps the work of row 2 takes."""
    assert not list(_states(plan, folder, 0, 0))
    return (folder / "told" / "taken").stat().st_size


def _wrong_after(plan: Plan, root: Path, facts: Facts) -> list[str]:
    """What is not as it must be in a root that is opened again."""
    with running(root, plan.base, *BRIEFLY, is_forked=True) as service:
        wrong = not_learned(service, facts["jobs"]) + reopened_wrongly(service, root)
        wrong += not_forgotten(service)
        if facts["forgotten"]:
            told = service.client.post("/search", {"prompt": "What opens locker one-0?"})
            if told["response"] == "Locker one-0 opens with 0.":
                wrong.append("what was forgotten is answered")
        service.client.teach([("What opens the last locker?", "The last locker opens with 5.")])
    return wrong


def _reopened(plan: Plan, wrong: list[str], where: str, state: Path, facts: Facts) -> None:
    """Open a root as it was left, say what is wrong with it, and delete it."""
    try:
        wrong += [f"{where}: {what}" for what in _wrong_after(plan, state, facts)]
    except (*_DIES, LookupError) as error:
        wrong.append(f"{where}: {type(error).__name__} {error}")
    shutil.rmtree(state)


def _killed(plan: Plan, folder: Path, every: int, first: int) -> Figures:
    wrong: list[str] = []
    states = list(_states(plan, folder, every, first))
    for step, state, facts in states:
        _reopened(plan, wrong, f"step {step}", state, facts)
    return verdict(wrong, kills=len(states))


def _cuts(
    plan: Plan, folder: Path, switch: power.Power, every: int, first: int
) -> Iterator[tuple[int, power.Cut, Facts]]:
    """Work, and what a power cut would leave before syncs ``first``, ``first + every``, …"""
    root = folder / "root"
    service = start(root, plan.base, *BRIEFLY, *_PRUNING, variables=switch.variables)
    wait_ready(service)
    with _working(service, root) as (facts, is_over):
        switch.hold_before(first, every)
        while not is_over():
            if not switch.held:
                time.sleep(0.002)
                continue
            cut = switch.cut(folder / f"cut {switch.held}")
            yield switch.held, cut, {name: [*ids] for name, ids in facts.items()}
            switch.release()
        switch.let_go()  # its end syncs, too


def count_syncs(plan: Plan, folder: Path) -> int:
    """How many syncs the work of row 2 takes."""
    (folder / "root").mkdir()
    with power.power(folder / "root") as switch:
        assert not list(_cuts(plan, folder, switch, 0, 0))
        return switch.syncs


def _cut(plan: Plan, folder: Path, every: int, first: int) -> Figures:
    """Power cuts, and the root as it may be after each, twice."""
    wrong: list[str] = []
    (folder / "root").mkdir()
    with power.power(folder / "root") as switch:
        cuts = list(_cuts(plan, folder, switch, every, first))
        for sync, cut, facts in cuts:
            for loss in power.LOSSES:
                left = folder / f"{loss} {sync}"
                left.mkdir()
                cut.leave(left, loss, random.Random(sync))
                _reopened(plan, wrong, f"sync {sync}, what was not synced {loss}", left, facts)
            shutil.rmtree(cut.kept)
    return verdict(wrong, cuts=len(cuts))


def _before_every_step(plan: Plan) -> list[Trial]:
    def trials(what: str, count: int, tried: Callable[..., Figures]) -> list[Trial]:
        every = -(-count // _AT_ONCE)

        def trial(first: int) -> Trial:
            name = f"before {what} {first}, {first + every}, … of {count}"
            return Trial(name, lambda folder: tried(plan, folder, every, first), _LIMIT_S)

        return [trial(first) for first in spread(every)]

    kills = trials("step", plan.step_count("durable steps"), _killed)
    cuts = trials("sync", plan.step_count("syncs"), _cut)
    turns = itertools.zip_longest(kills, cuts)
    return [trial for turn in turns for trial in turn if trial is not None]


def _tell_steps(figures: Sequence[Figures]) -> str:
    kills = sum(one.get("kills", 0) for one in figures)
    cuts = sum(one.get("cuts", 0) for one in figures)
    return (
        f"{kills} states before a step and {cuts} before a sync, these opened with what was not "
        "synced lost and with any part of it on the disk"
    )


ROWS = (
    Row(
        2,
        "SIGKILL before every durable step; the power cut before every sync",
        _before_every_step,
        _tell_steps,
    ),
)
