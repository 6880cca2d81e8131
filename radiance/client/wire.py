"""Between values and bytes: addresses, keys, what is sent, and errors made of answers.

Pure functions; the clients here and the one of the command line share them.
"""

import http
import json
import os
import secrets
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import msgspec

from radiance.errors import (
    ConfigError,
    Conflict,
    Forbidden,
    NotFound,
    Overloaded,
    RadianceError,
    RequestError,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

T = TypeVar("T")

_ERROR_OF = {401: Unauthenticated, 403: Forbidden, 404: NotFound, 409: Conflict, 413: TooLarge}


@dataclass(frozen=True)
class Form:
    """A form with some fields, which may come several times, and one file."""

    fields: Sequence[tuple[str, str]]
    content: bytes

    def encode(self) -> tuple[bytes, str]:
        """Its bytes, and the media type that says where its parts end."""
        boundary = secrets.token_hex(16)
        parts = [
            f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n'
            f"{checked(text, key)}\r\n"
            for key, text in self.fields
        ]
        parts.append(
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = "".join(parts).encode() + self.content + f"\r\n--{boundary}--\r\n".encode()
        return body, f"multipart/form-data; boundary={boundary}"


@dataclass(frozen=True)
class ApiCall(Generic[T]):
    """One request.

    Attributes:
        gives: What its answer is.
        query: What stands behind the "?"; values that are None are left out.
        body: Sent as JSON; None sends no body.
        form: Sent instead, where there is one.
        timeout_s: How long the answer may take; None: as long as the client allows.
        is_repeatable: Whether sending it twice does no more than sending it once.
    """

    method: str
    path: str
    gives: type[T]
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    form: Form | None = None
    timeout_s: float | None = None
    is_repeatable: bool = False

    @property
    def target(self) -> str:
        """Path and query."""
        return self.path + encode_query(self.query)


@dataclass(frozen=True)
class ApiReply:
    """What came back."""

    status: int
    content: bytes
    retry_after: str | None = None


class NoConnection(Unavailable):
    """Nothing listens at the address, so nothing of the request was received."""


def address(url: str | None) -> str:
    """A service's address without a slash at its end; by default RADIANCE_URL's, or this machine's.

    Raises:
        ConfigError: It is not an http or https address.
    """
    given = (url or os.environ.get("RADIANCE_URL") or "http://127.0.0.1:8042").rstrip("/")
    try:
        parts = urllib.parse.urlsplit(given)
        host, usable = parts.hostname, parts.scheme in ("http", "https")
        _ = parts.port
    except ValueError:
        host, usable = None, False
    if not usable or not host or not given.isascii():
        raise ConfigError(
            f'The URL of the service (is "{given}") is not an address. '
            "Give one like http://127.0.0.1:8042 as url, --url or RADIANCE_URL."
        )
    return given


def key(api_key: str | None) -> str | None:
    """The API key to send; by default RADIANCE_API_KEY's, None where there is none.

    Raises:
        ConfigError: It cannot be a key.
    """
    given = api_key or os.environ.get("RADIANCE_API_KEY") or None
    if given and not (given.isascii() and given.isprintable()):
        raise ConfigError(
            "The API key (api_key, --api-key or RADIANCE_API_KEY) holds characters that no key has."
        )
    return given


def checked(text: str, field: str) -> str:
    """``text``, where it can be sent.

    Raises:
        RequestError: It holds half of a surrogate pair, which bytes that are no UTF-8 become when
            a terminal or a file gives them.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RequestError(
            f"{field}: holds U+{ord(text[error.start]):04X}, which is not text.",
            field=field,
            value=text,
            remedy="Write it in UTF-8.",
        ) from None
    return text


def segment(name: str) -> str:
    """``name``, an id, as one segment of a path.

    Raises:
        RequestError: It is empty, or no text: no id is.
    """
    if not name:
        raise RequestError("The id is empty.", field="id", remedy="Give the id of what you mean.")
    return urllib.parse.quote(checked(name, "id"), safe="")


def encode_body(body: Any) -> bytes:
    """What is sent, as JSON.

    Raises:
        RequestError: It holds what is not text.
    """
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError as error:
        held = error.object[error.start : error.end]
        raise RequestError(
            f"The request holds U+{ord(held[0]):04X}, which is not text.",
            value=error.object[:80],
            remedy="Send text that can be written in UTF-8.",
        ) from None


def encode_query(query: Mapping[str, Any]) -> str:
    """The query with its "?"; "" where all its values are None.

    Raises:
        RequestError: A value is no text.
    """
    given = {
        name: checked(value, name) if isinstance(value, str) else value
        for name, value in query.items()
        if value is not None
    }
    return f"?{urllib.parse.urlencode(given)}" if given else ""


def decode(reply: ApiReply, gives: type[T]) -> T:
    """The value of an answer.

    Raises:
        RadianceError: The answer is an error, or not Radiance's.
    """
    if reply.status >= 300:
        raise decode_error(reply.status, reply.content, reply.retry_after)
    try:
        return msgspec.json.decode(reply.content, type=gives)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RadianceError(f"What answers is not a Radiance service ({error}).") from None


def decode_error(status: int, content: bytes, retry_after: str | None = None) -> RadianceError:
    """The error that an answer of ``status`` reports."""
    try:
        fields = json.loads(content)["error"]
        message, remedy = str(fields["message"]), str(fields.get("remedy") or "")
        param, value = fields.get("param"), fields.get("value")
    except (ValueError, KeyError, TypeError, AttributeError):
        message = f"The service answered with HTTP status {status} {_phrase(status)}".strip() + "."
        remedy, param, value = "", None, None
    if status == 429:
        wait_s = int(retry_after) if retry_after and retry_after.isdecimal() else 1
        return Overloaded(f"{message} {remedy}".strip(), wait_s)
    if 400 <= status < 500:
        return _ERROR_OF.get(status, RequestError)(message, field=param, value=value, remedy=remedy)
    if status == 503:
        return Unavailable(f"The service is not ready ({message.rstrip('.')}). {remedy}".strip())
    return RadianceError(f"{message} {remedy}".strip())


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""
