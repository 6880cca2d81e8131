"""A form with one file: bounded while it arrives, and checked."""

from collections.abc import AsyncGenerator, Callable, Collection
from typing import NamedTuple

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from radiance.errors import Cancelled, RequestError, TooLarge
from radiance.records.text import clean, forbidden

_MOST_NAME_CHARACTERS = 255
# A multipart body has its boundaries, headers and other fields beside the file.
_OVERHEAD_BYTES = 64 * 1024


class FileBound(NamedTuple):
    """What a file may be.

    Attributes:
        max_bytes: Of its content.
        if_larger: What to do about one that is larger.
        if_empty: What to do about an empty one.
    """

    max_bytes: int
    if_larger: str
    if_empty: str


class SentFile(NamedTuple):
    """A file, and the other fields of its form."""

    name: str
    content: bytes
    fields: list[tuple[str, str]]


async def read_file(
    request: Request,
    bound: FileBound,
    fields: Collection[str],
    check: Callable[[FormData], object] = lambda form: None,
) -> SentFile:
    """The file that is sent as the field ``file``, and the text of the others.

    Args:
        request: The request.
        bound: What the file may be.
        fields: Names of the other fields that there may be.
        check: Raises RequestError where they are not as they should be.

    Raises:
        RequestError: The form is not as it should be; TooLarge where the file is too large.
    """
    kind = request.headers.get("content-type", "")
    named = " and ".join(("file", *fields))
    if not kind.startswith("multipart/form-data"):
        raise RequestError(
            "The body is not multipart/form-data.",
            value=kind,
            remedy=f"Send the fields {named} as a form.",
        )
    parser = MultiPartParser(request.headers, _bounded(request, bound), max_files=1)
    try:
        form = await parser.parse()
    except (MultiPartException, HTTPException, KeyError) as error:
        reason = getattr(error, "message", None) or getattr(error, "detail", None) or str(error)
        raise RequestError(
            f"The form cannot be read: {reason}",
            remedy=f"Send one file, and {' and '.join(fields)}, as multipart/form-data.",
        ) from None
    try:
        for name in form:
            if name not in ("file", *fields):
                raise RequestError.of(name, "is not supported", str(form[name]), "Leave it out.")
        check(form)
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise RequestError.of("file", "is required", None, "Send a file.")
        content = await file.read()
        if len(content) > bound.max_bytes:
            raise _too_large(bound)
        if not content:
            raise RequestError.of("file", "is empty", None, bound.if_empty)
        name = clean(file.filename or "")
        if not name or forbidden(name) or len(name) > _MOST_NAME_CHARACTERS:
            remedy = f"Name it in at most {_MOST_NAME_CHARACTERS} characters."
            raise RequestError.of("file", "has no usable name", file.filename, remedy)
        others = [(key, text) for key, text in form.multi_items() if isinstance(text, str)]
        return SentFile(name, content, others)
    finally:
        await form.close()


async def _bounded(request: Request, bound: FileBound) -> AsyncGenerator[bytes, None]:
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > bound.max_bytes + _OVERHEAD_BYTES:
                raise _too_large(bound)
            yield chunk
    except ClientDisconnect:
        raise Cancelled("the client went away while sending its file") from None


def _too_large(bound: FileBound) -> TooLarge:
    return TooLarge.of("file", f"has more than {bound.max_bytes} bytes", None, bound.if_larger)
