"""What was measured of checkpoints: a file beside each one's weights, and the accuracy matrix.

``adapters/<id>/evaluation.json`` holds every probe; the table ``evaluations`` holds what later
checkpoints are compared with.
"""

import statistics
from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec

from radiance.records import Evaluation, Probe, TaskAccuracy
from radiance.registry.manifest import read_as
from radiance.storage import files
from radiance.storage.sqlite import Connection, Readable, to_json

EVALUATION = "evaluation.json"


def write(directory: Path, evaluation: Evaluation) -> None:
    """Write ``evaluation.json``, durably."""
    data = msgspec.json.format(msgspec.json.encode(evaluation), indent=1)
    files.write_durably(directory / EVALUATION, data + b"\n")


def read(directory: Path) -> Evaluation:
    """The evaluation of a checkpoint's directory.

    Raises:
        CorruptCheckpoint: It is missing or cannot be read as one.
    """
    return read_as(Evaluation, directory / EVALUATION, "an evaluation")


def task_accuracies(
    checkpoint_id: str, learned: Sequence[Probe], recalled: Sequence[Probe]
) -> list[TaskAccuracy]:
    """A checkpoint's row of the accuracy matrix: what it learned, and each earlier update."""
    groups: dict[str, list[Probe]] = {checkpoint_id: list(learned)} if learned else {}
    for probe in recalled:
        groups.setdefault(probe.group, []).append(probe)
    return [
        TaskAccuracy(
            checkpoint_id=checkpoint_id,
            task=task,
            examples=len(probes),
            accuracy=statistics.fmean(probe.is_exact for probe in probes),
            parent_accuracy=statistics.fmean(probe.was_exact_in_parent for probe in probes),
            base_accuracy=statistics.fmean(probe.was_exact_in_base for probe in probes),
        )
        for task, probes in groups.items()
    ]


def insert(connection: Connection, checkpoint_id: str, evaluation: Evaluation) -> None:
    """Add a checkpoint's row of the accuracy matrix, in the open transaction."""
    found = task_accuracies(checkpoint_id, evaluation.learned, evaluation.recalled)
    connection.executemany(
        "INSERT INTO evaluations (checkpoint_id, task, examples, accuracy, parent_accuracy,"
        " base_accuracy) VALUES (:checkpoint_id, :task, :examples, :accuracy, :parent_accuracy,"
        " :base_accuracy)",
        [msgspec.structs.asdict(accuracy) for accuracy in found],
    )


def accuracies(
    db: Readable, lineage: Collection[str], tasks: Collection[str]
) -> list[TaskAccuracy]:
    """Places of the accuracy matrix: of these checkpoints on these tasks and on their own."""
    rows = db.read(
        """
        SELECT * FROM evaluations
        WHERE checkpoint_id IN (SELECT value FROM json_each(:lineage))
            AND (task = checkpoint_id OR task IN (SELECT value FROM json_each(:tasks)))
        """,
        {"lineage": to_json(list(lineage)), "tasks": to_json(list(tasks))},
    )
    return [TaskAccuracy(**dict(row)) for row in rows]


def best_accuracies(
    db: Readable, lineage: Collection[str], tasks: Collection[str]
) -> list[TaskAccuracy]:
    """Of each checkpoint how it answered what it learned, and of each task its best measure since.

    Backward transfer and forgetting need no others. Of a long lineage the others are many: a place
    for each checkpoint and each task.
    """
    rows = db.read(
        # With one max() the other columns are of the row that has it (SQLite, SELECT, 2.5).
        """
        SELECT evaluations.* FROM json_each(:lineage) AS own
        JOIN evaluations ON task = own.value AND checkpoint_id = own.value
        UNION ALL
        SELECT checkpoint_id, task, examples, max(accuracy) AS accuracy, parent_accuracy,
            base_accuracy
        FROM evaluations
        WHERE task IN (SELECT value FROM json_each(:tasks)) AND task <> checkpoint_id
            AND checkpoint_id IN (SELECT value FROM json_each(:lineage))
        GROUP BY task
        """,
        {"lineage": to_json(list(lineage)), "tasks": to_json(list(tasks))},
    )
    return [TaskAccuracy(**dict(row)) for row in rows]
