"""Row 2: the process killed before every durable step, and the power cut before every sync."""

import contextlib
import itertools
import random
import time
from collections.abc import Sequence
from pathlib import Path

from bench.processes import Figures
from bench.survival import power
from bench.survival.service import (
    BRIEFLY,
    Started,
    disorder,
    link_of,
    not_forgotten,
    not_learned,
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


def _stepped(plan: Plan, folder: Path, before_step: int) -> tuple[Facts, int, bool]:
    """Work until the n-th durable step: what was acknowledged, steps taken, was it killed."""
    kill_file = folder / "kill-before"
    facts: Facts = {"jobs": [], "forgotten": []}
    service = start(
        folder,
        plan.base,
        *BRIEFLY,
        *_PRUNING,
        module=_STEPPED,
        variables={"RADIANCE_KILL_FILE": str(kill_file)},
    )
    wait_ready(service)
    kill_file.write_text(str(before_step))
    # Whoever counts wants all of the work done; whoever kills cuts it off somewhere.
    with contextlib.suppress(*(_DIES if before_step else ())):
        _work(service, facts, folder / "adapters")
    was_killed = before_step > 0
    if before_step:
        with contextlib.suppress(Exception):
            service.process.wait(5)
    if service.process.poll() is None:  # there is no such step any more
        was_killed = False
        service.end()
    return facts, kill_file.with_suffix(".steps").stat().st_size, was_killed


def count_steps(plan: Plan, folder: Path) -> int:
    """How many durable steps the work of row 2 takes."""
    return _stepped(plan, folder, 0)[1]


def _wrong_after(plan: Plan, root: Path, facts: Facts) -> list[str]:
    """What is not as it must be in a root that is opened again."""
    with running(root, plan.base, *BRIEFLY) as service:
        wrong = not_learned(service, facts["jobs"]) + disorder(service)
        if link_of(root) != service.client.get("/info")["current_checkpoint"]:
            wrong.append("the link points elsewhere")
        wrong += not_forgotten(service)
        if facts["forgotten"]:
            told = service.client.post("/search", {"prompt": "What opens locker one-0?"})
            if told["response"] == "Locker one-0 opens with 0.":
                wrong.append("what was forgotten is answered")
        service.client.teach([("What opens the last locker?", "The last locker opens with 5.")])
    return wrong


def _killed_before(plan: Plan, root: Path, step: int) -> Figures:
    facts, _, was_killed = _stepped(plan, root, step)
    return verdict(_wrong_after(plan, root, facts), was_killed=was_killed)


def _powered(plan: Plan, root: Path, switch: power.Power, before_sync: int) -> tuple[Facts, int]:
    """Work until the power is cut before the n-th sync; what was acknowledged, and the syncs."""
    facts: Facts = {"jobs": [], "forgotten": []}
    service = start(root, plan.base, *BRIEFLY, *_PRUNING, variables=switch.variables)
    wait_ready(service)
    switch.cut_before(before_sync)
    with contextlib.suppress(*(_DIES if before_sync else ())):
        _work(service, facts, root / "adapters")
    syncs = switch.syncs
    if before_sync:
        with contextlib.suppress(Exception):
            service.process.wait(5)
    if service.process.poll() is None:
        service.end()
    return facts, syncs


def count_syncs(plan: Plan, folder: Path) -> int:
    """How many syncs the work of row 2 takes."""
    with power.power(folder) as switch:
        return _powered(plan, folder, switch, 0)[1]


def _cut_before(plan: Plan, folder: Path, sync: int) -> Figures:
    """A power cut, and the root as it may be afterwards, twice."""
    root = folder / "root"
    root.mkdir()
    wrong: list[str] = []
    with power.power(root) as switch:
        facts, syncs = _powered(plan, root, switch, sync)
        was_cut = syncs >= sync
        for loss in power.LOSSES if was_cut else ():
            left = folder / loss
            left.mkdir()
            switch.leave(left, loss, random.Random(sync))
            try:
                wrong += [f"{loss}: {what}" for what in _wrong_after(plan, left, facts)]
            except AssertionError as error:
                wrong.append(f"{loss}: {error}")
    return verdict(wrong, was_cut=was_cut)


def _before_every_step(plan: Plan) -> list[Trial]:
    def killed(step: int) -> Trial:
        return Trial(f"before step {step}", lambda root: _killed_before(plan, root, step))

    def cut(sync: int) -> Trial:
        name = f"the power cut before sync {sync}"
        return Trial(name, lambda folder: _cut_before(plan, folder, sync))

    kills = map(killed, spread(plan.step_count("durable steps")))
    cuts = map(cut, spread(plan.step_count("syncs")))
    turns = itertools.zip_longest(kills, cuts)
    return [trial for turn in turns for trial in turn if trial is not None]


def _tell_steps(figures: Sequence[Figures]) -> str:
    killed = sum(bool(one.get("was_killed")) for one in figures)
    cut = sum(bool(one.get("was_cut")) for one in figures)
    return (
        f"{killed} died at their step; {cut} had the power cut before a sync, and were opened with "
        "what was not synced lost and with any part of it on the disk; the others came to the end"
    )


ROWS = (
    Row(
        2,
        "SIGKILL before every durable step; the power cut before every sync",
        _before_every_step,
        _tell_steps,
    ),
)
