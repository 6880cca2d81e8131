"""Bodies of requests while they arrive: within a time, all of them within a budget of memory."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from radiance import limits, platform
from radiance.errors import Overloaded, SlowRequest

_LARGE_BYTES = 1 << 14
_MOST_DIGITS = 20
_HUGE_BYTES = 1 << 20
_GIVEN_BACK_AFTER_S = 0.1  # what a huge one left is freed by then
_TURN_S = 0.02  # what a large body has to itself; the next one waits as long again


class BodyGuard:
    """Middleware that counts what bodies hold, and gives up those that come too slowly.

    Args:
        timeout_s: Within which a body has to arrive; more for a large one that keeps coming.
        clock: Seconds, rising.
    """

    def __init__(
        self, app: ASGIApp, timeout_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app, self._timeout_s, self._clock = app, timeout_s, clock
        self._held = 0
        self._gives_back: asyncio.TimerHandle | None = None
        self.turns, self._entrance = asyncio.Lock(), asyncio.Lock()
        self.searches = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with its body watched."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _declared(scope) > _LARGE_BYTES:
            async with self._entrance:  # one in a round of the event loop
                await asyncio.sleep(0)
        body = Body(self, receive)
        scope.setdefault("state", {})["body"] = body
        try:
            await self._app(scope, body.receive, send)
        finally:
            self._held -= body.counted
            body.end_turn()
            if body.counted > _HUGE_BYTES and self._gives_back is None:
                loop = asyncio.get_running_loop()
                self._gives_back = loop.call_later(_GIVEN_BACK_AFTER_S, self._give_back)

    def _give_back(self) -> None:
        """Ten bodies of 8 MB left 120 MB with the C library, which it keeps for the next ones.

        To have it map each by itself (mallopt(3), M_MMAP_THRESHOLD) keeps as little, but the
        system's zeroing of fresh pages then held up others by twice as much.
        """
        self._gives_back = None
        asyncio.get_running_loop().run_in_executor(None, platform.give_back_memory)

    def hold(self, count: int, by_same: int) -> None:
        """So many bytes more are held by a body that holds ``by_same`` already.

        One alone may be as large as the settings let it.

        Raises:
            Overloaded: There are too many.
        """
        is_alone = self._held <= by_same
        if count and not is_alone and self._held + count > limits.BODIES_BYTES.value:
            raise Overloaded(
                f"The bodies of requests under way have {limits.BODIES_BYTES.value} bytes already.",
                retry_after_s=5,
            )
        self._held += count

    def rest(self, began: float, received: int) -> float:
        """Seconds that are left for the next part of a body."""
        allowed = self._timeout_s + received / limits.BODY_BYTES_PER_SECOND.value
        return max(0.0, began + allowed - self._clock())

    def now(self) -> float:
        """The clock."""
        return self._clock()


def _declared(scope: Scope) -> int:
    """How many bytes a request says that its body has; 0 where it does not say."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) < _MOST_DIGITS else 0
    return 0


class Body:
    """One request's, at ``request.state.body``.

    A small one is not counted: there is always room for it.
    """

    def __init__(self, guard: BodyGuard, receive: Receive) -> None:
        self._guard, self._receive = guard, receive
        self._began, self._received, self._held = guard.now(), 0, 0
        self._is_whole = False
        self._turn: asyncio.TimerHandle | None = None
        self._turn_began = 0.0
        self.counted = 0

    async def receive(self) -> Message:
        if self._is_whole:
            return await self._receive()
        rest = self._guard.rest(self._began, self._received)
        try:
            async with asyncio.timeout(rest):
                message: Any = await self._receive()
        except TimeoutError:
            self._is_whole = True  # nothing more is waited for
            raise SlowRequest(
                f"The request's body did not arrive in time ({self._received} bytes came)."
            ) from None
        if message["type"] != "http.request":
            return message
        self._is_whole = not message.get("more_body", False)
        self._received += len(message.get("body", b""))
        self.hold(len(message.get("body", b"")))
        return message

    def hold(self, count: int) -> None:
        """So many bytes more are held for it: they arrived, or came of decompressing it.

        Raises:
            Overloaded: There are too many in all.
        """
        self._held += count
        counted = max(0, self._held - limits.FREE_BODY_BYTES.value)
        self._guard.hold(counted - self.counted, self.counted)
        self.counted = counted

    async def turn(self) -> None:
        """Wait until it may be read and looked into, where it is a large one.

        That takes the interpreter some milliseconds. Where hundreds come together they are taken
        one after another, so that whoever asks for little meanwhile waits for one, not for all; and
        after each the event loop is theirs for as long as it took, so that they have half of it.
        """
        if self._held > _LARGE_BYTES and self._turn is None:
            await self._guard.turns.acquire()
            self._turn_began = self._guard.now()
            self._turn = asyncio.get_running_loop().call_later(_TURN_S, self.end_turn)

    def search(self) -> contextlib.AbstractAsyncContextManager[object]:
        """A part within which it is searched for seconds, where it is a large one: one at a time.

        Its turn ends: others are read meanwhile.
        """
        self.end_turn()
        is_large = self._held > _LARGE_BYTES
        return self._guard.searches if is_large else contextlib.nullcontext()

    def end_turn(self) -> None:
        """Let the next large one be read soon: this one is answered, or has had its time."""
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
            took = min(self._guard.now() - self._turn_began, _TURN_S)
            asyncio.get_running_loop().call_later(took, self._guard.turns.release)
