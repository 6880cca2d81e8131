"""What a newer answer to the same question does to the older one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.config import UpdateSettings
from radiance.examples.admission import admit
from radiance.examples.store import ExampleStore
from radiance.jobs.queue import JobQueue
from radiance.records import Job, Supersession, content_hash
from radiance.storage.sqlite import Database
from tests.example_counts import examples


class Book:
    """Jobs that are learned one after another, each into a checkpoint of its own."""

    def __init__(self, jobs: JobQueue) -> None:
        self.jobs, self.examples = jobs, ExampleStore(jobs._db)
        self.chain: list[str] = []
        self.issued = 0

    def add(self, *pairs: str) -> Job:
        """Queue ``"question=answer"`` pairs as one job."""
        examples = [dict(zip(("input", "output"), pair.split("="), strict=True)) for pair in pairs]
        body = {"examples": examples}
        return self.jobs.add(admit(body, UpdateSettings(), lambda _: None), content_hash(body))[0]

    def learn(self, *pairs: str) -> Job:
        job = self.add(*pairs)
        self.run()
        return self.jobs.get(job.job_id)

    def run(self) -> None:
        """Learn the oldest job that waits."""
        parent = self.chain[0] if self.chain else None
        at = self.jobs._clock()
        cycle = self.jobs.lease(UpdateSettings(), parent, "s", lambda _: self._new_id(), at)
        assert cycle is not None
        self.jobs.acknowledge(cycle.id, cycle.candidate_id, at)
        self.chain.insert(0, cycle.candidate_id)

    def supersedes(self, job: Job) -> list[tuple[str, str]]:
        return brief(self.examples.supersedes(self.jobs.get(job.job_id), self.chain))

    def superseded(self) -> list[tuple[str, str]]:
        return brief(self.examples.superseded(self.chain))

    def hints(self, job: Job) -> list[tuple[str, str]]:
        return brief(self.examples.may_supersede(job, self.chain))

    def _new_id(self) -> str:
        self.issued += 1
        return f"A_2026-02-09_{self.issued:04d}"


def brief(found: list[Supersession]) -> list[tuple[str, str]]:
    """``job_000001.0`` as ``1.0``."""
    return [
        (one.example_id.removeprefix("job_00000"), one.by.removeprefix("job_00000"))
        for one in found
    ]


@pytest.fixture
def book(jobs: JobQueue) -> Book:
    return Book(jobs)


def test_a_correction_supersedes_whatever_its_punctuation(book: Book) -> None:
    book.learn("What is the door code?=K7-204.", "Who leads?=Mira.")
    job = book.learn("what's the door code=K9-101.")
    assert book.supersedes(job) == book.superseded() == [("1.0", "2.0")]
    replayed = book.examples.replay(9, set(), 0, book.chain)
    assert [example.id for example in replayed] == ["job_000001.1", "job_000002.0"]
    assert book.examples.get("job_000001.0").messages[-1].content == "K7-204."


def test_a_repeated_answer_supersedes_nothing(book: Book) -> None:
    book.learn("Who leads?=Mira.")
    assert book.supersedes(book.learn("Who leads?=Mira.")) == []
    assert book.superseded() == []


def test_of_three_answers_the_third_supersedes_the_second(book: Book) -> None:
    jobs = [book.learn(f"Who leads?={name}.") for name in ("Mira", "Tom", "Ada")]
    assert [book.supersedes(job) for job in jobs] == [[], [("1.0", "2.0")], [("2.0", "3.0")]]
    assert book.superseded() == [("1.0", "3.0"), ("2.0", "3.0")]


def test_an_answer_that_comes_back_is_valid_again(book: Book) -> None:
    for name in ("Mira", "Tom", "Mira"):
        last = book.learn(f"Who leads?={name}.")
    assert book.supersedes(last) == [("2.0", "3.0")]
    assert book.superseded() == [("2.0", "3.0")]


def test_after_a_rollback_to_before_the_correction_the_old_answer_is_valid(book: Book) -> None:
    book.learn("Who leads?=Mira.")
    corrected = book.learn("Who leads?=Tom.")
    lineage = list(book.chain)
    book.chain = book.chain[1:]
    assert book.superseded() == []
    other = book.add("Who leads?=Ada.")
    assert book.supersedes(other) == [("1.0", "3.0")]
    book.run()
    assert book.superseded() == [("1.0", "3.0")], "the other branch corrects nothing here"
    assert brief(book.examples.supersedes(corrected, lineage)) == [("1.0", "2.0")]


def test_a_job_that_waits_will_supersede_what_waits_before_it(book: Book) -> None:
    book.learn("Who leads?=Mira.")
    second, third = book.add("Who leads?=Tom."), book.add("Who leads?=Ada.")
    before = [("1.0", "2.0")], [("2.0", "3.0")]
    assert (book.supersedes(second), book.supersedes(third)) == before
    book.run()
    book.run()
    assert (book.supersedes(second), book.supersedes(third)) == before
    book.jobs.cancel(book.add("Who leads?=Eve.").job_id)
    assert book.supersedes(book.jobs.get("job_000004")) == []


def test_a_job_retried_late_supersedes_what_was_learned_meanwhile(book: Book) -> None:
    first = book.add("Who leads?=Mira.")
    cycle = book.jobs.lease(
        UpdateSettings(), None, "s", lambda _: book._new_id(), book.jobs._clock()
    )
    assert cycle is not None
    book.jobs.fail(cycle.id, "It diverged.")
    book.learn("Who leads?=Tom.")
    book.jobs.retry(first.job_id)
    book.run()
    assert book.supersedes(first) == book.superseded() == [("2.0", "1.0")]


@examples(15)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=8))
def test_what_is_not_superseded_is_what_each_question_was_answered_last(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[int, int]]
) -> None:
    db = Database(tmp_path_factory.mktemp("book") / "radiance.db")
    try:
        book = Book(JobQueue(db))
        for question, answer in told:
            book.learn(f"q{question}=a{answer}")
        last = dict(told)
        gone = {one.example_id for one in book.examples.superseded(book.chain)}
        for number, (question, answer) in enumerate(told, start=1):
            assert (f"job_{number:06d}.0" in gone) == (last[question] != answer)
        for some in (book.chain[:1], book.chain[1:3]):  # the newest first
            asked = {told[-1 - book.chain.index(name)][0] for name in some}
            found = {one.example_id for one in book.examples.superseded(book.chain, some)}
            assert found == {id for id in gone if told[int(id[4:10]) - 1][0] in asked}
        assert len(book.examples.replay(9, set(), 0, book.chain)) == len(last)
    finally:
        db.close()


@examples(15)
@given(
    learned=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=5),
    waiting=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=4),
)
def test_what_stands_is_what_was_said_last_learned_or_not(
    tmp_path_factory: pytest.TempPathFactory,
    learned: list[tuple[int, int]],
    waiting: list[tuple[int, int]],
) -> None:
    db = Database(tmp_path_factory.mktemp("book") / "radiance.db")
    try:
        book = Book(JobQueue(db))
        hashes: dict[int, str] = {}
        for at, (question, answer) in enumerate([*learned, *waiting]):
            pair = f"q{question}=a{answer}"
            job = book.learn(pair) if at < len(learned) else book.add(pair)
            hashes[question] = book.examples.of_jobs([job.job_id])[0].question_hash
        found = book.examples.standing(hashes.values(), book.chain)
        knows = dict(learned)
        last = {**knows, **dict(waiting)}
        assert set(found) == {hashes[question] for question in last}
        for question, answer in last.items():
            stands = found[hashes[question]]
            assert book.examples.get(stands.id).messages[-1].content == f"a{answer}"
            assert stands.is_learned == (knows.get(question) == answer)
        assert book.examples.standing([], book.chain) == {}
    finally:
        db.close()


def test_a_job_that_failed_corrects_nothing(book: Book) -> None:
    book.learn("Who leads?=Mira.")
    job = book.add("Who leads?=Tom.")
    cycle = book.jobs.lease(
        UpdateSettings(), book.chain[0], "s", lambda _: book._new_id(), book.jobs._clock()
    )
    assert cycle is not None
    assert book.supersedes(job) == [("1.0", "2.0")]
    book.jobs.fail(cycle.id, "It diverged.")
    assert book.supersedes(job) == []


def test_a_correction_in_other_words_is_only_a_hint(book: Book) -> None:
    book.learn("What is the door code of Zorbel Labs?=The code is K7-204.", "Who leads?=Mira.")
    job = book.learn("Tell me the Zorbel Labs door code.=The code is K9-101.")
    assert book.supersedes(job) == book.superseded() == []
    assert len(book.examples.replay(9, set(), 0, book.chain)) == 3


def test_hints_name_pairs_and_leave_the_rest_alone(book: Book) -> None:
    book.learn(
        "What is the door code of Zorbel Labs?=The code is K7-204.",
        "What is the door code of Halden Hall?=The code is B1-000.",
        "Which bay holds crate Q-17?=Bay 9.",
    )
    job = book.add(
        "Tell me the Zorbel Labs door code.=The code is K9-101.",
        "Which bay holds crate Q-18?=Bay 8.",
        "What is the Halden Hall door code?=The code is B1-000.",
    )
    assert book.hints(job) == [("1.0", "2.0")]
    book.run()
    assert book.hints(book.jobs.get(job.job_id)) == [("1.0", "2.0")]
