"""POST /feedback: what somebody thought of an answer; GET /feedback: the votes that came."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import asdict
from starlette.requests import Request

from radiance.api.bodies import list_limit, refuse_forbidden
from radiance.api.services import Services, services_of
from radiance.api.weights import caller_of, key_of
from radiance.records import Feedback, Votes
from radiance.records.text import clean
from radiance.registry.store import BASE

_Text = Annotated[str, Meta(max_length=100_000)]
_SHOWN_CHECKPOINTS = 20


class FeedbackBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /feedback; no checkpoint means the one that serves the caller."""

    vote: Literal["up", "down"]
    checkpoint: Annotated[str, Meta(min_length=1)] | None = None
    prompt: _Text = ""
    response: _Text = ""
    comment: Annotated[str, Meta(max_length=10_000)] = ""
    tags: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=256)]], Meta(max_length=64)
    ] = []


class FeedbackAnswer(Feedback, frozen=True, kw_only=True):
    """A kept vote, with all votes of its checkpoint."""

    votes: Votes


class FeedbackList(msgspec.Struct):
    """Votes, the newest first."""

    feedback: list[Feedback]


def send_feedback(request: Request, body: FeedbackBody) -> FeedbackAnswer:
    """Keep a vote; it is on disk when this answers. A monitor may act on it."""
    _refuse_bad_text(body)
    services = services_of(request)
    answer = _keep(services, body, caller_of(request), key_of(request))
    services.monitor.wake()
    return answer


def list_feedback(request: Request) -> FeedbackList:
    """The newest votes first."""
    return FeedbackList(services_of(request).feedback.recent(list_limit(request)))


def votes_by_checkpoint(services: Services) -> dict[str, Votes]:
    """Votes of the checkpoints that were voted on last; the base is called "base"."""
    votes = services.feedback.by_checkpoint(_SHOWN_CHECKPOINTS)
    return {checkpoint or BASE: found for checkpoint, found in votes.items()}


def _keep(services: Services, body: FeedbackBody, caller: str, key: str) -> FeedbackAnswer:
    is_tried, checkpoint = services.canary.candidate_of(caller)
    if body.checkpoint is None:
        if not is_tried:
            checkpoint = services.registry.current_id()
    elif body.checkpoint == BASE:
        checkpoint = None
    else:
        checkpoint = services.registry.get(body.checkpoint).checkpoint_id
    response = clean(body.response)
    kept = services.feedback.add(
        checkpoint,
        body.vote,
        prompt=clean(body.prompt),
        response=response,
        comment=clean(body.comment),
        tags=tuple(dict.fromkeys(filter(None, map(clean, body.tags)))),
        caller=key,
        answer=services.monitor.answer_given(checkpoint, response),
    )
    return FeedbackAnswer(**asdict(kept), votes=services.feedback.votes(checkpoint))


def _refuse_bad_text(body: FeedbackBody) -> None:
    named = {name: getattr(body, name) for name in ("prompt", "response", "comment")}
    named |= {f"tags[{index}]": tag for index, tag in enumerate(body.tags)}
    for field, text in named.items():
        refuse_forbidden(text, field)
