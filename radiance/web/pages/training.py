"""Whether training may run now: what holds it up, since when, and the switch for it."""

import msgspec
from starlette.requests import Request

from radiance.api.auth.access import actor_of
from radiance.api.bodies import checked_reason
from radiance.api.services import Services
from radiance.api.training import training_progress
from radiance.web.forms import Fields, chosen_action
from radiance.web.page import Data, Page

_DEFAULT_REASON = "Asked for on the dashboard."
_MOST_CHARACTERS = 1000
_LATELY = 5  # cycles


def held_up(services: Services) -> Data | None:
    """What holds training up, as every page says it; None where nothing does."""
    objection = services.training_pause.objection()
    if objection is None:
        return None
    pause = services.training_pause.pause_in_force
    return {
        "why": objection,
        "pause": msgspec.to_builtins(pause),
        "waiting": services.jobs.depth(),
        "examples": services.jobs.waiting_examples(),
    }


def progress_of(services: Services, job_id: str | None = None) -> Data | None:
    """How far the running cycle is, beside what cycles took lately; None where none runs.

    Args:
        services: The service.
        job_id: None where the cycle does not train this job.
    """
    found = training_progress(services, job_id)
    if found is None:
        return None
    took = sorted(services.curves.steps_of_last(_LATELY))
    usual = took[len(took) // 2] if took else None
    left = found.most_seconds_left
    usual_left = None
    if usual is not None and left is not None and found.step < min(usual, found.max_steps):
        usual_left = left * (usual - found.step) / (found.max_steps - found.step)
    return {
        **msgspec.to_builtins(found),
        "usual_steps": usual,
        "usual_seconds_left": usual_left,
    }


def describe(services: Services, _: Request) -> Data:
    """Whether training runs, what holds it up, and when it may run."""
    settings = services.config.training
    return {
        "held_up": held_up(services),
        "progress": progress_of(services),
        "preparing": services.pipeline.preparing,
        "jobs": services.jobs.depth(),
        "examples": services.jobs.waiting_examples(),
        "priority": settings.priority,
        "when": settings.when,
        "quiet_hours": settings.quiet_hours,
    }


def act(services: Services, request: Request, fields: Fields) -> str:
    """Pause or resume, in the name of whoever asked."""
    switch = services.training_pause
    acts = {"pause": switch.pause, "resume": switch.resume}
    action = chosen_action(fields, acts)
    reason = checked_reason(fields.get("reason", "")[:_MOST_CHARACTERS], _DEFAULT_REASON)
    acts[action](actor_of(request, "dashboard"), reason)
    services.pipeline.wake()
    return f"/training?done={action}"


PAGE = Page(
    path="/training",
    title="Training",
    template="training.html",
    describe=describe,
    topics=("cycle", "queue", "pause"),
    section="/cycles",
    act=act,
    shares_path=True,
    notices={
        "pause": "Paused: updates are accepted and wait; everything is answered as ever.",
        "resume": "Resumed.",
    },
)
