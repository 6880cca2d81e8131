"""A small HTTP client for a running service, and the options of the commands that use it.

Answers come back as plain JSON values, as commands print them. Addresses, keys and errors are those
of ``radiance.client``; the transport is not: importing HTTPX takes longer than a whole command.
"""

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from radiance import config
from radiance.cli.output import json_option, note
from radiance.client import wire
from radiance.client.wire import Form, segment
from radiance.errors import RadianceError, TooLarge, Unavailable

__all__ = ["Answer", "ServiceClient", "client_options", "segment"]

_KEY = "radiance.api_key"
F = TypeVar("F", bound=Callable[..., Any])

Answer = dict[str, Any]
"""A JSON object that the service answers; a newer one may say more than a command knows of."""
TIMEOUT_S = 30.0
_LARGE_BODY_BYTES = 1 << 20


class ServiceClient:
    """Talks to one service.

    Args:
        url: Its address; by default as the environment says.
        api_key: The key to send; by default as the environment says.

    Raises:
        ConfigError: ``url`` is not an http or https address, or ``api_key`` cannot be a key.
    """

    def __init__(self, url: str | None = None, api_key: str | None = None) -> None:
        self.url = wire.address(url)
        self._key = wire.key(api_key)
        host = urllib.parse.urlsplit(self.url).hostname or ""
        # A proxy named in the environment is for the world outside, not for this machine.
        proxies = [urllib.request.ProxyHandler({})] if config.is_loopback(host) else []
        self._opener = urllib.request.build_opener(*proxies)

    @property
    def api_key(self) -> str | None:
        """The key that is sent, if there is one."""
        return self._key

    def get(self, path: str, **query: Any) -> Any:
        """The answer to GET ``path``; query values that are None are left out."""
        return self._send("GET", path + wire.encode_query(query))

    def delete(self, path: str, **query: Any) -> Any:
        """The answer to DELETE ``path``; query values that are None are left out."""
        return self._send("DELETE", path + wire.encode_query(query))

    def post(self, path: str, body: Answer | None = None, timeout_s: float = TIMEOUT_S) -> Any:
        """The answer to POST ``path``; fields of the body that are None are left out."""
        given = {name: value for name, value in (body or {}).items() if value is not None}
        return self._send("POST", path, wire.encode_body(given), timeout_s)

    def post_file(
        self,
        path: str,
        fields: Sequence[tuple[str, str]],
        content: bytes,
        timeout_s: float = TIMEOUT_S,
    ) -> Any:
        """The answer to a form with some fields and one file."""
        body, media = Form(fields, content).encode()
        return self._send("POST", path, body, timeout_s, media)

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        timeout_s: float = TIMEOUT_S,
        media: str = "application/json",
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
            request.add_header("Content-Type", media)
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
            raise wire.decode_error(status, content)
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
        if cut_off or isinstance(reason, http.client.IncompleteRead):
            done = (
                " What was asked may have been done all the same: `radiance jobs list` has updates."
            )
            return Unavailable(
                f"The connection to {self.url} broke ({told}). Ask again.{done * bool(sent_bytes)}"
            )
        return Unavailable(
            f"No service answers at {self.url} ({told}). Start it with `radiance run`, "
            "or give its address by --url."
        )


def client_options(command: F) -> F:
    """Add ``--url``, ``--api-key`` and ``--json``; the command gets ``client``."""
    return json_option("Print the service's answer as JSON.")(service_options(command))


def service_options(command: F) -> F:
    """Add ``--url`` and ``--api-key``; the command gets ``client``."""
    command = click.option(
        "--url",
        "client",
        metavar="URL",
        callback=lambda context, parameter, value: ServiceClient(value, context.meta.get(_KEY)),
        help="Address of the service. Default: RADIANCE_URL, else http://127.0.0.1:8042.",
    )(command)
    return click.option(
        "--api-key",
        metavar="KEY|@FILE",
        callback=_keep_key,
        is_eager=True,  # before --url, which makes the client
        expose_value=False,
        help="API key, or @ and the file that holds it. Default: RADIANCE_API_KEY.",
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
