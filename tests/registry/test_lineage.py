"""Questions about lineages, answered by SQL, against walking them step by step."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.errors import NotFound
from radiance.registry.checkpoints import Checkpoints
from radiance.storage.sqlite import Database

PARENTS = st.lists(st.integers(0, 30), min_size=1, max_size=12).map(
    # The parent of number n is 0, the base, or one that was made before it.
    lambda found: [parent % number for number, parent in enumerate(found, 1)]
)


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Database:
    return Database(tmp_path_factory.mktemp("lineage") / "radiance.db")


def fill(db: Database, parents: list[int]) -> Checkpoints:
    with db.transaction() as connection:
        for table in ("jobs", "checkpoints", "cycles"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute(
            "INSERT INTO cycles VALUES (1, 'f', 'c', NULL, 's', 'finished', '2026-01-01', 0)"
        )
        for number, parent in enumerate(parents, 1):
            connection.execute(
                "INSERT INTO checkpoints (number, id, parent_id, status, created_at, cycle_id,"
                " fingerprint, content_hash, report, job_ids)"
                " VALUES (?, ?, ?, 'stable', '2026-01-01T00:00:00+00:00', 1, 'f', 'h', '{}', '[]')",
                (number, f"A_{number}", f"A_{parent}" if parent else None),
            )
            connection.execute(
                "INSERT INTO jobs (body_hash, status, created_at, example_count, tags, cycle_id,"
                " checkpoint) VALUES ('h', 'succeeded', '2026-01-01', ?, '[]', 1, ?)",
                (number, f"A_{number}"),
            )
    return Checkpoints(db, Path("nowhere"))


def walk(parents: list[int], number: int) -> list[int]:
    chain = []
    while number:
        chain.append(number)
        number = parents[number - 1]
    return chain


@given(PARENTS, st.data())
def test_every_answer_is_what_a_walk_finds(
    db: Database, parents: list[int], data: st.DataObject
) -> None:
    registry = fill(db, parents)
    numbers = st.integers(1, len(parents))
    one, other = data.draw(numbers), data.draw(numbers)
    chains = walk(parents, one), walk(parents, other)
    assert registry.ancestors(f"A_{one}") == [f"A_{n}" for n in chains[0]]
    assert registry.is_ancestor(f"A_{other}", of=f"A_{one}") == (other in chains[0])
    assert registry.apart(f"A_{one}", f"A_{other}") == (
        [f"A_{n}" for n in chains[0] if n not in chains[1]],
        [f"A_{n}" for n in chains[1] if n not in chains[0]],
    )
    assert registry.taught(f"A_{one}") == (len(chains[0]), sum(chains[0]))


def test_what_is_not_there_is_said(db: Database) -> None:
    registry = fill(db, [0])
    assert registry.find("A_2") is None
    assert not registry.is_ancestor("A_2", of="A_1")
    for ask in (registry.taught, lambda name: registry.apart("A_1", name)):
        with pytest.raises(NotFound):
            ask("A_2")
