"""/jobs: accepted updates, how far they are, and what became of them."""

from typing import Literal

import msgspec
from msgspec.structs import asdict
from starlette.requests import Request

from radiance.api.bodies import list_limit
from radiance.api.services import Services, services_of
from radiance.api.training import TrainingProgress, training_progress
from radiance.api.update import supersedes
from radiance.errors import CorruptCheckpoint, NotFound, RequestError
from radiance.examples.tasks import teach_a_task
from radiance.records import Job, JobStatus, Supersession


class JobAnswer(Job, frozen=True, kw_only=True):
    """A job, with its progress while it trains.

    Attributes:
        held: Why it waits though nothing is wrong with it, as a clause; None: nothing holds it.
    """

    progress: TrainingProgress | None
    preparing: str | None
    held: str | None


class JobWithSupersedes(JobAnswer, frozen=True, kw_only=True):
    """A job, what it corrects, and what the gate made of its checkpoint.

    Attributes:
        superseded_by: Its examples that a newer update answers otherwise, and by which.
        failed_rules: The rules of the gate that its checkpoint failed, also where it is served.
        was_known: Whether what served answered all of it before, so that nothing was trained.
        learns: What its examples are taken for: facts, which are to be known by heart, or a task.
    """

    supersedes: list[Supersession]
    superseded_by: list[Supersession]
    failed_rules: list[str]
    was_known: bool
    learns: Literal["facts", "task"]


class JobList(msgspec.Struct):
    """Jobs, the newest first."""

    jobs: list[JobAnswer]


def list_jobs(request: Request) -> JobList:
    """The newest jobs first."""
    services = services_of(request)
    jobs = services.jobs.recent(list_limit(request), _status(request))
    return JobList([_describe(services, job) for job in jobs])


def show_job(request: Request) -> JobWithSupersedes:
    """One job, with its progress while it trains, and what it corrects."""
    services = services_of(request)
    job = services.jobs.get(request.path_params["job_id"])
    return JobWithSupersedes(
        **asdict(_describe(services, job)),
        supersedes=supersedes(services, job),
        superseded_by=services.examples.superseded_by(job.job_id),
        failed_rules=_failed_rules(services, job),
        was_known=was_known(services, job),
        learns="task" if learns_a_task(services, job) else "facts",
    )


def cancel_job(request: Request) -> JobAnswer:
    """Cancel a job that waits or trains; what trains with it waits again."""
    services = services_of(request)
    return _describe(services, services.pipeline.call_off(request.path_params["job_id"]))


def retry_job(request: Request) -> JobAnswer:
    """Queue a failed or quarantined job again."""
    services = services_of(request)
    job = services.jobs.retry(request.path_params["job_id"])
    services.pipeline.wake()
    return _describe(services, job)


def _describe(services: Services, job: Job) -> JobAnswer:
    return JobAnswer(
        **asdict(job),
        progress=training_progress(services, job.job_id),
        preparing=None if job.finished_at is not None else services.pipeline.preparing,
        held=None if job.finished_at is not None else services.held_up,
    )


def was_known(services: Services, job: Job) -> bool:
    """Whether what served answered all of a job, and of those learned with it, before it came."""
    if job.checkpoint is None:
        return False
    try:
        return services.registry.manifest(job.checkpoint).steps == 0
    except (CorruptCheckpoint, NotFound):
        return False


def learns_a_task(services: Services, job: Job) -> bool:
    """Whether a job, or what is learned with it, was taken for a task, or will be."""
    progress = training_progress(services, job.job_id)
    if progress is not None and progress.learns is not None:
        return progress.learns == "task"
    try:
        if (made := job.checkpoint or job.rejected_checkpoint) is not None:
            return services.registry.manifest(made).is_task
    except (CorruptCheckpoint, NotFound):
        pass
    return teach_a_task(services.examples.of_jobs([job.job_id]))


def _failed_rules(services: Services, job: Job) -> list[str]:
    made = job.checkpoint or job.rejected_checkpoint
    if made is None or services.registry.find(made) is None:
        return []
    decision = services.registry.decision(made)
    return [] if decision is None else [row.rule for row in decision.rows if row.verdict == "fail"]


def _status(request: Request) -> JobStatus | None:
    given = request.query_params.get("status")
    if given is None:
        return None
    if given not in set(JobStatus):
        raise RequestError.of(
            "status", "is not a job's status", given, f"Send one of {', '.join(JobStatus)}."
        )
    return JobStatus(given)
