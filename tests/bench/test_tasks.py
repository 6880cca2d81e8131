"""bench.tasks reads tasks as they are, scores answers as the field does, and runs without a hub."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path

import mlx.core as mx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.models import Model
from bench.students import Method
from bench.task_files import Item, Task, orders, read_tasks, rouge_l
from bench.task_students import TaskStudent
from tests.shared_data import FOLDER, needs
from tests.support import drain
from tests.tiny_base import write_tiny_base

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=8)


def write_tasks(folder: Path, rows: int = 8) -> Path:
    """Two small tasks: labels, and answers that all differ."""
    folder.mkdir()
    answers: dict[str, Callable[[int], str]] = {
        "labels": lambda n: ("yes", "no")[n % 2],
        "texts": lambda n: f"the answer is {n}",
    }
    for name, answer in answers.items():
        lines = [
            json.dumps(
                {
                    "split": "train" if n < rows else "test",
                    "instruction": f"Do {name}.",
                    "input": f"Row {n}",
                    "output": answer(n),
                }
            )
            for n in range(rows + 2)
        ]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def test_rouge_l_equals_worked_examples() -> None:
    # Lin (2004), section 3.1: "police killed the gunman" against three candidates, with beta 1.
    assert rouge_l("police kill the gunman", "police killed the gunman") == pytest.approx(3 / 4)
    assert rouge_l("the gunman kill police", "police killed the gunman") == pytest.approx(2 / 4)
    assert rouge_l("Bat HasA wing.", "bat HasA wing") == 1
    assert rouge_l("", "wing") == 0


@given(WORDS, WORDS)
def test_rouge_l_is_symmetric_and_bounded(one: list[str], other: list[str]) -> None:
    score = rouge_l(" ".join(one), " ".join(other))
    assert score == rouge_l(" ".join(other), " ".join(one))
    assert 0 <= score <= 1
    assert (score == 1) == (one == other != [])


def test_tasks_are_read_with_what_may_be_taught_apart(tmp_path: Path) -> None:
    labels, texts = read_tasks(write_tasks(tmp_path / "t"), train=4, test=1)
    assert (labels.name, labels.measure) == ("labels", "exact")
    assert (texts.name, texts.measure) == ("texts", "ROUGE-L")
    assert [item.prompt for item in labels.train] == [f"Do labels.\nRow {n}" for n in (0, 2, 4, 6)]
    assert texts.test == (Item("Do texts.\nRow 8", "the answer is 8"),)
    assert labels.score(" Yes.", "yes") == 1
    assert texts.score("the answer was 8", "the answer is 8") == pytest.approx(3 / 4)
    short = read_tasks(tmp_path / "t", 4, 1, fits=lambda item: "labels" in item.prompt)
    assert [task.name for task in short] == ["labels"]


def test_orders_are_different() -> None:
    found = orders("abcd", 5)
    assert found[:2] == [list("abcd"), list("dcba")]
    assert len({tuple(order) for order in found}) == 5
    assert orders("ab", 4) == [["a", "b"], ["b", "a"]]


@needs(FOLDER / "tasks")
def test_the_measure_fits_each_real_task() -> None:
    found = {task.name: task.measure for task in read_tasks(FOLDER / "tasks", 200, 50)}
    assert found == {
        "emotion": "exact",
        "outcome": "ROUGE-L",
        "polarity": "exact",
        "relation": "ROUGE-L",
    }


@pytest.fixture
def student(tmp_path: Path) -> TaskStudent:
    model = Model(str(write_tiny_base(tmp_path / "tiny-base")))
    plain = {"replay_ratio": 0.0, "reworded_ratio": 0.0, "lr": 0.01}
    method = Method("O-LoRA", plain, {"method": "naive"}, "orthogonal", 0.5)
    return TaskStudent(method, tmp_path, steps=3, seed=0, own_samples=0, common=0, model=model)


def test_a_merged_adapter_computes_what_it_did(student: TaskStudent) -> None:
    task = Task("t", tuple(Item(f"Row {n}", "yes") for n in range(4)), (Item("a", "b"),), True)
    texts = [student._encode(item.prompt, item.answer) for item in task.train]
    losses = []
    merge = student._merge

    def watched(adapter: object) -> None:
        losses.append(_losses(student, texts))
        merge(adapter)  # type: ignore[arg-type]
        losses.append(_losses(student, texts))

    student._merge = watched
    untrained = _losses(student, texts)
    student.learn_task(task)
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    assert losses[0] != pytest.approx(untrained, rel=1e-2)


def test_the_pull_of_o_lora_is_the_gradient_of_its_penalty(student: TaskStudent) -> None:
    lora = student._lora
    first, now = (mx.random.normal((lora.size,), key=mx.random.key(n)) for n in (1, 2))
    student._directions = [{n: a for n, a in lora.unflatten(first).items() if n.endswith("a")}]

    def penalty(vector: mx.array) -> mx.array:
        leaves = lora.unflatten(vector)
        sums = [mx.abs(a.T @ leaves[name]).sum() for name, a in student._directions[0].items()]
        return 0.5 * mx.stack(sums).sum()

    expected = mx.grad(penalty)(now)
    assert mx.allclose(student._away_from_earlier(now), expected, rtol=1e-4, atol=1e-4).item()


def _losses(student: TaskStudent, texts: list) -> list[float]:
    from radiance.training.example_scores import score_examples

    scores = drain(score_examples(student._gradient_computer, student._vector, texts))
    return [score.loss for score in scores]


@pytest.mark.slow
def test_a_tiny_run_tells_every_method(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = write_tiny_base(tmp_path / "tiny-base")
    tasks = importlib.import_module("bench.tasks")
    arguments = ["--size", "tiny", "--out", str(tmp_path), "--model", str(model)]
    arguments += ["--tasks", str(write_tasks(tmp_path / "t"))]
    tasks.main(arguments)
    table = capsys.readouterr().out
    for method in ("naive LoRA", "A-GEM", "O-LoRA", "ours"):
        assert f"| {method} | 1 |" in table
    cells = (tmp_path / "tiny-base" / "tasks.tiny.cells.jsonl").read_text()
    assert cells.count('"order": ["labels", "texts"]') == 8  # named in the cell and its figures
    tasks.main(arguments)
    assert (tmp_path / "tiny-base" / "tasks.tiny.cells.jsonl").read_text() == cells


@pytest.mark.slow
def test_a_served_task_is_answered_with_memory_on_and_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_tiny_base(tmp_path / "tiny-base")
    served = importlib.import_module("bench.served_tasks")
    arguments = ["--size", "tiny", "--out", str(tmp_path), "--model", str(model)]
    served.main([*arguments, "--tasks", str(write_tasks(tmp_path / "t"))])
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if "labels" in line]
    assert [row[1:3] for row in rows] == [
        [when, inputs] for when in ("at once", "learned") for inputs in ("not taught", "taught")
    ]
    off, pending, always = (float(score.split()[0]) for score in rows[1][4:7])
    assert (off, pending, always) == (0, 1, 1)  # it knows nothing, and memory what it was taught


def test_without_tasks_it_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = importlib.import_module("bench.tasks")
    tasks.main(["--size", "tiny", "--out", str(tmp_path), "--tasks", str(tmp_path / "none")])
    assert capsys.readouterr().out.startswith("skipped: no folder")
