"""Errors to responses: the one place that knows which error is which status.

Every error body is ``{"error": {"message", "type", "param", "code", "value", "remedy"}}``: the
fields OpenAI's clients read, plus the offending value and what to do about it. Under ``/v1/`` it
has OpenAI's four fields alone, under ``/v1/messages`` they are Anthropic's; there the remedy stands
in the message.
"""

import errno
import re
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from radiance import limits, validation
from radiance.errors import (
    Cancelled,
    Conflict,
    CorruptCheckpoint,
    Forbidden,
    NotFound,
    Overloaded,
    RadianceError,
    RequestError,
    SlowRequest,
    StorageError,
    TimedOut,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from radiance.telemetry import get_logger

_log = get_logger(__name__)
_RETRY_WHEN_STARTING_S = 2
_RETRY_STORAGE_S = 5
_MOST_SHOWN_CHARACTERS = 200
_ROOT = re.compile(r"[.\[]")  # where the first name of a field's path ends
_NAME = re.compile(r"[^\s:]+: ")  # "bars: has a header and no rows"
OPENAI = "/v1/"
"""What the paths of OpenAI's API begin with."""
_ANTHROPIC = "/v1/messages"  # and Anthropic's
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}


class ErrorBody(msgspec.Struct):
    """What went wrong.

    Attributes:
        param: Path of the offending field, as in ``examples[2].input``.
        value: What stood there.
        remedy: What to do about it.
    """

    message: str
    type: str
    param: str | None
    code: str
    value: Any
    remedy: str


class ErrorAnswer(msgspec.Struct):
    """The body of every answer that is not 2xx."""

    error: ErrorBody


class OpenAIErrorBody(msgspec.Struct):
    """What went wrong, in OpenAI's words; ``param`` is the offending field."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIErrorAnswer(msgspec.Struct):
    """The body of every answer of /v1 that is not 2xx, and the last event of a broken stream."""

    error: OpenAIErrorBody


class AnthropicErrorBody(msgspec.Struct):
    """What went wrong, in Anthropic's words; ``param`` and ``code`` as elsewhere."""

    type: str
    message: str
    param: str | None
    code: str


class AnthropicErrorAnswer(msgspec.Struct, tag_field="type", tag="error"):
    """The body of every answer of /v1/messages that is not 2xx, and of a stream's error."""

    error: AnthropicErrorBody


def error_answer(path: str) -> type[msgspec.Struct]:
    """The type of the errors of a path."""
    if path.startswith(_ANTHROPIC):
        return AnthropicErrorAnswer
    return OpenAIErrorAnswer if path.startswith(OPENAI) else ErrorAnswer


def error_response(
    status: int,
    message: str,
    *,
    code: str,
    param: str | None = None,
    value: Any = None,
    remedy: str = "",
    headers: dict[str, str] | None = None,
    path: str = "",
) -> Response:
    """A response in the error schema of what was asked for, ``path``."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    message, param = _cut(_sentence(message, param)), param and _cut(param, _MOST_SHOWN_CHARACTERS)
    if status == 429:
        kind = "rate_limit_error"
    told = f"{message.removesuffix('.')}. {remedy}".rstrip()
    if path.startswith(_ANTHROPIC):
        usual = "invalid_request_error" if status < 500 else "api_error"
        theirs = AnthropicErrorBody(_ANTHROPIC_TYPES.get(status, usual), told, param, code)
        body: msgspec.Struct = AnthropicErrorAnswer(theirs)
    elif path.startswith(OPENAI):
        body = OpenAIErrorAnswer(OpenAIErrorBody(told, kind, param, code))
    else:
        body = ErrorAnswer(ErrorBody(message, kind, param, code, value, remedy))
    return Response(msgspec.json.encode(body), status, headers, "application/json")


def response_to(error: RadianceError, path: str) -> Response:
    """The response to an error that came up while ``path`` was asked for."""
    if isinstance(error, RequestError):
        return _callers_fault(error, path)
    return _our_fault(error, path)


async def on_radiance_error(request: Request, error: Exception) -> Response:
    """Raised on purpose."""
    assert isinstance(error, RadianceError)
    return response_to(error, request.url.path)


def _callers_fault(error: RequestError, path: str) -> Response:
    headers: dict[str, str] = {}
    match error:
        case NotFound():
            status = 404
        case Conflict():
            status = 409
        case TooLarge():
            status = 413
        case Unauthenticated():
            status = 401
            headers = {"WWW-Authenticate": 'Bearer realm="radiance"'}
        case Forbidden(value=scope):  # RFC 6750, section 3.1
            challenge = f'Bearer realm="radiance", error="insufficient_scope", scope="{scope}"'
            headers = {"WWW-Authenticate": challenge}
            status = 403
        case _:
            status = 400
    return error_response(
        status,
        str(error),
        code=error.code,
        param=error.field,
        value=_shown(error.value),
        remedy=error.remedy,
        headers=headers,
        path=path,
    )


def _our_fault(error: RadianceError, path: str) -> Response:
    """Too busy, not ready, or failed."""
    match error:
        case Overloaded(retry_after_s=wait):
            return error_response(
                429,
                str(error),
                code="overloaded",
                remedy=f"Try again in {wait} s.",
                headers={"Retry-After": str(wait)},
                path=path,
            )
        case Unavailable():
            return error_response(
                503,
                str(error),
                code="unavailable",
                remedy="Try again when GET /ready answers 200.",
                headers={"Retry-After": str(_RETRY_WHEN_STARTING_S)},
                path=path,
            )
        case TimedOut():
            return error_response(
                504,
                str(error),
                code="timeout",
                remedy="Ask for fewer tokens, or raise server.request_timeout_s.",
                path=path,
            )
        case StorageError():
            _log.error("storage_failed", error=str(error))
            return error_response(
                507 if error.is_full else 503,
                f"Nothing can be kept now: {error.reason}.",
                code="storage_full" if error.is_full else "storage_failed",
                remedy="Send it again once the disk has room and is writable.",
                headers={"Retry-After": str(_RETRY_STORAGE_S)},
                path=path,
            )
        case CorruptCheckpoint():
            _log.error("checkpoint_corrupt", error=str(error))
            return error_response(
                500,
                "The files of the checkpoint that was asked are damaged or gone.",
                code="checkpoint_corrupt",
                remedy="Serve another: POST /rollback. The service's log names the file.",
                path=path,
            )
        case SlowRequest():
            return error_response(
                408,
                str(error),
                code="timeout",
                remedy="Send it again, faster, or raise server.receive_timeout_s.",
                headers={"Connection": "close"},
                path=path,
            )
        case Cancelled():
            return error_response(499, str(error), code="cancelled", path=path)
    _log.error("request_failed", error=str(error), kind=type(error).__name__)
    return error_response(
        500,
        str(error),
        code="internal",
        remedy="See the service's log; the service goes on.",
        path=path,
    )


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Starlette's own: no such route, wrong method."""
    assert isinstance(error, HTTPException)
    path, method = request.url.path, request.method
    if error.status_code == 404:
        return error_response(
            404,
            f"There is no {path}.",
            code="not_found",
            remedy="See README, HTTP API.",
            path=path,
        )
    if error.status_code == 405:
        allowed = ", ".join(_methods(request)) or "another method"
        if method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": f"{allowed}, OPTIONS"})
        return error_response(
            405,
            f"{path} does not take {method}.",
            code="method_not_allowed",
            remedy=f"Use {allowed}.",
            headers={"Allow": allowed},
            path=path,
        )
    return error_response(error.status_code, error.detail, code="http_error", path=path)


def _methods(request: Request) -> list[str]:
    """All methods that a path takes, of however many routes."""
    matching = (
        route
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] != Match.NONE
    )
    return sorted({method for route in matching for method in route.methods or ()})


async def on_anything_else(request: Request, error: Exception) -> Response:
    """A defect of ours. Starlette logs the traceback after this."""
    if isinstance(error, MemoryError):
        error = Overloaded("There is no memory left for this now", retry_after_s=_RETRY_STORAGE_S)
        return response_to(error, request.url.path)
    # This one answers outside of everything else, which has set the id but not the header.
    request_id = getattr(request.state, "request_id", "")
    return error_response(
        500,
        f"Something went wrong inside ({type(error).__name__}).",
        code="internal",
        remedy="See the service's log; the service goes on.",
        path=request.url.path,
        headers={"X-Request-Id": request_id},
    )


async def on_system_error(request: Request, error: Exception) -> Response:
    """The system refused something that is no request's fault: no room, no file, no descriptor."""
    assert isinstance(error, OSError)
    _log.exception("system_error")
    reason = error.strerror or type(error).__name__
    failed = StorageError(str(error), reason=reason, is_full=error.errno == errno.ENOSPC)
    return response_to(failed, request.url.path)


HANDLERS: dict[Any, Any] = {
    RadianceError: on_radiance_error,
    HTTPException: on_http_exception,
    OSError: on_system_error,
    Exception: on_anything_else,
}


def _sentence(message: str, param: str | None) -> str:
    """A message with a capital letter and a full stop, as a sentence has them.

    One that begins with the name of what it is about, a field or a file, begins as that does.
    """
    is_name = _NAME.match(message) is not None or (
        param is not None and (": " in message or message.startswith(_ROOT.split(param)[0]))
    )
    begin = message[:1] if is_name else message[:1].upper()
    end = "" if message.endswith((".", "!", "?", "…")) else "."
    return f"{begin}{message[1:]}{end}"


def _cut(text: str, most: int = limits.TOLD_CHARACTERS.value) -> str:
    """A text that may repeat what a client has sent, of bounded length."""
    return text if len(text) <= most else text[: most - 1] + "…"


def _shown(value: Any) -> Any:
    """The value as it was sent, or its beginning where it is long."""
    if isinstance(value, str):
        return _cut(value, _MOST_SHOWN_CHARACTERS)
    text = validation.show(value, _MOST_SHOWN_CHARACTERS)
    return text if text.endswith("…") else value
