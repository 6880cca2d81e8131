"""What /v1/files and /v1/fine_tuning answer with, in OpenAI's shapes. Times: seconds since 1970."""

from typing import Literal

import msgspec

Auto = Literal["auto"]


class File(msgspec.Struct):
    """A kept file."""

    id: str
    bytes: int
    created_at: int
    filename: str
    purpose: Literal["fine-tune"] = "fine-tune"
    status: Literal["processed"] = "processed"
    object: Literal["file"] = "file"


class FileList(msgspec.Struct):
    """Kept files."""

    data: list[File]
    has_more: bool
    first_id: str | None
    last_id: str | None
    object: Literal["list"] = "list"


class FileDeleted(msgspec.Struct):
    """A file is gone."""

    id: str
    deleted: bool = True
    object: Literal["file"] = "file"


class Hyperparameters(msgspec.Struct):
    """As they were asked for; "auto" is as in the settings."""

    n_epochs: int | Auto = "auto"
    batch_size: int | Auto = "auto"
    learning_rate_multiplier: float | Auto = "auto"


class Supervised(msgspec.Struct):
    """The only method there is."""

    hyperparameters: Hyperparameters


class TuningMethod(msgspec.Struct):
    """How a job is trained."""

    supervised: Supervised
    type: Literal["supervised"] = "supervised"


class JobError(msgspec.Struct):
    """Why a job failed."""

    code: str
    message: str
    param: str | None = None


class TuningJob(msgspec.Struct):
    """A fine-tuning job.

    Attributes:
        fine_tuned_model: What came of it, to be sent as ``model``; null until it has succeeded.
        trained_tokens: Not counted.
        result_files: None; see the events, and ``GET /checkpoints/{id}/evaluation``.
    """

    id: str
    created_at: int
    finished_at: int | None
    status: Literal["queued", "running", "succeeded", "failed", "cancelled"]
    error: JobError | None
    fine_tuned_model: str | None
    model: str
    training_file: str
    validation_file: str | None
    seed: int
    hyperparameters: Hyperparameters
    method: TuningMethod
    metadata: dict[str, str] | None
    suffix: str | None
    estimated_finish: None = None
    trained_tokens: None = None
    integrations: list[str] = []
    result_files: list[str] = []
    organization_id: Literal["radiance"] = "radiance"
    object: Literal["fine_tuning.job"] = "fine_tuning.job"


class TuningJobList(msgspec.Struct):
    """Fine-tuning jobs, the newest first."""

    data: list[TuningJob]
    has_more: bool
    object: Literal["list"] = "list"


class EventData(msgspec.Struct):
    """The numbers of a step; losses in nats per completion token."""

    step: int
    total_steps: int | None
    train_loss: float
    valid_loss: float | None


class TuningEvent(msgspec.Struct):
    """Something that happened to a job; steps bear the time at which training began."""

    id: str
    created_at: int
    level: Literal["info", "error"]
    message: str
    type: Literal["message", "metrics"]
    data: EventData | None = None
    object: Literal["fine_tuning.job.event"] = "fine_tuning.job.event"


class TuningEventList(msgspec.Struct):
    """What happened to a job, the newest first."""

    data: list[TuningEvent]
    has_more: bool
    object: Literal["list"] = "list"


class CheckpointMetrics(msgspec.Struct):
    """What was measured at the end of training; the validation file's where there was one."""

    step: int
    train_loss: float | None
    valid_loss: float | None
    full_valid_loss: float | None


class TuningCheckpoint(msgspec.Struct):
    """The checkpoint of a job."""

    id: str
    created_at: int
    fine_tuned_model_checkpoint: str
    fine_tuning_job_id: str
    step_number: int
    metrics: CheckpointMetrics
    object: Literal["fine_tuning.job.checkpoint"] = "fine_tuning.job.checkpoint"


class TuningCheckpointList(msgspec.Struct):
    """The checkpoints of a job: one, or none yet."""

    data: list[TuningCheckpoint]
    has_more: bool
    first_id: str | None
    last_id: str | None
    object: Literal["list"] = "list"
