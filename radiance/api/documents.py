"""/documents: files that memory answers from, passage by passage, with their sources."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from radiance.api.bodies import list_limit, number_in
from radiance.api.file_forms import FileBound, read_file
from radiance.api.services import Services, services_of
from radiance.errors import RequestError
from radiance.limits import DOCUMENT_BYTES, PASSAGES
from radiance.records import Document, Passage

_FROM_MEMORY = "Memory answers from it, with the passage and its place."
MEMORY_ALONE = (
    f"{_FROM_MEMORY} Nothing of it is trained: teach questions with their answers to have the"
    " weights learn them."
)
_CANNOT = f"{MEMORY_ALONE} This base model cannot make questions of it that are right."
_BEFORE = (
    f"{_FROM_MEMORY} Nothing of it is trained by itself. The base model makes questions of it, if"
    " it can, and they wait for somebody to have them taught: GET /documents/{id}/questions."
)
_AFTER = (
    f"{_FROM_MEMORY} The base model makes questions of it, if it can, and they are trained: GET"
    " /documents/{id}/questions shows them."
)
_BOUND = FileBound(DOCUMENT_BYTES.value, "Split it.", "Send a document that says something.")


class DocumentForm(msgspec.Struct):
    """The form of POST /documents; ``tags`` may come several times.

    Attributes:
        again: Whether what was forgotten of it is to be known again.
    """

    file: Annotated[str, Meta(extra_json_schema={"format": "binary"})]
    name: str = ""
    tags: list[str] = []
    again: Literal["true", "false"] = "false"


class DocumentAnswer(msgspec.Struct):
    """A document that was sent.

    Attributes:
        is_new: False where the same was there already.
        replaces: The document of the same name that memory answered from until then.
        learned: What becomes of it, as a sentence.
        alike: Documents of other names that have a passage of it word for word. They answer, too,
            and are not forgotten with it.
    """

    document: Document
    is_new: bool
    replaces: str | None
    learned: str
    alike: list[str]


class DocumentList(msgspec.Struct):
    """Documents, the newest first; ``before`` goes on after them."""

    documents: list[Document]
    count: int
    before: str | None


class ShownPassage(Passage, frozen=True, kw_only=True):
    """A passage.

    Attributes:
        at: Headings, page or line, for people.
    """

    at: str


class DocumentPassages(msgspec.Struct):
    """A document and some of its passages; ``begin`` goes on after them."""

    document: Document
    passages: list[ShownPassage]
    begin: int | None


async def add_document(request: Request) -> DocumentAnswer:
    """Keep a document; memory answers from it when this answers.

    Fields: file, name, tags, again.
    """
    services = services_of(request)
    sent = await read_file(request, _BOUND, ("name", "tags", "again"))
    name = next((text for key, text in sent.fields if key == "name"), "") or sent.name
    tags = [text for key, text in sent.fields if key == "tags"]
    again = next((text for key, text in sent.fields if key == "again"), "false")
    if again not in ("true", "false"):
        raise RequestError.of("again", "is neither true nor false", again, "Send true or false.")
    return await run_in_threadpool(
        accept_document, services, name, sent.content, tags, again == "true"
    )


def accept_document(
    services: Services, name: str, content: bytes, tags: list[str], again: bool = False
) -> DocumentAnswer:
    """Keep a document, durably; what POST /documents answers.

    Raises:
        RequestError: It cannot be read; TooLarge where it is too much.
        Conflict: Too many are kept.
    """
    services.root_watch.check()
    added = services.documents.add(name, content, tags, again=again)
    learned = what_is_learned(services, added.document.id)
    alike = [each.id for each in services.documents.alike(added.document.id)]
    return DocumentAnswer(added.document, added.is_new, added.replaces, learned, alike)


def what_is_learned(services: Services, document_id: str) -> str:
    """What becomes of a document, as a sentence."""
    match services.question_maker.state:
        case "off":
            return MEMORY_ALONE
        case "cannot":
            return _CANNOT
        case _:
            is_after = services.config.update.review == "after"
            return (_AFTER if is_after else _BEFORE).format(id=document_id)


def list_documents(request: Request) -> DocumentList:
    """The documents, the newest first."""
    before = request.query_params.get("before")
    return listed(services_of(request), list_limit(request), before)


def listed(services: Services, limit: int, before: str | None) -> DocumentList:
    """At most so many documents, the newest first."""
    found = services.documents.recent(limit + 1, before)
    more = found[limit - 1].id if len(found) > limit else None
    return DocumentList(found[:limit], services.documents.count(), more)


def show_document(request: Request) -> DocumentPassages:
    """One document, with the passages that memory answers from."""
    services, limit = services_of(request), list_limit(request)
    begin = number_in(request.query_params.get("begin", "0"), 0, PASSAGES.value)
    if begin is None:
        raise RequestError.of(
            "begin",
            "is not the place of a passage",
            request.query_params["begin"],
            "Send 0, or the number that the answer before went on with.",
        )
    return shown(services, request.path_params["document_id"], begin, limit)


def shown(services: Services, document_id: str, begin: int, limit: int) -> DocumentPassages:
    """A document and at most so many of its passages.

    Raises:
        NotFound: There is no such document.
    """
    document = services.documents.get(document_id)
    found = services.documents.passages(document_id, begin, limit + 1)
    more = int(found[limit].id.partition(".")[2]) if len(found) > limit else None
    passages = [ShownPassage(**msgspec.structs.asdict(p), at=p.place) for p in found[:limit]]
    return DocumentPassages(document, passages, more)
