"""Shares of the engine's time, and training that is paused."""

import threading
from collections.abc import Iterator

import pytest

from radiance.config import Priority
from radiance.engine.time_share import TimeShare
from radiance.engine.worker import Engine
from radiance.errors import Cancelled


@pytest.mark.parametrize(
    ("priority", "share"), [("background", 0.15), ("balanced", 0.62), ("eager", 0.85)]
)
@pytest.mark.parametrize("piece_s", [0.001, 0.02, 0.1])
def test_training_gets_its_share_of_the_time(
    priority: Priority, share: float, piece_s: float
) -> None:
    schedule, decoding, training = TimeShare(priority), 0.0, 0.0
    while decoding + training < 60:
        schedule.decoded(0.005)
        decoding += 0.005
        spent = 0.0
        while schedule.is_turn(spent):
            schedule.trained(piece_s)
            spent += piece_s
        training += spent
        assert spent <= max(piece_s, 0.05 + piece_s), "no token waits for more than that"
    # Background runs one piece at a time; a short one then comes after every decode step.
    alone = piece_s / (piece_s + 0.005)
    expected = min(share, alone) if priority == "background" else share
    assert training / (decoding + training) == pytest.approx(expected, abs=0.03)


def test_a_long_piece_is_not_paid_back_for_ever() -> None:
    schedule = TimeShare("balanced")
    schedule.trained(60.0)
    for _ in range(100):
        schedule.decoded(0.005)
    assert schedule.is_turn()


def test_paused_training_stands_still_and_goes_on(engine: Engine) -> None:
    steps = 0

    def training() -> Iterator[None]:
        nonlocal steps
        while True:
            steps += 1
            yield None

    task = engine.run(training)  # type: ignore[arg-type]
    while not steps:
        threading.Event().wait(0.01)
    engine.pause("somebody wants quiet")
    engine.call(lambda: None)
    engine.call(lambda: None)
    before = steps
    for _ in range(20):
        engine.call(lambda: None)
    assert steps == before
    assert engine.stats.training_state == "paused"
    engine.resume()
    while steps == before:
        threading.Event().wait(0.01)
    engine.pause("again")
    task.cancel()  # what is called off ends although it is paused
    with pytest.raises(Cancelled):
        _ = task.result
    engine.resume()
