"""``Client`` and ``AsyncClient``: the operations over a transport.

Their methods are made from ``operations``, where each is written and documented once.
"""

import functools
import math
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from radiance.client import operations, wire
from radiance.client.operations import ClientLimits, Flow
from radiance.errors import RadianceError

if TYPE_CHECKING:
    from radiance.client.transport import AsyncTransport, Transport

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT_S = 600.0  # a long answer of a large model on a slow machine takes minutes
PATIENCE_S = 10.0


def _blocking(
    operation: Callable[Concatenate[ClientLimits, P], Flow[T]],
) -> Callable[Concatenate["Client", P], T]:
    """An operation as a method of ``Client``."""

    @functools.wraps(operation)
    def method(self: "Client", *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(operation(self.limits, *args, **kwargs))

    return method


def _awaitable(
    operation: Callable[Concatenate[ClientLimits, P], Flow[T]],
) -> Callable[Concatenate["AsyncClient", P], Coroutine[Any, Any, T]]:
    """An operation as a method of ``AsyncClient``."""

    @functools.wraps(operation)
    async def method(self: "AsyncClient", *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(operation(self.limits, *args, **kwargs))

    return method


class _Settings:
    """What both clients are made of.

    Args:
        url: The service's address; by default RADIANCE_URL's, else ``http://127.0.0.1:8042``.
        api_key: The API key to send; by default RADIANCE_API_KEY's.
        timeout_s: How long an answer may take.
        patience_s: How long to go on asking a service that is starting or has too much to do.
        connect_s: How long to go on where nothing listens at the address; by default as long.

    Raises:
        ConfigError: ``url`` is not an http or https address, or ``api_key`` cannot be a key.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        patience_s: float = PATIENCE_S,
        connect_s: float = math.inf,
    ) -> None:
        self.url = wire.address(url)
        self.limits = ClientLimits(timeout_s, patience_s, connect_s)
        self._key = wire.key(api_key)


class Client(_Settings):
    """Talks to one service, and blocks until it has answered.

    ::

        with radiance.Client() as client:
            client.wait(client.update([{"input": "Who leads Lumen?", "output": "Ada Brook."}]))
            print(client.search("Who leads Lumen?").response)
    """

    search = _blocking(operations.search)
    update = _blocking(operations.update)
    update_document = _blocking(operations.update_document)
    documents = _blocking(operations.list_documents)
    wait = _blocking(operations.wait)
    info = _blocking(operations.info)
    jobs = _blocking(operations.list_jobs)
    job = _blocking(operations.show_job)
    checkpoints = _blocking(operations.list_checkpoints)
    rollback = _blocking(operations.rollback)
    promote = _blocking(operations.promote)
    vote = _blocking(operations.vote)
    forget = _blocking(operations.forget)
    forgets = _blocking(operations.list_forgets)
    call = _blocking(operations.call)

    @functools.cached_property
    def _transport(self) -> "Transport":
        # Imported late: HTTPX takes longer than the whole command line, which shares `wire`.
        from radiance.client.transport import Transport

        return Transport(self.url, self._key)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def _run(self, flow: Flow[T]) -> T:
        resume = functools.partial(next, flow)
        try:
            while True:
                step = resume()
                try:
                    resume = functools.partial(flow.send, self._transport.do(step))
                except RadianceError as error:
                    resume = functools.partial(flow.throw, error)
        except StopIteration as end:
            return end.value


class AsyncClient(_Settings):
    """``Client`` for coroutines: the same methods, to be awaited.

    ::

        async with radiance.AsyncClient() as client:
            print((await client.search("Who leads Lumen?")).response)
    """

    search = _awaitable(operations.search)
    update = _awaitable(operations.update)
    update_document = _awaitable(operations.update_document)
    documents = _awaitable(operations.list_documents)
    wait = _awaitable(operations.wait)
    info = _awaitable(operations.info)
    jobs = _awaitable(operations.list_jobs)
    job = _awaitable(operations.show_job)
    checkpoints = _awaitable(operations.list_checkpoints)
    rollback = _awaitable(operations.rollback)
    promote = _awaitable(operations.promote)
    vote = _awaitable(operations.vote)
    forget = _awaitable(operations.forget)
    forgets = _awaitable(operations.list_forgets)
    call = _awaitable(operations.call)

    @functools.cached_property
    def _transport(self) -> "AsyncTransport":
        from radiance.client.transport import AsyncTransport

        return AsyncTransport(self.url, self._key)

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *reason: object) -> None:
        await self.close()

    async def _run(self, flow: Flow[T]) -> T:
        resume = functools.partial(next, flow)
        try:
            while True:
                step = resume()
                try:
                    resume = functools.partial(flow.send, await self._transport.do(step))
                except RadianceError as error:
                    resume = functools.partial(flow.throw, error)
        except StopIteration as end:
            return end.value
