"""GET /knowledge: what the service knows now, fact by fact, and what became of the rest."""

from collections.abc import Collection
from datetime import datetime
from typing import Literal

import msgspec
from starlette.requests import Request

from radiance.api.anchors import Overwritten, overwritten_in
from radiance.api.bodies import list_limit
from radiance.api.services import Services, services_of
from radiance.errors import RequestError
from radiance.examples.facts import KNOWN, STATES, State, TaughtFact
from radiance.records import JobStatus

View = Literal["known", "overwrote", "all", State]
VIEWS: tuple[View, ...] = ("known", "overwrote", *STATES, "all")
_MOST_QUERY = 200


class KnownFact(msgspec.Struct):
    """An accepted example as it stands now.

    Attributes:
        context: The turns before the question, on one line; "" where it has none.
        question: "" of a plain text, which is in ``answer``.
        is_served: Whether what answers now has it, from memory or in its weights.
        why: How it came to stand so, as a sentence; "" where the state says all.
        by: The example that corrected or repeated it.
        checkpoint: What learned it, also where that does not serve or was refused.
        overwrote: The anchors that the base answers and what serves does not, because of it.
    """

    example_id: str
    job_id: str
    context: str
    question: str
    answer: str
    tags: tuple[str, ...]
    state: State
    is_served: bool
    why: str
    created_at: datetime
    by: str | None
    checkpoint: str | None
    overwrote: list[Overwritten]


class KnowledgeList(msgspec.Struct):
    """Facts, the newest first, and how many stand in each way; ``before`` goes on after them."""

    view: View
    counts: dict[str, int]
    facts: list[KnownFact]
    before: str | None


def list_knowledge(request: Request) -> KnowledgeList:
    """What is known now: every accepted example as it stands, the newest first."""
    return knowledge(services_of(request), request, list_limit(request))


def knowledge(services: Services, request: Request, limit: int) -> KnowledgeList:
    """The facts that a request asks for, at most so many.

    Raises:
        RequestError: It names a view that there is not.
    """
    asked = request.query_params
    view = asked.get("view", "known")
    if view not in VIEWS:
        raise RequestError.of(
            "view", "is not a known view", view, f"Send one of {', '.join(VIEWS)}."
        )
    tip = services.registry.current_id()
    lineage = services.registry.ancestors(tip)
    overwritten = _by_example(services, tip)
    found = services.facts.find(
        lineage,
        limit + 1,
        words=asked.get("q", "")[:_MOST_QUERY].strip(),
        tag=asked.get("tag", "")[:_MOST_QUERY].strip(),
        states=_states(services, view),
        only=list(overwritten) if view == "overwrote" else None,
        before=asked.get("before"),
    )
    counts: dict[str, int] = {**services.facts.count(lineage, tip)}
    counts["known"] = sum(counts[state] for state in known_states(services))
    counts["overwrote"] = len(overwritten)
    failed = {fact.example.question_hash for fact in found if fact.state == "failed"}
    held = {each.id for each in services.examples.standing(failed, lineage).values()}
    facts = [_shown(services, fact, overwritten, held) for fact in found[:limit]]
    more = facts[-1].example_id if len(found) > limit else None
    return KnowledgeList(view, counts, facts, more)


def known_states(services: Services) -> tuple[State, ...]:
    """How facts stand that are known: those that wait only where memory answers."""
    return KNOWN if services.recalls else ("learned",)


def _states(services: Services, view: str) -> tuple[State, ...] | None:
    if view == "known":
        return known_states(services)
    return tuple(state for state in STATES if state == view) or None


def _by_example(services: Services, tip: str | None) -> dict[str, list[Overwritten]]:
    found: dict[str, list[Overwritten]] = {}
    for each in overwritten_in(services, tip, limit=None).anchors:
        found.setdefault(each.example_id, []).append(each)
    return found


def _shown(
    services: Services,
    fact: TaughtFact,
    overwritten: dict[str, list[Overwritten]],
    held: Collection[str],
) -> KnownFact:
    """A fact as it is told; ``held`` are those that failed and that memory has all the same."""
    turns, job = fact.example.messages, fact.job
    is_remembered = fact.example.id in held and services.recalls
    return KnownFact(
        example_id=fact.example.id,
        job_id=job.job_id,
        context=" ".join(turn.content for turn in turns[:-2]),
        question=turns[-2].content if len(turns) > 1 else "",
        answer=turns[-1].content if turns else fact.example.text,
        tags=job.tags,
        state=fact.state,
        is_served=fact.state in known_states(services) or is_remembered,
        why=f"{_why(services, fact)} Memory answers it all the same.".lstrip()
        if is_remembered
        else _why(services, fact),
        created_at=job.created_at,
        by=fact.by,
        checkpoint=job.checkpoint or job.rejected_checkpoint,
        overwrote=overwritten.get(fact.example.id, []),
    )


def _why(services: Services, fact: TaughtFact) -> str:
    """How a fact came to stand as it does."""
    job = fact.job
    match fact.state:
        case "waiting":
            return "Memory answers it until it is learned." if services.recalls else ""
        case "corrected":
            return "A newer answer to the same question stands."
        case "repeated" if job.status in (JobStatus.QUEUED, JobStatus.RUNNING):
            return "The same is known already."
        case "repeated":
            return "The same was taught again later."
        case "unserved" if job.checkpoint in services.registry.served_once([job.checkpoint or ""]):
            return f"{job.checkpoint} learned it, which served once and was rolled back."
        case "unserved":
            return f"{job.checkpoint} learned it, which has never served."
        case "refused" | "failed":
            return job.error or ""
    return ""
