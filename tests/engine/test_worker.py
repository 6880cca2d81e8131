"""The engine thread: pieces between decode steps, failures that stay where they belong."""

import threading
from concurrent.futures import Future
from pathlib import Path

import pytest

from radiance import config, ember
from radiance.engine.requests import Request
from radiance.engine.worker import Engine
from radiance.errors import Cancelled, ConfigError, Overloaded, Unavailable
from radiance.records import Message
from tests.tiny_base import write_tiny_base


def request(engine: Engine, text: str = "Hello!", max_tokens: int = 16) -> Request:
    return Request(engine.encoder.prompt([Message("user", text)]), max_tokens)


def test_requests_are_decoded_between_pieces(engine: Engine) -> None:
    """A task that never ends on its own does not keep an answer from coming."""
    stop = threading.Event()

    def endless():
        pieces = 0
        while not stop.is_set():
            pieces += 1
            yield None
        return pieces

    task = engine.run(endless)
    answer = engine.submit(request(engine)).result(timeout=60)
    stop.set()
    assert answer.tokens
    assert task.result > 1


def test_task_hands_out_events_and_its_result(engine: Engine) -> None:
    def pieces():
        yield "first"
        yield None
        yield "second"
        return 7

    task = engine.run(pieces)
    assert list(task) == ["first", "second"]
    assert task.result == 7


def test_failing_task_fails_alone(engine: Engine) -> None:
    def pieces():
        yield None
        raise ValueError("no")

    task = engine.run(pieces)
    assert list(task) == []
    with pytest.raises(ValueError, match="no"):
        _ = task.result
    assert engine.submit(request(engine)).result(timeout=60).tokens


def test_cancelled_task_closes_its_generator(engine: Engine) -> None:
    closed, started = threading.Event(), threading.Event()

    def pieces():
        try:
            while True:
                started.set()
                yield None
        finally:
            closed.set()

    task = engine.run(pieces)
    started.wait()
    task.cancel()
    with pytest.raises(Cancelled):
        _ = task.result
    assert closed.is_set()


def test_given_up_request_leaves_the_batch(engine: Engine) -> None:
    future = engine.submit(request(engine, "Tell me a long story.", 900))
    engine.cancel(future)
    with pytest.raises(Cancelled):
        future.result(timeout=60)
    assert engine.call(lambda: len(engine._decoder)) == 0


def test_failed_decode_step_fails_its_rows_and_no_others(engine: Engine, monkeypatch) -> None:
    def fail() -> None:
        raise RuntimeError("the step failed")

    def break_next_step() -> "Future":
        future = engine.submit(request(engine))
        monkeypatch.setattr(engine._decoder._batch._generator, "next", fail)
        return future

    future = engine.call(break_next_step)
    with pytest.raises(RuntimeError, match="the step failed"):
        future.result(timeout=60)
    assert engine.submit(request(engine)).result(timeout=60).tokens


def test_more_requests_than_may_wait_are_refused() -> None:
    engine = Engine("ember", ember.MODEL_PATH, "cpu", config.EngineSettings(), max_waiting=2)
    engine.start()
    blocked = threading.Event()
    gate = threading.Thread(target=engine.call, args=(blocked.wait,))
    gate.start()
    waiting = [engine.submit(request(engine)) for _ in range(2)]
    with pytest.raises(Overloaded, match="2 requests are waiting"):
        engine.submit(request(engine))
    blocked.set()
    gate.join()
    assert all(future.result(timeout=60).tokens for future in waiting)
    assert engine.submit(request(engine)).result(timeout=60).tokens
    engine.stop()


def test_stopping_answers_everyone() -> None:
    engine = Engine("ember", ember.MODEL_PATH, "cpu", config.EngineSettings(), max_waiting=100)
    engine.start()

    def endless():
        while True:
            yield None

    task = engine.run(endless)
    futures = [engine.submit(request(engine, "Tell me a story.", 900)) for _ in range(3)]
    engine.stop()
    for future in futures:
        with pytest.raises(Unavailable):
            future.result(timeout=60)
    with pytest.raises(Unavailable):
        _ = task.result
    assert not engine.is_ready
    with pytest.raises(Unavailable):
        engine.submit(request(engine))


def test_backend_that_is_not_here_is_refused_by_name() -> None:
    engine = Engine("ember", ember.MODEL_PATH, "cuda", config.EngineSettings(), max_waiting=2)
    with pytest.raises(ConfigError, match=r'backend \(is "cuda"\): no CUDA device'):
        engine.start()


def test_a_call_to_a_stopped_engine_is_refused(tmp_path: Path) -> None:
    engine = Engine(
        "tiny", write_tiny_base(tmp_path), "cpu", config.EngineSettings(), max_waiting=1
    )
    engine.start()
    assert engine.call(lambda: 7) == 7
    engine.stop()
    with pytest.raises(Unavailable, match="not running"):
        engine.call(lambda: 7)
