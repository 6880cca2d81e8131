"""Tasks one after another: what is learned of each, and what is forgotten of those before.

    python -m bench.tasks [--model smollm2] [--tasks FOLDER] [--method ours] [--orders 2]

A task is a file of instructions, inputs and outputs. Every method takes the same number of steps of
the service's own trainer on each, with the same rank, batch and schedule, in several orders. After
each task all tasks so far and the next one are asked, greedily and only what was never taught, and
common knowledge that is held out. Printed are average performance, forgetting, backward and forward
transfer as the field defines them (``radiance.evaluation.metrics``), means over the orders.

O-LoRA (Wang et al., 2023) is a new adapter for each task over those before, whose A is kept
orthogonal to theirs by a penalty of the paper's strength, 0.5.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import intervals
from bench.harness import Bench, Figures, Size, Table
from bench.students import Method
from bench.task_files import Task, orders, read_tasks
from bench.task_students import TaskStudent, fits_in
from radiance.evaluation.metrics import (
    average_accuracy,
    backward_transfer,
    forgetting,
    forward_transfer,
)
from tests.shared_data import FOLDER, why_missing

TASKS = FOLDER / "tasks"
_PLAIN: dict[str, Any] = {"replay_ratio": 0.0}
_NAIVE = {"method": "naive"}
OURS = "ours"
METHODS = (
    Method("naive LoRA", _PLAIN, _NAIVE),
    Method("replay", {}, _NAIVE),
    Method("A-GEM", _PLAIN, {"weight": 0.0, "project": "gradient"}, memory="gem"),
    Method("O-LoRA", _PLAIN, _NAIVE, penalty="orthogonal", penalty_weight=0.5),
    Method(OURS),
    Method("ours, as many replayed", {"replay_ratio": 1.0}),
)
# Rows taught and asked of a task, steps on each, orders, own samples, prompts of common knowledge.
Scale = dict[str, int]
SIZES: dict[Size, Scale] = {
    "tiny": {"train": 6, "test": 2, "steps": 2, "orders": 1, "own_samples": 0, "common": 2},
    "default": {
        "train": 200,
        "test": 40,
        "steps": 30,
        "orders": 2,
        "own_samples": 64,
        "common": 24,
    },
    "large": {
        "train": 200,
        "test": 50,
        "steps": 120,
        "orders": 4,
        "own_samples": 128,
        "common": 80,
    },
}
_TINY_METHODS = ("naive LoRA", "A-GEM", "O-LoRA", OURS)


def run(bench: Bench, method: Method, tasks: Sequence[Task], cache: Path) -> Figures:
    """One cell: the tasks in one order by one method."""
    scale = bench.sized(SIZES)
    student = TaskStudent(
        method, cache, scale["steps"], 0, scale["own_samples"], scale["common"], bench.model
    )
    count = len(tasks)
    matrix, untrained = np.full((count, count), np.nan), np.full(count, np.nan)
    before = np.full(count, np.nan)
    for number, task in enumerate(tasks):
        untrained[number] = student.score(task)
    kept: list[float] = []
    seconds: list[float] = []
    for number, task in enumerate(tasks):
        before[number] = student.score(task) if number else untrained[0]
        seconds.append(student.learn_task(task))
        for place in range(number + 1):
            matrix[number, place] = student.score(tasks[place])
        kept.append(student.common_kept())
    taught = np.arange(count)
    return {
        "order": [task.name for task in tasks],
        "scores": [[None if np.isnan(v) else float(v) for v in row] for row in matrix],
        "untrained": untrained.tolist(),
        "average": average_accuracy(matrix),
        "forgetting": forgetting(matrix, taught),
        "backward": backward_transfer(matrix, taught),
        "forward": forward_transfer(before[1:], untrained[1:]),
        "just learned": float(np.mean(np.diag(matrix))),
        "common kept": kept[-1],
        "step seconds": float(np.median(seconds)),
    }


def is_there(folder: Path) -> bool:
    """Whether there is a folder of tasks; says what is missing where there is none."""
    if folder.is_dir():
        return True
    missing = why_missing(folder) if folder == TASKS else f"no folder {folder}"
    print(f"skipped: {missing}; name a folder with --tasks")
    return False


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--tasks", type=Path, default=TASKS)
    parser.add_argument("--method", action="append")
    parser.add_argument("--orders", type=int)
    own, rest = parser.parse_known_args(arguments)
    bench = Bench.from_command_line("tasks", __doc__, rest, model="smollm2")
    if not is_there(own.tasks):
        return
    scale = bench.sized(SIZES)
    fits = fits_in(bench.model)
    tasks = {t.name: t for t in read_tasks(own.tasks, scale["train"], scale["test"], fits)}
    wanted = own.method or (_TINY_METHODS if bench.size == "tiny" else None)
    methods = [method for method in METHODS if wanted is None or method.name in wanted]
    sequences = orders(list(tasks), own.orders or scale["orders"])
    progress = bench.progress(len(methods) * len(sequences))
    found: dict[str, list[Figures]] = {}
    with tempfile.TemporaryDirectory() as cache:
        for order in sequences:
            for method in methods:
                cell = {"method": method.name, "order": order, **scale, "orders": None}
                chosen = [tasks[name] for name in order]
                figures = bench.cell(cell, lambda m=method, c=chosen: run(bench, m, c, Path(cache)))
                found.setdefault(method.name, []).append(figures)
                progress.advance(f"{method.name}: average {figures['average']:.2f}")
    bench.finish(
        [_summary(bench, list(tasks.values()), found), _by_task(bench, found)],
        lambda figure: _draw(figure, found),
        methods={
            name: {key: [cell[key] for cell in cells] for key in _COLUMNS}
            for name, cells in found.items()
        },
    )


_COLUMNS = {
    "average": "average performance",
    "forgetting": "forgetting",
    "backward": "backward transfer",
    "forward": "forward transfer",
    "just learned": "just learned",
    "common kept": "common knowledge kept",
    "step seconds": "s / step",
}


def _summary(bench: Bench, tasks: Sequence[Task], found: dict[str, list[Figures]]) -> Table:
    how = ", ".join(f"{task.name} ({task.measure})" for task in tasks)
    steps = bench.sized(SIZES)["steps"]
    return Table(
        f"{bench.model.title}: {how}; {steps} steps on each, means over orders",
        ("method", "orders", *_COLUMNS.values()),
        [
            (name, len(cells), *(_mean([cell[key] for cell in cells]) for key in _COLUMNS))
            for name, cells in found.items()
        ],
    )


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return str(intervals.mean(known)) if known else "-"


def _by_task(bench: Bench, found: dict[str, list[Figures]]) -> Table:
    """Each task at the end, in each order."""
    rows: list[tuple[object, ...]] = []
    for name, cells in found.items():
        for cell in cells:
            ends = zip(cell["order"], cell["untrained"], cell["scores"][-1], strict=True)
            shown = ", ".join(f"{task} {base:.2f} → {end:.2f}" for task, base, end in ends)
            rows.append((name, shown))
    title = f"{bench.model.title}: by the base → at the end, in the order they were taught"
    return Table(title, ("method", "tasks"), rows)


def _draw(figure: Any, found: dict[str, list[Figures]]) -> None:
    axes = figure.subplots()
    for name, cells in found.items():
        averages = [np.nanmean(np.array(row, dtype=float)) for row in _mean_scores(cells)]
        axes.plot(range(1, len(averages) + 1), averages, "o-", label=name)
    axes.set_xlabel("tasks learned")
    axes.set_ylabel("mean score of the tasks so far")
    axes.set_ylim(0, 1)
    axes.legend(fontsize=7)


def _mean_scores(cells: Sequence[Figures]) -> np.ndarray:
    return np.mean([np.array(cell["scores"], dtype=float) for cell in cells], axis=0)


if __name__ == "__main__":
    main()
