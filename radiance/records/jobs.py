"""What is to be learned, and the cycle that learns it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from radiance.records.canonical import content_hash
from radiance.records.examples import Example


class JobStatus(StrEnum):
    """A job's life: queued → running → one of the rest. A running job is leased by a cycle."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    QUARANTINED = "quarantined"


class Job(msgspec.Struct, frozen=True):
    """One accepted update and what became of it.

    Attributes:
        job_id: ``job_000128``.
        checkpoint: The checkpoint that holds its examples, once it succeeded.
        error: Why it failed or was quarantined, as a sentence.
        sender: The name of the API key that it was sent with; "" where none is needed.
        supersede: Whether it said that it means to replace what stands, anchors too, and might.
        rejected_checkpoint: The checkpoint that the gate refused, where it failed by that.
        cycle_id: The cycle that trains or trained it.
        deaths: How often the process died of itself (abort, segmentation fault) while it trained.
        interruptions: How often the process was killed from outside in a row without progress.
    """

    job_id: str
    status: JobStatus
    created_at: datetime
    example_count: int
    tags: tuple[str, ...] = ()
    sender: str = ""
    supersede: bool = False
    cycle_id: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    checkpoint: str | None = None
    error: str | None = None
    rejected_checkpoint: str | None = None
    deaths: int = 0
    interruptions: int = 0

    @property
    def origin_hash(self) -> str:
        """See ``origin_hash``."""
        return origin_hash(self.tags, self.sender, self.created_at)


def origin_hash(tags: Sequence[str], sender: str, created_at: datetime) -> str:
    """Identity of who sent a job, with which tags, and when.

    The audit log keeps this in place of the tags themselves, which may have to be forgotten.
    """
    return content_hash([tags, sender, created_at.astimezone(UTC).isoformat()])


class Recipe(msgspec.Struct, frozen=True):
    """How one job is to be trained, where that is not as in the settings. Such a job runs alone.

    Numbers, not factors: applying it twice is applying it once.

    Attributes:
        training: Values of the ``[training]`` section by name.
        validation: What is measured beside it and not learned.
    """

    training: dict[str, int | float] = {}
    validation: tuple[Example, ...] = ()


class Upload(msgspec.Struct, frozen=True):
    """A file that somebody sent to be learned from.

    Attributes:
        id: ``file-`` and 24 hexadecimal digits; unique for ever.
        name: As it was sent.
        content_hash: SHA-256 of its bytes.
    """

    id: str
    at: datetime
    name: str
    purpose: str
    size_bytes: int
    content_hash: str


class FineTuning(msgspec.Struct, frozen=True):
    """What was asked for with a job that was made of a file.

    Attributes:
        model: The weights to go on from, as named.
        training_file: Id of the file that is learned.
        validation_file: Id of the file that is only measured.
        suffix: Ends the name of the model that comes of it.
        hyperparameters: As asked: numbers, or "auto".
        is_in_method: Whether they came in ``method``, the newer way.
        seed: What the order of the examples depends on.
        metadata: The caller's own.
    """

    model: str
    training_file: str
    validation_file: str | None
    suffix: str | None
    hyperparameters: dict[str, int | float | str]
    is_in_method: bool
    seed: int
    metadata: dict[str, str] | None = None


class Cycle(msgspec.Struct, frozen=True):
    """One run of the pipeline: which jobs it leased, what it starts from, what it will be called.

    Attributes:
        id: Number of the cycle, rising for ever.
        fingerprint: Hash of (parent, example ids, training settings). A cycle repeated after a
            crash has the same fingerprint and so meets its own candidate.
        candidate_id: The id its checkpoint gets, ``A_2026-02-09_0012``.
        parent_id: The stable checkpoint it continues from; None for the base.
        job_ids: The jobs it leased, oldest first.
    """

    id: int
    fingerprint: str
    candidate_id: str
    parent_id: str | None
    job_ids: tuple[str, ...]
