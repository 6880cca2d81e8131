"""Cycles on record: how each ended, and which jobs it took."""

import pytest

from radiance.errors import NotFound
from radiance.jobs.cycles import CycleLog
from tests.jobs.test_queue import Queue


@pytest.fixture
def queue(jobs, clock) -> Queue:
    return Queue(jobs, clock)


@pytest.fixture
def log(db) -> CycleLog:
    return CycleLog(db)


def test_cycles_are_listed_newest_first_with_their_jobs(queue, log):
    first, _ = queue.learn("a=1")
    failed = queue.add("b=2")
    queue.jobs.fail(queue.leased().id, "it diverged")
    waiting = queue.add("c=3")
    queue.leased()
    found = log.recent(9)
    assert [(cycle.id, cycle.status) for cycle in found] == [
        (3, "open"),
        (2, "failed"),
        (1, "finished"),
    ]
    assert [[job.job_id for job in cycle.jobs] for cycle in found] == [
        [waiting.job_id],
        [failed.job_id],
        [first.job_id],
    ]
    assert [cycle.id for cycle in log.recent(1)] == [3]
    assert [cycle.id for cycle in log.recent(9, before=3)] == [2, 1]
    assert log.get(1) == found[-1]


@pytest.mark.parametrize(
    ("learned", "told"),
    [(0, "No cycle has run yet"), (1, "There is cycle 1"), (2, "There are cycles 1 to 2")],
)
def test_a_number_that_is_none_is_answered_with_those_there_are(queue, log, learned, told):
    for number in range(learned):
        queue.learn(f"{number}=x")
    for number in (9, 10**30):
        with pytest.raises(NotFound, match=f"There is no cycle {number}") as caught:
            log.get(number)
        assert caught.value.remedy == f"{told}."


def test_an_example_is_found_by_its_id(queue):
    job = queue.add("a=1", "b=2")
    found = queue.examples.get(f"{job.job_id}.1")
    assert found.messages[-1].content == "2"
    with pytest.raises(NotFound, match="no example 'nothing'"):
        queue.examples.get("nothing")
    assert [e.id for e in queue.examples.by_ids([found.id, "nothing"])] == [found.id]


def test_jobs_are_counted_by_what_became_of_them(queue):
    queue.learn("a=1")
    queue.add("b=2")
    counts = {status.value: count for status, count in queue.jobs.counts().items()}
    assert (counts["succeeded"], counts["queued"], counts["failed"]) == (1, 1, 0)
