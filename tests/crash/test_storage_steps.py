"""Killed with SIGKILL before every durable step, the stores still agree after the next start.

What is shown is process death. Loss of power also loses what was written and not synced, which no
test here imitates; every rename and commit follows a full sync for that.

Run as a program, this file is the driver: it kills children that it has forked, so that the imports
are paid once.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

import radiance
from radiance.config import UpdateSettings
from radiance.documents import removal
from radiance.documents.removal import SoughtPassages
from radiance.documents.store import Documents
from radiance.examples.admission import admit
from radiance.examples.store import ExampleStore
from radiance.jobs.queue import JobQueue
from radiance.memory.embedders import Tokens
from radiance.memory.memory import Memory
from radiance.records import (
    Asked,
    CheckpointStatus,
    Cycle,
    Decision,
    EvalReport,
    Evaluation,
    Evidence,
    JobStatus,
    Manifest,
    Message,
)
from radiance.registry import manifest as manifests
from radiance.registry.reconciliation import reconcile
from radiance.registry.store import Registry
from radiance.registry.verification import verify
from radiance.storage import steps
from radiance.storage.files import link_target
from radiance.storage.sqlite import Database

pytestmark = pytest.mark.crash

NOON = datetime(2026, 2, 9, 12, tzinfo=UTC)
OLD, NEW = "first", "second"


class Hashed:
    """Vectors that follow from the text alone."""

    identity, dimensions = "hashed", 8

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        rows = [np.frombuffer(hashlib.sha256(t.encode()).digest(), np.uint8)[:8] for t in texts]
        return np.stack(rows).astype(np.float32) / 512

    def tokens(self, texts: Sequence[str]) -> list[Tokens]:
        return [Tokens((0,), row[None]) for row in self.embed(texts)]


def open_memory(db: Database, registry: Registry) -> Memory:
    memory = Memory(db, ExampleStore(db), registry.ancestors, lambda: None, 0.02, Hashed())
    memory.open()
    return memory


class Service:
    """One start of a service over a root: put in order, then work."""

    def __init__(self, root: Path, note: Callable[[str], None] = lambda fact: None) -> None:
        self.note = note
        self.db = Database(root / "runs" / "radiance.db")
        self.registry = Registry(self.db, root / "adapters", lambda: NOON)
        self.memory = open_memory(self.db, self.registry)
        self.jobs = JobQueue(self.db, lambda: NOON, self.memory.add)
        reconcile(self.registry)
        self.jobs.recover(False, 1000, 1000, self.registry.committed())

    def add(self, key: str) -> None:
        body = {"examples": [{"input": key, "output": "learned"}, {"text": key}]}
        self.jobs.add(admit(body, UpdateSettings(), lambda example: None), key, key)
        self.note(f"accepted {key}")
        self.memory.embed_missing()

    def learn(self) -> None:
        while (cycle := self.lease()) is not None:
            found = self.registry.find_candidate(cycle)
            staging = self.registry.staging(cycle.candidate_id)
            manifest, evaluation = found or self.train(cycle, staging)
            decision = Decision(CheckpointStatus.STABLE, promote=True, reason="It learned.")
            self.registry.commit(cycle, staging, manifest, evaluation, decision, Evidence())
            self.note(f"served {cycle.candidate_id}")
            self.registry.point_stable()
            self.jobs.acknowledge(cycle.id, cycle.candidate_id, NOON)
            self.note(f"acknowledged {cycle.candidate_id}")

    def lease(self) -> Cycle | None:
        current = self.registry.current()
        return self.jobs.lease(
            UpdateSettings(),
            current.checkpoint_id if current else None,
            "settings",
            lambda connection: self.registry.new_checkpoint_id(connection, date(2026, 2, 9)),
            NOON,
        )

    def train(self, cycle: Cycle, staging: Path) -> tuple[Manifest, Evaluation]:
        (staging / manifests.WEIGHTS).write_bytes(os.urandom(64))
        (staging / manifests.CONFIG).write_bytes(b"{}")
        content_hash, config_hash = manifests.content_hashes(staging)
        evaluation = Evaluation(EvalReport(0.0, 0.0))
        manifest = Manifest(
            checkpoint_id=cycle.candidate_id,
            parent_id=cycle.parent_id,
            base_model="ember",
            base_hash="",
            content_hash=content_hash,
            config_hash=config_hash,
            created_at=NOON,
            fingerprint=cycle.fingerprint,
            example_ids=tuple(e.id for e in ExampleStore(self.db).of_jobs(cycle.job_ids)),
            replayed_ids=(),
            training={},
            anchor={},
            seed=0,
            steps=1,
            report=evaluation.report,
            versions={},
        )
        return manifest, evaluation

    def send(self, name: str) -> None:
        Documents(self.db, self.memory.passages.add).add(name, f"The {name} opens.".encode())
        self.note(f"kept {name}")
        self.memory.embed_missing()

    def forget(self, name: str) -> None:
        for document in Documents(self.db).recent(9):
            if document.name == name:
                sought = SoughtPassages(self.db, Asked("document", document.id))
                with self.db.transaction() as connection:
                    found = sought.find(connection)
                    self.memory.passages.remove(connection, [kept.number for kept in found])
                    removal.remove(connection, found)
        self.note(f"forgotten {name}")
        self.memory.compact()

    def roll_back(self) -> None:
        if len(self.registry.releases(9)) < 3:
            release = self.registry.rollback(None, "cli", "It hurts.")
            self.note(f"served {release.checkpoint_id}")
        self.registry.point_stable()


def update(root: Path, note: Callable[[str], None]) -> None:
    service = Service(root, note)
    service.add(NEW)
    service.learn()
    service.db.close()


def undo(root: Path, note: Callable[[str], None]) -> None:
    service = Service(root, note)
    service.roll_back()
    service.db.close()


def documents(root: Path, note: Callable[[str], None]) -> None:
    """One is accepted and indexed, an older one is forgotten."""
    service = Service(root, note)
    service.send(NEW)
    service.forget(OLD)
    service.db.close()


SCENARIOS = {"update": update, "undo": undo, "documents": documents}


# ----------------------------------------------------------------------------- the driver


def run_and_kill(scenario: str, root: Path, before_step: int) -> bool:
    """Run a scenario in a child that dies before its n-th step; whether it got to the end."""
    child = os.fork()
    if child == 0:
        left = before_step

        def count(name: str) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                (root / "killed-before").write_text(name)
                os.kill(os.getpid(), signal.SIGKILL)

        def note(fact: str) -> None:
            with (root / "facts").open("a") as file:
                file.write(fact + "\n")

        steps.set_hook(count)
        SCENARIOS[scenario](root, note)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status) and os.waitstatus_to_exitcode(status) != 0:
        raise RuntimeError(f"the scenario failed in {root}")
    return not os.WIFSIGNALED(status)


def prepare(root: Path, scenario: str) -> None:
    """A service that has learned one update; two where one is to be undone."""
    service = Service(root)
    if scenario == "documents":
        service.send(OLD)
    for key in [OLD] if scenario == "update" else [OLD, NEW]:
        service.add(key)
        service.learn()
    service.db.close()


def drive(scenario: str, root: Path) -> int:
    """Kill before each step in turn, each in a copy of its own; return how many steps there are."""
    prepare(root / "prepared", scenario)
    before_step = 1
    while True:
        copy = shutil.copytree(root / "prepared", root / f"{before_step:03d}", symlinks=True)
        if run_and_kill(scenario, copy, before_step):
            return before_step - 1
        before_step += 1


def drive_twice(root: Path, second_kills: int, seed: int) -> int:
    """Kill before each step, then kill the next start as well; return how often that died too."""
    prepare(root / "prepared", "update")
    dice = random.Random(seed)
    deaths, before_step = 0, 0
    while True:
        before_step += 1
        once = shutil.copytree(root / "prepared", root / f"{before_step:03d}", symlinks=True)
        if run_and_kill("update", once, before_step):
            return deaths
        for again in dice.sample(range(1, 18), second_kills):
            twice = shutil.copytree(once, root / f"{before_step:03d}-{again:03d}", symlinks=True)
            deaths += not run_and_kill("update", twice, again)


# ----------------------------------------------------------------------------- the tests


def drive_in_a_process(*arguments: str) -> int:
    source = Path(radiance.__file__).parents[1]
    finished = subprocess.run(
        [sys.executable, __file__, *arguments],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def facts_of(root: Path) -> list[str]:
    path = root / "facts"
    return path.read_text().splitlines() if path.exists() else []


def check_promises(root: Path) -> None:
    """What the dead process had promised is kept, before anything is put in order."""
    facts = facts_of(root)
    db = Database(root / "runs" / "radiance.db")
    jobs, registry = JobQueue(db), Registry(db, root / "adapters")
    by_checkpoint = {job.checkpoint: job for job in jobs.recent(9)}
    if f"accepted {NEW}" in facts:
        assert len(jobs.recent(9)) == 2
    served = [fact.removeprefix("served ") for fact in facts if fact.startswith("served ")]
    if served:
        current = registry.current()
        assert current is not None
        assert current.checkpoint_id == served[-1]
    for fact in facts:
        if fact.startswith("acknowledged "):
            assert by_checkpoint[fact.removeprefix("acknowledged ")].status == "succeeded"
    check_memory(db, registry, jobs, facts)
    check_log(root)
    # A link, where there is one, always points at a whole checkpoint.
    if (target := link_target(root / "adapters" / "stable")) is not None:
        registry.verify(target)
    db.close()


def check_memory(db: Database, registry: Registry, jobs: JobQueue, facts: list[str]) -> None:
    """What was accepted is found, its index is whole, and what vectors are missing are made."""
    memory = open_memory(db, registry)
    assert memory.size == len(jobs.recent(9))
    if f"accepted {NEW}" in facts:
        found = memory.look_up([Message("user", NEW)], None).found
        current = registry.current()
        tip = None if current is None else current.checkpoint_id
        found = found or memory.look_up([Message("user", NEW)], tip).found
        assert [one.answer for one in found] == ["learned"]
    memory.embed_missing()
    (kept,) = db.read("SELECT COUNT(*) AS n FROM memory_vectors")
    (wanted,) = db.read("SELECT COUNT(*) AS n FROM memory_keys WHERE NOT is_exact")
    assert kept["n"] == wanted["n"] > 0
    (words,) = db.read("SELECT COUNT(*) AS n FROM memory_words WHERE memory_words MATCH 'learn'")
    assert words["n"] == memory.size


def check_documents(root: Path) -> None:
    """What was kept answers, and its vectors are made; of what was forgotten nothing is left."""
    facts = facts_of(root)
    db = Database(root / "runs" / "radiance.db")
    memory = open_memory(db, Registry(db, root / "adapters"))
    names = {document.name for document in Documents(db).recent(9)}
    for name in (OLD, NEW):
        found = memory.passages.look_up(f"The {name} opens?")
        assert (found is not None) == (name in names)
    if f"kept {NEW}" in facts:
        assert NEW in names
    if f"forgotten {OLD}" in facts:
        assert OLD not in names
        assert memory.passages.size == len(names)
    memory.embed_missing()
    (orphans,) = db.read(
        "SELECT COUNT(*) AS n FROM passage_vectors WHERE number NOT IN"
        " (SELECT number FROM passages)"
    )
    (kept,) = db.read("SELECT COUNT(*) AS n FROM passage_vectors")
    assert (orphans["n"], kept["n"]) == (0, memory.passages.size)
    db.close()


def check_log(root: Path) -> None:
    """Nothing happened without its entry, and no entry is there without what happened."""
    found = verify(root / "runs" / "radiance.db", root / "adapters")
    assert found.findings == ()


def check_order(root: Path) -> None:
    """After a start that ran to its end: all learned, once, and files, rows and link agree."""
    service = Service(root)
    jobs, registry = service.jobs.recent(9), service.registry
    assert [job.status for job in jobs] == [JobStatus.SUCCEEDED] * 2
    checkpoints = registry.all(99)
    manifests_found = [registry.manifest(c.checkpoint_id) for c in checkpoints]
    learned = [id for manifest in manifests_found for id in manifest.example_ids]
    assert sorted(learned) == ["job_000001.0", "job_000001.1", "job_000002.0", "job_000002.1"]
    assert {j.checkpoint for j in jobs} == {c.checkpoint_id for c in checkpoints}
    for checkpoint in checkpoints:
        registry.verify(checkpoint.checkpoint_id)
        assert registry.evaluation(checkpoint.checkpoint_id).report == checkpoint.report
    newest, oldest = checkpoints
    assert newest.parent_id == oldest.checkpoint_id
    current = registry.current()
    assert current is not None
    assert link_target(root / "adapters" / "stable") == current.checkpoint_id
    names = {path.name for path in (root / "adapters").iterdir()}
    assert names == {"stable", newest.checkpoint_id, oldest.checkpoint_id}
    promoted = [r.checkpoint_id for r in registry.releases(9) if r.action == "promote"]
    assert promoted == [newest.checkpoint_id, oldest.checkpoint_id]
    assert reconcile(registry) == []
    service.db.close()
    check_log(root)


def check_all(directory: Path, scenario: str) -> set[str]:
    """Check every root in ``directory``; return the names of the steps before which they died."""
    seen = set()
    for root in sorted(path for path in directory.iterdir() if path.name != "prepared"):
        if (killed_before := root / "killed-before").exists():
            seen.add(killed_before.read_text())
        check_promises(root)
        SCENARIOS[scenario](root, lambda fact: None)
        check_order(root)
    return seen


@pytest.mark.parametrize(("scenario", "least_steps"), [("update", 16), ("undo", 4)])
def test_killed_before_every_step(tmp_path, scenario, least_steps):
    assert drive_in_a_process(scenario, str(tmp_path)) >= least_steps
    assert check_all(tmp_path, scenario) >= {"commit to the database", "replace link stable"}


def test_killed_again_while_it_recovers(tmp_path):
    assert drive_in_a_process("twice", str(tmp_path), "2", "7") > 15
    check_all(tmp_path, "update")


def test_killed_before_every_step_of_documents(tmp_path):
    assert drive_in_a_process("documents", str(tmp_path)) >= 5
    for root in (path for path in tmp_path.iterdir() if path.name != "prepared"):
        check_documents(root)
        documents(root, lambda fact: None)
        check_documents(root)
        assert {
            each.name for each in Documents(Database(root / "runs" / "radiance.db")).recent(9)
        } == {NEW}


if __name__ == "__main__":
    name, folder, *numbers = sys.argv[1:]
    if name == "twice":
        sys.stdout.write(json.dumps(drive_twice(Path(folder), *map(int, numbers))))
    else:
        sys.stdout.write(json.dumps(drive(name, Path(folder))))
