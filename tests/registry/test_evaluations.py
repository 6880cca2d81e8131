"""The accuracy matrix as it is kept: a row per checkpoint, a place per update asked about."""

import sqlite3

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.errors import CorruptCheckpoint, NotFound
from radiance.evaluation.summary import Past, stats
from radiance.records import (
    CheckpointStatus,
    Decision,
    EvalReport,
    Evaluation,
    Evidence,
    Probe,
    TaskAccuracy,
)
from radiance.registry.evaluations import (
    EVALUATION,
    accuracies,
    best_accuracies,
    read,
    task_accuracies,
    write,
)
from radiance.registry.verification import verify
from radiance.storage.sqlite import Parameters


def probe(group: str, now: bool, parent: bool = False, base: bool = False) -> Probe:
    return Probe(f"{group}.x", group, 2, 0.5, 0.6, 0.7, 0.1, 0.2, now, parent, base)


def test_a_checkpoints_row_counts_by_the_update_that_taught():
    recalled = [probe("A_1", True, True), probe("A_2", True), probe("A_1", False, True, True)]
    assert task_accuracies("A_3", [probe("A_3", True)], recalled) == [
        TaskAccuracy("A_3", "A_3", 1, 1.0, 0.0, 0.0),
        TaskAccuracy("A_3", "A_1", 2, 0.5, 1.0, 0.5),
        TaskAccuracy("A_3", "A_2", 1, 1.0, 0.0, 0.0),
    ]
    assert task_accuracies("A_3", [], []) == []


@given(st.data())
def test_the_best_of_each_task_says_as_much_as_every_measure(data: st.DataObject) -> None:
    """Of transfer and forgetting, whatever was measured after which update."""
    count = data.draw(st.integers(0, 6))
    lineage = [f"A_{n}" for n in range(count)]
    share = st.sampled_from([0.0, 0.25, 0.5, 1.0])
    db = MemoryDatabase()
    for row, checkpoint in enumerate(lineage):
        for task in data.draw(st.sets(st.sampled_from(lineage[: row + 1]))) | {checkpoint}:
            db.add(TaskAccuracy(checkpoint, task, 1, *(data.draw(share) for _ in range(3))))
    other = TaskAccuracy("B_1", "A_0", 1, 1.0, 0.0, 0.0)  # of no ancestor
    db.add(other)
    tasks = data.draw(st.sets(st.sampled_from(lineage))) if lineage else set()
    recalled = [probe(task, data.draw(st.booleans())) for task in sorted(tasks)]
    reports = [
        stats([probe("now", True)], [], [], recalled, Past(tuple(lineage), tuple(found)))
        for found in (accuracies(db, lineage, tasks), best_accuracies(db, lineage, tasks))
    ]
    assert reports[1] == pytest.approx(reports[0], nan_ok=True)
    assert len(best_accuracies(db, lineage, tasks)) <= count + len(tasks)


class MemoryDatabase:
    """The table alone."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(":memory:")
        self._connection.row_factory = sqlite3.Row
        self._connection.execute(
            "CREATE TABLE evaluations (checkpoint_id, task, examples, accuracy, parent_accuracy,"
            " base_accuracy, PRIMARY KEY (task, checkpoint_id))"
        )

    def add(self, row: TaskAccuracy) -> None:
        values = tuple(msgspec.structs.asdict(row).values())
        self._connection.execute("INSERT INTO evaluations VALUES (?, ?, ?, ?, ?, ?)", values)

    def read(self, sql: str, parameters: Parameters = ()) -> list[sqlite3.Row]:
        return self._connection.execute(sql, parameters).fetchall()


def test_rows_survive_a_restart_and_are_found_by_lineage_and_task(workshop):
    ids: list[str] = []
    for number in range(3):
        cycle = workshop.cycle(workshop.current())
        staging, manifest = workshop.stage(cycle)
        evaluation = Evaluation(
            manifest.report,
            learned=(probe(cycle.candidate_id, True), probe(cycle.candidate_id, number == 1)),
            recalled=tuple(probe(earlier, True) for earlier in ids),
        )
        decision = Decision(CheckpointStatus.STABLE, True, "It learned.")
        workshop.registry.commit(cycle, staging, manifest, evaluation, decision, Evidence())
        ids.append(cycle.candidate_id)
    workshop.reopen()
    registry = workshop.registry
    found = {(row.checkpoint_id, row.task): row for row in registry.accuracies(ids, ids)}
    assert len(found) == 6
    assert found[ids[0], ids[0]].accuracy == 0.5
    assert found[ids[1], ids[1]] == TaskAccuracy(ids[1], ids[1], 2, 1.0, 0.0, 0.0)
    own = [(row.checkpoint_id, row.task) for row in registry.accuracies(ids[:2], [])]
    assert sorted(own) == [(id, id) for id in ids[:2]]
    asked = [(row.checkpoint_id, row.task) for row in registry.accuracies(ids[1:], ids[:1])]
    assert sorted(asked) == sorted(
        [*((id, id) for id in ids[1:]), (ids[1], ids[0]), (ids[2], ids[0])]
    )
    assert registry.accuracies([], ids) == []


def test_a_file_reads_back_as_it_was(tmp_path):
    evaluation = Evaluation(EvalReport(0.1, 0.2), "h", learned=(probe("A_1", True),), seconds=1.5)
    write(tmp_path, evaluation)
    assert read(tmp_path) == evaluation


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"report": 1}', b"\xff"])
def test_a_file_that_is_no_evaluation_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / EVALUATION).write_bytes(content)
    with pytest.raises(CorruptCheckpoint, match=r"evaluation\.json"):
        read(tmp_path)


def test_a_checkpoints_evaluation(workshop, registry):
    id = workshop.commit()
    assert registry.evaluation(id).report == registry.manifest(id).report
    (workshop.adapters / id / EVALUATION).unlink()
    with pytest.raises(CorruptCheckpoint):
        registry.evaluation(id)
    registry.verify(id)  # it serves all the same: what was measured is not what answers
    with pytest.raises(NotFound):
        registry.evaluation("A_2026-02-09_9999")


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM evaluations",
        "DELETE FROM evaluations WHERE task != checkpoint_id",
        "UPDATE evaluations SET accuracy = 0.25 WHERE task = checkpoint_id",
    ],
)
def test_places_that_are_not_those_that_were_measured_are_found(workshop, change):
    ids: list[str] = []
    for _ in range(2):
        cycle = workshop.cycle(workshop.current())
        staging, manifest = workshop.stage(cycle)
        evaluation = Evaluation(
            manifest.report,
            learned=(probe(cycle.candidate_id, True),),
            recalled=tuple(probe(earlier, True) for earlier in ids),
        )
        decision = Decision(CheckpointStatus.STABLE, True, "It learned.")
        workshop.registry.commit(cycle, staging, manifest, evaluation, decision, Evidence())
        workshop.registry.point_stable()
        ids.append(cycle.candidate_id)
    assert verify(workshop.db.path, workshop.adapters).is_sound
    with workshop.db.transaction() as connection:
        connection.execute(change)
    found = verify(workshop.db.path, workshop.adapters).findings
    assert found
    assert all("accuracies" in finding for finding in found)
