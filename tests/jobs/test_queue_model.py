"""The queue against a list: nothing accepted is lost, nothing is trained twice."""

import itertools
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from radiance.config import UpdateSettings
from radiance.examples.admission import admit
from radiance.examples.store import ExampleStore
from radiance.jobs.queue import JobQueue
from radiance.jobs.selection import MOST_ONE_BY_ONE, due
from radiance.records import Cycle, content_hash
from radiance.storage.sqlite import Database
from tests.example_counts import examples

MAX_DEATHS, MAX_INTERRUPTIONS = 2, 3
MODES = {
    "immediate": UpdateSettings(),
    "batched": UpdateSettings(mode="batched", max_examples=5, max_age_minutes=30),
}


@dataclass
class Model:
    """What the list knows of one job."""

    job_id: str
    count: int
    created_at: datetime
    status: str = "queued"
    was_leased: bool = False
    deaths: int = 0
    interruptions: int = 0
    trained_into: list[str] = field(default_factory=list)


@dataclass
class Interrupted:
    cycle: Cycle
    settings_hash: str


LOST = ("failed", "quarantined", "cancelled")


class JobsMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.path = Path(self.directory.name, "radiance.db")
        self.now = datetime(2026, 2, 9, 12, tzinfo=UTC)
        self.list: dict[str, Model] = {}
        self.numbers = itertools.count(1)
        self.keys: dict[str, tuple[str, str]] = {}
        self.parent: str | None = None
        self.settings_hash = "s0"
        self.running: Cycle | None = None
        self.interrupted: Interrupted | None = None
        self.progress: dict[int, int] = {}
        self.issued: list[str] = []
        self.open()

    def open(self) -> None:
        self.db = Database(self.path)
        self.jobs, self.examples = JobQueue(self.db, lambda: self.now), ExampleStore(self.db)

    def teardown(self) -> None:
        self.db.close()
        self.directory.cleanup()

    def new_id(self, connection) -> str:
        self.issued.append(f"A_{len(self.issued) + 1}")
        return self.issued[-1]

    def queued(self) -> list[Model]:
        return [job for _, job in sorted(self.list.items()) if job.status == "queued"]

    def of(self, cycle: Cycle) -> list[Model]:
        return [self.list[id] for id in cycle.job_ids]

    # ------------------------------------------------------------------------- rules

    @rule(count=st.integers(1, 7), key=st.sampled_from([None, "k1", "k2"]))
    def add(self, count, key):
        number = next(self.numbers)
        body = {"examples": [{"text": f"{number} {n}"} for n in range(count)]}
        admitted = admit(body, UpdateSettings(), lambda example: None)
        if key in self.keys:
            job_id, body_hash = self.keys[key]
            job, is_new = self.jobs.add(admitted, body_hash, key)
            assert (job.job_id, is_new) == (job_id, False)
            if (known := self.list[job_id]).status == "failed":  # and no gate has rejected it
                self.queue_again(known)
            return
        body_hash = content_hash(body)
        job, is_new = self.jobs.add(admitted, body_hash, key)
        assert is_new
        assert job.job_id not in self.list
        self.list[job.job_id] = Model(job.job_id, count, self.now)
        if key is not None:
            self.keys[key] = (job.job_id, body_hash)

    @rule(minutes=st.sampled_from([-1000, -1, 1, 31, 1000]))
    def jump(self, minutes):
        self.now += timedelta(minutes=minutes)

    @rule(change=st.sampled_from(["parent", "settings"]))
    def change(self, change):
        if change == "parent":
            self.parent = None
        else:
            self.settings_hash = f"s{(int(self.settings_hash[1:]) + 1) % 2}"

    @rule(mode=st.sampled_from(sorted(MODES)))
    def lease(self, mode):
        queued = self.queued()
        cycle = self.jobs.lease(MODES[mode], self.parent, self.settings_hash, self.new_id, self.now)
        if self.running is not None:
            assert cycle is None
            return
        if self.can_resume():
            assert self.interrupted is not None
            assert cycle == self.interrupted.cycle
        else:
            expected = self.choose(queued, MODES[mode])
            assert (list(cycle.job_ids) if cycle else []) == expected
            assert cycle is None or cycle.candidate_id == self.issued[-1]
        self.interrupted = None
        if cycle is None:
            return
        self.running = cycle
        for job in self.of(cycle):
            assert job.status == "queued"
            job.status, job.was_leased = "running", True

    def can_resume(self) -> bool:
        if self.interrupted is None:
            return False
        cycle, jobs = self.interrupted.cycle, self.of(self.interrupted.cycle)
        return (
            (cycle.parent_id, self.interrupted.settings_hash) == (self.parent, self.settings_hash)
            and all(job.status == "queued" for job in jobs)
            and (len(jobs) == 1 or not any(job.deaths for job in jobs))
        )

    def choose(self, queued: list[Model], settings: UpdateSettings) -> list[str]:
        if not queued:
            return []
        age = self.now - min(job.created_at for job in queued)
        waiting = sum(job.count for job in queued)
        if not queued[0].was_leased and not due(settings, waiting, age):
            return []
        is_alone = settings.mode == "immediate" and len(queued) <= MOST_ONE_BY_ONE
        if is_alone or queued[0].deaths:
            return [queued[0].job_id]
        chosen = [queued[0]]
        for job in queued[1:]:
            if sum(j.count for j in chosen) + job.count > settings.max_examples or job.deaths:
                break
            chosen.append(job)
        return [job.job_id for job in chosen]

    @precondition(lambda self: self.running)
    @rule(step=st.integers(1, 5))
    def make_progress(self, step):
        assert self.running is not None
        self.jobs.note_progress(self.running.id, step)
        if step > self.progress.get(self.running.id, 0):
            self.progress[self.running.id] = step
            for job in self.of(self.running):
                job.interruptions = 0

    @precondition(lambda self: self.running)
    @rule(times=st.integers(1, 2))
    def acknowledge(self, times):
        assert self.running is not None
        for _ in range(times):
            self.jobs.acknowledge(self.running.id, self.running.candidate_id, self.now)
        self.succeed(self.running)

    def succeed(self, cycle: Cycle) -> None:
        for job in self.of(cycle):
            if job.status in ("queued", "running"):
                job.status = "succeeded"
                job.trained_into.append(cycle.candidate_id)
        self.parent = cycle.candidate_id
        self.running = self.interrupted = None

    @precondition(lambda self: self.running)
    @rule()
    def fail(self):
        assert self.running is not None
        self.jobs.fail(self.running.id, "It diverged.")
        for job in self.of(self.running):
            job.status = "failed"
        self.running = None

    @precondition(lambda self: self.running)
    @rule()
    def stop_cleanly(self):
        assert self.running is not None
        self.jobs.release(self.running.id)
        for job in self.of(self.running):
            job.status = "queued"
        self.interrupted = Interrupted(self.running, self.settings_hash_of_running())
        self.running = None

    def settings_hash_of_running(self) -> str:
        assert self.running is not None
        rows = self.db.read("SELECT settings_hash FROM cycles WHERE id = ?", (self.running.id,))
        return rows[0][0]

    @rule(self_inflicted=st.booleans(), was_committed=st.booleans())
    def crash(self, self_inflicted, was_committed):
        cycle = self.running or (self.interrupted.cycle if self.interrupted else None)
        released = {cycle.candidate_id} if cycle and was_committed else set()
        settings_hash = self.settings_hash_of_running() if self.running else None
        self.db.close()
        self.open()
        touched = self.jobs.recover(self_inflicted, MAX_DEATHS, MAX_INTERRUPTIONS, released)
        running = sorted(id for id, job in self.list.items() if job.status == "running")
        assert [job.job_id for job in touched] == running
        if cycle and was_committed:
            self.succeed(cycle)
        elif self.running and settings_hash:
            for job in self.of(self.running):
                job.deaths += self_inflicted
                job.interruptions += not self_inflicted
                is_out = job.deaths >= MAX_DEATHS or job.interruptions >= MAX_INTERRUPTIONS
                job.status = "quarantined" if is_out else "queued"
            self.interrupted = Interrupted(self.running, settings_hash)
            self.running = None

    @precondition(lambda self: self.queued())
    @rule(data=st.data())
    def cancel(self, data):
        job = data.draw(st.sampled_from(self.queued()))
        self.jobs.cancel(job.job_id)
        job.status = "cancelled"

    @precondition(lambda self: any(j.status in LOST for j in self.all()))
    @rule(data=st.data())
    def retry(self, data):
        lost = [job for job in self.all() if job.status in LOST]
        job = data.draw(st.sampled_from(lost))
        self.jobs.retry(job.job_id)
        self.queue_again(job)

    def queue_again(self, job: Model) -> None:
        job.status, job.was_leased, job.deaths, job.interruptions = "queued", False, 0, 0

    def all(self) -> list[Model]:
        return list(self.list.values())

    # ------------------------------------------------------------------------- invariants

    @invariant()
    def agrees_with_the_list(self):
        found = {job.job_id: job for job in self.jobs.recent(1000)}
        assert found.keys() == self.list.keys()
        for id, job in self.list.items():
            kept = found[id]
            assert (kept.status, kept.deaths, kept.interruptions, kept.created_at) == (
                job.status,
                job.deaths,
                job.interruptions,
                job.created_at,
            )
            assert ([kept.checkpoint] if kept.checkpoint else []) == job.trained_into
            assert len(job.trained_into) <= 1
        assert self.jobs.depth() == len(self.queued())
        assert self.jobs.waiting_examples() == sum(job.count for job in self.queued())
        times = [job.created_at for job in self.queued()]
        assert self.jobs.oldest_waiting_at() == (min(times) if times else None)
        assert len(set(self.issued)) == len(self.issued)

    @invariant()
    def every_example_is_kept(self):
        ids = sorted(self.list)
        examples = self.examples.of_jobs(ids)
        assert len(examples) == sum(job.count for job in self.all())
        learned = self.examples.replay(1000, set(), 0, self.issued)
        done = [id for id, job in self.list.items() if job.status == "succeeded"]
        assert {e.id for e in learned} == {e.id for e in self.examples.of_jobs(done)}


JobsMachine.TestCase.settings = examples(25, stateful_step_count=30, deadline=None)
TestJobs = JobsMachine.TestCase
