"""POST /update: examples in, durable before the answer goes out."""

from collections.abc import Callable
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from radiance import records
from radiance.api.auth.access import sender_of
from radiance.api.auth.keys import Key
from radiance.api.bodies import read_json
from radiance.api.services import Services, services_of
from radiance.errors import RequestError
from radiance.examples.admission import Admitted, admit
from radiance.examples.ownership import check_owned
from radiance.examples.quotas import check_quotas
from radiance.records import Job, JobStatus, Supersession, content_hash
from radiance.storage.sqlite import Connection

_MOST_KEY_CHARACTERS = 200


class UpdateAnswer(msgspec.Struct):
    """An accepted update.

    Attributes:
        queued: Whether its job is still to be learned; false of one that was sent before and ended.
        status: Of its job.
        held: Why nothing is learned now, as a clause; None where something is.
        known: How many examples say what was learned before: nothing is trained where what serves
            still answers all of them so.
        echoes: How many have their very question as their answer. They are learned; most often that
            is a slip.
    """

    job_id: str
    queued: bool
    status: JobStatus
    held: str | None
    accepted: int
    duplicates: int
    known: int
    echoes: int
    supersedes: list[Supersession]
    may_supersede: list[Supersession]


async def update(request: Request) -> UpdateAnswer:
    """Accept examples; they are on disk when this answers."""
    services = services_of(request)
    body = await read_json(request, services.config.server.max_body_bytes)
    key = _key(body, request.headers.get("idempotency-key"))
    answer = await run_in_threadpool(accept, services, body, key, sender_of(request))
    services.pipeline.wake()
    return answer


def accept(
    services: Services, body: Any, key: str | None, sender: Key | None = None
) -> UpdateAnswer:
    """Keep the examples of a body, durably; what POST /update answers."""
    services.check_learns()
    encoder = services.engine.encoder
    admitted = admit(body, services.config.update, encoder.check_fits, encoder.most_characters)
    identity = {name: value for name, value in body.items() if name != "job_key"}
    job, _ = services.jobs.add(
        msgspec.structs.replace(admitted, supersede=_is_meant(services, admitted, sender)),
        content_hash(identity),
        key,
        record=owned(services, admitted, sender),
        sender="" if sender is None else sender.name,
    )
    return UpdateAnswer(
        job_id=job.job_id,
        queued=job.finished_at is None,
        status=job.status,
        held=services.held_up if job.finished_at is None else None,
        accepted=job.example_count,
        duplicates=len(admitted.raw) - len(admitted.examples),
        known=known_already(services, job),
        echoes=sum(example.is_echo for example in admitted.examples),
        supersedes=supersedes(services, job),
        may_supersede=may_supersede(services, job),
    )


def owned(
    services: Services, admitted: Admitted, sender: Key | None
) -> Callable[[Connection, int], None]:
    """Checks, in the transaction that keeps an update, whose answers it replaces, and its share."""
    rule = services.config.update.supersede
    is_owner = sender is None or sender.allows("admin")
    if is_owner or (rule == "ask" and admitted.supersede):
        rule = "any"
    name = "" if sender is None else sender.name

    def check(connection: Connection, number: int) -> None:
        check_owned(connection, admitted.examples, name, rule)
        check_quotas(connection, admitted.tags, name, services.config.update, records.now())

    return check


def _is_meant(services: Services, admitted: Admitted, sender: Key | None) -> bool:
    return admitted.supersede and may_replace_anchors(services, sender)


def may_replace_anchors(services: Services, sender: Key | None) -> bool:
    """Whether an update of a key counts as meant where it says so: anchors are no key's own."""
    is_owner = sender is None or sender.allows("admin")
    return is_owner or services.config.update.supersede != "own"


def supersedes(services: Services, job: Job) -> list[Supersession]:
    """The earlier examples that a job corrects."""
    if not services.examples.is_asked_elsewhere(job):  # spares the walk through the whole lineage
        return []
    return services.examples.supersedes(job, lineage(services, job))


def may_supersede(services: Services, job: Job) -> list[Supersession]:
    """What a job seems to correct in other words, as long as both of the two stand."""
    learned = lineage(services, job)
    found = services.examples.may_supersede(job, [c for c in learned if c != job.checkpoint])
    if job.status != JobStatus.SUCCEEDED or not found:
        return found
    standing = services.registry.ancestors(services.registry.current_id())
    if job.checkpoint not in standing:
        return []
    gone = {each.example_id for each in services.examples.superseded(standing)}
    return [each for each in found if not gone.intersection((each.example_id, each.by))]


def known_already(services: Services, job: Job) -> int:
    """How many examples of a job that waits say what was learned before, and still holds."""
    if job.status not in (JobStatus.QUEUED, JobStatus.RUNNING):
        return 0
    learned = services.registry.ancestors(services.registry.current_id())
    ids = [example.id for example in services.examples.of_jobs([job.job_id])]
    found = services.facts.find(learned, len(ids), only=ids)
    return sum(fact.state == "repeated" and (fact.by or "") < job.job_id for fact in found)


def lineage(services: Services, job: Job) -> list[str]:
    """A job's checkpoint and its ancestors; what is served, and that one's, before it has one."""
    return services.registry.ancestors(job.checkpoint or services.registry.current_id())


def _key(body: Any, header: str | None) -> str | None:
    """The idempotency key, from the header or the body."""
    in_body = body.get("job_key") if isinstance(body, dict) else None
    if header is not None and not 1 <= len(header) <= _MOST_KEY_CHARACTERS:
        raise RequestError.of(
            "Idempotency-Key",
            f"has {len(header)} characters",
            header,
            f"Send 1 to {_MOST_KEY_CHARACTERS} characters.",
        )
    if header is not None and in_body is not None and header != in_body:
        raise RequestError.of(
            "job_key", "differs from the Idempotency-Key header", in_body, "Send one of the two."
        )
    return header or in_body
