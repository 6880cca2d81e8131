"""`radiance report` of an evaluation of alphas, and the command that makes it again."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from radiance.cli import main
from radiance.labs.alphas.models import reporting
from radiance.labs.alphas.models.grading import Grader, score
from radiance.labs.alphas.models.study import AlphaStudySettings, read_settings
from radiance.labs.alphas.values.synthetic import made_up
from tests.command_lines import parse

SETTINGS = AlphaStudySettings(
    checkpoint="A_2026-02-09_0012",
    prompts=3,
    samples=2,
    temperature=0.2,
    max_tokens=64,
    decoding="both",
)


def report(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["report", *words])
    assert done.exit_code == code, done.output
    return done.stdout


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with one evaluation, and a folder that looks like one."""
    root = tmp_path_factory.mktemp("root")
    grader = Grader(made_up(300, 20))
    answers = ["rank(close)", "rank(close", "-1 * delta(close, 5)"]
    grades = [grader.grade(f"Ask <{place}>", answer) for place, answer in enumerate(answers)]
    scores = score(grades, grader.random_like(grades, 0))
    judged = [
        reporting.Judged(name, grades, scores, {})
        for name in ("base", "A_2026-02-09_0012", "A_2026-02-09_0012 + grammar")
    ]
    reporting.write(root / "runs" / "alphas" / "first", judged, SETTINGS)
    (root / "runs" / "other").mkdir()
    (root / "runs" / "other" / "report.json").write_text("{}")
    return root


def test_an_evaluation_is_listed_shown_and_found_by_its_folder(root: Path) -> None:
    at = ("--root", str(root))
    listed = json.loads(report("--json", *at))["reports"]
    assert [(row["name"], row["status"]) for row in listed] == [("alphas/first", "alphas")]
    text = report("alphas/first", *at)
    assert "Ask &lt;0&gt;" in text
    assert "http" not in text.replace("http-equiv", "")
    folder = root / "runs" / "alphas" / "first"
    for name in (folder, folder / "report.json"):
        found = json.loads(report(str(name), "--json", *at))
        assert found["models"]["base"]["scores"]["answers"] == 3
        assert found["settings"]["decoding"] == "both"


def test_every_command_that_it_prints_parses(root: Path, tmp_path: Path) -> None:
    at = ("--root", str(root))
    found = json.loads(report("alphas/first", "--json", *at))["commands"]
    text = report("alphas/first", *at)
    for row in found:
        assert parse(row["command"], tmp_path)
        assert f"<code>{row['command']}</code>" in text
    again = parse(found[1]["command"], tmp_path)
    assert again["checkpoint"] == "A_2026-02-09_0012"
    assert (again["count"], again["samples"], again["max_tokens"]) == (3, 2, 64)
    assert again["decoding"] == "both"


@pytest.mark.parametrize(
    "changed",
    [
        {"decoding": "free"},
        {"decoding": "grammar"},
        {"checkpoint": "base"},
        {"market": "/data/my bars.csv", "groups": "/data/sectors.csv"},
        {"strategies": True, "prompts_file": "/curated/test.jsonl", "decoding": "free"},
        {"known_file": "train.jsonl", "seed": -7},
    ],
    ids=str,
)
def test_whatever_was_set_is_set_again(changed: dict[str, Any], tmp_path: Path) -> None:
    settings = AlphaStudySettings(**{**SETTINGS.to_plain(), **changed})
    (tmp_path / "my bars.csv").touch()
    found = parse(settings.command(), tmp_path)
    decodings = {None: "free", "grammar": "grammar", "both": "both"}
    assert decodings[found["decoding"]] == settings.decoding  # type: ignore[index]
    assert found["checkpoint"] == settings.checkpoint
    assert (found["seed"], found["strategies"]) == (settings.seed, settings.strategies)
    for name in ("prompts_file", "known_file", "groups"):
        given = getattr(settings, name)
        assert found[name] == (None if given is None else Path(Path(given).name))
    assert read_settings(settings.to_plain(), []) == settings


@pytest.mark.parametrize(
    ("kept", "models", "command"),
    [
        (  # as 0.1.0 wrote it
            {
                "prompts": 20, "samples": 1, "temperature": 0.2, "seed": 0,
                "decoding": "grammar", "market": "made up",
            },
            ["base + grammar", "A_2026-02-09_0012 + grammar"],
            "radiance alphas eval A_2026-02-09_0012 --count 20 --samples 1 --temperature 0.2 "
            "--seed 0 --constrained",
        ),
        (  # as it was before that
            {"prompts": 3, "seed": 1, "constrained": True, "market": "/x/bars.csv"},
            ["base"],
            "radiance alphas eval base --count 3 --seed 1 --data bars.csv --constrained",
        ),
    ],
)  # fmt: skip
def test_records_written_before_are_read(
    kept: dict[str, Any], models: list[str], command: str, tmp_path: Path
) -> None:
    assert read_settings(kept, models).command() == command
    assert parse(command, tmp_path)


@pytest.mark.parametrize("text", ["[]", "{", '{"settings": {"prompts": "x"}, "models": {}}'])
def test_what_is_no_evaluation_is_said(text: str, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "alphas" / "first"
    folder.mkdir(parents=True)
    (folder / "rating_key.json").write_text("{}")
    (folder / "report.json").write_text(text)
    report("alphas/first", "--root", str(tmp_path), code=2)
