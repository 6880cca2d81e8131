"""Is an answer to a task as good with memory on as with memory off?

    python -m bench.served_tasks [--model smollm2] [--tasks FOLDER] [--task NAME] [--rows N]

A service with its defaults is posted the rows of one task after another (as ``bench.tasks`` reads
them). Inputs that were not taught are asked with memory always, for what is pending, and off: the
moment ``POST /update`` has answered, when nothing of the task is learned, and once it has been
learned. Memory holds the rows of a task as what they are, many inputs under one instruction, so it
should answer none of these. Inputs that were taught are asked too: there memory knows the answer.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import intervals
from bench.harness import Bench, Figures, Size, Table
from bench.knowing import ask
from bench.servers import Server, Servers
from bench.task_files import Item, Task, read_tasks
from bench.task_students import fits_in
from bench.tasks import TASKS, is_there

# Tasks, rows taught of each, rows asked.
SIZES: dict[Size, tuple[int, int, int]] = {
    "tiny": (1, 4, 2),
    "default": (2, 40, 40),
    "large": (4, 40, 50),
}
MODES = ("off", "pending", "always")
WHENS = ("at once", "learned")
_POLL_S = 0.2
_TINY_FLAGS = ("--set", "training.max_steps=4", "--set", "anchor.own_samples=0")


def run(bench: Bench, tasks: Sequence[Task]) -> Figures:
    """Every score of every task: by when, by which inputs, by mode."""
    flags = ["--log-level=error"]
    for name, value in bench.model.settings().items():
        flags += ["--set", f'{name}="{value}"']
    with Servers() as servers:
        server = servers.radiance(
            bench.model, None, *flags, *(_TINY_FLAGS if bench.size == "tiny" else ())
        )
        return {task.name: _task(server, task) for task in tasks}


def _task(server: Server, task: Task) -> Figures:
    rows = [{"input": item.prompt, "output": item.answer} for item in task.train]
    status, posted = server.call("POST", "/update", {"examples": rows})
    assert status == 202, posted
    taught = task.train[: len(task.test)]
    scores: Figures = {WHENS[0]: _scores(server, task, taught)}
    while (job := server.call("GET", f"/jobs/{posted['job_id']}")[1])["finished_at"] is None:
        time.sleep(_POLL_S)
    if job["status"] != "succeeded":
        raise RuntimeError(f"{task.name}: the job {job['status']}: {job['error']}")
    return scores | {WHENS[1]: _scores(server, task, taught)}


def _scores(server: Server, task: Task, taught: Sequence[Item]) -> Figures:
    asked = {"not taught": task.test, "taught": taught}
    return {
        kind: {
            mode: [
                task.score(answer, item.answer)
                for answer, item in zip(
                    ask(server, [item.prompt for item in items], memory=mode), items, strict=True
                )
            ]
            for mode in MODES
        }
        for kind, items in asked.items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--tasks", type=Path, default=TASKS)
    parser.add_argument("--task", help="this one alone, whichever size")
    parser.add_argument("--rows", type=int, help="rows that are taught, and that are asked")
    own, rest = parser.parse_known_args(arguments)
    bench = Bench.from_command_line("served_tasks", __doc__, rest, model="smollm2")
    if not is_there(own.tasks):
        return
    most, train, test = bench.sized(SIZES)
    if own.rows is not None:
        train = test = own.rows
    tasks = read_tasks(own.tasks, train, test, fits_in(bench.model))
    tasks = [task for task in tasks if own.task in (None, task.name)]
    tasks = tasks[: most if own.task is None else 1]
    cell = {"tasks": [task.name for task in tasks], "train": train, "test": test}
    found = bench.cell(cell, lambda: run(bench, tasks))
    table = _table(bench.model.title, tasks, found)
    bench.finish([table], lambda figure: _draw(figure, found), scores=found)


def _table(title: str, tasks: Sequence[Task], found: Figures) -> Table:
    rows: list[tuple[object, ...]] = []
    for task in tasks:
        for when in WHENS:
            for kind, scores in found[task.name][when].items():
                means = (str(intervals.mean(scores[mode])) for mode in MODES)
                changed = sum(a != b for a, b in zip(scores["off"], scores["always"], strict=True))
                name = f"{task.name} ({task.measure})"
                rows.append((name, when, kind, len(scores["off"]), *means, changed))
    columns = ("task", "asked", "inputs", "count", *(f"memory {mode}" for mode in MODES))
    return Table(
        f"{title}: mean score with memory off and on",
        (*columns, "scores that always changes"),
        rows,
    )


def _draw(figure: Any, found: Figures) -> None:
    axes = figure.subplots()
    for place, mode in enumerate(MODES):
        means = [np.mean(task[WHENS[1]]["not taught"][mode]) for task in found.values()]
        axes.bar(np.arange(len(found)) + place * 0.25, means, 0.25, label=f"memory {mode}")
    axes.set_xticks(np.arange(len(found)) + 0.25, list(found))
    axes.set_ylabel("mean score, inputs that were not taught")
    axes.set_ylim(0, 1)
    axes.legend(fontsize=7)


if __name__ == "__main__":
    main()
