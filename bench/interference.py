"""What training costs whoever is being answered: gaps between tokens, idle and while training.

    python -m bench.interference

Two requests decode together on Ember; the gap is from one token to the next of the same batch.
Three ways in one run, alternating: nothing trains; the trainer yields between pieces, as it does;
the same trainer with its pieces of a step run in one go.
"""

import time
from collections.abc import Callable, Generator, Sequence
from typing import Any

from bench.harness import Bench, Figures, Table, alternate
from bench.intervals import gaps, median, quantile, ratio
from radiance import config, ember
from radiance.engine.requests import Request, Sampling
from radiance.engine.worker import Engine
from radiance.records import Message
from radiance.training.blockwise import Differentiator
from radiance.training.lora import LoraModel
from radiance.training.material import Lesson, Material
from radiance.training.trainer import Trainer
from tests.support import FACTS, example

IDLE, PIECES, WHOLE = "idle", "pieces", "whole steps"
# Rounds, tokens a round.
SIZES = {"tiny": (1, 6), "default": (8, 150), "large": (24, 300)}

Start = Callable[[], Generator[Any, None, Any]]


def token_gaps(engine: Engine, tokens: int) -> list[float]:
    """Seconds between the decode steps of two long requests."""
    times: list[float] = []
    decoder = engine.call(lambda: engine._decoder)
    step = decoder.step

    def timed() -> bool:
        has_moved = step()
        times.append(time.perf_counter())
        return has_moved

    engine.call(lambda: setattr(decoder, "step", timed))
    prompt = engine.encoder.prompt([Message("user", "Tell me a long story about the sea.")])
    futures = [engine.submit(Request(prompt, tokens, Sampling(temperature=5.0))) for _ in range(2)]
    for future in futures:
        future.result()
    engine.call(lambda: setattr(decoder, "step", step))
    return gaps(times)


def whole_steps(pieces: Generator[Any, None, Any]) -> Generator[Any, None, Any]:
    """The same work, giving way only after each optimizer step."""
    for event in pieces:
        if event is not None:
            yield event


def measure(bench: Bench, rounds: int, tokens: int) -> dict[str, list[Figures]]:
    engine = Engine("ember", ember.MODEL_PATH, "auto", config.Engine(), max_waiting=100)
    engine.start()
    try:
        settings = config.Training(stop_loss=0, max_steps=10_000, eval_every=10_000)
        lora = engine.call(lambda: LoraModel(engine.base, settings))
        differentiator = engine.call(lambda: Differentiator(lora))
        encode = engine.encoder.example
        lessons = [Lesson(encode(example(i, *fact))) for i, fact in enumerate(FACTS)]

        def train() -> Generator[Any, None, Any]:
            anchor, material = config.Anchor(method="naive"), Material(lessons)
            return Trainer(lora, differentiator, settings, anchor, material, None).run()

        def side(start: Start | None) -> Callable[[], Figures]:
            def run() -> Figures:
                task = engine.run(start) if start else None
                found = token_gaps(engine, tokens)
                if task:
                    task.cancel()
                    list(task)
                shares = {"p50": 0.5, "p99": 0.99}
                return {name: quantile(found, share) for name, share in shares.items()}

            return run

        starts = {IDLE: None, PIECES: train, WHOLE: lambda: whole_steps(train())}
        sides = {name: side(start) for name, start in starts.items()}
        return alternate(sides, rounds, 1, bench.progress(rounds + 1))
    finally:
        engine.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    bench = Bench.from_command_line("interference", __doc__, arguments)
    rounds, tokens = SIZES[bench.size]
    measured = bench.cell(
        {"rounds": rounds, "tokens": tokens}, lambda: measure(bench, rounds, tokens)
    )
    values = {
        name: {share: [figures[share] for figures in found] for share in ("p50", "p99")}
        for name, found in measured.items()
    }
    times = {
        name: {share: ratio(of_side[share], values[IDLE][share]) for share in of_side}
        for name, of_side in values.items()
    }
    table = Table(
        "Gap between two tokens",
        ("way", "p50 ms", "p99 ms", "p50 to idle", "p99 to idle"),
        [
            (
                name,
                *(median([1000 * value for value in of_side[share]]) for share in ("p50", "p99")),
                *(times[name][share] for share in ("p50", "p99")),
            )
            for name, of_side in values.items()
        ],
    )

    def draw(figure: Any) -> None:
        for axes, share in zip(figure.subplots(1, 2), ("p50", "p99"), strict=True):
            data = [[1000 * v for v in of_side[share]] for of_side in values.values()]
            axes.boxplot(data, tick_labels=list(values))
            axes.set_ylabel(f"{share} of the gap between tokens, ms, by round")
            axes.set_ylim(bottom=0)

    bench.finish([table], draw, to_idle=times)


if __name__ == "__main__":
    main()
