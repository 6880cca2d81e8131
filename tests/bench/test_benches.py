"""Every bench runs, at the size of a test, and writes what it measured."""

import importlib
import json
from pathlib import Path

import pytest

from tests.tiny_base import write_tiny_base

BENCHES = [
    "adapters",
    "alphas",
    "evaluation",
    "forgetting",
    "gate",
    "interference",
    "learning",
    "pages",
    "scenarios",
    "serving",
    "signals",
    "swaps",
    "training",
]
WITHOUT_MODEL = {"alphas", "pages", "signals"}


@pytest.mark.slow
@pytest.mark.parametrize("name", BENCHES)
def test_a_tiny_run_writes_its_results_and_a_second_measures_nothing(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = importlib.import_module(f"bench.{name}")
    arguments = ["--size", "tiny", "--out", str(tmp_path)]
    bench.main(arguments)
    folder = tmp_path if name in WITHOUT_MODEL else tmp_path / "ember"
    result = json.loads((folder / f"{name}.tiny.json").read_text())
    table = capsys.readouterr().out.strip()
    assert result["cells"]
    assert table in (folder / f"{name}.tiny.md").read_text()
    assert (folder / f"{name}.tiny.png").stat().st_size > 5_000

    cells = (folder / f"{name}.tiny.cells.jsonl").read_text()
    bench.main(arguments)
    assert (folder / f"{name}.tiny.cells.jsonl").read_text() == cells
    assert capsys.readouterr().out.strip() == table


@pytest.mark.slow
@pytest.mark.parametrize("name", ["forgetting", "gate", "serving", "training"])
def test_another_base_has_results_of_its_own(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tiny_base(tmp_path / "tiny-base")
    bench = importlib.import_module(f"bench.{name}")
    bench.main(
        ["--size", "tiny", "--out", str(tmp_path / "out"), "--model", str(tmp_path / "tiny-base")]
    )
    assert "tiny-base" in capsys.readouterr().out
    result = json.loads((tmp_path / "out" / "tiny-base" / f"{name}.tiny.json").read_text())
    assert result["model"] == "tiny-base"
    assert str(tmp_path) not in json.dumps(result["cells"])  # a cell's name tells no machine


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

    cells.write_text("\n".join(lines[:2]))  # stopped after both updates
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
