"""How long something may take until it counts as hanging."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.engine.heartbeat import FIRST_S, CpuUsage, Heartbeat
from radiance.engine.requests import Request
from radiance.engine.worker import Engine
from radiance.errors import EngineFailed


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def pass_time(heartbeat: Heartbeat, clock: Clock, kind: str, seconds: float) -> None:
    with heartbeat.during(kind):
        clock.now += seconds
    heartbeat.moved()


def test_nothing_moving_is_noticed_in_under_ten_seconds() -> None:
    clock = Clock()
    heartbeat = Heartbeat(clock)
    clock.now = 4.0
    assert heartbeat.is_steady
    clock.now = 7.0
    assert not heartbeat.is_steady
    heartbeat.moved()
    assert heartbeat.is_steady


@given(usual=st.floats(0.001, 100), factor=st.floats(0, 3.9))
def test_what_takes_about_as_long_as_it_did_is_no_hang_and_much_longer_is(
    usual: float, factor: float
) -> None:
    clock = Clock()
    heartbeat = Heartbeat(clock)
    pass_time(heartbeat, clock, "prefill", usual)
    with heartbeat.during("prefill"):
        clock.now += usual * factor
        assert heartbeat.is_steady
        clock.now += max(5.0, 4.1 * usual)
        assert not heartbeat.is_steady


def test_a_first_time_has_longer_and_so_has_what_asks_for_it() -> None:
    clock = Clock()
    heartbeat = Heartbeat(clock)
    with heartbeat.during("decode"):
        clock.now += FIRST_S - 1
        assert heartbeat.is_steady
    heartbeat.moved()
    for _ in range(40):  # it was slow once, and is not any more
        pass_time(heartbeat, clock, "decode", 0.01)
    with heartbeat.during("decode"):
        clock.now += 6.0
        assert not heartbeat.is_steady
    heartbeat.moved()
    with heartbeat.during("call", 60.0):
        clock.now += 59.0
        assert heartbeat.is_steady
        clock.now += 2.0
        assert not heartbeat.is_steady


def test_a_long_prompt_after_short_ones_is_no_hang() -> None:
    """16 tokens took a second; 512 may take 32, and four times that; 16 may still take four."""
    clock = Clock()
    heartbeat = Heartbeat(clock)
    with heartbeat.during("prefill", amount=16):
        clock.now += 1.0
    heartbeat.moved()
    with heartbeat.during("prefill", amount=512):
        clock.now += 127.0
        assert heartbeat.is_steady
        clock.now += 2.0
        assert not heartbeat.is_steady
    heartbeat.moved()
    for _ in range(40):
        with heartbeat.during("prefill", amount=512):
            clock.now += 1.0
        heartbeat.moved()
    with heartbeat.during("prefill", amount=16):
        clock.now += 5.5
        assert not heartbeat.is_steady


def test_one_slow_short_prompt_makes_no_hour_of_patience_for_a_long_one() -> None:
    """The first of 8 tokens took 20 s to compile kernels; 512 would else have 5,120 s."""
    clock = Clock()
    heartbeat = Heartbeat(clock)
    for seconds in (20.0, 0.5):
        with heartbeat.during("prefill", amount=8):
            clock.now += seconds
        heartbeat.moved()
    with heartbeat.during("prefill", amount=512):
        clock.now += 127.0  # four times 64 times half a second are 128
        assert heartbeat.is_steady
        clock.now += 2.0
        assert not heartbeat.is_steady


@pytest.mark.parametrize(
    ("share", "taken_away", "seconds"),
    [(0.5, 100, 10.0), (0.01, 100, 20.0), (1.0, 100, 5.0), (2.0, 100, 5.0), (0.0, 1, 5.0)],
    ids=["starved", "starved or hanging", "in a loop", "in two loops", "hanging"],
)
def test_what_others_keep_off_the_cores_is_given_the_seconds_that_they_take(
    share: float, taken_away: int, seconds: float
) -> None:
    clock = Clock()
    heartbeat = Heartbeat(clock, lambda: CpuUsage(share * clock.now, round(taken_away * clock.now)))
    clock.now = 100.0
    heartbeat.moved()
    clock.now += seconds - 0.1
    assert heartbeat.is_steady
    clock.now += 0.2
    assert not heartbeat.is_steady


def test_steps_that_move_no_row_are_no_progress() -> None:
    clock = Clock()
    heartbeat = Heartbeat(clock)
    pass_time(heartbeat, clock, "decode", 0.01)
    for _ in range(600):
        with heartbeat.during("decode"):
            clock.now += 0.01
    assert not heartbeat.is_steady


def test_a_long_call_that_says_so_is_not_taken_for_a_hang(engine: Engine) -> None:
    clock, begun, release = Clock(), threading.Event(), threading.Event()
    usual, engine._heartbeat = engine._heartbeat, Heartbeat(clock)

    def work() -> str:
        begun.set()
        release.wait()
        return "done"

    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(engine.call(work, patience_s=60.0)))
    try:
        thread.start()
        begun.wait()
        clock.now += 59.0
        assert engine.is_ready
        clock.now += 2.0
        assert not engine.is_ready
        # Training waits for its own calls; only what somebody asked for is failed.
        assert engine.fail_in_flight(EngineFailed("it hangs")) == 0
    finally:
        release.set()
        thread.join()
        engine._heartbeat = usual
    assert found == ["done"]


def test_the_engine_says_how_much_it_reads(tiny_engine: Engine) -> None:
    for length in (3, 40):
        tiny_engine.submit(Request([2] * length, 1)).result()
    assert {amount for _, amount in tiny_engine._heartbeat._times["prefill"]} >= {3, 40}
