"""What memory knows is what serves has learned and what waits, whatever happened before."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import given

from radiance.config import UpdateSettings
from radiance.examples.facts import KNOWN, STATES, Facts
from radiance.examples.store import ExampleStore
from tests.example_counts import examples
from tests.memory.conftest import Remembering

NOW = datetime(2026, 2, 9, 12, tzinfo=UTC)
QUESTIONS = [f"What is the door code of {name} House?" for name in ("Zorbel", "Quarnak", "Tolmer")]
OTHERWISE = [
    f"Which code opens the door of {name} House?" for name in ("Zorbel", "Quarnak", "Tolmer")
]
AT_ONCE = UpdateSettings(mode="immediate")
_Step = (
    st.tuples(st.just("accept"), st.integers(0, 2), st.integers(0, 3))
    | st.tuples(st.sampled_from(["learn", "fail", "refuse", "call off"]), st.just(0), st.just(0))
    | st.tuples(st.sampled_from(["cancel", "roll back", "retry"]), st.integers(0, 5), st.just(0))
)


class World:
    """Jobs that are learned, and what must follow: told apart from how the service finds out."""

    def __init__(self, path: Path) -> None:
        self.real = Remembering(path)
        self.waiting: list[tuple[str, int, str]] = []
        self.stranded: list[tuple[str, int, str]] = []
        self.learned: dict[str, list[tuple[str, int, str]]] = {}
        self.parents: dict[str, str | None] = {}
        self.cycles = 0
        self.real.ancestors = self.chain

    def chain(self, tip: str | None) -> list[str]:
        found = []
        while tip is not None:
            found.append(tip)
            tip = self.parents[tip]
        return found

    def accept(self, which: int, value: int) -> None:
        answer = f"The code is KV-{which}{value}."
        job = self.real.teach([(QUESTIONS[which], answer)])
        self.waiting.append((job, which, answer))

    def cycle(self, outcome: str) -> None:
        if not self.waiting:
            return
        self.cycles += 1
        jobs, name = self.real.jobs, f"A_{self.cycles}"
        cycle = jobs.lease(AT_ONCE, self.real.tip, "", lambda _: name, NOW)
        assert cycle is not None
        job, which, answer = self.waiting.pop(0)
        assert cycle.job_ids == (job,)
        if outcome == "fail":
            jobs.fail(cycle.id, "It failed.")
            self.stranded.append((job, which, answer))
        elif outcome == "refuse":
            jobs.fail(cycle.id, "It was refused.", rejected=name)
        elif outcome == "call off":
            jobs.call_off(cycle.id)
        else:
            jobs.acknowledge(cycle.id, name, NOW)
            self.parents[name] = self.real.tip
            self.learned[name] = [(job, which, answer)]
            self.real.lineage = self.chain(name)

    def cancel(self, place: int) -> None:
        if self.waiting:
            job, *_ = self.waiting.pop(place % len(self.waiting))
            self.real.jobs.cancel(job)

    def retry(self, place: int) -> None:
        if self.stranded:
            kept = self.stranded.pop(place % len(self.stranded))
            self.real.jobs.retry(kept[0])
            self.waiting = sorted([*self.waiting, kept])

    def roll_back(self, back: int) -> None:
        self.real.lineage = self.real.lineage[back:]

    def expected(self, which: int) -> tuple[str, bool] | None:
        """The newest accepted answer of what serves and what waits, and whether it was learned."""
        told = [
            (job, answer)
            for checkpoint in reversed(self.real.lineage)
            for job, other, answer in self.learned[checkpoint]
            if other == which
        ]
        newest_told = told[-1][0] if told else ""
        waits = [
            (job, a) for job, other, a in self.stranded if other == which and job > newest_told
        ]
        waits = sorted(waits) + [(job, a) for job, other, a in self.waiting if other == which]
        if not told and not waits:
            return None
        newest = (told + waits)[-1][1]
        return newest, bool(told) and told[-1][1] == newest


@examples(60)
@given(st.lists(_Step, max_size=14))
def test_the_view_is_the_rules_outcome_after_any_sequence(steps):
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        for kind, one, other in steps:
            match kind:
                case "accept":
                    world.accept(one, other)
                case "cancel":
                    world.cancel(one)
                case "roll back":
                    world.roll_back(one)
                case "retry":
                    world.retry(one)
                case _:
                    world.cycle(kind)
            for which in range(3):
                for asked in (QUESTIONS[which], OTHERWISE[which]):
                    found = world.real.ask(asked)
                    got = (found[0].answer, found[0].is_learned) if found else None
                    assert got == world.expected(which), (kind, asked)
            check_what_is_listed(world)
            check_ways_to_the_list(world)
        world.real.db.close()


def check_what_is_listed(world: World) -> None:
    """The list of facts and memory say the same of every question.

    They differ in one thing: what failed by no fault of its own is listed as failed, and memory
    has it all the same.
    """
    lineage, store = world.real.lineage, ExampleStore(world.real.db)
    facts = Facts(world.real.db).find(lineage, 1000)
    held = store.standing({fact.example.question_hash for fact in facts}, lineage)
    for asked in {fact.example.question_hash for fact in facts}:
        listed = [fact for fact in facts if fact.example.question_hash == asked]
        known = [fact for fact in listed if fact.state in KNOWN]
        standing = held.get(asked)
        assert len(known) <= 1
        if standing is None:
            assert not known
            continue
        (fact,) = [fact for fact in listed if fact.example.id == standing.id]
        if fact.state == "failed":
            assert not standing.is_learned
            continue
        assert [each.example.content_hash for each in known] == [fact.example.content_hash]
        if known[0].state == "learned":
            assert standing.is_learned
        elif standing.is_learned:  # what is learned was sent again, and waits
            assert fact.state == "repeated"
            assert fact.by == known[0].example.id


def check_ways_to_the_list(world: World) -> None:
    """Asked for by state, by id or page by page, facts are those of the whole list, in order."""
    lineage, facts = world.real.lineage, Facts(world.real.db)
    whole = facts.find(lineage, 1000)
    for state in STATES:
        same = {state, "repeated"} if state == "corrected" else {state} - {"repeated"}
        wanted = [fact for fact in whole if fact.state in same]
        assert facts.find(lineage, 1000, states=(state,)) == wanted
    ids = [fact.example.id for fact in whole]
    assert facts.find(lineage, 1000, only=ids[::2]) == whole[::2]
    for place, fact in enumerate(whole):
        assert facts.find(lineage, 1000, words=fact.example.id) == [fact]
        assert facts.find(lineage, 1, before=fact.example.id) == whole[place + 1 : place + 2]


def test_what_failed_by_no_fault_of_its_own_stays_known_and_what_the_gate_refused_does_not(
    tmp_path,
):
    world = World(tmp_path)
    world.accept(0, 1)
    world.cycle("fail")
    assert world.real.answer(OTHERWISE[0]) == "The code is KV-01."
    world.accept(0, 2)
    world.cycle("learn")
    assert world.real.answer(OTHERWISE[0]) == "The code is KV-02."  # the newer one
    world.retry(0)
    assert world.real.answer(OTHERWISE[0]) == "The code is KV-01."  # somebody said it again
    world.accept(1, 3)
    world.cycle("refuse")
    world.cycle("refuse")
    assert world.real.ask(OTHERWISE[1]) == ()
    world.real.db.close()


def test_after_a_rollback_memory_knows_no_more_than_what_serves(tmp_path):
    world = World(tmp_path)
    world.accept(0, 1)
    world.cycle("learn")
    world.accept(0, 2)
    world.accept(1, 3)
    world.cycle("learn")
    world.cycle("learn")
    assert world.real.answer(OTHERWISE[0]) == "The code is KV-02."
    world.roll_back(2)
    assert world.real.answer(OTHERWISE[0]) == "The code is KV-01."  # valid again
    assert world.real.ask(OTHERWISE[1]) == ()
    world.roll_back(1)
    assert world.real.ask(QUESTIONS[0]) == ()
    world.accept(1, 4)  # what is accepted after it is known
    assert world.real.answer(OTHERWISE[1]) == "The code is KV-14."
    world.real.db.close()
