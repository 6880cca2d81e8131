"""``radiance signals``: studies are run, kept, shown, exported, swept and on record."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from radiance.cli import main

SMALL = (
    "--preset=quick",
    "--seeds=2",
    "--set=market.history_days=300",
    "--set=market.test_days=120",
    "--set=adaptation.steps=20",
)


def call(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["signals", *words])
    assert done.exit_code == code, done.output
    return done.output


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("lab")
    call("run", *SMALL, f"--root={root}")
    call("run", *SMALL, "--set=portfolio.speed=1", f"--root={root}")
    return root


def names(root: Path) -> list[str]:
    return [row["run"] for row in json.loads(call("list", f"--root={root}", "--json"))]


def test_runs_are_kept_with_their_exports(root: Path) -> None:
    first, second = names(root)
    assert re.fullmatch(r"S_\d{4}-\d\d-\d\d_0001", first)
    assert second.endswith("_0002")
    for name in ("result.json", "report.html", "macros.tex"):
        assert (root / "runs" / "signals" / second / name).stat().st_size > 1000


def test_a_run_is_made_again_from_its_file(root: Path) -> None:
    path = root / "runs" / "signals" / names(root)[1] / "result.json"
    before = json.loads(path.read_text())
    after = json.loads(
        call("run", f"--study={path}", f"--root={root}/again", "--json")
        .split("\n/")[0]
        .rpartition("}")[0]
        + "}"
    )
    for key in ("study", "methods", "paired", "anchors_hash", "settings_hash"):
        assert after[key] == before[key]


def test_a_result_is_shown_and_exported(root: Path, tmp_path: Path) -> None:
    first, second = names(root)
    shown = call("report", second, f"--root={root}")
    assert "LoRA + anchor + projection" in shown
    assert "no difference shown" in shown or "better than" in shown or "worse than" in shown
    out = tmp_path / "report.html"
    call("report", second, f"--against={first}", f"--root={root}", f"--out={out}")
    text = out.read_text()
    assert "portfolio.speed" in text.partition("What changed")[2].partition("</table>")[0]
    assert not re.search(r'(?:src|href)="(?!data:)', text)  # it needs nothing else
    assert "http" not in text.replace("http-equiv", "")
    macros = tmp_path / "numbers.tex"
    call("report", second, f"--root={root}", f"--out={macros}")
    assert re.search(r"\\newcommand\{\\sigHeldDriftMse\}\{[\d.]+\}", macros.read_text())
    call("report", second, f"--root={root}", f"--out={tmp_path}/report.pdf", code=2)
    call("report", "S_2020-01-01_0001", f"--root={root}", code=2)


def test_every_decision_is_on_record(root: Path) -> None:
    entries = json.loads(call("audit", f"--root={root}", "--limit=500", "--json"))
    decisions = [e for e in entries if e["action"] in ("promote", "reject")]
    assert len(decisions) == 2 * 2 * 6  # runs, seeds, methods that adapt
    body = decisions[0]["body"]
    for key in ("anchors_hash", "adapter", "metrics", "settings", "data_window", "decision"):
        assert body[key]
    assert "whole" in call("audit", "--verify", f"--root={root}")


def test_a_changed_record_is_found(root: Path, tmp_path: Path) -> None:
    import shutil
    import sqlite3

    shutil.copytree(root / "runs" / "signals", tmp_path / "runs" / "signals")
    with sqlite3.connect(tmp_path / "runs" / "signals" / "radiance.db") as db:
        triggers = db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in triggers:
            db.execute(f"DROP TRIGGER {name}")
        db.execute("UPDATE audit SET body = replace(body, 'naive', 'naïve') WHERE number = 3")
    db.close()
    assert "Entry 3" in call("audit", "--verify", f"--root={tmp_path}", code=1)


def test_a_sweep_goes_on_where_it_stopped(tmp_path: Path) -> None:
    words = ("sweep", *SMALL, f"--root={tmp_path}", "--over=market.indicator_shift=1,6")
    first = call(*words, "--json")
    kept = sorted((tmp_path / "runs" / "signals" / "sweeps").glob("*.json"))
    assert len(kept) == 2
    times = [path.stat().st_mtime_ns for path in kept]
    assert call(*words, "--json") == first
    assert [path.stat().st_mtime_ns for path in kept] == times
    one, six = json.loads(first)
    assert one["values"] == {"market.indicator_shift": 1}
    assert six["stress_ratio"] > one["stress_ratio"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "--set=market.assets=1"), "market.assets"),
        (("run", "--set=market.asets=9"), "Did you mean"),
        (("run", "--set=nonsense"), "KEY=VALUE"),
        (("run", "--study=nowhere.json"), "nowhere.json"),
        (("sweep", "--over=market.assets"), "KEY=V1"),
        (("sweep", "--over=market.assets=4,1"), "market.assets"),
        (("report", "nowhere.json"), "nowhere.json"),
    ],
)
def test_bad_input_is_named(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    assert said in call(*words, f"--root={tmp_path}", code=2)
