"""Rows 1 and 9: the process killed with SIGKILL, at random and in training."""

import contextlib
import random
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from bench.intervals import quantile
from bench.processes import Figures
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
    wait_for,
    wait_ready,
)
from bench.survival.trials import Plan, Row, Trial, verdict
from tests.support import ApiError

_KILLS_A_ROOT = 5
_LONGEST_LIFE_S = 4.0


# ── 1: at random ──────────────────────────────────────────────────────────────────────────────


class _Promises:
    """What a service acknowledged over its lives.

    Of what was rolled back it may cancel jobs that share a checkpoint with what was forgotten.
    """

    def __init__(self) -> None:
        self.jobs: list[str] = []
        self.forgotten: list[str] = []
        self._updates = 0

    def make(self, service: Started, dice: random.Random) -> None:
        """One thing of a client's day: mostly an update, else a move or a request to forget."""
        client, chance = service.client, dice.random()
        with contextlib.suppress(OSError, ApiError):
            if chance < 0.6 or not self.jobs:
                body = update_body(f"u{self._updates}")
                self.jobs.append(client.post("/update", body)["job_id"])
                self._updates += 1
            elif chance < 0.75:
                client.post("/rollback", {"reason": "a trial"})
            elif chance < 0.9:
                known = [one["checkpoint_id"] for one in client.get("/checkpoints")["checkpoints"]]
                if known:
                    client.post("/promote", {"checkpoint": dice.choice(known), "force": True})
            else:
                example = f"{dice.choice(self.jobs)}.0"
                client.post("/forget", {"example": example})
                self.forgotten.append(example)

    def broken(self, service: Started) -> list[str]:
        found = wait_for(service, self.jobs, 40 + 3 * len(self.jobs))
        for job, status in found.items():  # as promised: a retry has it learned
            told = service.client.get(f"/jobs/{job}")["error"] if status == "cancelled" else ""
            if self.forgotten and "learned what was forgotten" in (told or ""):
                service.client.post(f"/jobs/{job}/retry", {})
        wrong = not_learned(service, self.jobs, 40 + 3 * len(self.jobs)) + disorder(service)
        return wrong + not_forgotten(service)


def _random_kills(plan: Plan, root: Path, number: int, kills: int) -> Figures:
    dice, promises, recovered = random.Random(f"kills {number}"), _Promises(), []
    for kill in range(kills):
        service = start(root, plan.base, *BRIEFLY)
        if kill % 2 == 0:  # half of them live for a while after the start, however long that takes
            recovered.append(wait_ready(service))
        dies_at = time.monotonic() + dice.uniform(0.3, _LONGEST_LIFE_S)
        while time.monotonic() < dies_at:
            promises.make(service, dice)
            time.sleep(min(dice.uniform(0.05, 1.0), max(0.0, dies_at - time.monotonic())))
        service.end(signal.SIGKILL)
    with running(root, plan.base, *BRIEFLY) as service:
        wrong = promises.broken(service)
        if (link := link_of(root)) != service.client.get("/info")["current_checkpoint"]:
            wrong.append(f"the link points at {link}")
    return verdict(
        wrong,
        kills=kills,
        acknowledged=len(promises.jobs),
        forgotten=len(promises.forgotten),
        recovered_s=recovered,
    )


def _at_random(plan: Plan) -> list[Trial]:
    def trial(number: int) -> Trial:
        kills = min(_KILLS_A_ROOT, plan.kills - number * _KILLS_A_ROOT)
        return Trial(
            f"root {number}, {kills} kills", lambda root: _random_kills(plan, root, number, kills)
        )

    return [trial(number) for number in range(-(-plan.kills // _KILLS_A_ROOT))]


def _tell_kills(figures: Sequence[Figures]) -> str:
    kills = sum(one.get("kills", 0) for one in figures)
    jobs = sum(one.get("acknowledged", 0) for one in figures)
    times = sorted(second for one in figures for second in one.get("recovered_s", ()))
    if not times:
        return f"{kills} kills"
    told = f"p50 {quantile(times, 0.5):.1f} s, p99 {quantile(times, 0.99):.1f} s"
    return f"{kills} kills, {jobs} updates acknowledged; ready again: {told} of {len(times)}"


# ── 9: in training ────────────────────────────────────────────────────────────────────────────

_LONG = ("training.max_steps=60", "anchor.own_samples=4", "training.snapshot_seconds=0.01")
_DAMAGE = ("none", "emptied", "cut in half", "a byte flipped", "garbage", "a directory")


def _learn_uninterrupted(plan: Plan, root: Path) -> str:
    root.mkdir()
    with running(root, plan.base, *_LONG) as service:
        return _hash_learned(service, service.client.post("/update", update_body("same"))["job_id"])


def _hash_learned(service: Started, job: str) -> str:
    made = service.client.wait_for(job)
    assert made["status"] == "succeeded", made
    return service.client.get(f"/checkpoints/{made['checkpoint']}")["manifest"]["content_hash"]


def damage(path: Path, how: str) -> None:
    """Spoil a file in one of the ways in which a power cut does."""
    content = path.read_bytes()
    half = len(content) // 2
    if how == "emptied":
        path.write_bytes(b"")
    elif how == "cut in half":
        path.write_bytes(content[:half])
    elif how == "a byte flipped":
        path.write_bytes(content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :])
    elif how == "garbage":
        path.write_bytes(random.Random(0).randbytes(len(content)))
    elif how == "a directory":
        path.unlink()
        path.mkdir()


def _killed_in_training(plan: Plan, folder: Path, how: str, kills: int) -> Figures:
    wanted = _learn_uninterrupted(plan, folder / "whole")
    root = folder / "killed"
    root.mkdir()
    service = start(root, plan.base, *_LONG)
    wait_ready(service)
    job = service.client.post("/update", update_body("same"))["job_id"]
    for kill in range(1, kills + 1):
        with contextlib.suppress(OSError, ApiError):
            service.client.wait_for_step(job, 12 * kill)
        service.end(signal.SIGKILL)
        for snapshot in (root / "runs" / "cycles").glob("*.npz"):
            damage(snapshot, how)
        service = start(root, plan.base, *_LONG)
        wait_ready(service)
    found = _hash_learned(service, job)
    wrong = disorder(service) + ([] if found == wanted else ["the weights differ"])
    service.end()
    shutil.rmtree(folder / "whole")
    return verdict(wrong)


def _in_training(plan: Plan) -> list[Trial]:
    def trial(how: str, kills: int) -> Trial:
        name = f"{kills} kills, snapshot damaged: {how}"
        return Trial(name, lambda folder: _killed_in_training(plan, folder, how, kills))

    return [trial(how, 1) for how in _DAMAGE] + [trial("none", 3)]


ROWS = (
    Row(1, "SIGKILL at random: accepting, training, moving, forgetting", _at_random, _tell_kills),
    Row(9, "killed in training, snapshot whole or damaged: the same weights", _in_training),
)
