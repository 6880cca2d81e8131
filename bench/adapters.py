"""What it costs that the rows of a batch use different adapters.

    python -m bench.adapters

Eight long answers decode together on Ember, or ``--model``: all from one adapter, each from its own
of eight, and all from the bare base, in turns in one process. Counted are tokens per second from
the first decode step to the last.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench.harness import Bench, Figures, Size, Table, alternate
from bench.intervals import median, ratio
from radiance import config
from radiance.engine.adapters.slots import Adapter
from radiance.engine.requests import BASE, Request, Weights
from radiance.engine.worker import Engine
from radiance.records import CheckpointStatus, Message

ROWS = 8
ONE, MIXED, NONE = "one adapter", f"{ROWS} adapters", "no adapter"
# Tokens an answer, rounds.
SIZES: dict[Size, tuple[int, int]] = {"tiny": (4, 1), "default": (200, 20), "large": (400, 60)}
OTHER_SIZES: dict[Size, tuple[int, int]] = {"default": (60, 8), "large": (200, 20)}


def measure(bench: Bench, tokens: int, rounds: int) -> dict[str, list[Figures]]:
    settings = config.EngineSettings(max_adapters=ROWS, prompt_cache_bytes=0)
    engine = Engine(bench.model.name, bench.model.path, "auto", settings, max_waiting=100)
    engine.start()
    try:
        names = [_resident(engine, seed) for seed in range(ROWS)]

        def side(weights: Sequence[Weights]) -> Callable[[], Figures]:
            def run() -> Figures:
                prompt = engine.encoder.prompt([Message("user", "Tell me of the sea.")])
                began = time.perf_counter()
                futures = [
                    engine.submit(Request(prompt, tokens, weights=named, ignore_end=True))
                    for named in weights
                ]
                count = sum(len(future.result().tokens) for future in futures)
                return {"tokens_per_s": count / (time.perf_counter() - began)}

            return run

        sides = {ONE: side(names[:1] * ROWS), MIXED: side(names), NONE: side([BASE] * ROWS)}
        return alternate(sides, rounds, 2, bench.progress(rounds + 2))
    finally:
        engine.stop()


def _resident(engine: Engine, seed: int) -> Weights:
    """A random adapter in the engine's memory, as a request names it."""
    import mlx.core as mx

    from radiance.training.lora import LoraModel

    def build() -> Adapter:
        lora = LoraModel(engine.base, config.TrainingSettings())
        return lora.adapter(mx.random.normal((lora.size,), key=mx.random.key(seed)) * 0.05)

    nowhere = Path("in memory only")
    weights = Weights("checkpoint", f"A_{seed}", CheckpointStatus.STABLE, f"noise {seed}", nowhere)

    def bring() -> None:
        adapter_cache = engine._adapter_cache
        adapter_cache.release(adapter_cache.hold(adapter_cache.bring(weights, build)))

    engine.call(bring)
    return weights


def main(arguments: Sequence[str] | None = None) -> None:
    bench = Bench.from_command_line("adapters", __doc__, arguments, model="ember")
    tokens, rounds = bench.sized(SIZES, OTHER_SIZES)
    found = bench.cell({"tokens": tokens, "rounds": rounds}, lambda: measure(bench, tokens, rounds))
    speeds = {name: [f["tokens_per_s"] for f in figures] for name, figures in found.items()}
    ratios = {name: ratio(values, speeds[ONE]) for name, values in speeds.items()}
    table = Table(
        f"{ROWS} rows of {bench.model.title} with LoRA of rank 8 on every linear layer",
        ("the rows use", "tokens/s", "ratio to one adapter"),
        [(name, median(values), ratios[name]) for name, values in speeds.items()],
    )

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.boxplot(list(speeds.values()), tick_labels=list(speeds))
        axes.set_ylabel("tokens per second, by round")
        axes.set_ylim(bottom=0)

    bench.finish([table], draw, ratios=ratios)


if __name__ == "__main__":
    main()
