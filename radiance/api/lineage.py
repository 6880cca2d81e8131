"""GET /checkpoints/{checkpoint_id}/lineage: from an answer's checkpoint to all that taught it."""

from datetime import datetime

import msgspec
from starlette.requests import Request

from radiance.api.bodies import list_limit
from radiance.api.services import Services, services_of
from radiance.records import Example

_MOST_SHOWN_CHARACTERS = 160


class LineageExample(msgspec.Struct):
    """An example that a checkpoint learned."""

    id: str
    content_hash: str
    shown: str
    superseded_by: str | None


class LineageJob(msgspec.Struct):
    """A job that a checkpoint learned."""

    job_id: str
    tags: tuple[str, ...]
    created_at: datetime
    examples: list[LineageExample]


class Generation(msgspec.Struct):
    """One checkpoint of a lineage."""

    checkpoint_id: str
    parent_id: str | None
    status: str
    is_current: bool
    created_at: str
    cycle_id: int
    content_hash: str
    audit_entries: list[int]
    jobs: list[LineageJob]


class BaseNamed(msgspec.Struct):
    """The base model of a lineage."""

    model: str
    hash: str


class LineageAnswer(msgspec.Struct):
    """A checkpoint and its ancestors, the newest first."""

    checkpoint: str
    lineage: list[Generation]
    continues_at: str | None
    base: BaseNamed


def show_lineage(request: Request) -> LineageAnswer:
    """A checkpoint and its ancestors, newest first, each with its cycle, jobs and examples."""
    services = services_of(request)
    checkpoint_id, limit = request.path_params["checkpoint_id"], list_limit(request)
    chain = services.registry.ancestors(checkpoint_id)
    manifest = services.registry.manifest(checkpoint_id)
    corrected = {s.example_id: s.by for s in services.examples.superseded(chain)}
    left = chain[limit:]
    return LineageAnswer(
        checkpoint=checkpoint_id,
        lineage=[_generation(services, id, corrected) for id in chain[:limit]],
        continues_at=left[0] if left else None,
        base=BaseNamed(manifest.base_model, manifest.base_hash),
    )


def _generation(services: Services, checkpoint_id: str, corrected: dict[str, str]) -> Generation:
    checkpoint = services.registry.get(checkpoint_id)
    return Generation(
        checkpoint_id=checkpoint_id,
        parent_id=checkpoint.parent_id,
        status=checkpoint.status,
        is_current=checkpoint.is_current,
        created_at=checkpoint.created_at.isoformat(),
        cycle_id=checkpoint.cycle_id,
        content_hash=checkpoint.content_hash,
        audit_entries=[e.number for e in services.registry.audit.about(checkpoint_id)],
        jobs=[_job(services, job_id, corrected) for job_id in checkpoint.job_ids],
    )


def _job(services: Services, job_id: str, corrected: dict[str, str]) -> LineageJob:
    job = services.jobs.get(job_id)
    examples = [
        LineageExample(
            id=example.id,
            content_hash=example.content_hash,
            shown=shown(example),
            superseded_by=corrected.get(example.id),
        )
        for example in services.examples.of_jobs([job_id])
    ]
    return LineageJob(job_id, job.tags, job.created_at, examples)


def shown(example: Example) -> str:
    """The beginning of an example on one line."""
    return " → ".join(shown_turns(example))


def shown_turns(example: Example) -> list[str]:
    """The beginning of an example, each of its turns on one line."""
    left, found = _MOST_SHOWN_CHARACTERS, []
    for text in [message.content for message in example.messages] or [example.text]:
        line = " ".join(text.split())
        if len(line) > left:
            return [*found, f"{line[: max(0, left - 1)]}…"]
        found.append(line)
        left -= len(line) + len(" → ")
    return found
