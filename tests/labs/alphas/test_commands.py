"""``radiance alphas``: expressions and market data of the user's own."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner

from radiance.cli import main
from radiance.labs.alphas.data.presets import PRESETS


@pytest.fixture
def bars(tmp_path):
    """A CSV of 40 days of 5 symbols, and one of their sectors."""
    rng = np.random.default_rng(0)
    path = tmp_path / "bars.csv"
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["date", "symbol", "open", "high", "low", "close", "volume"])
        for symbol in "ABCDE":
            close = 50.0
            for day in np.datetime64("2020-01-01") + np.arange(40):
                opened, close = close, close * float(np.exp(rng.normal(0, 0.02)))
                high, low = max(opened, close) + 1, min(opened, close) - 1
                rows.writerow([day, symbol, opened, high, low, close, rng.integers(100, 999)])
    sectors = tmp_path / "sectors.csv"
    sectors.write_text("symbol,sector,sub_industry\nA,x,p\nB,x,q\nC,y,r\nD,y,r\n")
    return ["--data", str(path), "--groups", str(sectors)]


def run(*arguments: str, code: int = 0) -> tuple[str, str]:
    done = CliRunner().invoke(main, ["alphas", *arguments])
    assert done.exit_code == code, done.output
    return done.stdout, done.stderr


def test_all_101_are_listed():
    rows = json.loads(run("list", "--json")[0])
    assert [row["number"] for row in rows] == list(range(1, 102))
    out, err = run("list")
    assert len(out.splitlines()) == 102
    assert "1601.00991" in err


def test_check_prints_the_canonical_form_and_points_at_errors():
    out, _ = run("check", "(-1 * (Rank((close))))")
    assert out.splitlines()[0].split(maxsplit=1)[1] == "-1 * rank(close)"
    _, err = run("check", "rank(close, volme)", code=2)
    assert err.splitlines()[:2] == ["rank(close, volme)", " " * 12 + "^"]
    assert "column 13" in err
    assert "Did you mean volume?" in err
    run("check", "close + volume")
    assert "-high * 2" in run("check", "-high * 2")[0]
    assert "Usage" in run("check", "--help")[0]
    run("check", "--hgih", code=2)
    assert "mixes" in run("check", "close + volume", "--strict-units", code=2)[1]
    assert json.loads(run("check", "101", "--json")[0])["alpha"].startswith("(close - open)")
    run("check", "102", code=2)


def test_backtest_of_numbers_expressions_and_all(bars):
    out, err = run("backtest", "101", "rank(volume / adv5)", *bars, "--trade", "cost_bps=1")
    assert out.splitlines()[1].startswith("alpha 101")
    assert "2 trials on 5 symbols, 2020-01-01 to 2020-02-09" in err
    report = json.loads(run("backtest", "all", *bars, "--earlier-trials", "9", "--json")[0])
    assert (len(report["results"]), report["trials"]) == (101, 110)
    assert report["panel"]["groups"] == ["sector", "subindustry"]
    assert report["readings"]["nan"] == "partial"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--trade", "cost=1"], "Did you mean 'cost_bps'"),
        (["--trade", "delay=0"], "delay"),
        (["--reading", "nan"], "not KEY=VALUE"),
        (["--reading", "nan=loose"], "expected one of"),
    ],
)
def test_settings_that_do_not_exist_are_named(bars, options, says):
    assert says in run("backtest", "1", *bars, *options, code=2)[1].replace("Expected", "expected")


def test_data_that_are_none_are_named(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("date,symbol,open\n2020-01-01,A,1\n")
    assert "has no column high" in run("backtest", "1", "--data", str(path), code=2)[1]
    path.with_suffix(".parquet").write_text("no")
    run("backtest", "1", "--data", str(path.with_suffix(".parquet")), code=2)


@pytest.mark.slow
def test_curate_writes_a_set_with_own_pairs(tmp_path):
    own = tmp_path / "pairs.jsonl"
    own.write_text('{"instruction": "The rank of volume, please.", "completion": "rank(volume)"}\n')
    card = json.loads(run("curate", "--out", str(tmp_path / "a"), "--own", str(own), "--json")[0])
    assert card["sources"]["own: pairs.jsonl"]["kept"] == 1
    assert set(card["inputs"]) == {"pairs.jsonl"}
    out, err = run("curate", "--out", str(tmp_path / "b"))
    assert out.splitlines()[0].split() == ["SPLIT", "PAIRS", "FAMILIES"]
    assert "left out: near-duplicate" in err
    assert (tmp_path / "b" / "mlx-lm" / "valid.jsonl").stat().st_size > 1000
    run("curate", "--out", str(tmp_path / "c"), "--lean", str(tmp_path), code=2)


@pytest.mark.slow
def test_eval_judges_a_model_on_held_out_prompts(tmp_path):
    out = tmp_path / "report"
    options = ["--count", "3", "--max-tokens", "24", "--out", str(out)]
    report = json.loads(run("eval", "base", *options, "--root", str(tmp_path), "--json")[0])
    assert report["settings"]["prompts"] == 3
    scores = report["models"]["base"]["scores"]
    assert scores["answers"] == 3
    assert scores["shares"]["compiles"]["value"] < 1
    assert next(iter(scores["shares"])) == "means it"
    assert list(report["models"]) == ["base", "nearest example", "rules alone"]
    assert report["models"]["rules alone"]["scores"]["shares"]["compiles"]["value"] == 1
    assert (out / "report.md").read_text().count("| `") == 9
    table = run("eval", "base", "--count", "1", "--max-tokens", "4", "--root", str(tmp_path))[0]
    assert table.splitlines()[0].split()[:4] == ["SHARE", "OF", "ANSWERS", "BASE"]


@pytest.mark.slow
def test_eval_puts_the_grammar_beside_free_decoding(tmp_path):
    options = ["--both", "--count", "2", "--max-tokens", "64", "--root", str(tmp_path), "--json"]
    models = json.loads(run("eval", "base", *options)[0])["models"]
    controls = ["nearest example", "rules alone"]
    assert list(models) == ["base", "base + grammar", *controls]
    assert models["base + grammar"]["scores"]["shares"]["compiles"]["value"] == 1
    assert all(models[name]["about"]["tokens_per_s"] > 0 for name in models if "base" in name)
    run("eval", "base", "--both", "--max-tokens", "20", "--root", str(tmp_path), code=2)


@pytest.mark.slow
def test_eval_reads_plans_for_ideas_of_ones_own(tmp_path):
    idea = {
        "family": "f",
        "reference": "-1 * delta(close, 5)",
        "prompts": ["Fade the weekly move."],
    }
    own = tmp_path / "ideas.jsonl"
    own.write_text(json.dumps(idea))
    options = ["--plan", "--root", str(tmp_path), "--json"]
    report = json.loads(run("eval", "base", *options, "--ideas", str(own))[0])
    meant = report["models"]["base + plan"]["scores"]["shares"]["means it"]
    assert meant["value"] == 1
    assert report["settings"]["checkpoint"] == "base"
    own.write_text("{}")
    assert "--ideas" in run("eval", "base", *options, "--ideas", str(own), code=2)[1]


def test_presets_are_settings_that_flags_override(tmp_path):
    options = [
        "config",
        "--preset",
        "alphas-ember",
        "--set",
        "training.r=4",
        "--root",
        str(tmp_path),
    ]
    done = CliRunner().invoke(main, options)
    assert "r = 4\n" in done.stdout
    assert f"alpha = {PRESETS['alphas-ember']['training.alpha']}\n" in done.stdout
    done = CliRunner().invoke(main, ["config", "--preset", "x"])
    assert done.exit_code == 2
    assert "alphas-ember" in done.stderr


def test_a_strategy_is_judged(tmp_path):
    path = tmp_path / "crossing.py"
    path.write_text("import os\nos._exit(3)\n")
    out, err = run("strategy", str(path), "--no-types", code=1)
    assert "contained" in out or "unsupported" in out
    path.write_text("def broken(:\n")
    assert json.loads(run("strategy", str(path), "--json", code=1)[0])["outcome"] == (
        "does not compile"
    )
    assert err == ""


def test_eval_judges_strategies_that_a_split_asks_for(tmp_path):
    rows = [
        {"kind": "strategy", "instruction": "Write a strategy in Python.", "completion": "pass"},
        {"kind": "alpha", "instruction": "Write an alpha.", "completion": "rank(close)"},
    ]
    split = tmp_path / "test.jsonl"
    known = {"family": "f", "source": "s", "licence": "l"}
    split.write_text("".join(json.dumps({**row, **known}) + "\n" for row in rows))
    options = ["--strategies", "--max-tokens", "8", "--root", str(tmp_path), "--out", str(tmp_path)]
    report = json.loads(run("eval", "base", *options, "--prompts", str(split), "--json")[0])
    found = report["models"]["base"]
    assert (found["answers"], found["shares"]["compiles"]["value"]) == (1, 0)
    assert found["strategies"][0]["outcome"] == "does not compile"
    assert json.loads((tmp_path / "strategies.json").read_text()) == report
    run("eval", "base", *options, code=2)
    split.write_text(json.dumps({**rows[1], **known}) + "\n")
    again = ("eval", *options, "--force", "--prompts", str(split))
    assert "Curate with --lean" in run(*again, code=2)[1]
