"""GET /training, POST /training/pause and /training/resume: what is held up, and why."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.requests import Request

from radiance.api.auth.access import actor_of
from radiance.api.bodies import checked_reason
from radiance.api.services import Services, services_of
from radiance.learning.pause_switch import Pause


class PauseBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /training/pause and of POST /training/resume."""

    reason: Annotated[str, Meta(max_length=1000)] = ""


class TrainingProgress(msgspec.Struct):
    """How far the running cycle is.

    Attributes:
        learns: What its examples are taken for; None while unknown.
        most_seconds_left: Until it takes no more steps, should it take all; None while unknown.
    """

    checkpoint: str
    cycle_id: int
    stage: Literal["gathering", "training", "evaluating"]
    learns: Literal["facts", "task"] | None
    step: int
    max_steps: int
    finetune_loss: float | None
    most_seconds_left: float | None


class TrainingAnswer(msgspec.Struct):
    """Whether training runs, and what holds it up."""

    state: Literal["paused", "running", "idle"]
    held_up_by: str | None
    pause: Pause | None
    priority: str
    when: tuple[str, ...]
    quiet_hours: tuple[str, ...]
    preparing: str | None
    progress: TrainingProgress | None


async def show_training(request: Request) -> TrainingAnswer:
    """Whether training runs, is held up, or has nothing to do."""
    return _describe(services_of(request))


def pause(request: Request, body: PauseBody) -> TrainingAnswer:
    """Train nothing until it is resumed; updates are accepted and wait."""
    services = services_of(request)
    reason = checked_reason(body.reason, "Asked for through POST /training/pause.")
    services.training_pause.pause(actor_of(request), reason)
    return _describe(services)


def resume(request: Request, body: PauseBody) -> TrainingAnswer:
    """End a pause; the cycle that was held up goes on where it stood."""
    services = services_of(request)
    reason = checked_reason(body.reason, "Asked for through POST /training/resume.")
    services.training_pause.resume(actor_of(request), reason)
    services.pipeline.wake()
    return _describe(services)


def training_progress(services: Services, job_id: str | None = None) -> TrainingProgress | None:
    """How far the running cycle is; None if none runs, or if it does not train ``job_id``."""
    progress = services.pipeline.progress
    if progress is None or (job_id is not None and job_id not in progress.cycle.job_ids):
        return None
    return TrainingProgress(
        checkpoint=progress.cycle.candidate_id,
        cycle_id=progress.cycle.id,
        stage=progress.stage,
        learns=None if progress.is_task is None else "task" if progress.is_task else "facts",
        step=progress.step,
        max_steps=progress.max_steps,
        finetune_loss=progress.finetune_loss,
        most_seconds_left=progress.most_seconds_left(),
    )


def _describe(services: Services) -> TrainingAnswer:
    settings, held = services.config.training, services.training_pause.objection()
    progress, preparing = training_progress(services), services.pipeline.preparing
    is_busy = progress is not None or preparing is not None
    return TrainingAnswer(
        state="paused" if held else "running" if is_busy else "idle",
        held_up_by=held,
        pause=services.training_pause.pause_in_force,
        priority=settings.priority,
        when=settings.when,
        quiet_hours=settings.quiet_hours,
        preparing=preparing,
        progress=progress,
    )
