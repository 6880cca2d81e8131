"""What training costs whoever is being answered, and what answering costs training.

    python -m bench.interference

Two requests decode on Ember (or ``--model``) while the trainer runs; the gap is from one token to
the next of the same batch. In one process, alternating: nothing trains; training by each priority;
by ``eager`` with its pieces of a step run in one go. Training's own speed is held against its speed
when nobody asks. Beside it the same two jobs as two processes, ``mlx_lm.server`` and
``mlx_lm.lora``'s trainer, each with a base of its own, the gaps seen by a client that streams; and
ours seen the same way.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any, get_args

from bench.harness import Bench, Figures, Size, Table, alternate
from bench.intervals import gaps, median, quantile, ratio
from bench.processes import Process, peak_memory_bytes
from bench.servers import Server, Servers, run_streams
from radiance import config
from radiance.engine.requests import Request, Sampling
from radiance.engine.worker import Engine
from radiance.records import Message
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from radiance.training.steps import StepTaken
from radiance.training.trainer import Trainer
from radiance.training.training_set import TrainingSet
from radiance.training.wordings import AugmentedExample
from tests.support import FACTS, example

IDLE, ALONE, WHOLE = "idle", "training alone", "whole steps"
PRIORITIES = get_args(config.Priority)
TWO_IDLE, TWO = "mlx_lm.server", "mlx_lm.server beside mlx_lm.lora"
# Rounds, tokens a round, steps of the lone trainers.
SIZES: dict[Size, tuple[int, int, int]] = {
    "tiny": (1, 6, 1),
    "default": (8, 150, 8),
    "large": (40, 500, 20),
}
OTHER_SIZES: dict[Size, tuple[int, int, int]] = {"default": (2, 80, 2), "large": (8, 150, 4)}
STREAMS = 2


# ── One process ─────────────────────────────────────────────────────────────────────────────────


class _Training:
    """A trainer without end on the engine, which counts its steps."""

    def __init__(self, engine: Engine) -> None:
        settings = config.TrainingSettings(stop_loss=0, max_steps=10**6, eval_every=10**6)
        self._engine, self._settings = engine, settings
        self._lora = engine.call(lambda: LoraModel(engine.base, settings))
        self._gradient_computer = engine.call(lambda: GradientComputer(self._lora))
        encode = engine.encoder.example
        self._lessons = [
            AugmentedExample(encode(example(i, *fact))) for i, fact in enumerate(FACTS)
        ]
        self.steps = 0

    @contextlib.contextmanager
    def running(self, is_whole: bool = False) -> Generator[None, None, None]:
        """Trains from here to the end of the block."""

        def start() -> Generator[Any, None, Any]:
            anchor, material = config.AnchorSettings(method="naive"), TrainingSet(self._lessons)
            pieces = Trainer(
                self._lora, self._gradient_computer, self._settings, anchor, material, None
            ).run()
            return whole_steps(pieces) if is_whole else pieces

        task = self._engine.run(start)

        def count() -> None:
            for event in task:
                self.steps += isinstance(event, StepTaken)

        counting = threading.Thread(target=count)
        counting.start()
        try:
            yield
        finally:
            task.cancel()
            counting.join()


def whole_steps(pieces: Generator[Any, None, Any]) -> Generator[Any, None, Any]:
    """The same work, giving way only after each optimizer step."""
    for event in pieces:
        if event is not None:
            yield event


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
    request = Request(prompt, tokens, Sampling(temperature=5.0), ignore_end=True)
    futures = [engine.submit(request) for _ in range(STREAMS)]
    for future in futures:
        future.result()
    engine.call(lambda: setattr(decoder, "step", step))
    return gaps(times)


def measure(bench: Bench, rounds: int, tokens: int, steps: int) -> dict[str, list[Figures]]:
    settings = config.EngineSettings()
    engine = Engine(bench.model.name, bench.model.path, "auto", settings, max_waiting=100)
    engine.start()
    try:
        training = _Training(engine)

        def alone() -> Figures:
            before, began = training.steps, time.perf_counter()
            with training.running():
                while training.steps < before + steps:
                    time.sleep(0.001)
            return {"steps_per_s": (training.steps - before) / (time.perf_counter() - began)}

        def side(priority: config.Priority | None, is_whole: bool = False) -> Callable[[], Figures]:
            def run() -> Figures:
                if priority is None:
                    return _gap_figures(token_gaps(engine, tokens))
                engine._schedule.priority = priority
                before, began = training.steps, time.perf_counter()
                with training.running(is_whole):
                    figures = _gap_figures(token_gaps(engine, tokens))
                    seconds = time.perf_counter() - began
                return {
                    **figures,
                    "steps_per_s": (training.steps - before) / seconds,
                    "peak_memory_bytes": peak_memory_bytes(),
                }

            return run

        sides = {
            IDLE: side(None),
            ALONE: alone,
            **{name: side(name) for name in PRIORITIES},
            WHOLE: side("eager", is_whole=True),
        }
        return alternate(sides, rounds, 1, bench.progress(rounds + 1))
    finally:
        engine.stop()


def _gap_figures(found: Sequence[float]) -> Figures:
    return {"p50": quantile(found, 0.5), "p99": quantile(found, 0.99)}


# ── Two processes ───────────────────────────────────────────────────────────────────────────────


def measure_two(bench: Bench, rounds: int, tokens: int, steps: int) -> dict[str, list[Figures]]:
    """A server and a trainer with a base each, and the client's gaps."""
    parameters = {
        "count": len(FACTS),
        "steps": steps,
        "compiled": bench.size != "tiny",
        "trains_padding": True,
        "model": bench.model.name,
    }
    with Servers() as servers, Process("bench.training:theirs", parameters) as trainer:
        server, numbers = servers.mlx_lm(bench.model), iter(range(10**6))
        trainer()  # compiles

        def idle() -> Figures:
            return _gap_figures(_streamed_gaps(server, next(numbers), tokens))

        def beside() -> Figures:
            done, found = threading.Event(), []

            def train() -> None:
                while not done.is_set():
                    found.append(trainer())

            training = threading.Thread(target=train)
            training.start()
            figures = _gap_figures(_streamed_gaps(server, next(numbers), tokens))
            done.set()
            training.join()
            return {
                **figures,
                "steps_per_s": 1 / quantile([f["step_seconds"] for f in found], 0.5),
                "peak_memory_bytes": server.peak_memory_bytes + found[-1]["peak_memory_bytes"],
            }

        def alone() -> Figures:
            return {"steps_per_s": 1 / trainer()["step_seconds"]}

        sides = {TWO_IDLE: idle, ALONE: alone, TWO: beside}
        return alternate(sides, rounds, 1, bench.progress(rounds + 1))


def _streamed_gaps(server: Server, number: int, tokens: int) -> list[float]:
    """Seconds between two pieces of text, of two streams at a time."""
    bodies = [
        server.chat(f"Tell me story {number}-{i} of the sea.", tokens, temperature=1.0)
        for i in range(4 * STREAMS)
    ]
    answers = run_streams(server.port, bodies, STREAMS)
    return [gap for answer in answers for gap in gaps(answer.arrivals)] or [0.0]


# ── The bench ───────────────────────────────────────────────────────────────────────────────────


def main(arguments: Sequence[str] | None = None) -> None:
    bench = Bench.from_command_line("interference", __doc__, arguments, model="ember")
    rounds, tokens, steps = bench.sized(SIZES, OTHER_SIZES)
    cell = {"rounds": rounds, "tokens": tokens, "steps": steps}
    one = bench.cell({**cell, "processes": 1}, lambda: measure(bench, rounds, tokens, steps))
    two = bench.cell({**cell, "processes": 2}, lambda: measure_two(bench, rounds, tokens, steps))
    rows, ratios = [], {}
    for found, idle in ((one, IDLE), (two, TWO_IDLE)):
        for name, figures in found.items():
            if name == ALONE:
                continue
            ratios[name] = _against(found, name, idle)
            peak = figures[-1].get("peak_memory_bytes")
            rows.append(
                (
                    name,
                    *(median([1000 * f[share] for f in figures]) for share in ("p50", "p99")),
                    ratios[name]["p50"],
                    ratios[name]["p99"],
                    ratios[name].get("steps_per_s", "-"),
                    round(peak / 2**20) if peak else "-",
                )
            )
    table = Table(
        f"{bench.model.title}: gap between two tokens, and what is left of training's speed",
        ("way", "p50 ms", "p99 ms", "p50 to idle", "p99 to idle", "training speed", "peak MiB"),
        rows,
    )

    def draw(figure: Any) -> None:
        for axes, share in zip(figure.subplots(1, 2), ("p50", "p99"), strict=True):
            sides = {n: f for n, f in (one | two).items() if n != ALONE}
            data = [[1000 * f[share] for f in figures] for figures in sides.values()]
            axes.boxplot(data, tick_labels=[name.replace(" ", "\n") for name in sides])
            axes.tick_params(axis="x", labelsize=6)
            axes.set_ylabel(f"{share} of the gap between tokens, ms, by round")
            axes.set_ylim(bottom=0)

    bench.finish([table], draw, ratios=ratios)


def _against(found: dict[str, list[Figures]], name: str, idle: str) -> Figures:
    """Gaps to the idle ones, and training's speed to that of training alone."""
    figures = found[name]
    ratios: Figures = {
        share: ratio([f[share] for f in figures], [f[share] for f in found[idle]])
        for share in ("p50", "p99")
    }
    if "steps_per_s" in figures[0]:
        speeds = [f["steps_per_s"] for f in figures]
        ratios["steps_per_s"] = ratio(speeds, [f["steps_per_s"] for f in found[ALONE]])
    return ratios


if __name__ == "__main__":
    main()
