"""POST /forget: what nothing is to know any more; GET /forget: what became of that."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.requests import Request

from radiance.api.auth.access import actor_of
from radiance.api.bodies import checked_reason, list_limit
from radiance.api.services import services_of
from radiance.errors import RequestError
from radiance.records import Asked, ForgetRequest

_MOST_SHOWN = 100
_Given = Annotated[str, Meta(min_length=1, max_length=4000)] | None
_KINDS = ("example", "job", "tag", "text", "document")


class ForgetBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /forget: one of the first five. ``dry_run`` only says what would be done."""

    example: _Given = None
    job: _Given = None
    tag: _Given = None
    text: _Given = None
    document: _Given = None
    reason: Annotated[str, Meta(max_length=1000)] = ""
    dry_run: bool = False


class ForgottenExample(msgspec.Struct, frozen=True):
    """An example that is forgotten: for the last time, what it asked; of a text its beginning."""

    example_id: str
    question: str


class ForgetAnswer(msgspec.Struct):
    """What was forgotten, or would be.

    Attributes:
        forget: The request as it is on record; null of a dry run.
        count: How many examples.
        passages: How many passages of documents.
        documents: The names of these documents.
        examples: At most a hundred of them.
        checkpoints: Those that had learned one: they never serve again.
        serves: What serves without them; null is the base.
        queued_again: Jobs that are learned again.
        cancelled: Jobs that only checkpoints aside from what served had learned (rolled back, held
            by a pin): a retry has them learned.
        alike: Ids of other examples, and of passages, that have the same value; they stay.
    """

    forget: ForgetRequest | None
    count: int
    passages: int
    documents: list[str]
    examples: list[ForgottenExample]
    checkpoints: tuple[str, ...]
    serves: str | None
    queued_again: tuple[str, ...]
    cancelled: tuple[str, ...]
    alike: tuple[str, ...]


class ForgetView(ForgetRequest, frozen=True, kw_only=True):
    """A request to forget.

    Attributes:
        is_gone: Whether what serves tells the forgotten values no better than weights that never
            saw them; null where that was not measured, or not yet.
    """

    is_gone: bool | None


class ForgetList(msgspec.Struct):
    """Requests to forget, the newest first."""

    forgets: list[ForgetView]


def forget(request: Request, body: ForgetBody) -> ForgetAnswer:
    """Forget examples or a document: nothing knows them from then on. Erasing follows."""
    forgetting, asked = services_of(request).forgetting, _asked(body)
    if body.dry_run:
        record, found = None, forgetting.preview(asked)
    else:
        reason = checked_reason(body.reason, "Asked for through POST /forget.")
        record, found = forgetting.forget(asked, actor_of(request), reason)
    shown = [
        ForgottenExample(e.id, e.messages[-2].content if len(e.messages) > 1 else e.text[:80])
        for e in found.examples[:_MOST_SHOWN]
    ]
    return ForgetAnswer(
        record,
        len(found.examples),
        len(found.passages),
        sorted({kept.document for kept in found.passages})[:_MOST_SHOWN],
        shown,
        found.checkpoints,
        found.serves,
        found.queued_again,
        found.cancelled,
        found.alike,
    )


def list_forgets(request: Request) -> ForgetList:
    """What was asked to be forgotten, and how far that is."""
    found = services_of(request).forgetting.requests.recent(list_limit(request))
    return ForgetList([_view(each) for each in found])


def _view(forget: ForgetRequest) -> ForgetView:
    is_gone = None if forget.likelihood is None else forget.likelihood.is_gone
    return ForgetView(**msgspec.structs.asdict(forget), is_gone=is_gone)


def _asked(body: ForgetBody) -> Asked:
    given: list[tuple[Any, str]] = [
        (kind, value) for kind in _KINDS if (value := getattr(body, kind)) is not None
    ]
    if len(given) != 1:
        raise RequestError(
            f"The body names {len(given)} of {', '.join(_KINDS)}.",
            value=[kind for kind, _ in given],
            remedy="Send exactly one of them.",
        )
    return Asked(*given[0])
