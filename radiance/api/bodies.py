"""Request bodies, bounded, decoded and checked against a Struct; and what queries share."""

import codecs
import zlib
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from radiance import limits, validation
from radiance.errors import Cancelled, RequestError, TooLarge
from radiance.records import json_text
from radiance.records.text import clean, forbidden

T = TypeVar("T")

_MOST_LISTED = 1000
_PIECE_BYTES = 1 << 16


async def read_json(request: Request, max_bytes: int) -> Any:
    """The body as plain data.

    Raises:
        TooLarge: It has more than ``max_bytes``.
        RequestError: It is not JSON, or has a name twice in an object.
    """
    body = await read_bytes(request, max_bytes)
    try:
        found = msgspec.json.decode(body)
        if not json_text.loses_names(body, found):
            return found
        del found  # what is looked for takes a while
        reason = "an object has a name twice"
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        reason = str(error)
    await refuse_fault(request, body)
    raise RequestError(
        f"The body is not valid JSON: {reason}.",
        value=bytes(body[:80]).decode(errors="replace"),
        remedy="Send one JSON object, in UTF-8; NaN and lone surrogates are not JSON.",
    )


async def refuse_fault(request: Request, body: bytearray) -> None:
    """Refuse JSON of which decoding would lose a part, or that is no text.

    Of large ones one is searched at a time: each would keep a core for seconds.

    Raises:
        RequestError: It has a name twice in an object, or half of a surrogate pair.
    """
    async with request.state.body.search():
        fault = await run_in_threadpool(json_text.find_fault, body)
    if fault:
        raise RequestError(
            f"{fault.field or 'The body'}: {fault.reason}.",
            field=fault.field or None,
            remedy=fault.remedy,
        )


async def read_bytes(request: Request, max_bytes: int) -> bytearray:
    """The body as it was sent, decompressed and without a byte order mark.

    Raises:
        TooLarge: It has more than ``max_bytes``; no more than those are kept.
        RequestError: It is damaged.
    """
    # One somewhat over the limit is read to its end and thrown away: most clients look at the
    # answer only after they have sent everything, and a closed connection tells them nothing.
    most_thrown_away = limits.THROWN_AWAY.value * max_bytes
    declared = request.headers.get("content-length", "")
    if number_in(declared, 0, most_thrown_away) is None and declared:
        raise _too_large(max_bytes)
    body, size = bytearray(), 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size <= max_bytes:
                body += chunk
            elif size > most_thrown_away:
                break
    except ClientDisconnect:
        raise Cancelled("the client went away while sending its request") from None
    if size > max_bytes:
        raise _too_large(max_bytes)
    if (encoding := request.headers.get("content-encoding", "identity").lower()) != "identity":
        body = _decompressed(bytes(body), encoding, max_bytes, request.state.body.hold)
    await request.state.body.turn()
    if body.startswith(codecs.BOM_UTF8):  # as some editors begin; without a copy of megabytes
        del body[: len(codecs.BOM_UTF8)]
    return body


async def read_body(request: Request, kind: type[T], max_bytes: int) -> T:
    """The body as a Struct.

    Raises:
        TooLarge: It is over the limit.
        RequestError: It is not JSON, or does not fit; it names field, value and remedy.
    """
    return check_body(await read_json(request, max_bytes), kind)


def check_body(data: Any, kind: type[T]) -> T:
    """Plain data, decoded from JSON, as a Struct.

    Raises:
        RequestError: It does not fit; it names field, value and remedy.
    """
    try:
        return validation.converted(data, kind)
    except validation.Problem as problem:
        raise RequestError(
            f"{problem}.", field=problem.field or None, value=problem.value, remedy=problem.remedy
        ) from None


def checked_reason(given: str, default: str) -> str:
    """Why somebody does something, for the audit log; ``default`` where nothing is said.

    Raises:
        RequestError: It holds what is not text.
    """
    return checked_text(given, "reason") or default


def checked_text(given: str, field: str) -> str:
    """What somebody wrote into a field, without outer space.

    Raises:
        RequestError: It holds what is not text.
    """
    refuse_forbidden(given, field)
    return clean(given)


def refuse_forbidden(given: str, field: str, kind: type[RequestError] = RequestError) -> None:
    """Refuse what holds a character that is not text.

    Raises:
        RequestError: It does; or the kind of it that is given.
    """
    if bad := forbidden(given):
        raise kind.of(
            field,
            f"holds the character {bad}, which is not text",
            given,
            "Remove it. Of control characters, only tab and newlines may stand there.",
        )


def list_limit(request: Request, default: int = 100, most: int = _MOST_LISTED) -> int:
    """How many entries a list is to have at most: ``?limit=``, else as many as is usual.

    Raises:
        RequestError: It is not a number from 1 to ``most``.
    """
    given = request.query_params.get("limit", str(default))
    if (found := number_in(given, 1, most)) is None:
        raise RequestError.of("limit", "is not a number in range", given, f"Send 1 to {most}.")
    return found


def number_in(given: str, least: int, most: int) -> int | None:
    """A whole number in ASCII digits, as a query has it; None where it is none in that range."""
    is_number = given.isascii() and given.isdecimal()
    # Python takes thousands of digits for a mistake of the program's.
    if not is_number or len(given) > limits.NUMBER_DIGITS.value or not least <= int(given) <= most:
        return None
    return int(given)


def _decompressed(
    body: bytes, encoding: str, max_bytes: int, hold: Callable[[int], object]
) -> bytearray:
    """A body that was sent compressed; no more of it than the limit is ever made.

    ``hold`` is told of each piece before it is kept.

    Raises:
        RequestError: It is compressed in another way, or damaged.
        TooLarge: It has more than ``max_bytes``.
        Overloaded: The bodies of all requests have too many bytes.
    """
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise RequestError.of(
            "Content-Encoding",
            f"is {encoding!r}",
            encoding,
            "Send the body as it is, or with gzip.",
        )
    reader = zlib.decompressobj(zlib.MAX_WBITS | 32)  # either's header
    found, rest = bytearray(), body
    try:
        while piece := reader.decompress(rest, _PIECE_BYTES):
            if len(found) + len(piece) > max_bytes:
                raise _too_large(max_bytes)
            hold(len(piece))
            found += piece
            rest = reader.unconsumed_tail
    except zlib.error as error:
        raise RequestError(
            f"The body is not {encoding}: {error}.", remedy="Send it again."
        ) from None
    if not reader.eof:
        raise RequestError(f"The body is not {encoding}: it ends early.", remedy="Send it again.")
    return found


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(
        f"The body has more than {max_bytes} bytes.",
        remedy="Split it, or raise server.max_body_bytes in radiance.toml.",
    )
