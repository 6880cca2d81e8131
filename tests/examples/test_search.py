"""Searching what was accepted, against looking into every example."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.examples.corrections import AnsweredQuestion, standing
from radiance.examples.facts import KNOWN, Facts
from radiance.storage.sqlite import Database, to_json

TEXT = st.text(st.sampled_from('aB%_|"\\\n\té ü{}[]:,'), min_size=1, max_size=6)


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    db = Database(tmp_path_factory.mktemp("search") / "radiance.db")
    yield db
    db.close()


def fill(db: Database, contents: list[tuple[str, str]], tags: list[str]) -> None:
    with db.transaction() as connection:
        connection.execute("DELETE FROM examples")
        connection.execute("DELETE FROM jobs")
        connection.execute("DELETE FROM cycles")
        for number, (question, answer) in enumerate(contents, 1):
            connection.execute(
                "INSERT INTO jobs (number, body_hash, status, created_at, example_count, tags)"
                " VALUES (?, 'h', 'queued', '2026-01-01T00:00:00+00:00', 1, ?)",
                (number, to_json([tags[number % len(tags)]])),
            )
            messages = [
                {"role": "user", "content": question},
                {"role": "assistant", "content": answer},
            ]
            connection.execute(
                "INSERT INTO examples VALUES (?, ?, 0, ?, '', 'q', 'c')",
                (f"job_{number:06d}.0", number, to_json(messages)),
            )


def lower(text: str) -> str:
    """As SQLite's LIKE compares: ASCII alone."""
    return "".join(c.lower() if c.isascii() else c for c in text)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6), TEXT, st.sampled_from(["", "x"]))
def test_it_finds_what_contains_the_words(
    db: Database, contents: list[tuple[str, str]], words: str, tag: str
) -> None:
    fill(db, contents, ["x", "y"])
    found = Facts(db).find([], 100, words=words, tag=tag)
    wanted = [
        number
        for number, pair in enumerate(contents, 1)
        if any(lower(words) in lower(text) for text in pair)
        and (not tag or ["x", "y"][number % 2] == tag)
    ]
    assert [fact.job.job_id for fact in found] == [f"job_{n:06d}" for n in reversed(wanted)]


def test_a_place_that_no_example_has_is_no_error(db: Database) -> None:
    fill(db, [("question", "answer")], ["x"])
    assert Facts(db).find([], 4, before=f"job_000002.{'9' * 5000}")[0].example.id == "job_000001.0"


def test_pages_follow_on_one_another(db: Database) -> None:
    fill(db, [(f"question {n}", "answer") for n in range(7)], ["x"])
    first = Facts(db).find([], 4, words="question")
    rest = Facts(db).find([], 4, words="question", before=first[-1].example.id)
    ids = [fact.example.id for fact in (*first, *rest)]
    assert ids == [f"job_{n:06d}.0" for n in range(7, 0, -1)]


@given(st.lists(st.tuples(st.booleans(), st.sampled_from("pq"), st.sampled_from("ab")), max_size=8))
def test_what_stands_is_what_memory_has_as_standing(
    db: Database, taught: list[tuple[bool, str, str]]
) -> None:
    """Sent again unchanged, what was learned is known as before and does not wait."""
    in_order = sorted(taught, key=lambda each: not each[0])  # what was learned came first
    rows = []
    fill(db, [(question, answer) for _, question, answer in in_order], ["x"])
    with db.transaction() as connection:
        for number, (is_learned, question, answer) in enumerate(in_order, 1):
            name = f"job_{number:06d}.0"
            rows.append((is_learned, AnsweredQuestion(name, question, answer, number)))
            connection.execute(
                "UPDATE examples SET question_hash = ?, content_hash = ? WHERE id = ?",
                (question, answer, name),
            )
            if is_learned:
                connection.execute(
                    "INSERT INTO cycles (id, fingerprint, candidate_id, settings_hash, status,"
                    " created_at) VALUES (?, ?, ?, 's', 'finished', '2026-01-01T00:00:00+00:00')",
                    (number, f"f{number}", f"A_{number}"),
                )
                connection.execute(
                    "UPDATE jobs SET status = 'succeeded', checkpoint = 'A', cycle_id = ?"
                    " WHERE number = ?",
                    (number, number),
                )
    learned, waiting = ([row for is_it, row in rows if is_it is kind] for kind in (True, False))
    wanted = standing(learned, waiting)
    facts = Facts(db).find(["A"], 100)
    found = {f.example.id: f.state == "learned" for f in facts if f.state in KNOWN}
    assert found == {each.id: each.is_learned for each in wanted.values()}
    counts = Facts(db).count(["A"], "A")
    assert (counts["learned"], counts["waiting"]) == (
        sum(found.values()),
        len(found) - sum(found.values()),
    )
