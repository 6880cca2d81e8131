"""Every bench runs, at the size of a test, and writes what it measured."""

import importlib
import json
from pathlib import Path

import pytest

from tests.tiny_base import write_tiny_base

pytestmark = pytest.mark.usefixtures("forked")

WITHOUT_MODEL = ("alphas", "lookup", "pages", "reliability", "signals")
# What a bench does on Ember and what it does on another base differ in facts and in settings alone.
ON_EMBER = ("adapters", "gate", "swaps")
ON_ANOTHER_BASE = (
    "evaluation",
    "forget",
    "forgetting",
    "gate",
    "interference",
    "knowing",
    "learning",
    "scenarios",
    "serving",
    "training",
)
RUNS = [
    *((name, None) for name in WITHOUT_MODEL),
    *((name, "ember") for name in ON_EMBER),
    *((name, "tiny-base") for name in ON_ANOTHER_BASE),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "model"), RUNS)
def test_a_tiny_run_writes_its_results_and_a_second_measures_nothing(
    name: str, model: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = importlib.import_module(f"bench.{name}")
    out = tmp_path / "out"
    arguments = ["--size", "tiny", "--out", str(out)]
    if model == "tiny-base":
        arguments += ["--model", str(write_tiny_base(tmp_path / model))]
    bench.main(arguments)
    folder = out / model if model else out  # another base has results of its own
    result = json.loads((folder / f"{name}.tiny.json").read_text())
    table = capsys.readouterr().out.strip()
    assert result["cells"]
    assert str(tmp_path) not in json.dumps(result["cells"])  # a cell's name tells no machine
    assert table in (folder / f"{name}.tiny.md").read_text()
    assert (folder / f"{name}.tiny.png").stat().st_size > 5_000
    if model == "tiny-base":
        assert result["model"] == model
        assert model in table

    cells = (folder / f"{name}.tiny.cells.jsonl").read_text()
    bench.main(arguments)
    assert (folder / f"{name}.tiny.cells.jsonl").read_text() == cells
    assert capsys.readouterr().out.strip() == table


@pytest.mark.slow
def test_the_story_of_a_real_base_goes_on_where_it_was_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_tiny_base(tmp_path / "tiny-base")
    real = importlib.import_module("bench.real")
    arguments = ["--size", "tiny", "--out", str(tmp_path / "out"), "--model", str(model)]
    real.main(arguments)
    tables = capsys.readouterr().out
    cells = tmp_path / "out" / "tiny-base" / "real.tiny.cells.jsonl"
    lines = [line for line in cells.read_text().splitlines() if line]
    assert len(lines) == 5
    for line in lines[:2]:
        update = json.loads(line)["figures"]
        assert update["ours"]["is_served"]
        assert update["ours"]["steps"] == 2
        assert 0 < update["theirs"]["steps"] <= 2
        spent = sum(update["ours"]["spent"].values())
        assert 0.5 * update["ours"]["seconds"] < spent <= update["ours"]["seconds"]

    # The answers at the end are lost; all else is there, for each cell takes a process of its own.
    cells.write_text("\n".join([*lines[:2], *lines[3:]]))
    real.main(arguments)
    assert [line for line in cells.read_text().splitlines() if line][:2] == lines[:2]
    assert _at_the_end(capsys.readouterr().out) == _at_the_end(tables)


def _at_the_end(tables: str) -> str:
    return next(table for table in tables.split("**") if table.startswith("\n\n| asked"))


def test_peers_are_compared_where_they_are_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    peers = importlib.import_module("bench.peers")
    peers.main(["--size", "tiny", "--out", str(tmp_path)])
    if absent := peers.missing():
        assert capsys.readouterr().out.startswith(f"skipped: {', '.join(absent)} not installed")
        assert not (tmp_path / "peers.tiny.json").exists()
        return
    steps = json.loads((tmp_path / "peers.tiny.json").read_text())["cells"][0]["figures"]["steps"]
    assert any(step["conflict"] for step in steps)
    assert max(step["difference"] for step in steps) < 1e-4
    assert min(step["against_ours"] for step in steps) > -1e-5
