"""/v1/fine_tuning/jobs: files learned through the one queue of all updates.

Each job has a cycle of its own, judged by the gate as every other, so the model that comes of it
holds what its file teaches on top of what served when its turn came.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from radiance.api.auth.access import sender_of
from radiance.api.auth.keys import Key
from radiance.api.bodies import check_body, read_json
from radiance.api.openai import tuning_shapes as shapes
from radiance.api.openai.models import SERVING, tuned_name
from radiance.api.openai.pages import page, refuse_unknown_queries
from radiance.api.openai.parameters import Metadata, refuse_unsupported
from radiance.api.openai.tuning_shapes import Auto, Hyperparameters
from radiance.api.services import Services, services_of
from radiance.api.update import owned
from radiance.errors import NotFound, RequestError
from radiance.examples.tasks import teach_a_task
from radiance.jobs.fine_tuning import examples_of, recipe_of
from radiance.records import Example, FineTuning, Job, JobStatus, content_hash

UNSUPPORTED = {"integrations": "Leave it out; see GET /v1/fine_tuning/jobs/{id}/events."}
_PREFIX = "ftjob-"
_PAGE, _MOST = 20, 1000
_STATUS: dict[JobStatus, Any] = {JobStatus.QUARANTINED: "failed"}


class HyperparametersBody(msgspec.Struct, forbid_unknown_fields=True):
    """How to train; "auto" is as in the settings.

    Attributes:
        n_epochs: Whole passes over the file; "auto": until all is known.
        batch_size: Examples per micro-batch.
        learning_rate_multiplier: Of ``training.lr``.
    """

    n_epochs: Annotated[int, Meta(ge=1, le=1000)] | Auto | None = None
    batch_size: Annotated[int, Meta(ge=1, le=1024)] | Auto | None = None
    learning_rate_multiplier: Annotated[float, Meta(gt=0, le=1000)] | Auto | None = None


class SupervisedBody(msgspec.Struct, forbid_unknown_fields=True):
    """Learning from examples."""

    hyperparameters: HyperparametersBody | None = None


class MethodBody(msgspec.Struct, forbid_unknown_fields=True):
    """How to learn; only from examples."""

    type: Literal["supervised"]
    supervised: SupervisedBody | None = None
    dpo: None = None
    reinforcement: None = None


class TuningBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of POST /v1/fine_tuning/jobs.

    Attributes:
        model: What to go on from: "radiance", or the name of what serves.
        training_file: Id of a file of POST /v1/files: JSON Lines in any form of POST /update.
        validation_file: The same, to be measured and not learned.
        hyperparameters: The older place of ``method.supervised.hyperparameters``.
        suffix: Ends the name of the model that comes of it.
        seed: What the order of the examples depends on.
        metadata: Sent back with the job.
    """

    model: str
    training_file: str
    validation_file: str | None = None
    hyperparameters: HyperparametersBody | None = None
    method: MethodBody | None = None
    suffix: Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[\w.-]+$")] | None = None
    seed: Annotated[int, Meta(ge=0, lt=1 << 31)] | None = None
    metadata: Metadata | None = None


async def create_tuning(request: Request) -> shapes.TuningJob:
    """Queue a file to be learned; durable when this answers."""
    services = services_of(request)
    data = await read_json(request, services.config.server.max_body_bytes)
    if isinstance(data, dict) and data.get("integrations") == []:
        del data["integrations"]
    refuse_unsupported(data, UNSUPPORTED)
    body = check_body(data, TuningBody)
    job, asked = await run_in_threadpool(_create, services, body, sender_of(request))
    services.pipeline.wake()
    return _shape(job, asked)


def list_tunings(request: Request) -> shapes.TuningJobList:
    """The fine-tuning jobs, the newest first; ``metadata[key]=value`` keeps those that have it."""
    services, wanted = services_of(request), {}
    for name, value in request.query_params.items():
        if name.startswith("metadata[") and name.endswith("]"):
            wanted[name[len("metadata[") : -1]] = value
    refuse_unknown_queries(request, {"after", "limit", *(f"metadata[{key}]" for key in wanted)})
    found = [
        (job, asked)
        for job, asked in services.tunings.all()
        if wanted.items() <= (asked.metadata or {}).items()
    ]
    shown, has_more = page(request, found, lambda pair: _id(pair[0]), _PAGE, _MOST)
    return shapes.TuningJobList([_shape(*pair) for pair in shown], has_more)


def show_tuning(request: Request) -> shapes.TuningJob:
    """One fine-tuning job."""
    return _shape(*_find(services_of(request), request))


def cancel_tuning(request: Request) -> shapes.TuningJob:
    """Call a job off, in the queue or in training; nothing comes of it."""
    services = services_of(request)
    job, asked = _find(services, request)
    return _shape(services.pipeline.call_off(job.job_id), asked)


def list_tuning_events(request: Request) -> shapes.TuningEventList:
    """What happened to a job, the newest first."""
    refuse_unknown_queries(request, ("after", "limit"))
    events = _events(services_of(request), request)
    shown, has_more = page(request, events, lambda event: event.id, _PAGE, _MOST)
    return shapes.TuningEventList(shown, has_more)


def list_tuning_checkpoints(request: Request) -> shapes.TuningCheckpointList:
    """The checkpoint of a job, once it is there."""
    refuse_unknown_queries(request, ("after", "limit"))
    found = _checkpoints(services_of(request), request)
    shown, has_more = page(request, found, lambda one: one.id, _PAGE, _MOST)
    ends = (shown[0].id, shown[-1].id) if shown else (None, None)
    return shapes.TuningCheckpointList(shown, has_more, *ends)


def _create(services: Services, body: TuningBody, sender: Key | None) -> tuple[Job, FineTuning]:
    _refuse_other_model(services, body.model)
    hyper, is_in_method = _hyperparameters(body)
    encoder = services.engine.encoder

    def read(name: str, file_id: str) -> Any:
        try:
            content = services.uploads.content(file_id)
        except NotFound as error:
            raise NotFound(
                f"{name}: {error}", field=name, value=file_id, remedy=error.remedy
            ) from None
        return examples_of(
            content, name, services.config.update, encoder.check_fits, encoder.most_characters
        )

    admitted = read("training_file", body.training_file)
    validation: tuple[Example, ...] = ()
    if body.validation_file is not None:
        validation = tuple(
            msgspec.structs.replace(example, id=f"{body.validation_file}.{example.id}")
            for example in read("validation_file", body.validation_file).examples
        )
    numbers = {name: None if isinstance(value, str) else value for name, value in hyper.items()}
    count = len(admitted.examples)
    settings = services.pipeline.training_settings(count * teach_a_task(admitted.examples))
    recipe = recipe_of(settings, numbers, body.seed, count, validation)
    asked = FineTuning(
        model=body.model,
        training_file=body.training_file,
        validation_file=body.validation_file,
        suffix=body.suffix,
        hyperparameters=hyper,
        is_in_method=is_in_method,
        seed=services.config.training.seed if body.seed is None else body.seed,
        metadata=body.metadata,
    )
    services.check_learns()
    job = services.tunings.add(
        asked,
        admitted,
        content_hash(asked),
        recipe,
        owned(services, admitted, sender),
        "" if sender is None else sender.name,
    )
    return job, asked


def _refuse_other_model(services: Services, model: str) -> None:
    served = services.registry.current_id() or "base"
    names = (SERVING, f"{SERVING}:stable", f"{SERVING}:{served}")
    known = model.rsplit(":", 1)[0] if model.count(":") > 1 else model
    if known not in names:
        raise RequestError.of(
            "model",
            f"{model!r} does not serve, and training goes on from what serves",
            model,
            f"Send {SERVING!r}, or serve it first: POST /promote.",
        )


def _hyperparameters(body: TuningBody) -> tuple[dict[str, int | float | str], bool]:
    """What was asked for, and whether in ``method``."""
    in_method = body.method.supervised if body.method else None
    newer = in_method.hyperparameters if in_method else None
    if newer is not None and body.hyperparameters is not None:
        raise RequestError.of(
            "hyperparameters",
            "stand in method, too",
            msgspec.to_builtins(body.hyperparameters),
            "Send them in method.supervised alone.",
        )
    given = newer or body.hyperparameters or HyperparametersBody()
    asked = {name: value or "auto" for name, value in msgspec.structs.asdict(given).items()}
    return asked, body.method is not None


def _id(job: Job) -> str:
    return _PREFIX + job.job_id.removeprefix("job_")


def _find(services: Services, request: Request) -> tuple[Job, FineTuning]:
    tuning_id: str = request.path_params["tuning_id"]
    try:
        if tuning_id.startswith(_PREFIX):
            return services.tunings.get("job_" + tuning_id.removeprefix(_PREFIX))
    except NotFound:
        pass
    raise NotFound.named(
        "fine-tuning job",
        tuning_id,
        "fine_tuning_job_id",
        "Use an id that POST /v1/fine_tuning/jobs answered with.",
    )


def _shape(job: Job, asked: FineTuning) -> shapes.TuningJob:
    error = None
    if job.error is not None:
        code = "gate_rejected" if job.rejected_checkpoint else "training_failed"
        error = shapes.JobError(code, job.error)
    hyper = msgspec.convert(asked.hyperparameters, Hyperparameters)
    return shapes.TuningJob(
        id=_id(job),
        created_at=_seconds(job.created_at),
        finished_at=None if job.finished_at is None else _seconds(job.finished_at),
        status=_STATUS.get(job.status, job.status.value),
        error=error,
        fine_tuned_model=job.checkpoint and tuned_name(job.checkpoint, asked.suffix),
        model=asked.model,
        training_file=asked.training_file,
        validation_file=asked.validation_file,
        seed=asked.seed,
        hyperparameters=hyper,
        method=shapes.TuningMethod(shapes.Supervised(hyper)),
        metadata=asked.metadata,
        suffix=asked.suffix,
    )


def _events(services: Services, request: Request) -> list[shapes.TuningEvent]:
    """Made from what is on record of the job: its times, its curves, its end."""
    job, asked = _find(services, request)
    events: list[shapes.TuningEvent] = []

    def add(at: datetime, message: str, level: Any = "info", data: Any = None) -> None:
        id = f"ftevent-{job.job_id.removeprefix('job_')}-{len(events):06d}"
        kind = "message" if data is None else "metrics"
        events.append(shapes.TuningEvent(id, _seconds(at), level, message, kind, data))

    add(job.created_at, f"Created fine-tuning job {_id(job)}.")
    if job.started_at is not None:
        add(job.started_at, "Training began.")
        for data in _steps(services, job):
            of = f" of {data.total_steps}" if data.total_steps else ""
            message = f"Step {data.step}{of}: training loss {data.train_loss:.4g}."
            add(job.started_at, message, data=data)
    if job.finished_at is not None:
        if job.checkpoint is not None:
            name = tuned_name(job.checkpoint, asked.suffix)
            add(job.finished_at, f"The job has succeeded: {name} is there.")
        elif job.error is not None:
            add(job.finished_at, job.error, "error")
        else:
            add(job.finished_at, "The job was cancelled.")
    events.reverse()
    return events


def _steps(services: Services, job: Job) -> list[shapes.EventData]:
    if job.cycle_id is None:
        return []
    checked = {p.step: p.value for p in services.curves.of_cycle(job.cycle_id, "eval_loss")}
    trained = services.curves.of_cycle(
        job.cycle_id, "lr"
    )  # steps, without the report after the last
    losses = {p.step: p.value for p in services.curves.of_cycle(job.cycle_id, "finetune_loss")}
    recipe = services.jobs.recipe([job.job_id])
    total = recipe.training.get("max_steps") if recipe else None
    return [
        shapes.EventData(
            p.step, None if total is None else int(total), losses[p.step], checked.get(p.step)
        )
        for p in trained
        if p.step in losses
    ]


def _checkpoints(services: Services, request: Request) -> list[shapes.TuningCheckpoint]:
    job, asked = _find(services, request)
    if job.checkpoint is None:
        return []
    manifest = services.registry.manifest(job.checkpoint)
    report = manifest.report
    return [
        shapes.TuningCheckpoint(
            id=f"ftckpt-{job.job_id.removeprefix('job_')}",
            created_at=_seconds(manifest.created_at),
            fine_tuned_model_checkpoint=tuned_name(job.checkpoint, asked.suffix),
            fine_tuning_job_id=_id(job),
            step_number=manifest.steps,
            metrics=shapes.CheckpointMetrics(
                manifest.steps, report.finetune_loss, report.eval_loss, report.eval_loss
            ),
        )
    ]


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
