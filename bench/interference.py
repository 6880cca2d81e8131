"""What training costs whoever is being answered: gaps between tokens, idle and while training.

    python -m bench.interference

Two requests decode together on Ember; the gap is from one token to the next of the same batch.
Three ways in one run, alternating: nothing trains; the trainer yields between blocks, as it does;
the same trainer with its pieces of a step run in one go.
"""

import itertools
import time
from collections.abc import Generator
from typing import Any

from bench.common import fingerprint, quantile, report
from radiance import config, ember
from radiance.engine.generation import Request
from radiance.engine.worker import Engine
from radiance.records import Message
from radiance.training.blockwise import Differentiator
from radiance.training.lora import LoraModel
from radiance.training.trainer import Trainer
from tests.support import FACTS, example

ROUNDS, TOKENS = 4, 150


def gaps(engine: Engine) -> list[float]:
    """Seconds between the decode steps of two long requests."""
    times: list[float] = []
    decoder = engine.call(lambda: engine._decoder)
    step = decoder.step

    def timed() -> None:
        step()
        times.append(time.perf_counter())

    engine.call(lambda: setattr(decoder, "step", timed))
    prompt = engine.encoder.prompt([Message("user", "Tell me a long story about the sea.")])
    futures = [engine.generate(Request(prompt, TOKENS, 5.0)) for _ in range(2)]
    for future in futures:
        future.result()
    engine.call(lambda: setattr(decoder, "step", step))
    return [after - before for before, after in itertools.pairwise(times)]


def whole_steps(pieces: Generator[Any, None, Any]) -> Generator[Any, None, Any]:
    """The same work, giving way only after each optimizer step."""
    for event in pieces:
        if event is not None:
            yield event


def main() -> None:
    fingerprint()
    engine = Engine("ember", ember.MODEL_PATH, "auto", config.Engine(), max_waiting=100)
    engine.start()
    settings = config.Training(stop_loss=0, max_steps=10_000, eval_every=10_000)
    lora = engine.call(lambda: LoraModel(engine.base, settings))
    differentiator = engine.call(lambda: Differentiator(lora))
    examples = [engine.encoder.example(example(i, *fact)) for i, fact in enumerate(FACTS)]

    def trainer() -> Generator[Any, None, Any]:
        return Trainer(lora, differentiator, settings, examples, [], [], None).run()

    ways = {"idle": None, "blocks": trainer, "whole steps": lambda: whole_steps(trainer())}
    measured: dict[str, list[float]] = {name: [] for name in ways}
    gaps(engine)
    for _ in range(ROUNDS):
        for name, start in ways.items():
            task = engine.run(start) if start else None
            measured[name] += gaps(engine)
            if task:
                task.cancel()
                list(task)
    engine.stop()
    idle = measured["idle"]
    for name, values in measured.items():
        report(
            f"gap between tokens, {name}",
            n=len(values),
            p50_to_idle=round(quantile(values, 0.5) / quantile(idle, 0.5), 2),
            p99_to_idle=round(quantile(values, 0.99) / quantile(idle, 0.99), 2),
            p50_ms=round(quantile(values, 0.5) * 1000, 1),
            p99_ms=round(quantile(values, 0.99) * 1000, 1),
        )


if __name__ == "__main__":
    main()
