"""The documents that memory answers from: sent from the page, listed, read, forgotten."""

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import ImmutableMultiDict, UploadFile
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from radiance.api.auth.access import sender_of
from radiance.api.bodies import number_in
from radiance.api.document_questions import made_of, settle
from radiance.api.documents import accept_document, listed, shown
from radiance.api.route import get
from radiance.api.services import Services, services_of
from radiance.errors import RequestError, TooLarge
from radiance.limits import DOCUMENT_BYTES, PASSAGES
from radiance.web.forms import Fields, form_route, read_form
from radiance.web.page import Data, Page, page_url
from radiance.web.pages import learn

_PER_PAGE, _PASSAGES_PER_PAGE = 25, 50
_MOST_FILES = 50
_MOST_NUMBER = 1 << 53
_OVERHEAD_BYTES = 64 * 1024


def describe(services: Services, request: Request) -> Data:
    """A page of documents, the newest first."""
    before = request.query_params.get("before")
    found = listed(services, _PER_PAGE, before)
    return {
        **msgspec.to_builtins(found),
        "older": page_url(request, before=found.before) if found.before else None,
        "newer": page_url(request, before=None) if before else None,
    }


def describe_one(services: Services, request: Request) -> Data:
    """One document and a page of its passages."""
    begin = number_in(request.query_params.get("begin", "0"), 0, PASSAGES.value) or 0
    document_id = request.path_params["document_id"]
    found = shown(services, document_id, begin, _PASSAGES_PER_PAGE)
    earlier = max(0, begin - _PASSAGES_PER_PAGE)
    made = msgspec.to_builtins(made_of(services, document_id))
    waiting = [each for each in made["questions"] if each["status"] == "waiting"]
    return {
        **msgspec.to_builtins(found),
        "alike": msgspec.to_builtins(services.documents.alike(document_id)),
        "made": {
            "by": made["made_by"],
            "asked": made["passages_asked"],
            "waiting": waiting,
            "taught": sum(each["status"] == "taught" for each in made["questions"]),
            "refused": sum(each["status"] == "refused" for each in made["questions"]),
        },
        "earlier": page_url(request, begin=earlier) if begin else None,
        "later": None if found.begin is None else page_url(request, begin=found.begin),
    }


async def review(request: Request) -> Response:
    """Teach the chosen questions of a document, or refuse them."""
    services = services_of(request)
    fields: Fields = ImmutableMultiDict()
    try:
        fields = await read_form(request, services.config.server.max_body_bytes)
        done = await run_in_threadpool(_settle, services, request, fields)
    except RequestError as error:
        return await ONE.refuse(request, _path_of(request), error, fields)
    return RedirectResponse(f"{_path_of(request)}?done={done}", 303)


def _path_of(request: Request) -> str:
    return f"/documents/{request.path_params['document_id']}"


def _settle(services: Services, request: Request, fields: Fields) -> str:
    given = [number_in(each, 1, _MOST_NUMBER) for each in fields.getlist("question")]
    chosen = [number for number in given if number is not None]
    if not chosen:
        raise RequestError(
            "No question was chosen.", field="questions", remedy="Choose one or several."
        )
    action = "refuse" if fields.get("action") == "refuse" else "teach"
    settle(services, request.path_params["document_id"], action, chosen, sender_of(request))
    services.pipeline.wake()
    return action


async def send(request: Request) -> Response:
    """Keep the files of a form as documents; show the page again where one cannot be read."""
    services = services_of(request)
    fields: ImmutableMultiDict[str, str] = ImmutableMultiDict()
    try:
        _check_size(request)
        async with request.form(max_files=_MOST_FILES, max_fields=10) as form:
            tags = str(form.get("document_tags", ""))
            fields = ImmutableMultiDict({"document_tags": tags})
            sent = [each for each in form.getlist("file") if isinstance(each, UploadFile)]
            files = [(file.filename or "", await file.read()) for file in sent if file.filename]
        labels = [tag.strip() for tag in tags.split(",") if tag.strip()]
        kept = await run_in_threadpool(_keep, services, files, labels)
    except RequestError as error:
        return await learn.LIST.refuse(request, learn.LIST.path, error, fields)
    return RedirectResponse(f"{kept}?done=sent", 303)


async def go_back(request: Request) -> Response:
    """Where a form was sent to there is no page: whoever loads it again is led to the form's."""
    is_of_one = "document_id" in request.path_params
    return RedirectResponse(_path_of(request) if is_of_one else learn.LIST.path, 303)


def _check_size(request: Request) -> None:
    declared = request.headers.get("content-length", "")
    most = DOCUMENT_BYTES.value + _OVERHEAD_BYTES
    if number_in(declared, 0, most) is None:
        raise TooLarge(
            f"The files have more than {DOCUMENT_BYTES.value} bytes.",
            field="file",
            remedy="Send them one after the other, or split them.",
        )


def _keep(services: Services, files: list[tuple[str, bytes]], tags: list[str]) -> str:
    """Keep files in order, up to the first that cannot be read; the page that shows them."""
    if not files:
        raise RequestError(
            "No file was chosen.", field="file", remedy="Choose or drop PDF, Word, HTML or text."
        )
    kept = ""
    for number, (name, content) in enumerate(files):
        try:
            kept = accept_document(services, name, content, tags).document.id
        except RequestError as error:
            told = f"{error} Before it, {number} were kept." if number else str(error)
            raise type(error)(told, field="file", value=error.value, remedy=error.remedy) from None
    return f"/documents/{kept}" if len(files) == 1 else "/documents"


LIST = Page(
    path="/documents",
    title="Documents",
    template="documents.html",
    describe=describe,
    section="/learn",
    shares_path=True,
    notices={"sent": "Kept: memory answers from them now, with the passage and its place."},
)
ONE = Page(
    path="/documents/{document_id}",
    title="Document",
    template="document.html",
    describe=describe_one,
    section="/learn",
    shares_path=True,
    topics=("queue",),
    notices={
        "sent": "Kept: memory answers from it now, with the passage and its place.",
        "teach": "Accepted: memory answers them now, and the weights learn them.",
        "refuse": "Refused: they are not taught.",
    },
)
FIRST = [get("/documents/send", go_back, "update", gives="*/*", is_documented=False)]
"""In front of the pages: a document's would take it for the id of one."""
ROUTES = [
    get("/documents/{document_id}/review", go_back, "infer", gives="*/*", is_documented=False),
    form_route("/documents/send", send, "update"),
    form_route("/documents/{document_id}/review", review, "update"),
]
