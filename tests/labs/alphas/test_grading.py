"""Grades of what models write, and the report of them."""

import csv
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance import config
from radiance.gate.intervals import wilson
from radiance.labs.alphas.data.presets import PRESETS
from radiance.labs.alphas.models import reporting
from radiance.labs.alphas.models.grading import Grader, expression_of, score, shape
from radiance.labs.alphas.models.reporting import Judged
from radiance.labs.alphas.models.study import AlphaStudySettings
from radiance.labs.alphas.values.synthetic import made_up

PANEL = made_up(120, 12)
GRADER = Grader(PANEL, ["(-1 * rank(close))", "delta(close, 5)", "no alpha"])


@pytest.mark.parametrize(
    ("answer", "outcome", "novelty"),
    [
        ("rank(close", "syntax error", None),
        ("I do not know.", "syntax error", None),
        ("", "syntax error", None),
        ("rank(close, 5)", "type error", None),
        ("sum(close, 900)", "no positions", "new"),
        ("close * 0", "no positions", "new"),
        ("-1 * rank(close)", "backtested", "copied"),
        ("-1*Rank(close)", "backtested", "copied"),
        ("delta(close, 7)", "backtested", "other numbers"),
        ("rank(volume)", "backtested", "new"),
    ],
)
def test_an_answer_has_one_outcome(answer, outcome, novelty):
    found = GRADER.grade("Write.", answer)
    assert (found.outcome, found.novelty) == (outcome, novelty)
    assert found.compiles == (outcome not in ("syntax error", "type error"))
    assert (found.sharpe is not None) == (outcome == "backtested")
    assert (found.error is None) == (outcome == "backtested")


def test_groups_that_are_not_there_are_a_data_error():
    bare = Grader(type(PANEL)(PANEL.dates, PANEL.symbols, PANEL.fields))
    assert bare.grade("p", "indneutralize(close, sector)").outcome == "data error"


@given(st.text(max_size=40))
def test_whatever_is_answered_gets_a_grade(answer):
    assert GRADER.grade("p", answer).outcome


def test_only_space_fences_and_a_full_stop_are_forgiven():
    for answer in (
        "rank(close)",
        " rank(close).\n",
        "```python\nrank(close)\n```",
        "`rank(close)`",
    ):
        assert expression_of(answer) == "rank(close)"
    assert expression_of("The alpha is rank(close)") == "The alpha is rank(close)"
    assert shape("ts_rank(adv20, 5) * 0.5^2") == "ts_rank(adv0, 0) * 0^0"


def test_scores_count_and_compare_with_random_expressions():
    answers = ["rank(volume)", "-1 * delta(close, 3)", "rank(", "close * 0"]
    grades = [GRADER.grade("p", answer) for answer in answers]
    randoms = GRADER.random_like(grades, seed=1)
    assert len(randoms) == 2
    assert randoms == GRADER.random_like(grades, seed=1)
    found = score(grades, randoms)
    assert found.shares["compiles"] == wilson(3, 4, 0.975)
    assert found.shares["backtested"].value == 0.5
    assert found.shares["distinct"].value == 0.75
    assert found.beats_random is not None
    assert found.best_deflated is not None
    nothing = score(grades[2:3], [])
    assert (nothing.sharpes, nothing.beats_random, nothing.best_deflated) == ((), None, None)


def test_wilson_is_the_published_interval():
    # Brown, Cai and DasGupta (2001), and as R's prop.test(correct = FALSE): 8 of 10.
    found = wilson(8, 10, 0.975)
    assert (found.low, found.high) == (
        pytest.approx(0.4902, abs=1e-4),
        pytest.approx(0.9433, abs=1e-4),
    )
    assert (wilson(0, 5, 0.975).low, wilson(5, 5, 0.975).high) == (0, 1)


def test_the_report_has_every_answer_and_the_sheet_hides_who_wrote(tmp_path):
    judged = []
    for name, answers in (("base", ["no", "rank(open)"]), ("tuned", ["-1 * returns", "a|b`c"])):
        grades = [GRADER.grade("Write | one.", answer) for answer in answers]
        scores = score(grades, GRADER.random_like(grades, 0))
        judged.append(Judged(name, grades, scores, {"retention_score": 0.99}))
    reporting.write(tmp_path, judged, AlphaStudySettings(samples=1, seed=3))
    text = (tmp_path / "report.md").read_text()
    assert "| compiles | 50% [9%, 91%] | 50% [9%, 91%] |" in text
    assert "`a\\|b'c`" in text
    report = json.loads((tmp_path / "report.json").read_text())
    assert [len(report["models"][name]["answers"]) for name in ("base", "tuned")] == [2, 2]
    rows = list(csv.DictReader((tmp_path / "rating_sheet.csv").read_text().splitlines()))
    key = json.loads((tmp_path / "rating_key.json").read_text())
    assert {row["alpha"] for row in rows} == {"rank(open)", "'-1 * returns"}
    assert sorted(key.values()) == ["base", "tuned"]
    assert "tuned" not in (tmp_path / "rating_sheet.csv").read_text()


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_a_configuration(name, tmp_path):
    found = config.load(tmp_path, dict(PRESETS[name]))
    assert found.anchor.method == "anchor+projection"
    assert found.training.reworded_ratio == 0
    if name != "alphas-ember":
        assert "/" in found.base_model
        training = found.training
        assert (training.r, training.alpha, training.dropout) == (16, 32, 0.05)
        assert (training.batch_size, training.grad_accum, training.lr) == (4, 8, 2e-4)
        assert training.max_steps == 150
