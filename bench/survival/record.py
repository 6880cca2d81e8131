"""Rows 10, 11 and 12: what serves made again, the log tampered with, roots lost and shared."""

import contextlib
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench.processes import REPOSITORY, Figures
from bench.survival.service import (
    BRIEFLY,
    call,
    disorder,
    running,
    start,
    update_body,
)
from bench.survival.trials import Plan, Row, Trial, spread, verdict

_BYTES_TRIED = 60


def _command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "radiance", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


def taught(plan: Plan, root: Path, updates: int = 3) -> None:
    """A root whose service learned some updates, was rolled back, promoted, and stopped."""
    root.mkdir(exist_ok=True)
    with running(root, plan.base, *BRIEFLY) as service:
        made: Figures = {}
        for number in range(updates):
            job = service.client.post("/update", update_body(f"u{number}"))["job_id"]
            made = service.client.wait_for(job)
            assert made["status"] == "succeeded", made
        service.client.post("/rollback", {"reason": "a trial"})
        service.client.post("/promote", {"checkpoint": made["checkpoint"], "force": True})
        assert service.end() == 0


# ── 10: made again ────────────────────────────────────────────────────────────────────────────


def _made_again(plan: Plan, root: Path) -> Figures:
    taught(plan, root)
    wrong, names = [], sorted(path.name for path in (root / "adapters").glob("A_*"))
    for name in names:
        done = _command("reproduce", name, "--root", str(root), "--json")
        if done.returncode:
            wrong.append(f"{name}: {done.stderr.strip()[-200:] or done.stdout[-200:]}")
    return verdict(wrong, checkpoints=len(names))


# ── 11: tampered with ─────────────────────────────────────────────────────────────────────────


def _sql(*statements: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        with contextlib.closing(sqlite3.connect(root / "runs" / "radiance.db")) as db:
            names = db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for (name,) in names:
                db.execute(f'DROP TRIGGER "{name}"')
            for statement in statements:
                db.execute(statement)
            db.commit()

    return change


def _lose_history(root: Path) -> None:
    _sql("DELETE FROM audit", "DELETE FROM releases", "DELETE FROM checkpoints")(root)
    (root / "runs" / "audit.head").unlink()


def _point_link(root: Path) -> None:
    link = root / "adapters" / "stable"
    first = min(path.name for path in (root / "adapters").glob("A_*"))
    link.unlink()
    link.symlink_to(first)


_SWAP = (
    "UPDATE audit SET number = 9999 WHERE number = 2",
    "UPDATE audit SET number = 2 WHERE number = 3",
    "UPDATE audit SET number = 3 WHERE number = 9999",
)


def _replace_head(root: Path) -> None:
    (root / "runs" / "audit.head").write_text(f"2 {'0' * 64}\n")


def _cut_unseen(root: Path) -> None:
    _sql("DELETE FROM audit WHERE number > 1")(root)
    (root / "runs" / "audit.head").unlink()


_CHANGES: dict[str, Callable[[Path], None]] = {
    "triggers dropped": _sql(),
    "a line dropped": _sql("DELETE FROM audit WHERE number = 2"),
    "two lines swapped": _sql(*_SWAP),
    "the tail cut": _sql("DELETE FROM audit WHERE number = (SELECT MAX(number) FROM audit)"),
    "an actor changed": _sql("UPDATE audit SET actor = 'mallory' WHERE number = 2"),
    "a time changed": _sql("UPDATE audit SET at = '2020-01-01T00:00:00Z' WHERE number = 2"),
    "the head replaced": _replace_head,
    "the head removed, the tail cut": _cut_unseen,
    "everything deleted beside its checkpoints": _lose_history,
    "tags of a job changed": _sql("UPDATE jobs SET tags = '[\"user:alice\"]' WHERE number = 1"),
    "all jobs removed": _sql("DELETE FROM cycle_jobs", "DELETE FROM cycles", "DELETE FROM jobs"),
    "accuracies removed": _sql("DELETE FROM evaluations"),
    "an accuracy changed": _sql("UPDATE evaluations SET accuracy = accuracy + 0.25"),
    "a checkpoint marked as pruned": _sql("UPDATE checkpoints SET pruned_at = 'x'"),
    "a checkpoint marked as damaged": _sql("UPDATE checkpoints SET damage = 'x'"),
    "the link points elsewhere": _point_link,
}


_POINTS = "adapters/stable points"  # told, and no finding: a crash leaves that as well


def _tampered(plan: Plan, folder: Path) -> Figures:
    """Every change to a copy of one root; each is to be found."""
    taught(plan, folder / "root")
    sound = _command("audit", "verify", "--root", str(folder / "root"))
    wrong = [] if sound.returncode == 0 else [f"a sound root: {sound.stderr[-200:]}"]
    for name, change in _CHANGES.items():
        copy = shutil.copytree(folder / "root", folder / "copy", symlinks=True)
        try:
            change(copy)
        except sqlite3.Error as error:
            wrong.append(f"{name} could not be tried: {error}")
        else:
            done = _command("audit", "verify", "--root", str(copy))
            if done.returncode == 0 and _POINTS not in done.stdout + done.stderr:
                wrong.append(f"{name}: not found")
        shutil.rmtree(copy)
    return verdict(wrong, changes=len(_CHANGES))


def _bytes_changed(plan: Plan, folder: Path) -> Figures:
    """Single bytes of entries, each changed in turn; the first bad entry is to be named."""
    from radiance.registry.verification import verify

    taught(plan, folder)
    database, wrong = folder / "runs" / "radiance.db", []
    _sql()(folder)
    with contextlib.closing(sqlite3.connect(database)) as db:
        rows = db.execute("SELECT number, body FROM audit ORDER BY number").fetchall()
        places = [(number, at) for number, body in rows for at in range(len(body))]
        for place in spread(len(places))[:_BYTES_TRIED]:
            number, at = places[place - 1]
            body = dict(rows)[number]
            other = "x" if body[at] != "x" else "y"
            changed = body[:at] + other + body[at + 1 :]
            db.execute("UPDATE audit SET body = ? WHERE number = ?", (changed, number))
            db.commit()
            if verify(database, folder / "adapters").first_bad != number:
                wrong.append(f"byte {at} of entry {number}: not named")
            db.execute("UPDATE audit SET body = ? WHERE number = ?", (body, number))
            db.commit()
    return verdict(wrong, changes=_BYTES_TRIED)


# ── 12: roots ─────────────────────────────────────────────────────────────────────────────────


def _refused(plan: Plan, root: Path, change: Callable[[Path], None], says: str) -> Figures:
    """A start over a changed database ends with 1 and a reason, and leaves the file alone."""
    taught(plan, root, updates=1)
    database = root / "runs" / "radiance.db"
    change(database)
    before = database.read_bytes() if database.exists() else None
    (root / "service.log").unlink()
    service = start(root, plan.base)
    code = service.process.wait(60)
    log = (root / "service.log").read_text()
    wrong = [] if code == 1 else [f"it ended with {code}"]
    if says not in log:
        wrong.append(f"its log does not say {says!r}")
    if "Traceback" in log:
        wrong.append("a traceback is shown")
    if (database.read_bytes() if database.exists() else None) != before:
        wrong.append("the database was changed")
    return verdict(wrong)


def _newer(database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database)) as db:
        db.execute("INSERT INTO migrations VALUES ('m999_of_tomorrow', '2039-01-01')")
        db.commit()


def _empty(database: Path) -> None:
    database.write_bytes(b"")


def _tear(database: Path) -> None:
    content = database.read_bytes()
    database.write_bytes(content[: len(content) // 2])


def _second_service(plan: Plan, root: Path, is_lock_deleted: bool) -> Figures:
    with running(root, plan.base, *BRIEFLY) as service:
        if is_lock_deleted:
            (root / "runs" / "radiance.lock").unlink()
        second = start(root, plan.base)
        code = second.process.wait(60)
        log = (root / "service.log").read_text()
        wrong = [] if code == 1 else [f"the second ended with {code}"]
        if not is_lock_deleted and f"pid {service.process.pid}" not in log:
            wrong.append("the owner's pid is not named")
        told = call(service.port, "POST", "/update", update_body("more"))
        if told.status != (503 if is_lock_deleted else 202):
            wrong.append(f"the first answers an update with {told.status}")
        wrong += disorder(service)
    return verdict(wrong)


def _roots(plan: Plan) -> list[Trial]:
    def refused(name: str, change: Callable[[Path], None], says: str) -> Trial:
        return Trial(name, lambda root: _refused(plan, root, change, says))

    return [
        Trial("a second service", lambda root: _second_service(plan, root, False)),
        Trial("the same, lock file deleted", lambda root: _second_service(plan, root, True)),
        refused("the database missing", Path.unlink, "is missing"),
        refused("the database empty", _empty, "is empty"),
        refused("the database torn", _tear, "damaged"),
        refused("the database newer than the code", _newer, "newer"),
    ]


def _verify_says(plan: Plan) -> list[Trial]:
    return [
        Trial("what is changed in the database and beside it", lambda root: _tampered(plan, root)),
        Trial("single bytes of entries", lambda root: _bytes_changed(plan, root)),
    ]


ROWS = (
    Row(
        10,
        "every checkpoint made again from the log and the examples: the same weights",
        lambda plan: [Trial("three checkpoints", lambda root: _made_again(plan, root))],
    ),
    Row(
        11,
        "the log changed, cut, swapped, its head replaced",
        _verify_says,
        lambda figures: f"{sum(one.get('changes', 0) for one in figures)} changes",
    ),
    Row(12, "two services on one root; a database missing, empty, torn, newer", _roots),
)
