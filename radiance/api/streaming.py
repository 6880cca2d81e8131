"""From the engine's thread to the event loop: answers whole or piece by piece, given up in time.

The engine tells of every token on its own thread. Here all events since the loop last looked are
handed over at one ring of a bell, however many requests they belong to, and a request whose client
has gone away is given up at once.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future

from starlette.requests import Request

from radiance.api.request_log import name_checkpoint
from radiance.api.services import Services
from radiance.engine import requests
from radiance.engine.requests import Answer, Event, Started
from radiance.errors import Cancelled


class LoopNotifier:
    """Calls functions on an event loop from other threads; many waiting ones at one ring."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._waiting: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._is_rung = False

    def call(self, function: Callable[[], None]) -> None:
        """Have the loop call it soon. Nothing happens once the loop is closed."""
        with self._lock:
            self._waiting.append(function)
            if self._is_rung:
                return
            self._is_rung = True
        with contextlib.suppress(RuntimeError):  # closed: nobody waits any more
            self.loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, deque()
            self._is_rung = False
        for function in waiting:
            function()


def _notifier(request: Request) -> LoopNotifier:
    """The application's notifier, of the loop that it runs on."""
    state, loop = request.app.state, asyncio.get_running_loop()
    found: LoopNotifier | None = getattr(state, "notifier", None)
    if found is None or found.loop is not loop:
        found = state.notifier = LoopNotifier(loop)
    return found


async def events_of(
    request: Request, services: Services, wanted: requests.Request
) -> AsyncGenerator[Event | Answer, None]:
    """What the engine tells of one request, the answer last; given up if the client goes away.

    Raises:
        RadianceError: Whatever ended it otherwise, also after events have come.
    """
    bell, inbox = _notifier(request), deque[Event]()
    rung = asyncio.Event()

    def on_event(event: Event) -> None:
        if isinstance(event, Started):
            name_checkpoint(request, event.checkpoint_id)
        inbox.append(event)
        bell.call(rung.set)

    future = services.canary.submit(wanted, on_event)
    future.add_done_callback(lambda _: bell.call(rung.set))
    gone = asyncio.create_task(_until_gone(request, rung))
    try:
        while True:
            await rung.wait()
            rung.clear()
            has_ended = future.done()  # read first: whatever came before it is in the inbox by then
            while inbox:
                yield inbox.popleft()
            if has_ended:
                yield future.result()
                return
            if gone.done():
                raise Cancelled("the client went away")
    finally:
        gone.cancel()
        if not future.done():
            services.engine.cancel(future)


async def answer_of(request: Request, services: Services, wanted: requests.Request) -> Answer:
    """The whole answer to one request; given up if the client goes away.

    Raises:
        RadianceError: Whatever ended it otherwise.
    """
    (answer,) = await answers_of(request, services, [wanted])
    return answer


async def answers_of(
    request: Request, services: Services, wanted: list[requests.Request]
) -> list[Answer]:
    """The whole answers to several requests, decoded together; all given up if one fails."""
    bell, rung = _notifier(request), asyncio.Event()
    futures: list[Future[Answer]] = []
    gone = asyncio.create_task(_until_gone(request, rung))
    try:
        for one in wanted:
            futures.append(services.canary.submit(one))
            futures[-1].add_done_callback(lambda _: bell.call(rung.set))
        while not all(future.done() for future in futures):
            await rung.wait()
            rung.clear()
            for future in futures:
                if future.done() and future.exception() is not None:
                    future.result()
            if gone.done():
                raise Cancelled("the client went away")
        answers = [future.result() for future in futures]
        name_checkpoint(request, answers[-1].checkpoint_id)
        return answers
    finally:
        gone.cancel()
        for future in futures:
            if not future.done():
                services.engine.cancel(future)


async def _until_gone(request: Request, rung: asyncio.Event) -> None:
    """Wait until the client closes its connection, then ring. The body must have been read."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    rung.set()
