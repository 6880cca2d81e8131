"""How calls travel: over HTTPX, blocking or in coroutines. Its errors leave as Radiance's."""

import asyncio
import contextlib
import functools
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from radiance.client import wire
from radiance.client.operations import Sleep, Step
from radiance.client.wire import ApiCall, ApiReply, NoConnection
from radiance.errors import RadianceError, TimedOut, TooLarge, Unavailable

_LARGE_BODY_BYTES = 1 << 20


class Transport:
    """Takes the steps of flows towards one service, and blocks."""

    def __init__(self, url: str, key: str | None) -> None:
        self._http = httpx.Client(**_options(url, key))

    def do(self, step: Step) -> ApiReply | None:
        if isinstance(step, Sleep):
            return time.sleep(step.seconds)
        request = _request(self._http, step)
        with _told(request):
            return _reply(self._http.send(request))

    def close(self) -> None:
        self._http.close()


class AsyncTransport:
    """Takes the steps of flows towards one service.

    Args:
        url: Its address.
        key: The API key to send; None sends none.
        through: What carries requests; None: the network.
        headers: More of them.
    """

    def __init__(
        self,
        url: str,
        key: str | None,
        through: httpx.AsyncBaseTransport | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        options = _options(url, key)
        options["headers"] |= headers or {}
        self._open = functools.partial(httpx.AsyncClient, transport=through, **options)
        self._http = self._open()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def do(self, step: Step) -> ApiReply | None:
        if isinstance(step, Sleep):
            return await asyncio.sleep(step.seconds)
        http = self.connections()
        request = _request(http, step)
        with _told(request):
            return _reply(await http.send(request))

    async def close(self) -> None:
        await self.connections().aclose()

    def connections(self) -> httpx.AsyncClient:
        """What has those of this event loop; those of one that has ended are of no use any more.

        As where a script calls ``asyncio.run`` several times with one client.
        """
        loop = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not loop and not self._http.is_closed:
            self._http = self._open()
        self._loop = loop
        return self._http


def _options(url: str, key: str | None) -> dict[str, Any]:
    headers = {"Accept": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    # A proxy named in the environment is for the world outside, not for this machine.
    here = ("127.0.0.1", "localhost", "[::1]")
    return {"base_url": url, "headers": headers, "mounts": {f"all://{host}": None for host in here}}


def _request(http: httpx.Client | httpx.AsyncClient, call: ApiCall[Any]) -> httpx.Request:
    content: bytes | None = None
    headers: dict[str, str] = {}
    if call.form is not None:
        content, headers["Content-Type"] = call.form.encode()
    elif call.body is not None:
        content, headers = wire.encode_body(call.body), {"Content-Type": "application/json"}
    return http.build_request(
        call.method, call.target, content=content, headers=headers, timeout=call.timeout_s
    )


def _reply(response: httpx.Response) -> ApiReply:
    return ApiReply(response.status_code, response.content, response.headers.get("Retry-After"))


@contextlib.contextmanager
def _told(request: httpx.Request) -> Iterator[None]:
    """What goes wrong on the way, as Radiance's errors."""
    at = f"{request.url.scheme}://{request.url.netloc.decode()}"
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise NoConnection(
            f"No service answers at {at} ({error or 'in time'}). Start it with `radiance run`, or "
            "give its address as url or RADIANCE_URL."
        ) from error
    except httpx.TimeoutException as error:
        raise TimedOut(
            f"The service at {at} did not answer in time. Look at its log, and raise timeout_s."
        ) from error
    except httpx.TransportError as error:
        sent_bytes = len(request.content)
        if sent_bytes > _LARGE_BODY_BYTES and isinstance(error, httpx.WriteError):
            raise TooLarge(
                f"The service at {at} closed the connection while it was sent {sent_bytes} bytes.",
                remedy="Split the update, or raise server.max_body_bytes.",
            ) from error
        raise Unavailable(f"The connection to {at} broke ({error or type(error).__name__}).") from (
            error
        )
    except httpx.HTTPError as error:
        raise RadianceError(f"What answers at {at} is not a Radiance service ({error}).") from error
