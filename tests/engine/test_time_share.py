"""Shares of the engine's time, and training that is paused."""

import threading
from collections.abc import Iterator

import pytest

from radiance.config import Priority
from radiance.engine.decoding.scoring import score
from radiance.engine.requests import Scored, Scoring
from radiance.engine.time_share import TimeShare
from radiance.engine.worker import Engine
from radiance.errors import Cancelled


@pytest.mark.parametrize(
    ("priority", "rows", "share"),
    [
        ("background", 1, 0.43),
        ("background", 2, 0.27),
        ("background", 8, 0.15),
        ("balanced", 1, 0.62),
        ("balanced", 8, 0.62),
        ("eager", 8, 0.85),
    ],
)
@pytest.mark.parametrize("step_s", [0.005, 0.08, 0.4])
@pytest.mark.parametrize("piece", [0.1, 0.6, 1.0, 3.0])
def test_training_gets_its_share_of_the_time(
    priority: Priority, rows: int, share: float, step_s: float, piece: float
) -> None:
    """Whatever a piece takes, in decode steps; and what a token waits for stays bounded."""
    schedule, decoding, training = TimeShare(priority), 0.0, 0.0
    due = step_s * share / (1 - share)
    for _ in range(2000):
        schedule.decoded(step_s, rows)
        decoding += step_s
        spent = 0.0
        while schedule.is_turn(spent, piece * step_s if spent else 0.0):
            schedule.trained(piece * step_s)
            spent += piece * step_s
        training += spent
        most = {"background": 0.0, "balanced": 0.012, "eager": 0.05}[priority]
        assert spent <= 1.01 * max(piece * step_s, 2 * due, most), (
            "no token waits for more than that"
        )
    if piece * step_s < 0.75:  # the rest of a longer one is not paid back
        assert training / (decoding + training) == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("piece_s", [0.002, 0.05, 0.4])
def test_readings_leave_two_thirds_of_the_time_to_whoever_waits_for_tokens(piece_s: float) -> None:
    schedule, decoding, reading = TimeShare("background"), 0.0, 0.0
    for _ in range(3000):
        schedule.decoded(0.02, 1)
        decoding += 0.02
        if schedule.reading_owed_s >= 0:
            schedule.read(piece_s)
            reading += piece_s
    assert reading / (decoding + reading) <= 0.34


def test_a_reading_goes_on_in_small_pieces_while_somebody_waits_for_tokens(engine: Engine) -> None:
    """As many tokens as before, to the same log-probabilities."""
    tokens = [list(range(5, 405)), list(range(9, 309))]
    texts = [Scoring(one) for one in tokens]

    def pieces(is_awaited: bool) -> tuple[int, list[Scored]]:
        def run() -> tuple[int, list[Scored]]:
            reading = score(engine._model, engine._sources, texts, 0, 512)
            count = 0
            try:
                next(reading)
                while True:
                    count += 1
                    reading.send(is_awaited)
            except StopIteration as stop:
                return count, stop.value

        return engine.call(run, patience_s=60.0)

    (few, alone), (many, beside) = pieces(False), pieces(True)
    assert many >= 3 * few
    for one, other in zip(alone, beside, strict=True):
        found = [token.logprob for token in other.logprobs]
        assert found == pytest.approx([token.logprob for token in one.logprobs], abs=1e-3)


def test_a_long_piece_is_not_paid_back_for_ever() -> None:
    schedule = TimeShare("balanced")
    schedule.trained(60.0)
    for _ in range(100):
        schedule.decoded(0.005, 2)
    assert schedule.is_turn()


def test_a_long_prompt_gives_training_no_long_turn() -> None:
    """What a step usually takes says how long pieces may go on."""
    schedule = TimeShare("background")
    for seconds in (*[0.01] * 20, 3.0):
        schedule.decoded(seconds, 1)
    assert not schedule.is_turn(0.02, 0.005)


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
