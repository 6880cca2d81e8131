import functools
from datetime import UTC, datetime, timedelta

import pytest

from radiance.config import UpdateSettings
from radiance.errors import Conflict, NotFound, Overloaded
from radiance.examples.admission import admit
from radiance.examples.store import ExampleStore
from radiance.examples.tasks import LEAST_ITEMS
from radiance.jobs.queue import JobQueue
from radiance.jobs.selection import (
    MOST_ONE_BY_ONE,
    diverged_reason,
    due,
    out_of_memory_reason,
)
from radiance.records import Cycle, Job, JobStatus, content_hash

IMMEDIATE = UpdateSettings()
BATCHED = UpdateSettings(mode="batched", max_examples=4, max_age_minutes=30)


class Queue:
    """Jobs with candidate ids, a parent and settings at hand."""

    def __init__(self, jobs: JobQueue, clock) -> None:
        self.jobs = jobs
        self.examples = ExampleStore(jobs._db)
        self.clock = clock
        self.issued = 0

    def add(self, *texts: str, key: str | None = None, tags: tuple[str, ...] = ()) -> Job:
        body = {"examples": [as_example(text) for text in texts], "tags": list(tags)}
        admitted = admit(body, UpdateSettings(), lambda example: None)
        return self.jobs.add(admitted, content_hash(body), key)[0]

    def lease(self, settings=IMMEDIATE, parent=None, settings_hash="s") -> Cycle | None:
        return self.jobs.lease(settings, parent, settings_hash, self._new_id, self.clock.now)

    def leased(self, settings=IMMEDIATE, parent=None, settings_hash="s") -> Cycle:
        cycle = self.lease(settings, parent, settings_hash)
        assert cycle is not None
        return cycle

    def learn(self, *texts: str, parent=None) -> tuple[Job, Cycle]:
        job = self.add(*texts)
        cycle = self.leased(parent=parent)
        self.jobs.acknowledge(cycle.id, cycle.candidate_id, self.clock.now)
        return self.jobs.get(job.job_id), cycle

    def crash(self, self_inflicted=False, released=()) -> list[Job]:
        return self.jobs.recover(self_inflicted, 2, 3, released)

    def status(self, job: Job) -> JobStatus:
        return self.jobs.get(job.job_id).status

    def _new_id(self, connection) -> str:
        self.issued += 1
        return f"A_2026-02-09_{self.issued:04d}"


def as_example(text: str) -> dict:
    """ "q=a" as a pair, anything else as plain text."""
    question, equals, answer = text.partition("=")
    return {"input": question, "output": answer} if equals else {"text": text}


@pytest.fixture
def queue(jobs, clock) -> Queue:
    return Queue(jobs, clock)


# ----------------------------------------------------------------------------- accepting


def test_an_accepted_update_is_kept_raw_and_curated(queue, db, clock):
    body = {"examples": [{"input": " a\r\n", "output": "b"}, {"text": "c"}], "tags": ["t"]}
    job, is_new = queue.jobs.add(admit(body, UpdateSettings(), lambda e: None), "h")
    assert is_new
    assert job == Job(
        job_id="job_000001",
        status=JobStatus.QUEUED,
        created_at=clock.now,
        example_count=2,
        tags=("t",),
    )
    again = JobQueue(db, clock)
    assert again.get("job_000001") == job
    assert again.raw("job_000001") == tuple(body["examples"])
    examples = ExampleStore(db).of_jobs(["job_000001"])
    assert [e.id for e in examples] == ["job_000001.0", "job_000001.1"]
    assert examples[0].messages[0].content == " a\n"  # its outer space is its own
    assert examples[1].text == "c"
    assert ExampleStore(db).get("job_000001.1") == examples[1]
    assert {e.tags for e in examples} == {("t",)}


def test_an_example_keeps_the_place_it_was_sent_at(queue):
    job = queue.add("x", "x", "y")
    assert [e.id for e in queue.examples.of_jobs([job.job_id])] == ["job_000001.0", "job_000001.2"]
    assert job.example_count == 2


def test_examples_come_in_the_order_of_the_jobs_asked_for(queue):
    queue.add("a", "b")
    queue.add("c")
    ids = ["job_000002", "job_000001"]
    assert [e.text for e in queue.examples.of_jobs(ids)] == ["c", "a", "b"]


def test_the_same_key_and_body_is_the_same_job(queue):
    first = queue.add("a", key="k")
    assert queue.add("a", key="k") == first
    assert queue.add("a").job_id == "job_000002"
    assert queue.jobs.depth() == 2


def test_a_key_with_another_body_is_a_conflict(queue):
    queue.add("a", key="k")
    with pytest.raises(Conflict, match="'k' belongs to job_000001") as caught:
        queue.add("b", key="k")
    assert (caught.value.field, caught.value.value) == ("job_key", "k")
    assert queue.jobs.depth() == 1


@pytest.mark.parametrize(
    "job_id", ["job_000001", "job_1", "job_0000001", "", "x", "job_９９９９９９"]
)
def test_an_unknown_job_is_not_found(queue, job_id):
    for call in (queue.jobs.get, queue.jobs.raw, queue.jobs.cancel, queue.jobs.retry):
        with pytest.raises(NotFound) as caught:
            call(job_id)
        assert caught.value.value == job_id


def test_an_unknown_example_is_not_found(queue):
    queue.add("a")
    with pytest.raises(NotFound, match=r"job_000001\.1"):
        queue.examples.get("job_000001.1")


def test_the_queue_is_measured(queue, clock):
    assert queue.jobs.depth() == queue.jobs.waiting_examples() == 0
    assert queue.jobs.oldest_waiting_at() is queue.jobs.last_update() is None
    first_at = clock.now
    queue.add("a", "b")
    clock.move(5)
    queue.add("c")
    assert (queue.jobs.depth(), queue.jobs.waiting_examples()) == (2, 3)
    assert queue.jobs.oldest_waiting_at() == first_at
    assert queue.jobs.last_update() == clock.now
    queue.leased()
    assert (queue.jobs.depth(), queue.jobs.waiting_examples()) == (1, 1)
    assert queue.jobs.oldest_waiting_at() == clock.now


def test_recent_jobs_come_newest_first(queue):
    for text in "abc":
        queue.add(text)
    queue.jobs.cancel("job_000002")
    recent = queue.jobs.recent
    assert [j.job_id for j in recent(2)] == ["job_000003", "job_000002"]
    assert [j.job_id for j in recent(9, JobStatus.QUEUED)] == ["job_000003", "job_000001"]


# ----------------------------------------------------------------------------- leasing


@pytest.mark.parametrize(
    ("settings", "waiting", "minutes", "expected"),
    [
        (IMMEDIATE, 0, 0, False),
        (IMMEDIATE, 1, 0, True),
        (BATCHED, 0, 99, False),
        (BATCHED, 3, 29.9, False),
        (BATCHED, 4, 0, True),
        (BATCHED, 1, 30, True),
        (BATCHED, 1, -0.5, False),
        (BATCHED, 1, -60, True),  # the clock was set back: it might wait for another day
    ],
)
def test_when_a_cycle_is_due(settings, waiting, minutes, expected):
    assert due(settings, waiting, timedelta(minutes=minutes)) is expected


def test_immediate_leases_one_job_at_a_time(queue, clock):
    first, second = queue.add("a"), queue.add("b", "c")
    clock.move(1)
    cycle = queue.leased(parent="A_old")
    assert cycle.job_ids == (first.job_id,)
    assert cycle.parent_id == "A_old"
    assert cycle.fingerprint == content_hash(["A_old", ["job_000001.0"], "s"])
    job = queue.jobs.get(first.job_id)
    assert (job.status, job.cycle_id, job.started_at) == (JobStatus.RUNNING, cycle.id, clock.now)
    assert queue.lease() is None
    queue.jobs.acknowledge(cycle.id, cycle.candidate_id, clock.now)
    assert queue.leased(parent=cycle.candidate_id).job_ids == (second.job_id,)


def test_batched_waits_for_enough_examples(queue):
    queue.add("a", "b")
    assert queue.lease(BATCHED) is None
    queue.add("c", "d")
    assert queue.leased(BATCHED).job_ids == ("job_000001", "job_000002")


def test_batched_does_not_wait_for_ever(queue, clock):
    queue.add("a")
    clock.move(29)
    queue.add("b")
    assert queue.lease(BATCHED) is None
    clock.move(1)
    assert queue.leased(BATCHED).job_ids == ("job_000001", "job_000002")


def test_a_job_is_never_split(queue):
    queue.add("a", "b", "c")
    queue.add("d", "e", "f", "g", "h")
    assert queue.leased(BATCHED).job_ids == ("job_000001",)
    queue.jobs.acknowledge(1, "A_1", queue.clock.now)
    assert queue.leased(BATCHED).job_ids == ("job_000002",)


def test_a_correction_waits_for_the_next_cycle(queue, clock):
    queue.add("capital=Bonn")
    queue.add("other=thing", "capital=Bonn")
    queue.add("Capital=Berlin")
    queue.add("x")
    clock.move(60)
    assert queue.leased(BATCHED).job_ids == ("job_000001", "job_000002")
    queue.jobs.acknowledge(1, "A_1", clock.now)
    assert queue.leased(BATCHED).job_ids == ("job_000003", "job_000004")


def test_facts_and_a_task_are_not_learned_together(queue, clock):
    """The facts would not be learned by heart."""
    instruction = "Say the words of the line once more, in capital letters:"
    rows = [f"{instruction} gate {n}=GATE {n}" for n in range(LEAST_ITEMS)]
    settings = UpdateSettings(mode="batched", max_examples=40, max_age_minutes=30)
    queue.add("capital=Berlin", "sky=blue")
    queue.add(*rows)
    queue.add("sea=wet")
    queue.add("sun=hot")
    clock.move(60)
    for number, jobs in enumerate([("job_000001",), ("job_000002",)], start=1):
        assert queue.leased(settings).job_ids == jobs
        queue.jobs.acknowledge(number, f"A_{number}", clock.now)
    assert queue.leased(settings).job_ids == ("job_000003", "job_000004")


# ----------------------------------------------------------------------------- the end of a cycle


def test_acknowledged_jobs_have_succeeded_once(queue, clock):
    job, cycle = queue.learn("a")
    assert (job.status, job.checkpoint, job.cycle_id, job.finished_at) == (
        JobStatus.SUCCEEDED,
        cycle.candidate_id,
        cycle.id,
        clock.now,
    )
    clock.move(1)
    queue.jobs.acknowledge(cycle.id, cycle.candidate_id, clock.now)
    queue.jobs.fail(cycle.id, "Too late.")
    queue.jobs.release(cycle.id)
    assert queue.jobs.get(job.job_id) == job
    assert queue.lease() is None


def test_a_failed_cycle_fails_its_jobs_and_cannot_be_acknowledged(queue, clock):
    job = queue.add("a")
    cycle = queue.leased()
    queue.jobs.fail(cycle.id, "The loss became NaN.")
    failed = queue.jobs.get(job.job_id)
    assert (failed.status, failed.error) == (JobStatus.FAILED, "The loss became NaN.")
    assert failed.finished_at == clock.now
    with pytest.raises(Conflict, match="failed"):
        queue.jobs.acknowledge(cycle.id, cycle.candidate_id, clock.now)
    with pytest.raises(NotFound):
        queue.jobs.acknowledge(99, "A_1", clock.now)


def test_a_retried_job_is_as_new_and_gets_a_new_candidate(queue):
    job = queue.add("a")
    before = queue.leased()
    queue.jobs.fail(before.id, "It diverged.")
    assert queue.jobs.retry(job.job_id) == job
    after = queue.leased()
    assert after.job_ids == before.job_ids
    assert after.fingerprint == before.fingerprint
    assert after.candidate_id != before.candidate_id


def test_only_queued_jobs_are_cancelled_and_only_lost_ones_retried(queue, clock):
    job = queue.add("a")
    with pytest.raises(Conflict, match="is queued"):
        queue.jobs.retry(job.job_id)
    queue.leased()
    with pytest.raises(Conflict, match="is running"):
        queue.jobs.cancel(job.job_id)
    queue.jobs.release(1)
    cancelled = queue.jobs.cancel(job.job_id)
    assert (cancelled.status, cancelled.finished_at) == (JobStatus.CANCELLED, clock.now)
    with pytest.raises(Conflict, match="is cancelled"):
        queue.jobs.cancel(job.job_id)
    assert queue.lease() is None


# ----------------------------------------------------------------------------- after a crash


@pytest.mark.parametrize("ending", ["crash", "release"])
def test_an_interrupted_cycle_is_leased_again_as_it_was(queue, clock, ending):
    queue.add("a")
    queue.add("b")
    clock.move(30)
    before = queue.leased(BATCHED)
    queue.crash() if ending == "crash" else queue.jobs.release(before.id)
    queue.add("c", "d", "e", "f")
    clock.move(-120)
    assert queue.leased(BATCHED) == before
    assert queue.issued == 1
    count = 1 if ending == "crash" else 0
    assert [queue.jobs.get(j).interruptions for j in before.job_ids] == [count, count]


@pytest.mark.parametrize("change", [{"parent": "A_other"}, {"settings_hash": "other"}])
def test_a_changed_cycle_is_a_new_one(queue, clock, change):
    queue.add("a")
    before = queue.leased()
    queue.crash()
    after = queue.leased(**change)
    assert after.job_ids == before.job_ids
    assert after.candidate_id != before.candidate_id
    assert after.fingerprint != before.fingerprint
    assert after.id > before.id
    with pytest.raises(Conflict, match="abandoned"):
        queue.jobs.acknowledge(before.id, before.candidate_id, clock.now)


def test_what_was_due_once_stays_due(queue):
    for text in "abcd":
        queue.add(text)
    assert len(queue.leased(BATCHED).job_ids) == 4
    queue.crash()
    queue.jobs.cancel("job_000001")
    assert queue.leased(BATCHED).job_ids == ("job_000002", "job_000003", "job_000004")


def test_a_cancelled_job_changes_the_cycle(queue, clock):
    queue.add("a")
    queue.add("b")
    clock.move(30)
    before = queue.leased(BATCHED)
    queue.crash()
    queue.jobs.cancel("job_000001")
    after = queue.leased(BATCHED)
    assert after.job_ids == ("job_000002",)
    assert after.candidate_id != before.candidate_id


def test_a_job_that_kills_the_process_is_quarantined(queue):
    job = queue.add("a")
    queue.leased()
    (after,) = queue.crash(self_inflicted=True)
    assert (after.status, after.deaths, after.interruptions) == (JobStatus.QUEUED, 1, 0)
    queue.leased()
    (after,) = queue.crash(self_inflicted=True)
    assert (after.status, after.deaths) == (JobStatus.QUARANTINED, 2)
    assert after.error is not None
    assert after.error.startswith("The process died 2 times while it trained this job")
    assert queue.lease() is None
    again = queue.jobs.retry(job.job_id)
    assert (again.status, again.deaths, again.error) == (JobStatus.QUEUED, 0, None)


def test_after_a_death_each_job_runs_alone(queue, clock):
    for text in "abc":
        queue.add(text)
    clock.move(30)
    assert len(queue.leased(BATCHED).job_ids) == 3
    queue.crash(self_inflicted=True)
    alone = queue.leased(BATCHED)
    assert alone.job_ids == ("job_000001",)
    queue.jobs.acknowledge(alone.id, alone.candidate_id, clock.now)
    culprit = queue.leased(BATCHED)
    assert culprit.job_ids == ("job_000002",)
    assert [j.status for j in queue.crash(self_inflicted=True)] == [JobStatus.QUARANTINED]
    assert queue.leased(BATCHED).job_ids == ("job_000003",)


@pytest.mark.parametrize("reason", [diverged_reason, out_of_memory_reason])
def test_what_fails_by_one_of_its_jobs_is_tried_one_by_one_and_the_culprit_is_quarantined(
    queue, clock, reason
):
    recorded = []

    def fail(cycle):
        told = functools.partial(reason, why="Lower training.lr.")
        queue.jobs.try_alone(cycle.id, 2, told, lambda connection: recorded.append(cycle.id))

    for text in "ab":
        queue.add(text)
    clock.move(30)
    together = queue.leased(BATCHED)
    assert together.job_ids == ("job_000001", "job_000002")
    fail(together)
    assert recorded == []
    alone = queue.leased(BATCHED)
    assert alone.job_ids == ("job_000001",)
    fail(alone)
    assert recorded == [alone.id]
    culprit = queue.jobs.get("job_000001")
    assert (culprit.status, culprit.deaths) == (JobStatus.QUARANTINED, 2)
    assert "2 times" in culprit.error
    assert "Lower training.lr." in culprit.error
    other = queue.leased(BATCHED)
    assert other.job_ids == ("job_000002",)
    queue.jobs.acknowledge(other.id, other.candidate_id, clock.now)
    assert queue.jobs.get("job_000002").status == JobStatus.SUCCEEDED


def test_interruptions_count_only_without_progress(queue):
    job = queue.add("a")
    for step in (10, 20, 30, 40):
        cycle = queue.leased()
        queue.jobs.note_progress(cycle.id, step)
        queue.crash()
    assert queue.jobs.get(job.job_id).interruptions == 1
    for _ in range(2):
        cycle = queue.leased()
        queue.jobs.note_progress(cycle.id, 40)
        queue.crash()
    after = queue.jobs.get(job.job_id)
    assert after.status == JobStatus.QUARANTINED
    assert "interrupted 3 times in a row without progress" in str(after.error)
    assert queue.jobs.retry(job.job_id).interruptions == 0


@pytest.mark.parametrize("ending", ["crash", "release"])
def test_what_was_committed_is_not_trained_again(queue, clock, ending):
    job = queue.add("a")
    cycle = queue.leased()
    if ending == "release":
        queue.jobs.release(cycle.id)
    clock.move(1)
    touched = queue.crash(released={cycle.candidate_id})
    assert [j.status for j in touched] == ([JobStatus.SUCCEEDED] if ending == "crash" else [])
    after = queue.jobs.get(job.job_id)
    assert (after.status, after.checkpoint) == (JobStatus.SUCCEEDED, cycle.candidate_id)
    assert (after.cycle_id, after.finished_at, after.interruptions) == (cycle.id, clock.now, 0)
    assert queue.lease(parent=cycle.candidate_id) is None


def test_recovering_with_nothing_running_does_nothing(queue):
    queue.add("a")
    assert queue.crash(self_inflicted=True) == []
    assert queue.jobs.get("job_000001").deaths == 0


# ----------------------------------------------------------------------------- replay


def texts(examples) -> list[str]:
    return [e.messages[-1].content if e.messages else e.text for e in examples]


def test_replay_takes_the_newest_answer_in_the_lineage(queue):
    _, first = queue.learn("capital=Bonn", "sky=blue")
    _, second = queue.learn("CAPITAL=Berlin", parent=first.candidate_id)
    chain = [second.candidate_id, first.candidate_id]
    replay = queue.examples.replay
    assert texts(replay(9, set(), 0, chain)) == ["blue", "Berlin"]
    assert texts(replay(9, set(), 0, chain[1:])) == ["Bonn", "blue"]
    assert replay(9, set(), 0, []) == []
    assert replay(0, set(), 0, chain) == []


def test_replay_leaves_out_what_is_learned_now(queue):
    job, cycle = queue.learn("capital=Bonn", "sky=blue")
    capital, _ = queue.examples.of_jobs([job.job_id])
    found = queue.examples.replay(9, {capital.question_hash}, 0, {cycle.candidate_id})
    assert texts(found) == ["blue"]


def test_replay_knows_only_what_succeeded(queue):
    queue.add("failed")
    queue.jobs.fail(queue.leased().id, "It diverged.")
    _, cycle = queue.learn("learned")
    queue.add("waiting")
    assert texts(queue.examples.replay(9, set(), 0, [cycle.candidate_id])) == ["learned"]


def test_replay_draws_by_seed_and_hardly_changes_when_one_is_added(queue):
    _, first = queue.learn(*(f"text {n}" for n in range(40)))
    chain = [first.candidate_id]
    drawn = queue.examples.replay(10, set(), 1, chain)
    assert len(drawn) == 10
    assert drawn == queue.examples.replay(10, set(), 1, chain)
    assert drawn != queue.examples.replay(10, set(), 2, chain)
    places = [int(e.id.partition(".")[2]) for e in drawn]
    assert places == sorted(places)
    _, second = queue.learn("one more", parent=first.candidate_id)
    after = queue.examples.replay(10, set(), 1, [second.candidate_id, first.candidate_id])
    assert len(set(after) & set(drawn)) >= 9


def test_a_question_learned_again_later_counts_as_newest(queue):
    queue.add("capital=Bonn")
    queue.jobs.fail(queue.leased().id, "It diverged.")
    _, first = queue.learn("capital=Berlin")
    queue.jobs.retry("job_000001")
    second = queue.leased(parent=first.candidate_id)
    queue.jobs.acknowledge(second.id, second.candidate_id, datetime(2026, 2, 9, tzinfo=UTC))
    chain = [second.candidate_id, first.candidate_id]
    assert texts(queue.examples.replay(9, set(), 0, chain)) == ["Bonn"]


# ----------------------------------------------------------------------------- recall


def test_recall_is_spread_over_the_checkpoints_that_taught(queue):
    _, first = queue.learn(*(f"many {n}" for n in range(20)))
    _, second = queue.learn("a=1", "b=2", parent=first.candidate_id)
    _, third = queue.learn("c=3", parent=second.candidate_id)
    chain = [third.candidate_id, second.candidate_id, first.candidate_id]
    found = queue.examples.earlier(5, set(), 0, chain)
    assert [taught for _, taught in found] == [
        *[first.candidate_id] * 2,
        *[second.candidate_id] * 2,
        third.candidate_id,
    ]
    assert [e.id for e, _ in found] == sorted((e.id for e, _ in found), key=_place)
    assert found == queue.examples.earlier(5, set(), 0, chain)
    assert found != queue.examples.earlier(5, set(), 1, chain)
    assert len(queue.examples.earlier(99, set(), 0, chain)) == 23
    assert len(queue.examples.earlier(2, set(), 0, chain)) == 2
    assert queue.examples.earlier(0, set(), 0, chain) == []


def _place(example_id: str) -> tuple[str, int]:
    job, _, place = example_id.partition(".")
    return job, int(place)


def test_recall_asks_for_no_answer_that_was_corrected(queue):
    _, first = queue.learn("capital=Bonn", "sky=blue", "sea=wet")
    _, second = queue.learn("CAPITAL=Berlin", parent=first.candidate_id)
    chain = [second.candidate_id, first.candidate_id]
    found = queue.examples.earlier(9, set(), 0, chain)
    assert texts(e for e, _ in found) == ["blue", "wet", "Berlin"]
    sky = next(e for e, _ in found if texts([e]) == ["blue"])
    now = queue.examples.earlier(9, {sky.question_hash}, 0, chain)
    assert texts(e for e, _ in now) == ["wet", "Berlin"], "it is being corrected by this cycle"
    assert texts(queue.examples.answers({sky.question_hash}, chain)) == ["blue"]
    assert queue.examples.answers({sky.question_hash}, []) == []


# ----------------------------------------------------------------------------- more than can be


def test_what_comes_faster_than_it_is_learned_is_learned_together(queue):
    for number in range(MOST_ONE_BY_ONE):
        queue.add(f"q{number}=a")
    assert len(queue.leased().job_ids) == 1
    queue.jobs.release(1)
    queue.jobs.cancel("job_000001")
    queue.add("one more=a")
    queue.add("and one=a")
    cycle = queue.leased()
    assert len(cycle.job_ids) == MOST_ONE_BY_ONE + 1
    queue.jobs.acknowledge(cycle.id, cycle.candidate_id, queue.clock.now)
    assert queue.lease() is None


def test_so_many_updates_wait_and_no_more(db, clock):
    queue = Queue(JobQueue(db, clock, most_waiting=3), clock)
    for number in range(3):
        queue.add(f"q{number}=a", key=f"k{number}")
    with pytest.raises(Overloaded) as caught:
        queue.add("one more=a")
    assert caught.value.retry_after_s > 0
    assert queue.add("q1=a", key="k1").job_id == "job_000002", "what was accepted is told so"
    cycle = queue.leased()
    queue.jobs.acknowledge(cycle.id, cycle.candidate_id, clock.now)
    assert queue.add("one more=a").status == JobStatus.QUEUED


def test_sent_again_with_its_key_a_failed_job_is_queued_again(queue):
    first = queue.add("a=b", key="mine")
    queue.jobs.fail(queue.leased().id, "the loss became infinite")
    assert queue.status(first) == JobStatus.FAILED
    again = queue.add("a=b", key="mine")
    assert (again.job_id, again.status, again.error) == (first.job_id, JobStatus.QUEUED, None)
    cycle = queue.leased()
    queue.jobs.fail(cycle.id, "rejected", rejected=cycle.candidate_id)
    assert queue.add("a=b", key="mine").status == JobStatus.FAILED, "the gate decides once"


def test_of_jobs_that_train_together_one_is_called_off(queue):
    jobs = [queue.add(f"q{number}=a") for number in range(4)]
    cycle = queue.leased(BATCHED)
    assert len(cycle.job_ids) == 4
    queue.jobs.call_off(cycle.id, {jobs[1].job_id})
    found = [queue.status(job) for job in jobs]
    assert found == ["queued", "cancelled", "queued", "queued"]
    again = queue.leased(BATCHED)
    assert (len(again.job_ids), again.id != cycle.id) == (3, True)
