"""Commands that write a file which the user names destroy nothing that stands there."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from radiance.cli import main
from tests.cli.conftest import Invoke

WRITERS = [
    ("notes.jsonl", ("audit", "export", "notes.jsonl")),
    ("cycle.html", ("report", "1", "--out", "cycle.html")),
    ("run.html", ("signals", "report", "S_2026-11-24_0001", "--out", "run.html")),
    ("memo.md", ("signals", "memo", "S_2026-11-24_0001", "--out", "memo.md")),
    ("README.md", ("alphas", "curate", "--out", ".")),
    ("report.json", ("alphas", "eval", "--out", ".")),
    ("strategies.json", ("alphas", "eval", "--strategies", "--prompts", "mine", "--out", ".")),
    ("adapters.safetensors", ("pull", "user/adapter", ".")),
]


@pytest.mark.parametrize(("name", "arguments"), WRITERS)
def test_a_file_that_is_there_is_not_replaced_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine").write_text("")
    Path(name).write_text("mine")
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    assert name in done.stderr
    assert "--force" in done.stderr
    assert any(field in done.stderr for field in ("FILE:", "--out:", "TARGET:"))
    assert Path(name).read_text() == "mine"


def test_force_replaces_files_and_nothing_else(
    checkpointed_root: Path, radiance: Invoke, tmp_path: Path
) -> None:
    """A device or pipe would be exchanged for a file: /dev/null, where one may."""
    file, pipe = tmp_path / "notes.jsonl", tmp_path / "pipe.html"
    file.write_text("older")
    os.mkfifo(pipe)
    root = f"--root={checkpointed_root}"
    assert radiance("audit", "export", str(file), "--force", root).exit_code == 0
    assert radiance("audit", "verify", str(file), root).exit_code == 0
    assert radiance("report", "1", f"--out={pipe}", "--force", root).exit_code == 2
    assert pipe.is_fifo()
