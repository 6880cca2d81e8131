"""Tasks from a folder of JSONL: one file a task, rows of split, instruction, input and output.

Rows of the split "train" may be taught; all others are only asked. An answer is right by exact
match where a task has few different answers (labels); else it is scored by ROUGE-L.
"""

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_MOST_DISTINCT = 0.25  # of the taught rows: up to here answers are labels
_WORD = re.compile(r"[^\W_]+")
_EDGES = ".,;:!?\"'` "


@dataclass(frozen=True)
class Item:
    """What is asked, and the right answer."""

    prompt: str
    answer: str


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        train: What is taught of it.
        test: What is only asked.
        has_labels: Whether its answers are a few that come again and again.
    """

    name: str
    train: tuple[Item, ...]
    test: tuple[Item, ...]
    has_labels: bool

    @property
    def measure(self) -> str:
        return "exact" if self.has_labels else "ROUGE-L"

    def score(self, answer: str, right: str) -> float:
        """How good an answer is, in [0, 1]."""
        if self.has_labels:
            return float(_plain(answer) == _plain(right))
        return rouge_l(answer, right)


def read_tasks(
    folder: Path, train: int, test: int, fits: Callable[[Item], bool] = lambda _: True
) -> list[Task]:
    """The tasks of a folder, by name.

    Args:
        folder: Its ``*.jsonl``.
        train: Most rows of a task that are taught; drawn evenly over the file.
        test: Most that are asked.
        fits: Which rows a model can take.
    """
    tasks = []
    for path in sorted(folder.glob("*.jsonl")):
        parts: dict[bool, list[Item]] = {True: [], False: []}
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            item = Item(f"{row['instruction']}\n{row['input']}".strip(), row["output"])
            if fits(item):
                parts[row["split"] == "train"].append(item)
        chosen = _some(parts[True], train), _some(parts[False], test)
        tasks.append(Task(path.stem, *chosen, _are_labels([item.answer for item in parts[True]])))
    return [task for task in tasks if task.train and task.test]


def orders(names: Sequence[str], count: int, seed: int = 0) -> list[list[str]]:
    """So many orders of the tasks: as they are, reversed, then others at random, none twice."""
    found = [list(names), list(reversed(names))]
    draw = random.Random(seed)
    while len(found) < count and len(names) > 2:
        order = draw.sample(list(names), len(names))
        if order not in found:
            found.append(order)
    return found[:count]


def rouge_l(answer: str, right: str) -> float:
    """F1 of the longest common subsequence of words, lower-cased (Lin, 2004), in [0, 1]."""
    mine, theirs = _words(answer), _words(right)
    common = _longest_common(mine, theirs)
    return 2 * common / (len(mine) + len(theirs)) if common else 0.0


def _longest_common(one: Sequence[str], other: Sequence[str]) -> int:
    row = [0] * (len(other) + 1)
    for word in one:
        before = row
        row = [0]
        for place, theirs in enumerate(other):
            row.append(before[place] + 1 if word == theirs else max(before[place + 1], row[place]))
    return row[-1]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _are_labels(answers: Sequence[str]) -> bool:
    return len(set(answers)) <= _MOST_DISTINCT * len(answers)


def _plain(text: str) -> str:
    return " ".join(text.split()).strip(_EDGES).casefold()


def _some(items: Sequence[Item], most: int) -> tuple[Item, ...]:
    if len(items) <= most:
        return tuple(items)
    return tuple(items[place * len(items) // most] for place in range(most))
