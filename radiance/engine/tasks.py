"""Long work on the engine thread, in pieces, so that requests are decoded between them."""

import contextlib
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, InvalidStateError
from typing import Any, Generic, TypeVar

from radiance.errors import Cancelled

T = TypeVar("T")
Pieces = Generator[Any, Any, T]
"""Long work: yields None between pieces and anything else as an event; see ``Task``."""

_END = object()


class Task(Generic[T]):
    """Long work on the engine thread: iterate it for its events, then read ``result``.

    The generator behind it yields None where it may be interrupted and anything else as an event.
    It is sent whether somebody waits for tokens, and may then make its pieces smaller.
    """

    def __init__(self, start: Callable[[], Pieces[T]]) -> None:
        self._start = start
        self._pieces: Pieces[T] | None = None
        self._events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._cancelled = threading.Event()
        self.future: Future[T] = Future()  # may be failed from outside, which ends the work

    def cancel(self) -> None:
        """Stop before the next piece; ``result`` then raises Cancelled."""
        self._cancelled.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether it was called off."""
        return self._cancelled.is_set() or self.future.done()

    @property
    def has_begun(self) -> bool:
        """Whether a piece of it was run."""
        return self._pieces is not None

    def __iter__(self) -> Iterator[Any]:
        while (event := self._events.get()) is not _END:
            yield event

    @property
    def result(self) -> T:
        """What the generator returned; raises what it raised."""
        return self.future.result()

    def advance(self, is_awaited: bool = False) -> bool:
        """Run one piece, on the engine thread; False once there is none left.

        Args:
            is_awaited: Whether somebody waits for tokens meanwhile.
        """
        try:
            if self.is_cancelled:
                raise Cancelled("the work was called off")
            if self._pieces is None:
                self._pieces = self._start()
                event = next(self._pieces)
            else:
                event = self._pieces.send(is_awaited)
        except StopIteration as stop:
            with contextlib.suppress(InvalidStateError):  # failed from outside just now
                self.future.set_result(stop.value)
        except BaseException as error:  # noqa: BLE001 - whoever waits for the task must hear of it
            if self._pieces is not None:
                self._pieces.close()
            with contextlib.suppress(InvalidStateError):
                self.future.set_exception(error)
        else:
            if event is not None:
                self._events.put(event)
            return True
        self._pieces = None
        self._events.put(_END)
        return False

    def abandon(self, error: BaseException) -> None:
        """End a task that will not be run any more."""
        with contextlib.suppress(InvalidStateError):
            self.future.set_exception(error)
        self._events.put(_END)


def unless(is_interrupted: Callable[[], bool], pieces: Pieces[Any]) -> Pieces[bool]:
    """Run pieces to their end unless interrupted between two of them; whether the end was reached.

    Args:
        is_interrupted: Asked before each piece.
        pieces: Closed where they are left.
    """
    reply: Any = None
    try:
        while not is_interrupted():
            try:
                event = pieces.send(reply)
            except StopIteration:
                return True
            reply = yield event
        return False
    finally:
        pieces.close()
