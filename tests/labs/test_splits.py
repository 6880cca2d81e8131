"""Splits that prices were not adjusted for, and what else is said of bars before anything runs."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from radiance.cli import main
from radiance.errors import ConfigError
from radiance.labs import splits
from radiance.labs.alphas.values.panel import read
from radiance.labs.daily_bars import read_bars
from radiance.labs.signals import bars as signal_bars
from tests.shared_data import MARKET_BARS, why_missing

DAYS = 60


def bars(seed: int = 0, symbols: int = 3, days: int = DAYS) -> dict[str, np.ndarray]:
    """Bars without a split, (days, symbols)."""
    rng = np.random.default_rng(seed)
    close = 80 * np.exp(np.cumsum(rng.normal(0, 0.02, (days, symbols)), axis=0))
    opened = np.vstack([close[:1], close[:-1]]) * np.exp(rng.normal(0, 0.005, close.shape))
    high, low = np.maximum(opened, close) * 1.01, np.minimum(opened, close) * 0.99
    volume = rng.integers(1_000, 9_000, close.shape).astype(float)
    return {"open": opened, "high": high, "low": low, "close": close, "volume": volume}


def split(fields: dict[str, np.ndarray], row: int, column: int, factor: float) -> dict:
    """The same bars as printed by whoever adjusts nothing."""
    found = {name: values.copy() for name, values in fields.items()}
    for name in ("open", "high", "low", "close"):
        found[name][row:, column] /= factor
    found["volume"][row:, column] *= factor
    return found


def written(path: Path, fields: dict[str, np.ndarray]) -> Path:
    rows = [",".join(("date", "symbol", *fields))]
    for day in range(len(fields["close"])):
        for column in range(fields["close"].shape[1]):
            date = np.datetime64("2020-01-01") + day
            cells = (fields[name][day, column] for name in fields)
            rows.append(",".join(map(str, (date, f"S{column}", *cells))))
    path.write_text("\n".join(rows))
    return path


@given(
    seed=st.integers(0, 999),
    row=st.integers(1, DAYS - 1),
    factor=st.sampled_from([2, 3, 4, 7, 20, 0.5, 0.1]),
)
def test_a_split_is_found_by_day_and_factor_and_taken_out_whole(seed, row, factor):
    plain = bars(seed)
    with_split = split(plain, row, 1, factor)
    (found,) = splits.find(with_split)
    assert (found.row, found.column) == (row, 1)
    assert found.factor == pytest.approx(factor)
    assert not splits.find(plain)
    repaired = splits.repair(with_split, [found])
    returns = [np.diff(np.log(f["close"]), axis=0) for f in (plain, repaired)]
    np.testing.assert_allclose(returns[1], returns[0], atol=1e-9)
    np.testing.assert_allclose(
        repaired["close"] * repaired["volume"], with_split["close"] * with_split["volume"]
    )


def test_where_the_adjusted_close_is_known_it_tells():
    plain = bars()
    adjusted = plain["close"].copy()
    with_split = {**split(plain, 30, 0, 3), "adj_close": adjusted}
    with_split["open"][30, 0] *= 1.2  # whatever it opened at
    (found,) = splits.find(with_split)
    assert (found.row, found.column, found.factor) == (30, 0, 3)
    assert not splits.find({**split(plain, 30, 0, 1.44), "adj_close": adjusted})  # a spin-off
    crash = split(plain, 30, 0, 2)
    assert not splits.find({**crash, "adj_close": crash["close"]})


def test_a_fall_that_opens_elsewhere_is_no_split():
    crash = split(bars(), 30, 0, 2)
    crash["open"][30, 0] *= 1.3
    assert not splits.find(crash)


@pytest.mark.parametrize("written_as", ["repeated", "nothing"])
def test_a_fall_after_a_halt_is_no_split_however_the_halt_is_written(written_as):
    fallen = split(bars(), 30, 0, 2)
    fallen["volume"][30:, 0] /= 2
    last = fallen["close"][28, 0] if written_as == "repeated" else np.nan
    for name in ("open", "high", "low", "close"):
        fallen[name][29, 0] = last
        fallen[name][30, 0] = fallen["close"][28, 0] / 2
    assert not splits.find(fallen)
    fallen["high"][29, 0] *= 1.01  # it traded
    assert len(splits.find(fallen)) == (written_as == "repeated")


def test_real_bars_that_are_adjusted_have_none():
    if not MARKET_BARS.exists():
        pytest.skip(why_missing(MARKET_BARS))
    panel = read(MARKET_BARS)
    assert not splits.find(panel.fields)
    bare = {name: v for name, v in panel.fields.items() if name != "adj_close"}
    assert len(splits.find(bare)) <= 2  # in 566,250 bars


def test_they_are_refused_repaired_or_kept_by_name(tmp_path):
    path = written(tmp_path / "bars.csv", split(bars(), 30, 1, 4))
    with pytest.raises(ConfigError, match=r"1 days look like splits .*S1 2020-01-31 4:1.*repair"):
        read_bars(path, "refuse")
    kept, repaired = read_bars(path), read_bars(path, "repair")
    assert "kept as they stand: S1 2020-01-31 4:1" in kept.said[0]
    assert "taken out: S1 2020-01-31 4:1" in repaired.said[0]
    worst = [np.diff(np.log(read.fields["close"]), axis=0).min() for read in (kept, repaired)]
    assert worst[0] < -1.2
    assert worst[1] > -0.2


def call(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["alphas", *words])
    assert done.exit_code == code, done.output
    return done.output


def test_a_backtest_refuses_until_told(tmp_path):
    path = str(written(tmp_path / "bars.csv", split(bars(), 30, 1, 4)))
    alpha = ["backtest", "-1 * delta(close, 2)", "--data", path]
    assert "(--splits) repair" in call(*alpha, code=2)
    assert "taken out" in call(*alpha, "--splits", "repair")


@pytest.mark.parametrize("more", [[], ["--predictions", "said.csv"]])
def test_a_replay_refuses_until_told(tmp_path, monkeypatch, more):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "bars.csv", split(bars(), 30, 1, 4))
    (tmp_path / "said.csv").write_text("date,symbol,deployed,candidate\n2020-01-01,S0,1,1\n")

    def replayed(*words: str) -> str:
        done = CliRunner().invoke(main, ["signals", "replay", "bars.csv", *more, *words])
        assert done.exit_code == 2, done.output
        return done.output

    assert "S1 2020-01-31 4:1). splits (--splits) repair" in " ".join(replayed().split())
    for treatment in ("repair", "keep"):  # told, it goes on to the days, which are too few
        assert "At least 4 symbols and" in " ".join(replayed("--splits", treatment).split())


def test_a_replay_trades_what_was_taken_out(tmp_path):
    path = written(tmp_path / "bars.csv", split(bars(symbols=4, days=300), 30, 1, 4))
    kept, repaired = (
        signal_bars.read_bars(path, 4, 40, splits=treatment) for treatment in ("keep", "repair")
    )
    assert np.diff(np.log(kept.close), axis=0).min() < -1.2
    assert np.diff(np.log(repaired.close), axis=0).min() > -0.2


def test_inspect_says_what_is_there_before_anything_runs(tmp_path):
    fields = split(bars(symbols=4), 30, 1, 4)
    for values in fields.values():
        values[20:22, 0] = np.nan  # halted
        values[50:, 2] = np.nan  # gone
        values[:5, 3] = np.nan  # listed later
    fields["high"][40, 3] = fields["low"][40, 3] / 2
    fields["volume"][41, 3] = 0
    groups = tmp_path / "groups.csv"
    groups.write_text("symbol,sector\nS0,a\nS1,b\nS2,a\n")
    path = written(tmp_path / "bars.csv", fields)
    out = call("inspect", str(path), "--groups", str(groups), "--json")
    found = json.loads(out[out.index("{") :])
    assert found["symbols"] == 4
    assert found["days"].startswith("60, 2020-01-01 to 2020-02-29")
    assert found["halts"] == "2 (S0 2020-01-21, S0 2020-01-22)"
    assert found["left_the_market"] == "1 (S2 2020-02-19)"
    assert found["listed_later"] == 1
    assert found["unadjusted_splits"] == "1 (S1 2020-01-31 4:1)"
    assert found["jumps_over_50_percent"] == "1 (S1 2020-01-31)"
    assert found["range_without_open_or_close"] == "1 (S3 2020-02-10)"
    assert found["days_without_volume"] == "1 (S3 2020-02-11)"
    assert found["groups"] == "sector: 2, 1 symbols without"
    assert "unadjusted_splits" in call("inspect", str(path))
