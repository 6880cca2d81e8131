"""Row 17: what is pruned while a service serves, and what it takes on the disk."""

import contextlib
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.processes import Figures
from bench.survival.operation import loaded, radiance
from bench.survival.service import (
    BRIEFLY,
    Started,
    call,
    disorder,
    link_of,
    not_learned,
    running,
    start,
    update_body,
    wait_ready,
)
from bench.survival.trials import Plan, Row, Trial, verdict

_KEEP, _PROMOTED, _CURVES, _VOTES, _PATIENCE_S = 3, 3, 10, 40, 5
_SETTINGS = (
    *BRIEFLY,
    f"retention.keep_checkpoints={_KEEP}",
    f"retention.keep_promoted={_PROMOTED}",
    f"retention.keep_curves={_CURVES}",
    f"retention.keep_votes={_VOTES}",
    f"server.request_timeout_s={_PATIENCE_S}",
)
# Newest and promoted; what is pinned, tried, labelled and learned from, and their parents.
_MOST_KEPT = _KEEP + _PROMOTED + 8
_CHECKPOINTS, _LONGEST_S = 30, 400.0


def _weights(root: Path) -> set[str]:
    return {path.parent.name for path in root.glob("adapters/A_*/adapters.safetensors")}


def _made(root: Path) -> int:
    return len(list(root.glob("adapters/A_*")))


class _Clients:
    """Clients who ask by name, teach, vote and move, and what they should not have been told."""

    def __init__(self, service: Started) -> None:
        self.port, self.jobs, self.wrong = service.port, list[str](), set[str]()
        self.known: list[str] = []
        self.answers = self.refused = 0

    def work(self) -> Sequence[Callable[[random.Random], None]]:
        return self.ask_by_name, self.ask_by_name, self.ask, self.teach, self.teach, self.move

    def _call(self, method: str, path: str, body: Figures | None, *right: int) -> Figures:
        told = call(self.port, method, path, body)
        if told.status not in right:
            self.wrong.add(f"{path} was told {told.status} {str(told.body)[:80]}")
        self.answers += told.status == 200
        self.refused += told.status == 409
        return told.body if isinstance(told.body, dict) else {}

    def ask(self, dice: random.Random) -> None:
        self._call("POST", "/search", {"prompt": f"{dice.random()}?", "max_tokens": 4}, 200)

    def ask_by_name(self, dice: random.Random) -> None:
        """Mostly of the newest, among which the next to be pruned is."""
        if not self.known:
            time.sleep(0.1)
            return
        body = {"prompt": "Who?", "max_tokens": 4, "checkpoint": dice.choice(self.known[:12])}
        self._call("POST", "/search", body, 200, 409)

    def teach(self, dice: random.Random) -> None:
        told = self._call("POST", "/update", update_body(f"{dice.random()}"), 202)
        if "job_id" in told:
            self.jobs.append(told["job_id"])
        time.sleep(0.4)

    def move(self, dice: random.Random) -> None:
        time.sleep(1)
        listed = self._call("GET", "/checkpoints?limit=50", None, 200).get("checkpoints", [])
        self.known = [one["checkpoint_id"] for one in listed]
        if not self.known:
            return
        one = dice.choice(self.known[:10])
        match dice.randrange(7):
            case 0:
                self._call("POST", "/rollback", {}, 200, 409)
            case 1:
                self._call("POST", "/promote", {"checkpoint": one, "force": True}, 200, 409)
            case 2:
                self._call("POST", "/pin", {"checkpoint": one}, 200, 409)
                self._call("POST", "/unpin", {}, 200, 409)
            case 3:
                body = {"checkpoint": one, "mode": "canary", "share": 0.5}
                self._call("POST", "/canary", body, 200, 201, 409)
            case 4:
                self._call("DELETE", "/canary", None, 200, 409)
            case _:
                self._call("POST", "/feedback", {"vote": "up", "comment": "x" * 200}, 201)


def _served_is_there(root: Path) -> bool:
    """Whether what the link names has weights; it may be moved while one looks."""
    for _ in range(3):
        served = link_of(root)
        if served is None or (root / "adapters" / served / "adapters.safetensors").exists():
            return True
        time.sleep(0.05)
    return False


def _pruned_while_serving(plan: Plan, folder: Path) -> Figures:
    root = folder / "root"
    root.mkdir()
    wrong: list[str] = []
    most = 0
    service = start(root, plan.base, *_SETTINGS)
    wait_ready(service)
    clients = _Clients(service)
    with loaded(clients.work()):
        until = time.monotonic() + _LONGEST_S
        while time.monotonic() < until and _made(root) < _CHECKPOINTS:
            most = max(most, len(_weights(root)))
            if not _served_is_there(root):
                wrong.append("what serves has lost its weights")
            time.sleep(0.5)
        copy = folder / "copy"
        for verb, at in (("backup", root), ("restore", copy)):
            done = radiance(verb, str(folder / "backup"), "--root", str(at))
            if done.returncode:
                wrong.append(f"{verb}: {done.stderr.strip()[-200:]}")
        service.end(signal.SIGKILL)  # with requests under way
    with running(root, plan.base, *_SETTINGS) as again:
        wrong += sorted(clients.wrong)[:3]
        wrong += not_learned(again, clients.jobs, 200)
        time.sleep(_PATIENCE_S + 10)
        kept = len(_weights(root))
        made_of = len(again.client.get("/checkpoints?limit=1000")["checkpoints"])
        wrong += disorder(again)
        for _ in range(_PROMOTED - 1):
            told = call(again.port, "POST", "/rollback", {})
            if told.status != 200:
                wrong.append(f"/rollback was told {told.status} {str(told.body)[:80]}")
        curves, votes = _rows(root)
    if kept > _MOST_KEPT:
        wrong.append(f"{kept} of {made_of} checkpoints have weights")
    if curves > _CURVES or votes > _VOTES:
        wrong.append(f"curves of {curves} cycles and {votes} votes are there")
    return verdict(
        wrong,
        checkpoints=made_of,
        with_weights=kept,
        most_with_weights=most,
        answers=clients.answers,
        refused=clients.refused,
    )


def _rows(root: Path) -> tuple[int, int]:
    """Cycles with curves, and votes, that are kept."""
    with contextlib.closing(sqlite3.connect(root / "runs" / "radiance.db")) as db:
        (curves,) = db.execute("SELECT COUNT(DISTINCT cycle_id) FROM metrics").fetchone()
        (votes,) = db.execute("SELECT COUNT(*) FROM feedback").fetchone()
    return curves, votes


def _tell(figures: Sequence[Figures]) -> str:
    one = figures[0] if figures else {}
    if "with_weights" not in one:
        return ""
    return (
        f"{one['with_weights']} of {one['checkpoints']} checkpoints have weights, at most "
        f"{one['most_with_weights']} at a time; {one['answers']} answers, {one['refused']} refused"
    )


ROWS = (
    Row(
        17,
        "weights of old checkpoints, curves and votes pruned while it serves, is moved and killed",
        lambda plan: [
            Trial(
                f"{_CHECKPOINTS} checkpoints", lambda root: _pruned_while_serving(plan, root), 900
            )
        ],
        _tell,
    ),
)
