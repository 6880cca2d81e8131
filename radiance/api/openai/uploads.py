"""/v1/files: files to learn from, kept until they are deleted."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from radiance.api.file_forms import FileBound, read_file
from radiance.api.openai.pages import page, refuse_unknown_queries
from radiance.api.openai.tuning_shapes import File, FileDeleted, FileList
from radiance.api.services import services_of
from radiance.errors import RequestError
from radiance.records import Upload

PURPOSE = "fine-tune"
_MOST_LISTED = 10_000
_LARGER = "Split it, or raise server.max_file_bytes in radiance.toml."


class FileForm(msgspec.Struct):
    """The form of POST /v1/files."""

    file: Annotated[str, Meta(extra_json_schema={"format": "binary"})]
    purpose: Literal["fine-tune"]


async def create_file(request: Request) -> File:
    """Keep a file; it is on disk when this answers. Multipart fields: file, purpose."""
    services = services_of(request)
    bound = FileBound(services.config.server.max_file_bytes, _LARGER, "Send JSON Lines.")
    sent = await read_file(request, bound, ("purpose",), _check_purpose)
    upload = await run_in_threadpool(services.uploads.add, sent.name, PURPOSE, sent.content)
    return _file(upload)


def list_files(request: Request) -> FileList:
    """The files, the newest first."""
    refuse_unknown_queries(request, ("after", "limit", "order", "purpose"))
    query = request.query_params
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise RequestError.of("order", "is neither asc nor desc", order, "Send either.")
    found = services_of(request).uploads.all(query.get("purpose"))
    if order == "asc":
        found.reverse()
    shown, has_more = page(request, found, lambda upload: upload.id, _MOST_LISTED, _MOST_LISTED)
    data = [_file(upload) for upload in shown]
    ends = (data[0].id, data[-1].id) if data else (None, None)
    return FileList(data, has_more, *ends)


def show_file(request: Request) -> File:
    """One file."""
    return _file(services_of(request).uploads.get(request.path_params["file_id"]))


def show_content(request: Request) -> Response:
    """The bytes of a file, as they were sent."""
    content = services_of(request).uploads.content(request.path_params["file_id"])
    return Response(content, media_type="application/octet-stream")


def delete_file(request: Request) -> FileDeleted:
    """Forget a file. What was learned from it stays, and so do its jobs."""
    file_id = request.path_params["file_id"]
    services_of(request).uploads.remove(file_id)
    return FileDeleted(file_id)


def _file(upload: Upload) -> File:
    return File(
        id=upload.id,
        bytes=upload.size_bytes,
        created_at=int(upload.at.timestamp()),
        filename=upload.name,
    )


def _check_purpose(form: FormData) -> None:
    purpose: Any = form.get("purpose")
    if purpose != PURPOSE:
        raise RequestError.of("purpose", "is not supported", purpose, f'Send "{PURPOSE}".')
