"""Tasks through a served model: is an answer with memory on as good as with memory off?

    python -m bench.task_memory [--model smollm2]

A service with its defaults is taught rows of every task of the test data, in one update, and asked
inputs that it was never taught, with memory as it is by default (``always`` on /search) and with
``memory: "off"``: while that update waits (``at once``), and once it has learned. Examples of a
task are no facts, so memory should leave them alone.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from bench.forget import teach
from bench.harness import Bench, Figures, Size, Table
from bench.intervals import proportion
from bench.knowing import ask
from bench.models import Model
from bench.servers import Server, Servers
from bench.task_files import Task, read_tasks
from bench.tasks import TASKS
from tests.shared_data import why_missing

# Rows of each task that are taught, and that are asked.
SIZES: dict[Size, tuple[int, int]] = {"tiny": (4, 2), "default": (16, 25), "large": (64, 100)}
ON_OTHERS: dict[Size, tuple[int, int]] = {"default": (4, 10)}
TIMES = ("at once", "learned")
MODES = ("default", "off")
_MOST_CHARACTERS = 600  # of a row: Ember's context is short


def measure(model: Model, taught: int, asked: int, flags: Sequence[str]) -> Figures:
    """By time, mode and task: the scores of the answers; and how many differ between the modes."""
    tasks = read_tasks(
        TASKS, taught, asked, lambda item: len(item.prompt) + len(item.answer) <= _MOST_CHARACTERS
    )
    with Servers() as servers:
        server = servers.radiance(model, None, *flags)
        pairs = [(item.prompt, item.answer) for task in tasks for item in task.train]
        found = {}
        teach(server, pairs, lambda: found.update({TIMES[0]: _scores(server, tasks)}))
        found[TIMES[1]] = _scores(server, tasks)
    return found


def _scores(server: Server, tasks: Sequence[Task]) -> Figures:
    prompts = [item.prompt for task in tasks for item in task.test]
    given = {
        mode: ask(server, prompts, **({} if mode == "default" else {"memory": mode}))
        for mode in MODES
    }
    differ = sum(one != other for one, other in zip(*given.values(), strict=True))
    answers = {mode: iter(texts) for mode, texts in given.items()}
    scores = {
        mode: {
            task.name: [task.score(next(answers[mode]), item.answer) for item in task.test]
            for task in tasks
        }
        for mode in MODES
    }
    return {"scores": scores, "differ": differ, "asked": len(prompts)}


def main(arguments: Sequence[str] | None = None) -> None:
    if not TASKS.is_dir():
        print(f"skipped: {why_missing(TASKS)}")
        return
    bench = Bench.from_command_line("task_memory", __doc__, arguments, model="ember")
    taught, asked = bench.sized(SIZES, ON_OTHERS)
    flags = ["--log-level=error"]
    for name, value in bench.model.settings().items():
        flags += ["--set", f'{name}="{value}"']
    if bench.size == "tiny":
        flags += ["--set", "training.max_steps=8", "--set", "anchor.own_samples=0"]
    cell = {"taught": taught, "asked": asked}
    found = bench.cell(cell, partial(measure, bench.model, taught, asked, flags))
    rows: list[tuple[Any, ...]] = []
    for when in TIMES:
        scores, count = found[when]["scores"], found[when]["asked"]
        interval = proportion(found[when]["differ"], count)
        differ = f"{found[when]['differ']} of {count}: {interval}"
        rows += [
            (when, name, *(_mean(scores[mode][name]) for mode in MODES), differ)
            for name in scores[MODES[0]]
        ]
    columns = ("", "task", "memory on", "memory off", "answers that differ (all tasks)")
    table = Table(f"{bench.model.title}: tasks with memory on and off", columns, rows)
    bench.finish([table], lambda figure: _draw(figure, rows))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _draw(figure: Any, rows: Sequence[tuple[Any, ...]]) -> None:
    axes = figure.subplots()
    for place, mode in enumerate(MODES):
        where = [n + 0.4 * place for n in range(len(rows))]
        axes.barh(where, [row[2 + place] for row in rows], 0.4, label=f"memory {mode}")
    axes.set_yticks([n + 0.2 for n in range(len(rows))], [f"{row[1]}, {row[0]}" for row in rows])
    axes.legend()


if __name__ == "__main__":
    main()
