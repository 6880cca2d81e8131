"""A checkpoint's decision with its reason in one sentence, as pages show it."""

from collections.abc import Iterable

import msgspec

from radiance.api.services import Services
from radiance.errors import CorruptCheckpoint
from radiance.records import Job, JobStatus
from radiance.web.page import Data
from radiance.web.reasons import why


def decided(services: Services, checkpoint_id: str | None) -> Data | None:
    """What the gate decided on a checkpoint; None where it decided nothing."""
    decision = services.registry.decision(checkpoint_id) if checkpoint_id else None
    if decision is None or checkpoint_id is None:
        return None
    try:
        evaluation = services.registry.evaluation(checkpoint_id)
    except CorruptCheckpoint:
        evaluation = None
    return {**msgspec.to_builtins(decision), "why": why(decision, evaluation)}


def endings(services: Services, jobs: Iterable[Job]) -> dict[str, str]:
    """By job why nothing came of it: for somebody who knows no rule, where the gate refused it."""
    found = {}
    for job in jobs:
        refused = job.rejected_checkpoint if job.status == JobStatus.FAILED else None
        decision = services.registry.decision(refused) if refused else None
        if decision is not None:
            found[job.job_id] = f"The gate refused it. {why(decision)}"
        elif job.error:
            found[job.job_id] = job.error
    return found
