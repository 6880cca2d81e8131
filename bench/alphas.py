"""How long do the 101 alphas take, evaluated and backtested, and how long in plain pandas?

    python -m bench.alphas

The first table is 101 alphas on 500 symbols and 15 years, in as many processes as there are cores
(two at most): the panel is made up, prices that walk at random. "processor" is the processor time
of the busier process: what it takes on a machine that does nothing else. The second is both sides
on the same smaller panel, in one process each, alternating: plain pandas is the usual way to write
them, ``DataFrame.rolling`` and ``apply`` (``bench/alphas_pandas.py``).
"""

import functools
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from bench import intervals
from bench.alphas_pandas import Frames, evaluate_in_pandas
from bench.harness import Bench, Figures, Table, alternate
from radiance.labs.alphas.data.catalogue import formulas
from radiance.labs.alphas.results.backtest import Backtester
from radiance.labs.alphas.values.evaluator import Evaluator
from radiance.labs.alphas.values.synthetic import made_up

FULL = {"tiny": (30, 8), "default": (3780, 500), "large": (3780, 1000)}
COMPARED = {"tiny": (30, 4), "default": (500, 60), "large": (1000, 100)}
RUNS = {"tiny": 1, "default": 3, "large": 6}
ROUNDS = {"tiny": 1, "default": 6, "large": 10}


def study(days: int, symbols: int, parts: int, part: int) -> Figures:
    """Evaluate and backtest every ``parts``-th alpha."""
    panel = made_up(days, symbols)
    began, worked = time.perf_counter(), time.process_time()
    evaluator, market = Evaluator(panel), Backtester(panel)
    evaluating, sharpes = 0.0, {}
    for formula in formulas()[part::parts]:
        start = time.perf_counter()
        values = evaluator.evaluate(formula.text)
        evaluating += time.perf_counter() - start
        sharpes[formula.number] = market.backtest(values).performance.sharpe
    return {
        "seconds": time.perf_counter() - began,
        "processor_s": time.process_time() - worked,
        "evaluating_s": evaluating,
        "with_positions": sum(sharpe is not None for sharpe in sharpes.values()),
    }


def full(days: int, symbols: int) -> Figures:
    parts = min(2, os.cpu_count() or 1)
    # MLX's threads and a fork do not go together, and the harness has imported it.
    with ProcessPoolExecutor(parts, get_context("spawn")) as pool:
        done = list(pool.map(functools.partial(study, days, symbols, parts), range(parts)))
    return {
        "processes": parts,
        "seconds": max(part["seconds"] for part in done),
        "processor_s": max(part["processor_s"] for part in done),
        "evaluating_s": sum(part["evaluating_s"] for part in done),
        "busy_s": sum(part["seconds"] for part in done),
        "with_positions": sum(part["with_positions"] for part in done),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    bench = Bench.from_command_line("alphas", __doc__, arguments)
    days, symbols = FULL[bench.size]
    rounds = ROUNDS[bench.size]
    progress = bench.progress(RUNS[bench.size] + rounds)
    runs = []
    for number in range(RUNS[bench.size]):
        runs.append(
            bench.cell({"panel": [days, symbols], "run": number}, lambda: full(days, symbols))
        )
        progress.advance()
    small = made_up(*COMPARED[bench.size])
    frames = Frames.of(small)

    def ours() -> Figures:
        start = time.perf_counter()
        evaluator = Evaluator(small)
        for formula in formulas():
            evaluator.evaluate(formula.text)
        return {"seconds": time.perf_counter() - start}

    def pandas() -> Figures:
        start = time.perf_counter()
        for formula in formulas():
            evaluate_in_pandas(formula.number, frames)
        return {"seconds": time.perf_counter() - start}

    sides = bench.cell(
        {"panel": list(COMPARED[bench.size]), "rounds": rounds},
        lambda: dict(alternate({"radiance": ours, "pandas": pandas}, rounds, 0, progress)),
    )
    seconds = {name: [found["seconds"] for found in sides[name]] for name in sides}
    ratio = intervals.ratio(seconds["pandas"], seconds["radiance"])
    wall = intervals.median([run["seconds"] for run in runs])
    work = intervals.median([run["processor_s"] for run in runs])
    share = intervals.median([run["evaluating_s"] / run["busy_s"] for run in runs])
    tables = [
        Table(
            f"101 alphas, {symbols} symbols, {days} days: evaluated and backtested; medians",
            ("processes", "seconds", "processor", "of which evaluating", "alphas with positions"),
            [(runs[0]["processes"], str(wall), str(work), str(share), runs[0]["with_positions"])],
        ),
        Table(
            "Evaluation alone, {1} symbols, {0} days, one process".format(*COMPARED[bench.size]),
            ("side", "seconds", "pandas / radiance"),
            [
                ("radiance", str(intervals.median(seconds["radiance"])), ""),
                ("plain pandas", str(intervals.median(seconds["pandas"])), str(ratio)),
            ],
        ),
    ]

    def draw(figure: Any) -> None:
        axes = figure.subplots()
        axes.bar(["radiance", "plain pandas"], [min(seconds[n]) for n in ("radiance", "pandas")])
        axes.set_yscale("log")
        axes.set_ylabel("seconds for the 101 alphas")

    bench.finish(tables, draw, seconds=wall, processor_seconds=work, pandas_ratio=ratio)


if __name__ == "__main__":
    main()
