"""Reads a file within limits of time and memory: in a process of its own, but for short texts."""

import base64
import threading
from typing import Any

import msgspec

from radiance.documents import formats, kinds
from radiance.documents.passages import Content
from radiance.errors import Overloaded, RequestError, TooLarge, Unavailable
from radiance.limits import (
    DOCUMENT_BYTES,
    DOCUMENT_MEMORY_BYTES,
    DOCUMENT_SECONDS,
    DOCUMENTS_READ,
)
from radiance.platform import sandbox
from radiance.records.documents import Format

_CHILD = "radiance.documents.child"
_SHORT_BYTES = 256 * 1024  # of Markdown and text, which take milliseconds then
_PLACES = threading.BoundedSemaphore(DOCUMENTS_READ.value)
_ONE_AT_A_TIME = threading.Lock()  # it takes a core
_RETRY_S = 5
_ENDS = {
    "timeout": f"takes longer to read than {DOCUMENT_SECONDS.value} seconds",
    "memory": f"takes more memory to read than {DOCUMENT_MEMORY_BYTES.value} bytes",
    "output": "has more text than can be taken",
}
_REMEDY = "Split it, or save it in another format."


def read(name: str, content: bytes) -> tuple[Format, Content]:
    """What a file says, and its format.

    Raises:
        RequestError: It cannot be read, with the place and a remedy; TooLarge where it is too much.
        Overloaded: Too many are being read.
        Unavailable: No process could be started.
    """
    if len(content) > DOCUMENT_BYTES.value:
        raise TooLarge(
            f"{name}: has {len(content)} bytes; the limit is {DOCUMENT_BYTES.value}.",
            field="file",
            value=len(content),
            remedy=_REMEDY,
        )
    is_simple = kinds.format_of(name, content) in ("markdown", "text")
    if is_simple and len(content) <= _SHORT_BYTES:
        return formats.read(name, content)
    task = {"name": name, "content": base64.b64encode(content).decode("ascii")}
    limits = sandbox.Limits(
        DOCUMENT_SECONDS.value, DOCUMENT_MEMORY_BYTES.value, output_bytes=64 << 20
    )
    if not _PLACES.acquire(blocking=False):  # whoever waits holds a thread that others need
        raise Overloaded(f"{DOCUMENTS_READ.value} documents are being read.", _RETRY_S)
    try:
        with _ONE_AT_A_TIME:
            ran = sandbox.run(_CHILD, task, limits)
    except OSError as error:
        raise Unavailable(f"No process to read {name} could be started ({error}).") from error
    finally:
        _PLACES.release()
    if ran.status != "finished":
        reason = _ENDS.get(ran.status, f"cannot be read ({ran.detail or ran.status})")
        raise kinds.refused(name, reason, _REMEDY)
    return _answered(ran.answer)


def _answered(answer: Any) -> tuple[Format, Content]:
    """What the process answered."""
    if "refused" in answer:
        kind = TooLarge if answer["is_too_large"] else RequestError
        raise kind(answer["refused"], field="file", value=answer["value"], remedy=answer["remedy"])
    return answer["format"], msgspec.convert(answer["said"], Content)
