"""The workflow of a public forge parses, is pinned, and runs what the repository has."""

import os
import re
import subprocess

import pytest
import yaml

from tests.support import REPOSITORY

WORKFLOW = REPOSITORY / ".github" / "workflows" / "ci.yml"
TEXT = WORKFLOW.read_text(encoding="utf-8")
JOBS = yaml.safe_load(TEXT)["jobs"]
STEPS = [step for job in JOBS.values() for step in job["steps"]]
RUNS = [step["run"] for step in STEPS if "run" in step]


def test_every_action_is_pinned_by_commit_with_its_tag_beside_it():
    used = re.findall(r"uses: (.*)", TEXT)
    assert len(used) == sum("uses" in step for step in STEPS) > 0
    for line in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", line), line


def test_nothing_may_be_written_and_every_job_ends():
    assert yaml.safe_load(TEXT)["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for name, job in JOBS.items() if name != "all-green")


def test_one_check_stands_for_all():
    assert set(JOBS["all-green"]["needs"]) == JOBS.keys() - {"all-green"}


def test_it_runs_the_tests_on_the_oldest_python_and_on_apple_silicon():
    matrix = JOBS["test"]["strategy"]["matrix"]["include"]
    pyproject = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    oldest = re.search(r'requires-python = ">=([\d.]+)"', pyproject)
    assert oldest is not None
    assert oldest[1] in {row["python"] for row in matrix if row["os"].startswith("ubuntu")}
    assert any(row["os"].startswith("macos") for row in matrix)
    assert "make test" in RUNS


def test_it_calls_what_is_there():
    for target in {t for run in RUNS for t in re.findall(r"^make (\w+)", run, re.MULTILINE)}:
        subprocess.run(["make", "-n", target], cwd=REPOSITORY, check=True, capture_output=True)
    for script in {s for run in RUNS for s in re.findall(r"\.ci/\S+", run)}:
        assert os.access(REPOSITORY / script, os.X_OK), script


@pytest.mark.parametrize("name", ["run", "quick-start"])
def test_a_script_parses(name):
    subprocess.run(["bash", "-n", REPOSITORY / ".ci" / name], check=True)
