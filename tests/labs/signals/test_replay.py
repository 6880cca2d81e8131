"""Real bars: nothing is used before it is known, periods are found by rule, one is held out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radiance.errors import ConfigError
from radiance.labs.signals import bars as market_bars
from radiance.labs.signals.bars import Bars
from radiance.labs.signals.folds import load, own_periods
from radiance.labs.signals.presets import PRESETS, with_values
from radiance.labs.signals.replay import run_replay
from radiance.labs.signals.settings import ReplaySettings
from tests.shared_data import MARKET_BARS, needs

DAYS, SYMBOLS = 1500, 6


def random_bars(seed: int = 0) -> Bars:
    draw = np.random.default_rng(seed)
    scale = np.full((DAYS, 1), 0.004)
    for first in (420, 700, 900, 1200):  # four months of turmoil each
        scale[first : first + 60] = 0.02
    market = 0.0008 + draw.standard_normal((DAYS, 1)) * scale
    close = 50 * np.cumprod(1 + market + scale * draw.standard_normal((DAYS, SYMBOLS)), axis=0)
    opened = close * (1 + 0.2 * scale * draw.standard_normal(close.shape))
    high = np.maximum(opened, close) * (1 + 0.2 * scale)
    low = np.minimum(opened, close) * (1 - 0.2 * scale)
    first = np.datetime64("2010-01-01")
    volume = draw.lognormal(12, 0.3, close.shape)
    names = tuple(f"S{n}" for n in range(SYMBOLS))
    return Bars(first + np.arange(DAYS), names, opened, high, low, close, volume)


@pytest.mark.parametrize("day", [300, 430, 777, 1498])
def test_what_comes_after_a_close_changes_nothing_that_was_known_at_it(day: int) -> None:
    before = random_bars()
    draw = np.random.default_rng(day)

    def changed(values: np.ndarray) -> np.ndarray:
        found = values.copy()
        found[day + 1 :] *= draw.uniform(0.5, 2, found[day + 1 :].shape)
        return found

    fields: dict[str, Any] = {
        name: changed(getattr(before, name)) for name in ("open", "high", "low", "close", "volume")
    }
    after = replace(before, **fields)
    known = slice(0, day + 1)
    for function in (market_bars.day_inputs, market_bars.is_stress, market_bars.daily_volatility):
        assert np.array_equal(function(before)[known], function(after)[known]), function.__name__
    horizon = 5
    ours, theirs = (market_bars.labels(b, horizon) for b in (before, after))
    assert np.array_equal(ours[: day + 1 - horizon], theirs[: day + 1 - horizon])


def test_turmoil_is_found_where_it_is() -> None:
    bars = random_bars()
    periods = market_bars.stress_periods(market_bars.is_stress(bars), bars.dates)
    for first in (420, 700, 900, 1200):
        assert any(p.first <= first + 25 and p.last >= first + 50 for p in periods), first
    assert not market_bars.is_stress(bars)[100:400].mean() > 0.3


def write_csv(bars: Bars, path: Path, skip: str = "") -> Path:
    names = [n for n in ("date", "symbol", "open", "high", "low", "close", "volume") if n != skip]
    lines = [",".join(names)]
    for day in range(len(bars.dates)):
        for place, symbol in enumerate(bars.symbols):
            row = {
                "date": str(bars.dates[day]),
                "symbol": symbol,
                **{
                    n: f"{getattr(bars, n)[day, place]:.6g}"
                    for n in names
                    if n not in ("date", "symbol")
                },
            }
            lines.append(",".join(row[n] for n in names))
    path.write_text("\n".join(lines) + "\n")
    return path


STUDY = with_values(
    PRESETS["quick"],
    {"adaptation.steps": 40, "adaptation.methods": ["none", "naive", "projection", "held"]},
)


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory):
    from radiance.engine.model.device import select_device

    select_device("cpu")
    path = write_csv(random_bars(), tmp_path_factory.mktemp("bars") / "bars.csv")
    return run_replay(
        STUDY, ReplaySettings(history_years=4, update_days=120, window_days=120), path
    )


def test_every_period_is_held_out_once(replayed) -> None:
    assert replayed.kind == "replay"
    assert len(replayed.units) >= 3
    for method in replayed.methods:
        assert list(method.contexts) == replayed.units
        for fold, unit in enumerate(replayed.units):
            known = [value is not None for value in method.contexts[unit]]
            assert known == [place == fold for place in range(len(replayed.units))]
            assert method.contexts[unit][fold] == method.per_unit["stress_mse"][fold]
    none = replayed.method("none")
    assert none.means["stress_shift"].value == 0
    assert replayed.method("naive").means["stress_shift"].value > 0


def test_it_says_what_its_intervals_are_not(replayed) -> None:
    texts = [finding.text for finding in replayed.findings]
    assert any("predicting nothing" in text for text in texts)
    assert "lived to the end" in texts[-1]


def test_noise_teaches_nothing_and_it_says_so(replayed) -> None:
    """On a random walk no adapter can be right to claim a better fit by much."""
    none, held = replayed.method("none"), replayed.method("held")
    assert held.means["drift_mse"].value > 0.97 * none.means["drift_mse"].value


def test_bad_files_are_named(tmp_path: Path) -> None:
    path = write_csv(random_bars(), tmp_path / "bars.csv", skip="open")
    with pytest.raises(ConfigError, match="no column open"):
        run_replay(STUDY, ReplaySettings(history_years=3), path)
    with pytest.raises(ConfigError, match="cannot be read"):
        run_replay(STUDY, ReplaySettings(), tmp_path / "nowhere.parquet")
    with pytest.raises(ConfigError, match="days are needed"):
        run_replay(
            STUDY, ReplaySettings(history_years=20), write_csv(random_bars(), tmp_path / "b.csv")
        )


@needs(MARKET_BARS)
def test_the_rule_finds_the_crises_that_are_remembered() -> None:
    bars = market_bars.read_bars(MARKET_BARS, 60, 1260)
    periods = market_bars.stress_periods(market_bars.is_stress(bars), bars.dates)
    for first, last in (
        ("2008-09-15", "2009-03-31"),
        ("2011-08-08", "2011-10-03"),
        ("2015-08-25", "2015-09-30"),
        ("2018-02-06", "2018-02-28"),
    ):
        days = [np.datetime64(first), np.datetime64(last)]
        inside = [
            p for p in periods if bars.dates[p.first] <= days[0] and bars.dates[p.last] >= days[1]
        ]
        assert inside, (first, periods)


def test_the_memo_does_not_recommend_what_was_not_shown(replayed, small_result) -> None:
    from radiance.labs.signals.view import memo

    text = memo.render(small_result, replayed)
    assert "Do not deploy" in text
    assert "lived to the end" in text.partition("## Open risks")[2]
    assert "Nothing was measured on real bars" in memo.render(small_result)
    for heading in ("Recommendation", "Evidence", "Pilot scope", "Threshold policy", "Open risks"):
        assert f"## {heading}" in text


def test_own_windows_are_the_stress_of_a_replay(tmp_path: Path) -> None:
    bars = random_bars()
    path = write_csv(bars, tmp_path / "bars.csv")
    days = [(600, 640), (900, 915)]
    windows = tuple(f"{bars.dates[first]}:{bars.dates[last]}" for first, last in reversed(days))
    data = load(ReplaySettings(history_years=2, stress=windows), path)
    assert [(period.first, period.last) for period in data.periods] == days
    assert data.stress.sum() == sum(last - first + 1 for first, last in days)


@pytest.mark.parametrize(
    ("windows", "told"),
    [
        (("2008",), "first and a last day"),
        (("2008-13-01:2009-01-01",), "first and a last day"),
        (("2009-01-01:2008-01-01",), "first and a last day"),
        (("1950-01-01:1950-02-01",), "holds no day"),
        (("2005-01-01:2005-03-01", "2005-02-01:2005-04-01"), "overlap"),
    ],
)
def test_a_window_that_is_none_is_refused(windows: tuple[str, ...], told: str) -> None:
    dates = np.datetime64("2005-01-01") + np.arange(400)
    with pytest.raises(ConfigError, match=told):
        own_periods(windows, dates)


def test_features_of_ones_own_take_the_place_of_the_labs(tmp_path: Path) -> None:
    """One that knows what comes is learned from, and one that does not is kept beside it."""
    bars = random_bars()
    path = write_csv(bars, tmp_path / "bars.csv")
    knows = np.nan_to_num(market_bars.labels(bars, 5))
    rows = ["Date,Ticker,Knows,Noise,Remark"]
    for day in range(len(bars.dates)):
        for place, symbol in enumerate(bars.symbols):
            rows.append(f"{bars.dates[day]},{symbol},{knows[day, place]:.5f},{(day * 7) % 5},none")
    features = tmp_path / "features.csv"
    features.write_text("\n".join(rows))
    settings = ReplaySettings(history_years=4, update_days=250, window_days=120)
    study = with_values(STUDY, {"adaptation.steps": 4, "adaptation.methods": ["none", "naive"]})
    own = run_replay(study, settings, path, features=features)
    assert own.window["features"] == "knows, noise"
    none = own.method("none")
    assert none is not None
    error = none.means["drift_mse"]
    assert error is not None
    assert (
        error.value < 0.5
    )  # labels are in their own deviations: predicting nothing errs by about one
    rows[1:] = [row.replace("S", "X") for row in rows[1:]]
    features.write_text("\n".join(rows))
    with pytest.raises(ConfigError, match="no row of a day and a symbol of the bars"):
        load(settings, path, features)
    features.write_text("date,symbol\n2010-01-01,S0\n")
    with pytest.raises(ConfigError, match="no column of numbers"):
        load(settings, path, features)
