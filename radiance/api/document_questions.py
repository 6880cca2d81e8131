"""/documents/{id}/questions: what the base model made of a document, and whether it is taught."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from radiance.api.auth.access import sender_of
from radiance.api.auth.keys import Key
from radiance.api.bodies import read_body
from radiance.api.services import Services, services_of
from radiance.api.update import owned
from radiance.errors import RequestError
from radiance.learning.question_maker import WriterState
from radiance.records import Document, PassageQuestion

_MOST_BYTES = 64 * 1024
_MOST_NUMBERS = 10_000


class DocumentQuestions(msgspec.Struct):
    """What was made of a document.

    Attributes:
        made_by: Whether the base model can make questions: off where ``update.review`` is, unknown
            until it was measured on the first passage.
        passages_asked: Of how many passages it was asked to make some; the rest is still to come.
        questions: In the order of the document. Those that wait have their texts.
    """

    document: Document
    made_by: WriterState
    passages_asked: int
    questions: list[PassageQuestion]


class QuestionsBody(msgspec.Struct, forbid_unknown_fields=True):
    """Which questions are taught, or refused.

    Attributes:
        questions: Their numbers; null: all that wait.
    """

    action: Literal["teach", "refuse"]
    questions: (
        Annotated[list[Annotated[int, Meta(ge=1)]], Meta(min_length=1, max_length=_MOST_NUMBERS)]
        | None
    ) = None


class QuestionsAnswer(msgspec.Struct):
    """What became of them.

    Attributes:
        job_id: Of the update that teaches them; null where they are refused.
        count: How many they are.
    """

    job_id: str | None
    count: int


def list_questions(request: Request) -> DocumentQuestions:
    """The questions that the base model made of a document."""
    return made_of(services_of(request), request.path_params["document_id"])


def made_of(services: Services, document_id: str) -> DocumentQuestions:
    """What was made of a document.

    Raises:
        NotFound: There is no such document.
    """
    document = services.documents.get(document_id)
    return DocumentQuestions(
        document,
        services.question_maker.state,
        services.passage_questions.asked(document_id),
        services.passage_questions.of(document_id),
    )


async def settle_questions(request: Request) -> QuestionsAnswer:
    """Teach questions made of a document, as one update, or refuse them."""
    services = services_of(request)
    body = await read_body(request, QuestionsBody, _MOST_BYTES)
    answer = await run_in_threadpool(
        settle,
        services,
        request.path_params["document_id"],
        body.action,
        body.questions,
        sender_of(request),
    )
    services.pipeline.wake()
    return answer


def settle(
    services: Services,
    document_id: str,
    action: Literal["teach", "refuse"],
    numbers: list[int] | None,
    sender: Key | None = None,
) -> QuestionsAnswer:
    """Teach or refuse questions that wait, durably.

    Raises:
        NotFound: There is no such document.
        RequestError: One of them does not wait, or none does.
    """
    services.documents.get(document_id)
    waiting = services.passage_questions.waiting(document_id, numbers)
    if not waiting:
        raise RequestError(
            f"No question of {document_id} waits.",
            field="questions",
            remedy=f"GET /documents/{document_id}/questions says what became of them.",
        )
    if action == "refuse":
        services.passage_questions.refuse(waiting)
        return QuestionsAnswer(None, len(waiting))
    services.check_learns()
    job = services.question_maker.teach(
        document_id,
        waiting,
        lambda admitted: owned(services, admitted, sender),
        "" if sender is None else sender.name,
    )
    return QuestionsAnswer(job.job_id, len(waiting))
