"""A thread that looks again and again: faults pass, a wake is not lost, a stop ends it."""

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from radiance.errors import Unavailable
from radiance.periodic import PeriodicThread

LONG = 3600.0  # no turn comes by itself


@contextmanager
def running(thread: PeriodicThread) -> Iterator[PeriodicThread]:
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()
    assert not thread.is_alive


def test_each_wake_brings_a_turn() -> None:
    turns: queue.Queue[int] = queue.Queue()
    with running(PeriodicThread("test", lambda: turns.put(1), LONG)) as thread:
        for _ in range(3):
            thread.wake()
            turns.get(timeout=60)
        assert turns.empty()


@pytest.mark.parametrize("fault", [ValueError("broken"), Unavailable("stopping")])
def test_a_fault_does_not_end_it(fault: Exception) -> None:
    turns: queue.Queue[int] = queue.Queue()

    def look() -> None:
        turns.put(1)
        raise fault

    with running(PeriodicThread("test", look, LONG, at_once=True)) as thread:
        turns.get(timeout=60)
        thread.wake()
        turns.get(timeout=60)
        assert thread.is_alive


def test_a_wake_during_a_turn_brings_the_next() -> None:
    began, go_on = threading.Event(), threading.Event()
    turns: queue.Queue[int] = queue.Queue()

    def look() -> None:
        began.set()
        go_on.wait(timeout=60)
        turns.put(1)

    with running(PeriodicThread("test", look, LONG, at_once=True)) as thread:
        began.wait(timeout=60)
        thread.wake()
        go_on.set()
        turns.get(timeout=60)
        turns.get(timeout=60)


def test_a_stop_that_falls_between_two_turns_is_not_slept_through() -> None:
    thread = PeriodicThread("test", lambda: None, LONG, at_once=True)
    cleared = threading.Event()
    inner = thread._wake.clear

    def clear() -> None:
        inner()
        if not cleared.is_set():
            cleared.set()
            thread.ask_to_stop()  # right after the clearing, before the flag is read

    thread._wake.clear = clear  # type: ignore[method-assign]
    thread.start()
    thread.wake()
    assert cleared.wait(timeout=60)
    thread.stop()
    assert not thread.is_alive


def test_stopped_before_it_was_started() -> None:
    thread = PeriodicThread("test", lambda: None, LONG)
    thread.stop()
    assert thread.is_stopping
    assert thread.wait_for_stop(0)
