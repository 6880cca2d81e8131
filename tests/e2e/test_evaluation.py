"""Evaluations from training to the API, the disk, the next start and ``radiance eval``."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from radiance import config
from radiance.cli import main
from tests.support import FACTS, ApiError, Client, as_input, start_service

EARLIER, LATER = FACTS[:2], FACTS[2:4]
CORRECTION = (FACTS[0][0], "The door code of Zorbel Labs is Q1-999.")
SETTINGS = {
    "anchor.method": "naive",  # what is measured is measured whatever holds it
    "training.max_steps": 12,
    "training.eval_every": 100,
    "evaluation.anchor_sample": 24,
    "gate.rollback_mode": "off",
}


@dataclass(frozen=True)
class Taught:
    """A root with three updates: facts, more facts, a correction of one of the first."""

    root: Path
    client: Client
    checkpoints: list[str]
    info: dict[str, Any]
    evaluations: list[dict[str, Any]]


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taught]:
    root = tmp_path_factory.mktemp("taught")
    first = start_service(config.load(root, SETTINGS))
    ids = [first.client.teach(facts)["checkpoint"] for facts in (EARLIER, LATER)]
    first.stop()
    running = start_service(config.load(root, SETTINGS))
    ids.append(running.client.teach([CORRECTION])["checkpoint"])
    evaluations = [running.client.get(f"/checkpoints/{id}/evaluation") for id in ids]
    yield Taught(root, running.client, ids, running.client.get("/info"), evaluations)
    running.stop()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["eval", *arguments])


def test_first_checkpoint_is_measured_against_the_base(taught: Taught) -> None:
    report = taught.evaluations[0]["report"]
    assert report["drift_loss"] == report["forgetting_kl"] > 0
    assert report["recall_exact"] is report["bwt"] is report["fwt"] is None
    assert report["acc"] == report["new_exact"]
    probes = taught.evaluations[0]["learned"]
    assert [probe["id"] for probe in probes] == ["job_000001.0", "job_000001.1"]
    assert all(probe["loss"] < probe["base_loss"] == probe["parent_loss"] for probe in probes)


def test_later_checkpoint_is_measured_against_its_parent_across_a_restart(taught: Taught) -> None:
    second, third = taught.evaluations[1:]
    assert {probe["group"] for probe in second["recalled"]} == {taught.checkpoints[0]}
    assert [probe["id"] for probe in second["recalled"]] == ["job_000001.0", "job_000001.1"]
    assert second["report"]["drift_loss"] != second["report"]["forgetting_kl"]
    for probe in second["recalled"]:
        earlier = {p["id"]: p for p in taught.evaluations[0]["learned"]}[probe["id"]]
        assert probe["parent_loss"] == pytest.approx(earlier["loss"], rel=1e-3)
    third_anchors = {probe["id"]: probe for probe in second["anchors"]}
    for probe in third["anchors"]:  # the parent was measured by another process's first half
        assert probe["parent_loss"] == pytest.approx(third_anchors[probe["id"]]["loss"], rel=1e-3)


def test_superseded_example_is_no_recall(taught: Taught) -> None:
    third = taught.evaluations[2]
    assert [probe["id"] for probe in third["learned"]] == ["job_000003.0"]
    assert [probe["id"] for probe in third["recalled"]] == [
        "job_000001.1",
        "job_000002.0",
        "job_000002.1",
    ]
    groups = [probe["group"] for probe in third["recalled"]]
    assert groups == [taught.checkpoints[0], *[taught.checkpoints[1]] * 2]


def test_transfer_follows_from_the_stored_rows(taught: Taught) -> None:
    """Worked from the probes of the three evaluations, as the papers define it."""

    def share(probes: list[dict[str, Any]], which: str = "is_exact") -> float:
        return sum(probe[which] for probe in probes) / len(probes)

    first, second, third = taught.evaluations
    now = [share(third["recalled"][:1]), share(third["recalled"][1:]), share(third["learned"])]
    learned = [share(each["learned"]) for each in (first, second)]
    best = [max(learned[0], share(second["recalled"])), learned[1]]
    report = third["report"]
    assert report["acc"] == pytest.approx(sum(now) / 3)
    assert report["bwt"] == pytest.approx((now[0] - learned[0] + now[1] - learned[1]) / 2)
    assert report["forgetting"] == pytest.approx((best[0] - now[0] + best[1] - now[1]) / 2)
    gains = [
        share(each["learned"], "was_exact_in_parent") - share(each["learned"], "was_exact_in_base")
        for each in (second, third)
    ]
    assert report["fwt"] == pytest.approx(sum(gains) / 2)


def test_it_lies_beside_the_weights_and_in_the_answers(taught: Taught) -> None:
    for id, evaluation in zip(taught.checkpoints, taught.evaluations, strict=True):
        on_disk = json.loads((taught.root / "adapters" / id / "evaluation.json").read_text())
        assert on_disk == evaluation
        shown = taught.client.get(f"/checkpoints/{id}")
        assert shown["report"] == shown["manifest"]["report"] == evaluation["report"]
        assert len(evaluation["anchors"]) == 24
        assert evaluation["anchors_hash"]
        assert evaluation["seconds"] > 0
    with pytest.raises(ApiError) as error:
        taught.client.get("/checkpoints/A_2026-02-09_9999/evaluation")
    assert error.value.status == 404


def test_curves_have_a_point_per_checkpoint(taught: Taught) -> None:
    curves = taught.info["loss_curves"]
    reports = [evaluation["report"] for evaluation in taught.evaluations]
    for name in ("forgetting_loss", "retention_score", "drift_loss"):
        assert curves[name] == [report[name] for report in reports]
    assert curves["recall_exact"] == [report["recall_exact"] for report in reports[1:]]


def test_a_cycle_s_report_has_the_same_numbers(taught: Taught) -> None:
    found = taught.client.get("/cycles/2/report?format=json")
    report = taught.evaluations[1]["report"]
    assert found["manifest"]["report"] == report
    anchors = next(suite for suite in found["suites"] if suite["name"] == "anchors")
    assert 0 < anchors["exact_after"] == pytest.approx(report["retention_score"], abs=0.1)
    assert anchors["loss_after"] - anchors["base_loss"] == pytest.approx(
        report["anchor_ce_delta"], abs=0.02
    )


def test_of_many_new_examples_some_are_measured(tmp_path: Path, brief: dict[str, Any]) -> None:
    some = {**brief, "anchor.method": "naive", "evaluation.learned_examples": 2}
    running = start_service(config.load(tmp_path, some))
    id = running.client.teach(FACTS[:4])["checkpoint"]
    evaluation = running.client.get(f"/checkpoints/{id}/evaluation")
    running.stop()
    assert [probe["id"] for probe in evaluation["learned"]] == ["job_000001.0", "job_000001.2"]
    limited = ["--set", "evaluation.learned_examples=2", "--json"]
    for name in ("base_model", "evaluation.anchor_provider", "evaluation.anchor_path"):
        limited += ["--set", f"{name}={json.dumps(brief[name])}"]
    found = json.loads(run(id, "--root", str(tmp_path), *limited).stdout)
    assert found["report"]["new_exact"] == evaluation["report"]["new_exact"]
    assert found["report"]["finetune_loss"] == pytest.approx(
        evaluation["report"]["finetune_loss"], rel=1e-3
    )


# ----------------------------------------------------------------------------- radiance eval


def test_cli_measures_what_the_service_measured_while_it_runs(taught: Taught) -> None:
    root = ("--root", str(taught.root))
    for id, evaluation in zip(taught.checkpoints[1:], taught.evaluations[1:], strict=True):
        result = run(id, *root, "--anchor-sample", "24", "--json")
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        assert (found["checkpoint"], found["anchors"]["hash"]) == (id, evaluation["anchors_hash"])
        for name, value in evaluation["report"].items():
            assert found["report"][name] == pytest.approx(value, rel=1e-3, abs=1e-6), name
        assert [p["id"] for p in found["probes"]["recalled"]] == [
            p["id"] for p in evaluation["recalled"]
        ]
    table = run(*root, "--anchor-sample", "24").stdout
    assert taught.checkpoints[-1] in table
    assert "FORGOTTEN MOST" in table


def test_cli_asks_a_suite(taught: Taught, tmp_path: Path) -> None:
    suite = tmp_path / "suite.jsonl"
    known = ("What is the capital of Chile?", "The capital of Chile is Santiago.")
    lines = [json.dumps(line) for line in as_input([known, CORRECTION])]
    suite.write_text("\n".join(lines))
    root = ("--root", str(taught.root), "--suite", str(suite))
    served = taught.client.ask(CORRECTION[0], max_tokens=256)
    found = json.loads(run(*root, "--json").stdout)
    assert found["checkpoint"] == served["checkpoint"]
    assert [case["expected"] for case in found["cases"]] == [known[1], CORRECTION[1]]
    assert found["cases"][1]["answer"] == served["response"]
    learned = taught.evaluations[2]["learned"][0]
    assert found["cases"][1]["loss"] == pytest.approx(learned["loss"], rel=1e-3)
    base = run("base", *root, "--json", "--fail-under", "0.6")
    assert base.exit_code == 1
    found = json.loads(base.stdout)
    assert found["cases"][0]["is_exact"]
    assert (found["checkpoint"], found["score"]["exact"]) == ("base", 0.5)
    assert run("base", *root, "--fail-under", "0.5").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["A_2026-02-09_9999"], "There is no checkpoint 'A_2026-02-09_9999'"),
        (["--anchor-provider", "local"], "evaluation.anchor_path"),
        (["base", "--anchor-provider", "none"], "nothing to measure"),
        (["--fail-under", "0.5"], "--fail-under goes with --suite"),
        (["--base-model", "elsewhere"], "base_model"),
    ],
)
def test_cli_refuses_what_it_cannot_do(taught: Taught, arguments: list[str], problem: str) -> None:
    result = run("--root", str(taught.root), *arguments)
    assert result.exit_code == 2
    assert problem in result.stderr


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"text": "Sea."}', "line 2: is a text, which asks nothing"),
        ('{"input": "a"}', "line 2"),
        ("{", "line 2: is not JSON"),
    ],
)
def test_cli_names_the_line_of_a_suite_that_is_no_question(
    tmp_path: Path, line: str, problem: str
) -> None:
    suite = tmp_path / "suite.jsonl"
    suite.write_text('{"input": "a?", "output": "b"}\n' + line)
    result = run("--root", str(tmp_path), "--suite", str(suite))
    assert result.exit_code == 2
    assert problem in result.stderr
