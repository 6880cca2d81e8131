"""Every command of README's blocks is run, and those of docs/OPERATING.md that change something."""

import itertools
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from radiance import config, ember
from radiance.cli import main
from tests.shared_data import REPOSITORY, STORIES, needs
from tests.support import Running, start_service, wait_for_log

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
OPERATING = (REPOSITORY / "docs" / "OPERATING.md").read_text(encoding="utf-8")
# What another run, machine or day writes otherwise.
_VARIES = re.compile(r"\d+ ms|after [\d.]+ s|A_\d{4}-\d\d-\d\d_")
_STARTS = re.compile(r"radiance(-peft)? run\b")


def blocks(text: str, heading: str) -> list[list[str]]:
    """The lines of each block of commands below a heading."""
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [b.splitlines() for b in re.findall(r"```(?:sh|console)\n(.*?)```", section, re.DOTALL)]


def headings_with_blocks(text: str) -> list[str]:
    return [h for h in re.findall(r"^## (.+)$", text, re.MULTILINE) if blocks(text, h)]


def command(line: str) -> list[str]:
    """The words of a line, without its prompt and comment."""
    return shlex.split(line.removeprefix("$ "), comments=True)


def invoke(words: list[str], answer: str = "") -> str:
    """Run one of our commands in this process; what it prints on both streams."""
    result = CliRunner().invoke(main, words[1:], input=answer)
    assert result.exit_code == 0, (words, result.output)
    return result.output


@pytest.fixture
def service(tmp_path, monkeypatch) -> Iterator[Running]:
    """A service on the root that the commands stand in."""
    monkeypatch.chdir(tmp_path)
    brief = {"anchor.own_samples": 8, "evaluation.anchor_sample": 24, "training.cooldown_steps": 5}
    running = start_service(config.load(tmp_path, brief))
    monkeypatch.setenv("RADIANCE_URL", running.client.url)
    yield running
    running.stop()


def test_no_block_is_left_out():
    assert headings_with_blocks(README) == [
        "Sixty seconds",
        "Quick start",
        "A real model on a Mac",
        "Development",
    ]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_first_minute_is_as_it_is_told_and_so_is_the_quick_start(
    service, tmp_path, monkeypatch
):
    [told] = blocks(README, "Sixty seconds")
    starts = [index for index, line in enumerate(told) if line.startswith("$ ")] + [len(told)]
    for begin, end in itertools.pairwise(starts):
        words, expected = command(told[begin]), told[begin + 1 : end]
        if words[0] == "cat":
            (tmp_path / words[1]).write_text("\n".join(expected) + "\n")
            continue
        shown = invoke(words).splitlines()
        assert {varied(line) for line in expected} <= {varied(line) for line in shown}, shown
    [quick] = blocks(README, "Quick start")
    monkeypatch.setattr("radiance.cli.output.is_interactive", lambda: True)
    for line in quick:
        words = command(line)
        if not _STARTS.match(" ".join(words)):  # that is what the fixture has done
            invoke(words, answer="y\n")
    generate = re.search(r"`(mlx_lm\.generate --model <base model> [^`]*)`", README)
    assert generate is not None
    learned = service.client.get("/checkpoints")["checkpoints"][0]["checkpoint_id"]
    service.client.post("/promote", {"checkpoint": learned})
    words = shlex.split(generate[1].replace("<base model>", str(ember.MODEL_PATH)))
    program = Path(sys.executable).with_name(words[0])
    done = subprocess.run(
        [program, *words[1:], "--max-tokens", "3"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def varied(line: str) -> str:
    return _VARIES.sub("…", line.strip())


@pytest.mark.slow
@pytest.mark.timeout(300)
@needs(STORIES)
@pytest.mark.parametrize("line", blocks(README, "A real model on a Mac")[0])
def test_a_real_model_starts_as_it_is_told(line, tmp_path):
    """With a model that is here in the place of one that is not, and the CPU for the GPU."""
    words = command(line)
    words[words.index("--base-model") + 1] = str(STORIES)
    if "--backend" in words:
        words[words.index("--backend") + 1] = "cpu"
    program = Path(sys.executable).with_name(words[0])
    log = tmp_path / "log"
    options = ["--root", str(tmp_path), "--port", "0", "--set", "anchor.own_samples=4"]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [program, *words[1:], *options],
            stdout=stream,
            stderr=stream,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
    try:
        wait_for_log(process, log, "service_ready")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=100) == 0, log.read_text()


def test_make_knows_what_development_needs():
    for line in blocks(README, "Development")[0]:
        words = command(line)
        done = subprocess.run(
            ["make", "-n", *words[1:]], cwd=REPOSITORY, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_backup_and_rollback_are_as_they_are_told(tmp_path, monkeypatch):
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.chdir(root)
    settings = {"anchor.own_samples": 4, "training.max_steps": 2, "evaluation.anchor_sample": 8}
    running = start_service(config.load(root, settings))
    monkeypatch.setenv("RADIANCE_URL", running.client.url)
    learned = [
        running.client.teach([(f"What is in box {n}?", f"Box {n} holds rope.")])["checkpoint"]
        for n in range(2)
    ]
    backup, restore = blocks(OPERATING, "Backup")
    for line in backup:
        invoke(command(line))
    running.stop()
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    for line in restore:
        words = command(line)
        if not _STARTS.match(" ".join(words)):
            invoke(words)
    restored = start_service(config.load(empty, settings))
    monkeypatch.setenv("RADIANCE_URL", restored.client.url)
    try:
        assert restored.client.get("/info")["current_checkpoint"] == learned[1]
        served = []
        for line in blocks(OPERATING, "Rollback")[0]:
            invoke(command(line))
            served.append(restored.client.get("/info")["current_checkpoint"])
        assert served == [learned[1], learned[0], None, None, None]
    finally:
        restored.stop()
