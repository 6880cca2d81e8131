"""A signal of one's own: the documented walk as printed, and what must hold of it."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from radiance.errors import ConfigError
from radiance.labs.signals import monitoring, own, own_runs, record, store
from radiance.labs.signals.presets import read_study
from radiance.labs.signals.settings import ReplaySettings
from radiance.labs.signals.view import own_memo

DOC = Path(__file__).parents[3] / "docs" / "YOUR_SIGNAL.md"
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", DOC.read_text(), re.DOTALL)
WINDOWS = ("2018-12-03:2019-05-31", "2020-03-02:2020-04-30")
STUDY = read_study({"policy": {"shadow_days": 20}})


def printed(code: str, folder: Path, language: str = "sh") -> str:
    """What a block of the document prints, run as it stands."""
    tools = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    command = ["sh", "-ec", code] if language == "sh" else [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **tools}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty directory after the first block of the walk, which makes the two files."""
    folder = tmp_path_factory.mktemp("newcomer")
    language, code = BLOCKS[0]
    printed(code, folder, language)
    return folder


def rewritten(folder: Path, name: str, change) -> Path:
    """A file of the walk with its rows changed, under another name."""
    with (folder / "signals.csv").open() as file:
        head, *rows = list(csv.reader(file))
    path = folder / name
    with path.open("w") as file:
        csv.writer(file).writerows([head, *change(rows)])
    return path


def judged(folder: Path, signals: Path, **settings) -> own.Judgement:
    windows = settings.pop("stress", WINDOWS)
    return own.judge(
        STUDY, ReplaySettings(stress=windows), folder / "bars.csv", signals, **settings
    )


@pytest.mark.slow
def test_the_walk_goes_from_two_files_to_a_signed_memo(files):
    folder = files
    replay, signed, program = (printed(code, folder, language) for language, code in BLOCKS[1:])
    memo = (folder / "memo.md").read_text()
    assert "The gate let it pass." in replay
    assert "Approver: Ada Byron" in memo
    for heading in ("Gate", "Portfolios", "False alarms of the monitors"):
        assert heading in memo
        assert heading in replay
    assert "Ada Byron" in signed
    assert re.search(r"\d+ entries, whole", signed)
    assert program.startswith("True ")
    (run,) = (folder / "runs" / "signals").glob("P_*")
    assert (run / "memo.md").read_text() == memo


def test_the_better_signal_earns_more_and_trades_after_the_shadow(files):
    found = judged(files, files / "signals.csv")
    assert found.decision.promote
    assert found.served is not None
    deployed, operated = (found.outcomes[who]["gross_return"] for who in ("deployed", "operated"))
    assert deployed is not None
    assert operated is not None
    assert operated > deployed
    first = np.datetime64(found.served[0])
    assert first > np.datetime64(found.window["live"].partition(" to ")[0]) + 20
    ordinary = found.errors["ordinary"]
    assert ordinary["candidate"] < min(ordinary["deployed"], ordinary["silence"])  # type: ignore[type-var]


def test_what_forgets_stress_is_refused_and_kept_from_trading(files):
    folder = files

    def turned(rows):
        inside = [any(a <= row[0] <= b for a, b in (w.split(":") for w in WINDOWS)) for row in rows]
        return [
            [*row[:3], str(-float(row[2]))] if hit else row
            for row, hit in zip(rows, inside, strict=True)
        ]

    found = judged(folder, rewritten(folder, "turned.csv", turned))
    failed = {row.rule for row in found.decision.rows if row.verdict == "fail"}
    assert {"anchor_mean", "anchor_broken", "violations"} <= failed
    assert found.served is None
    assert found.outcomes["operated"] == found.outcomes["deployed"]
    assert "**Do not deploy.**" in own_memo.render(found)


@pytest.mark.slow
def test_what_breaks_while_it_trades_is_taken_back(files):
    folder = files

    def broken(rows):
        return [
            [*row[:3], str(-9 * float(row[3]))] if row[0] >= "2020-08-03" else row for row in rows
        ]

    found = judged(folder, rewritten(folder, "broken.csv", broken))
    assert found.decision.promote
    assert found.rollback is not None
    assert found.served is not None
    assert "2020-08-03" <= found.served[1] < "2021-01-01"
    assert f"The monitor {found.rollback.rule} took it back" in own_memo.render(found)


def test_the_unit_of_the_predictions_does_not_matter(files):
    folder = files
    plain = judged(folder, folder / "signals.csv")
    scaled = rewritten(
        folder,
        "scaled.csv",
        lambda rows: [[*r[:2], str(5 + 0.01 * float(r[2])), str(1e3 * float(r[3]))] for r in rows],
    )
    other = judged(folder, scaled)
    for kind, errors in plain.errors.items():
        assert other.errors[kind] == pytest.approx(errors, rel=1e-4)
    assert other.decision.promote == plain.decision.promote


def test_later_predictions_change_nothing_of_the_past(files):
    folder = files

    def changed(rows):
        return [
            [*r[:3], "0.5" if r[1] == "S01" else r[3]] if r[0] >= "2020-12-01" else r for r in rows
        ]

    one = judged(folder, folder / "signals.csv")
    two = judged(folder, rewritten(folder, "later.csv", changed))
    assert one.decision == two.decision
    assert one.false_alarms == two.false_alarms
    assert one.window == {**two.window, "predictions": one.window["predictions"]}


def test_false_alarms_are_counted_for_every_monitor(files):
    found = judged(files, files / "signals.csv")
    assert [alarm.rule for alarm in found.false_alarms] == list(monitoring.RULES)
    assert all(0 <= alarm.alarms <= alarm.trials == 200 for alarm in found.false_alarms)
    assert all(alarm.alarms < 60 for alarm in found.false_alarms)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: [*rows, rows[-1]], "has a prediction for"),
        (lambda rows: [[r[0], "ZZZ", *r[2:]] for r in rows], "no row of a day and a symbol"),
        (lambda rows: [r for r in rows if r[0] < "2017-12-01"], "are needed"),
        (lambda rows: [[*r[:3], "high"] for r in rows], "is no number"),
    ],
)
def test_what_cannot_be_judged_says_why(files, change, says):
    with pytest.raises(ConfigError, match=says):
        judged(files, rewritten(files, "wrong.csv", change))


def test_without_stress_days_for_the_gate_it_says_what_to_name(files):
    with pytest.raises(ConfigError, match="0 stress days for the gate"):
        judged(files, files / "signals.csv", stress=("2017-02-01:2017-03-01",))


def test_a_judgement_is_kept_whole_and_on_record(files, tmp_path):
    found = judged(files, files / "signals.csv", approver="Ada Byron")
    path, count = own_runs.keep(found, tmp_path)
    assert store.load_own(tmp_path, path.name) == found
    (entry,) = record.entries(tmp_path, 5)
    assert count == 1
    assert entry.to_plain()["body"]["approver"] == "Ada Byron"
    assert record.verify(tmp_path).is_sound
