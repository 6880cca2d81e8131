"""Jobs that were asked for by file: what was asked beside the job itself, and how it is trained.

The queue is the one of all updates (``jobs``); such a job has a recipe of its own and so a cycle
and a checkpoint of its own.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from radiance.config import TrainingSettings, UpdateSettings
from radiance.config.derived import derived
from radiance.errors import NotFound, RequestError, TooLarge
from radiance.examples.admission import Admitted, Measure, admit
from radiance.examples.queries import job_number
from radiance.jobs.queue import JobQueue
from radiance.records import Example, FineTuning, Job, Recipe, json_text
from radiance.storage.sqlite import Connection, Database, Row, to_json

_COOLDOWN_RATIO = 0.3  # most of a short run's steps that the learning rate may fall over


class FineTunings:
    """What was asked for with each job that was made of a file."""

    def __init__(self, db: Database, jobs: JobQueue) -> None:
        self._db, self._jobs = db, jobs

    def add(
        self,
        asked: FineTuning,
        admitted: Admitted,
        body_hash: str,
        recipe: Recipe,
        check: Callable[[Connection, int], object] = lambda connection, number: None,
        sender: str = "",
    ) -> Job:
        """Queue a job; durable on return.

        ``check`` and ``sender`` are as of ``JobQueue.add``.
        """

        def record(connection: Connection, number: int) -> None:
            check(connection, number)
            connection.execute("INSERT INTO fine_tunings VALUES (?, ?)", (number, to_json(asked)))

        job, _ = self._jobs.add(admitted, body_hash, None, recipe, record, sender)
        return job

    def get(self, job_id: str) -> tuple[Job, FineTuning]:
        """A job and what was asked with it.

        Raises:
            NotFound: There is none, or it was not made of a file.
        """
        rows = self._db.read("SELECT * FROM fine_tunings WHERE job = ?", (job_number(job_id),))
        if not rows:
            raise NotFound.named(
                "fine-tuning job",
                job_id,
                "fine_tuning_job_id",
                "Use an id that POST /v1/fine_tuning/jobs answered with.",
            )
        return self._jobs.get(job_id), _to_fine_tuning(rows[0])

    def all(self) -> list[tuple[Job, FineTuning]]:
        """All of them, the newest first."""
        rows = self._db.read("SELECT * FROM fine_tunings ORDER BY job DESC")
        return [(self._jobs.get(f"job_{row['job']:06d}"), _to_fine_tuning(row)) for row in rows]


def examples_of(
    content: bytes,
    name: str,
    settings: UpdateSettings,
    measure: Measure,
    most_characters: int | None = None,
) -> Admitted:
    """The examples of a JSONL file, one a line in any form that an update takes.

    Args:
        content: The file.
        name: The parameter that named it, for errors.
        settings: The limits of an update.
        measure: Raises TooLarge for an example that exceeds what the model can take in.
        most_characters: No longer text can be taken in.

    Raises:
        RequestError: A line cannot be learned; the message has its number.
    """
    rows, numbers = [], []
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise _fault(name, f"is not UTF-8 text ({error.reason} at byte {error.start})") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            rows.append(json_text.decode(line))
        except json_text.BadJson as error:
            raise _fault(name, f"line {number} {error}") from None
        numbers.append(number)
    if not rows:
        raise _fault(name, "has no lines")
    try:
        return admit({"examples": rows}, settings, measure, most_characters)
    except RequestError as error:
        reason = str(error)
        for place, number in enumerate(numbers):
            reason = reason.replace(f"examples[{place}]", f"line {number}")
        kind = TooLarge if isinstance(error, TooLarge) else RequestError
        remedy = error.remedy
        raise kind(f"{name}: {reason}", field=name, value=error.value, remedy=remedy) from None


def recipe_of(
    settings: TrainingSettings,
    asked: Mapping[str, float | int | None],
    seed: int | None,
    learned: int,
    validation: tuple[Example, ...],
) -> Recipe:
    """How to train what was asked for; what was left to us is as in the settings.

    Args:
        settings: The ``[training]`` section, derived for the model.
        asked: ``n_epochs``, ``batch_size``, ``learning_rate_multiplier``; None: left to us.
        seed: Of the order and of dropout; None: left to us.
        learned: How many examples are learned.
        validation: Examples that are only measured.

    Raises:
        RequestError: A number is out of the settings' range.
    """
    values: dict[str, Any] = {}
    if seed is not None:
        values["seed"] = seed
    batch = min(asked.get("batch_size") or settings.batch_size, learned)
    if asked.get("batch_size") is not None:
        values["batch_size"] = asked["batch_size"]
    if (factor := asked.get("learning_rate_multiplier")) is not None:
        values["lr"] = derived(settings.lr) * factor
    if (epochs := asked.get("n_epochs")) is not None:
        # Whole passes, whether or not all is known before; a short run has a short cooldown.
        steps = math.ceil(epochs * learned / (batch * settings.grad_accum))
        cooldown = min(settings.cooldown_steps, int(steps * _COOLDOWN_RATIO))
        values |= {"max_steps": steps, "stop_loss": 0.0, "cooldown_steps": cooldown}
    try:
        msgspec.convert(msgspec.to_builtins(settings) | values, TrainingSettings)
    except msgspec.ValidationError as error:
        raise RequestError.of(
            "hyperparameters", f"{error}", values, 'Send smaller numbers, or "auto".'
        ) from None
    return Recipe(values, validation)


def _to_fine_tuning(row: Row) -> FineTuning:
    return msgspec.json.decode(row["request"], type=FineTuning)


def _fault(name: str, reason: str) -> RequestError:
    remedy = 'Send JSON Lines: one {"messages": [...]}, or another form of POST /update, a line.'
    return RequestError.of(name, reason, None, remedy)
