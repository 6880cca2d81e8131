"""`radiance report` of a run of the signal lab."""

import json
import re
from html import unescape
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from radiance.cli import main
from radiance.labs.signals import store
from radiance.labs.signals.results import StudyResult
from radiance.labs.signals.view import report as lab_report
from tests.command_lines import parse

RUN = "S_2026-11-24_0001"


def report(*words: str) -> str:
    done = CliRunner().invoke(main, ["report", *words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_run_is_listed_and_written(tmp_path: Path, small_result: StudyResult) -> None:
    store.save(small_result, tmp_path / "runs" / "signals", RUN, {})
    at = ("--root", str(tmp_path))
    listed = json.loads(report("--json", *at))["reports"]
    assert [(row["name"], row["status"]) for row in listed] == [(RUN, "signals")]
    text = report(RUN, *at)
    assert "radiance signals run --study result.json" in text
    assert text.count("<polyline") >= 8
    folder = tmp_path / "runs" / "signals" / RUN
    for name in (RUN, str(folder), str(folder / "result.json")):
        found = json.loads(report(name, "--json", *at))
        naive = next(m for m in found["result"]["methods"] if m["name"] == "naive")
        method = small_result.method("naive")
        assert method is not None
        assert method.means["drift_mse"] is not None
        assert naive["means"]["drift_mse"]["value"] == method.means["drift_mse"].value


@pytest.mark.parametrize("kind", ["study", "replay"])
def test_every_command_that_it_prints_parses(
    kind: str, tmp_path: Path, small_result: StudyResult
) -> None:
    result = msgspec.structs.replace(small_result, kind=kind)
    text = unescape(re.sub(r"<[^>]+>", "\n", lab_report.render(result, None)))
    printed = re.findall(r"^\s*(radiance [a-z].*?)\s*$", text, re.MULTILINE)
    assert len(printed) >= 2
    for command in printed:
        assert parse(command, tmp_path)
