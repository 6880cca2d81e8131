"""/v1/files: files to learn from, kept until they are deleted."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from radiance.api.openai.pages import page, refuse_unknown_queries
from radiance.api.openai.tuning_shapes import File, FileDeleted, FileList
from radiance.api.services import services_of
from radiance.errors import Cancelled, RequestError, TooLarge
from radiance.records import Upload
from radiance.records.text import clean, forbidden

PURPOSE = "fine-tune"
_FIELDS = ("file", "purpose")
_MOST_LISTED = 10_000
_MOST_NAME_CHARACTERS = 255
# A multipart body has its boundaries, headers and other fields beside the file.
_OVERHEAD_BYTES = 64 * 1024


class FileForm(msgspec.Struct):
    """The form of POST /v1/files."""

    file: Annotated[str, Meta(extra_json_schema={"format": "binary"})]
    purpose: Literal["fine-tune"]


async def create_file(request: Request) -> File:
    """Keep a file; it is on disk when this answers. Multipart fields: file, purpose."""
    services = services_of(request)
    name, content = await _read(request, services.config.server.max_file_bytes)
    upload = await run_in_threadpool(services.uploads.add, name, PURPOSE, content)
    return _file(upload)


async def list_files(request: Request) -> FileList:
    """The files, the newest first."""
    refuse_unknown_queries(request, ("after", "limit", "order", "purpose"))
    query = request.query_params
    order = query.get("order", "desc")
    if order not in ("asc", "desc"):
        raise RequestError(
            "order: is neither asc nor desc.", field="order", value=order, remedy="Send either."
        )
    found = await run_in_threadpool(services_of(request).uploads.all, query.get("purpose"))
    if order == "asc":
        found.reverse()
    shown, has_more = page(request, found, lambda upload: upload.id, _MOST_LISTED, _MOST_LISTED)
    data = [_file(upload) for upload in shown]
    ends = (data[0].id, data[-1].id) if data else (None, None)
    return FileList(data, has_more, *ends)


async def show_file(request: Request) -> File:
    """One file."""
    uploads = services_of(request).uploads
    return _file(await run_in_threadpool(uploads.get, request.path_params["file_id"]))


async def show_content(request: Request) -> Response:
    """The bytes of a file, as they were sent."""
    uploads = services_of(request).uploads
    content = await run_in_threadpool(uploads.content, request.path_params["file_id"])
    return Response(content, media_type="application/octet-stream")


async def delete_file(request: Request) -> FileDeleted:
    """Forget a file. What was learned from it stays, and so do its jobs."""
    file_id = request.path_params["file_id"]
    await run_in_threadpool(services_of(request).uploads.remove, file_id)
    return FileDeleted(file_id)


def _file(upload: Upload) -> File:
    return File(
        id=upload.id,
        bytes=upload.size_bytes,
        created_at=int(upload.at.timestamp()),
        filename=upload.name,
    )


async def _read(request: Request, max_bytes: int) -> tuple[str, bytes]:
    """The name and content of the file that is sent.

    Raises:
        RequestError: The form is not as it should be; TooLarge where the file is too large.
    """
    kind = request.headers.get("content-type", "")
    if not kind.startswith("multipart/form-data"):
        raise RequestError(
            "The body is not multipart/form-data.",
            value=kind,
            remedy="Send the fields file and purpose as a form.",
        )
    parser = MultiPartParser(request.headers, _bounded(request, max_bytes), max_files=1)
    try:
        form = await parser.parse()
    except (MultiPartException, HTTPException, KeyError) as error:
        reason = getattr(error, "message", None) or getattr(error, "detail", None) or str(error)
        raise RequestError(
            f"The form cannot be read: {reason}",
            remedy="Send one file, and purpose, as multipart/form-data.",
        ) from None
    try:
        for name in form:
            if name not in _FIELDS:
                raise _fault(name, "is not supported", str(form[name]), "Leave it out.")
        purpose: Any = form.get("purpose")
        if purpose != PURPOSE:
            raise _fault("purpose", "is not supported", purpose, f'Send "{PURPOSE}".')
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise _fault("file", "is required", None, "Send a file.")
        content = await file.read()
        if len(content) > max_bytes:
            raise _too_large(max_bytes)
        if not content:
            raise _fault("file", "is empty", None, "Send JSON Lines.")
        name = clean(file.filename or "")
        if not name or forbidden(name) or len(name) > _MOST_NAME_CHARACTERS:
            remedy = f"Name it in at most {_MOST_NAME_CHARACTERS} characters."
            raise _fault("file", "has no usable name", file.filename, remedy)
        return name, content
    finally:
        await form.close()


async def _bounded(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > max_bytes + _OVERHEAD_BYTES:
                raise _too_large(max_bytes)
            yield chunk
    except ClientDisconnect:
        raise Cancelled("the client went away while sending its file") from None


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(
        f"file: has more than {max_bytes} bytes.",
        field="file",
        remedy="Split it, or raise server.max_file_bytes in radiance.toml.",
    )


def _fault(field: str, reason: str, value: str | None, remedy: str) -> RequestError:
    return RequestError(f"{field}: {reason}.", field=field, value=value, remedy=remedy)
