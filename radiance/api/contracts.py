"""What each route takes and gives, as types: the part of the API document that is not in the code.

Whoever adds a route adds its line here; a test says so otherwise.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from radiance.api import (
    audit,
    canary,
    exchange,
    feedback,
    info,
    lineage,
    metrics,
    operations,
    pointer,
    responses,
    search,
    training,
    update,
)
from radiance.api.openai import (
    adapters,
    chat,
    completions,
    fine_tuning,
    models,
    shapes,
    tuning_shapes,
    uploads,
)
from radiance.examples.admission import UpdateBody
from radiance.labs.alphas import routes as alphas
from radiance.labs.signals import routes as signals
from radiance.labs.signals.results import StudyResult
from radiance.labs.signals.runs import RunState
from radiance.labs.signals.settings import Study
from radiance.records import Checkpoint, Evaluation, JobStatus
from radiance.registry.verification import Verification

_LIMIT = {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}


def _paged(default: int = 20, most: int = 1000) -> dict[str, dict[str, Any]]:
    limit = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return {"after": {"type": "string"}, "limit": limit}


@dataclass(frozen=True)
class Contract:
    """One route's bodies.

    Attributes:
        gives: What it answers with; None: no JSON.
        takes: The body it takes; None: none.
        status: Of success.
        queries: Schemas of what may stand behind the "?", by name.
        streams: What each server-sent event holds, where the answer may be a stream.
        media: Media type of the answer; None: JSON.
        takes_media: Media type of the body; None: JSON.
        needs_body: Whether the body must be there.
        others: Bodies of other statuses that are not errors in the usual form.
    """

    gives: Any
    takes: Any = None
    status: int = 200
    queries: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    streams: Any = None
    media: str | None = None
    takes_media: str | None = None
    needs_body: bool = True
    others: Mapping[int, Any] = field(default_factory=dict)

    @property
    def kinds(self) -> list[Any]:
        """The types whose schemas it needs."""
        named = (self.gives, self.takes, self.streams, *self.others.values())
        return [kind for kind in named if kind is not None]


_OWN: dict[Callable[..., Any], Contract] = {
    search.search: Contract(responses.SearchAnswer, search.SearchBody),
    alphas.generate_alpha: Contract(responses.AlphaAnswer, alphas.GenerateBody),
    alphas.show_trial: Contract(responses.TrialAnswer),
    update.update: Contract(responses.UpdateAnswer, UpdateBody, 202),
    feedback.send_feedback: Contract(responses.FeedbackAnswer, feedback.FeedbackBody, 201),
    feedback.list_feedback: Contract(responses.FeedbackList, queries={"limit": _LIMIT}),
    info.info: Contract(responses.InfoAnswer),
    operations.list_jobs: Contract(
        responses.JobList,
        queries={"limit": _LIMIT, "status": {"type": "string", "enum": list(JobStatus)}},
    ),
    operations.show_job: Contract(responses.JobWithSupersedes),
    operations.cancel_job: Contract(responses.JobAnswer),
    operations.retry_job: Contract(responses.JobAnswer),
    operations.list_checkpoints: Contract(responses.CheckpointList, queries={"limit": _LIMIT}),
    operations.show_checkpoint: Contract(responses.CheckpointAnswer),
    operations.show_evaluation: Contract(Evaluation),
    lineage.show_lineage: Contract(responses.LineageAnswer, queries={"limit": _LIMIT}),
    pointer.rollback: Contract(responses.MoveAnswer, pointer.RollbackBody),
    pointer.promote: Contract(responses.MoveAnswer, pointer.PromoteBody),
    pointer.pin: Contract(responses.PinAnswer, pointer.PinBody),
    pointer.unpin: Contract(responses.PinAnswer, pointer.UnpinBody),
    canary.show_canary: Contract(canary.CanaryAnswer),
    canary.start_canary: Contract(canary.CanaryAnswer, canary.CanaryBody, 201),
    canary.stop_canary: Contract(
        canary.CanaryAnswer, queries={"reason": {"type": "string", "maxLength": 1000}}
    ),
    training.show_training: Contract(responses.TrainingAnswer),
    training.pause: Contract(responses.TrainingAnswer, training.PauseBody),
    training.resume: Contract(responses.TrainingAnswer, training.PauseBody),
    exchange.import_checkpoint: Contract(Checkpoint, exchange.ImportBody, 201),
    signals.show_progress: Contract(None, media="text/html"),
    signals.show_asset: Contract(None, media="text/css"),
    signals.list_runs: Contract(signals.RunList),
    signals.start_run: Contract(RunState, Study, 202),
    signals.show_run: Contract(signals.ShownRun),
    signals.cancel_run: Contract(RunState),
    signals.export_run: Contract(StudyResult),
    signals.show_knobs: Contract(signals.KnobsAnswer),
    audit.list_entries: Contract(
        responses.EntryList, queries={"limit": _LIMIT, "before": {"type": "integer", "minimum": 1}}
    ),
    audit.verify_log: Contract(
        Verification, queries={"head": {"type": "string", "pattern": "^[0-9a-f]{64}$"}}
    ),
    metrics.metrics: Contract(None, media="text/plain"),
    operations.health: Contract(responses.Health),
    operations.ready: Contract(responses.Ready, others={503: responses.NotReady}),
}

_OPENAI: dict[Callable[..., Any], Contract] = {
    chat.create_chat: Contract(shapes.ChatCompletion, chat.ChatBody, streams=shapes.ChatChunk),
    completions.create_completion: Contract(
        shapes.TextCompletion, completions.CompletionBody, streams=shapes.TextCompletion
    ),
    models.list_models: Contract(shapes.ModelList),
    models.show_model: Contract(shapes.Model),
    adapters.load_adapter: Contract(None, adapters.LoadBody, media="text/plain"),
    adapters.unload_adapter: Contract(None, adapters.UnloadBody, media="text/plain"),
    uploads.create_file: Contract(
        tuning_shapes.File, uploads.FileForm, takes_media="multipart/form-data"
    ),
    uploads.list_files: Contract(
        tuning_shapes.FileList,
        queries={
            **_paged(10_000, 10_000),
            "order": {"type": "string", "enum": ["asc", "desc"], "default": "desc"},
            "purpose": {"type": "string"},
        },
    ),
    uploads.show_file: Contract(tuning_shapes.File),
    uploads.delete_file: Contract(tuning_shapes.FileDeleted),
    uploads.show_content: Contract(None, media="application/octet-stream"),
    fine_tuning.create_tuning: Contract(tuning_shapes.TuningJob, fine_tuning.TuningBody),
    fine_tuning.list_tunings: Contract(tuning_shapes.TuningJobList, queries=_paged()),
    fine_tuning.show_tuning: Contract(tuning_shapes.TuningJob),
    fine_tuning.cancel_tuning: Contract(tuning_shapes.TuningJob),
    fine_tuning.list_tuning_events: Contract(tuning_shapes.TuningEventList, queries=_paged()),
    fine_tuning.list_tuning_checkpoints: Contract(
        tuning_shapes.TuningCheckpointList, queries=_paged()
    ),
}

CONTRACTS = {**_OWN, **_OPENAI}
