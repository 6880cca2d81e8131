"""A small HTTP client for a running service, and the options of the commands that use it.

Answers come back as plain JSON values. What the service refuses is raised as the same error that
it had there, so that one place knows how errors end a command.
"""

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from radiance import config
from radiance.cli.output import note
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

_KEY = "radiance.api_key"
F = TypeVar("F", bound=Callable[..., Any])

TIMEOUT_S = 30.0
_LARGE_BODY_BYTES = 1 << 20
_ERROR_OF = {401: Unauthenticated, 403: Forbidden, 404: NotFound, 409: Conflict, 413: TooLarge}


class Client:
    """Talks to one service.

    Args:
        url: Its address; by default as the environment says.
        api_key: The key to send; by default as the environment says.

    Raises:
        ConfigError: ``url`` is not an http or https address, or ``api_key`` cannot be a key.
    """

    def __init__(self, url: str | None = None, api_key: str | None = None) -> None:
        self.url = (url or config.client_url()).rstrip("/")
        self._key = api_key or config.client_key()
        if self._key and not (self._key.isascii() and self._key.isprintable()):
            raise ConfigError("RADIANCE_API_KEY or --api-key: holds characters that no key has.")
        try:
            parts = urllib.parse.urlsplit(self.url)
            host, usable = parts.hostname, parts.scheme in ("http", "https")
            _ = parts.port
        except ValueError:
            host, usable = None, False
        if not usable or not host or not self.url.isascii():
            raise ConfigError(
                f'--url (is "{self.url}"): is not an address. '
                "Give one like http://127.0.0.1:8042, or set RADIANCE_URL."
            )
        # A proxy named in the environment is for the world outside, not for this machine.
        proxies = [urllib.request.ProxyHandler({})] if config.is_loopback(host) else []
        self._opener = urllib.request.build_opener(*proxies)

    def get(self, path: str, **query: Any) -> Any:
        """The answer to GET ``path``; query values that are None are left out."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._send("GET", f"{path}?{urllib.parse.urlencode(given)}" if given else path)

    def delete(self, path: str, **query: Any) -> Any:
        """The answer to DELETE ``path``; query values that are None are left out."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._send("DELETE", f"{path}?{urllib.parse.urlencode(given)}" if given else path)

    def post(self, path: str, body: Any = None, timeout_s: float = TIMEOUT_S) -> Any:
        """The answer to POST ``path``."""
        return self._send(
            "POST", path, json.dumps({} if body is None else body).encode(), timeout_s
        )

    def _send(
        self, method: str, path: str, body: bytes | None = None, timeout_s: float = TIMEOUT_S
    ) -> Any:
        """Send one request.

        Raises:
            RequestError: The service refuses it (NotFound, Conflict, TooLarge among them).
            Overloaded: Too much is waiting there.
            Unavailable: Nothing answers at the address, or it is not ready.
            RadianceError: It failed, or something else than Radiance answers.
        """
        request = urllib.request.Request(self.url + path, data=body, method=method)
        request.add_header("Accept", "application/json")
        if self._key:
            request.add_unredirected_header("Authorization", f"Bearer {self._key}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
        try:
            status, content = self._exchange(request, timeout_s)
        except TimeoutError:
            raise self._too_slow(timeout_s) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, TimeoutError):
                raise self._too_slow(timeout_s) from None
            raise self._unreachable(reason, len(body or b"")) from None
        if status >= 300:
            raise decode_error(status, content)
        try:
            return json.loads(content)
        except ValueError:
            raise RadianceError(
                f"What answers at {self.url} is not Radiance. Give the service's address by --url."
            ) from None

    def _exchange(self, request: urllib.request.Request, timeout_s: float) -> tuple[int, bytes]:
        try:
            with self._opener.open(request, timeout=timeout_s) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def _too_slow(self, timeout_s: float) -> Unavailable:
        return Unavailable(
            f"The service at {self.url} did not answer within {timeout_s:g} s. "
            "Look at its log, and try again."
        )

    def _unreachable(self, reason: Any, sent_bytes: int) -> RadianceError:
        cut_off = isinstance(reason, BrokenPipeError | ConnectionResetError)
        if cut_off and sent_bytes > _LARGE_BODY_BYTES:
            return TooLarge(
                f"The service at {self.url} closed the connection while it was sent {sent_bytes} "
                "bytes.",
                remedy="Split the update, or raise server.max_body_bytes.",
            )
        told = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
        return Unavailable(
            f"No service answers at {self.url} ({told}). Start it with `radiance run`, "
            "or give its address by --url."
        )


def segment(name: str) -> str:
    """``name`` as one segment of a path."""
    return urllib.parse.quote(name, safe="")


def decode_error(status: int, content: bytes) -> RadianceError:
    """The error that an answer of ``status`` reports."""
    try:
        fields = json.loads(content)["error"]
        message, remedy = str(fields["message"]), str(fields.get("remedy") or "")
        field, value = fields.get("param"), fields.get("value")
    except (ValueError, KeyError, TypeError, AttributeError):
        message = f"The service answered with HTTP status {status} {_phrase(status)}".strip() + "."
        remedy, field, value = "", None, None
    if status == 429:
        return Overloaded(f"{message} {remedy}".strip())
    if 400 <= status < 500:
        return _ERROR_OF.get(status, RequestError)(message, field=field, value=value, remedy=remedy)
    if status == 503:
        return Unavailable(f"The service is not ready ({message.rstrip('.')}). {remedy}".strip())
    return RadianceError(f"{message} {remedy}".strip())


def client_options(command: F) -> F:
    """Add ``--url``, ``--api-key``, ``--json``; the command gets ``client`` and ``as_json``."""
    command = click.option(
        "--url",
        "client",
        metavar="URL",
        callback=lambda context, parameter, value: Client(value, context.meta.get(_KEY)),
        help="Address of the service. Default: RADIANCE_URL, else http://127.0.0.1:8042.",
    )(command)
    command = click.option(
        "--api-key",
        metavar="KEY|@FILE",
        callback=_keep_key,
        is_eager=True,  # before --url, which makes the client
        expose_value=False,
        help="API key, or @ and the file that holds it. Default: RADIANCE_API_KEY.",
    )(command)
    return click.option(
        "--json", "as_json", is_flag=True, help="Print the service's answer as JSON."
    )(command)


def _keep_key(context: click.Context, parameter: click.Parameter, given: str | None) -> None:
    if given is None:
        return
    if not given.startswith("@"):
        note(
            "Warning: everybody on this machine can read --api-key in the list of processes;"
            " RADIANCE_API_KEY and --api-key @FILE are not shown there."
        )
        context.meta[_KEY] = given
        return
    try:
        context.meta[_KEY] = Path(given[1:]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.BadParameter(f"{given[1:]} cannot be read ({error}).") from None


def _phrase(status: int) -> str:
    return http.client.responses.get(status, "")
