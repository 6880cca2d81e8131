"""Scheduled events and consolidated bars of strategies beside plain pandas."""

import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.labs.alphas.strategies import api, market
from radiance.labs.alphas.strategies.consolidators import (
    Calendar,
    Consolidator,
    TradeBarConsolidator,
)
from radiance.labs.alphas.strategies.indicators import CLASSES
from radiance.labs.alphas.strategies.naming import Unsupported
from radiance.labs.alphas.strategies.scheduling import DateRules, DayOfWeek, Schedule, TimeRules

HOLIDAYS = pd.to_datetime(
    ["2019-01-01", "2019-05-27", "2019-07-04", "2019-09-02", "2019-12-25", "2020-01-01"]
)
OPEN = pd.bdate_range("2018-12-31", "2020-01-31").difference(HOLIDAYS)
DAYS = [day.date() for day in OPEN]
BY_MONTH = OPEN.to_series().groupby([OPEN.year, OPEN.month])
BY_WEEK = OPEN.to_series().groupby(OPEN.to_period("W"))
MONTHS = pd.date_range("2019-01-01", "2019-12-01", freq="MS")
RULES = DateRules()


def due(rule) -> list[datetime.date]:
    return sorted(rule.days(DAYS))


def dates(found) -> list[datetime.date]:
    return [day.date() for day in found]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (RULES.every_day("SPY"), OPEN),
        (RULES.week_start("SPY"), BY_WEEK.min()),
        (RULES.week_end("SPY"), BY_WEEK.max()),
        (RULES.month_start("SPY"), BY_MONTH.min()[1:]),  # the first began before the bars do
        (RULES.month_end("SPY"), BY_MONTH.max()),
        (RULES.year_start("SPY"), pd.to_datetime(["2019-01-02", "2020-01-02"])),
        (RULES.year_end("SPY"), pd.to_datetime(["2018-12-31", "2019-12-31"])),
    ],
)
def test_a_rule_of_a_share_is_due_on_its_open_days(rule, expected):
    assert due(rule) == dates(expected)


def test_offsets_are_days_of_the_calendar_and_then_an_open_one():
    later = OPEN[OPEN.searchsorted(MONTHS + pd.Timedelta(days=4))]
    assert due(RULES.month_start("SPY", 4))[:12] == dates(later)
    ends = MONTHS + pd.offsets.MonthEnd(0) - pd.Timedelta(days=2)
    earlier = OPEN[OPEN.searchsorted(ends, side="right") - 1]
    assert due(RULES.month_end("SPY", 2))[:12] == dates(earlier)
    assert due(RULES.month_start(4))[0] == datetime.date(2019, 1, 5)  # a Saturday, of no share
    with pytest.raises(ValueError, match="from 0 to 6"):
        RULES.week_start("SPY", 7)


def test_the_end_of_a_month_that_goes_on_behind_the_bars_is_not_due():
    assert RULES.month_end("SPY").days(DAYS[:-1])  # to 30 January, a Thursday
    assert max(RULES.month_end("SPY").days(DAYS[:-1])) == datetime.date(2019, 12, 31)
    march = [datetime.date(2019, 3, 28), datetime.date(2019, 3, 29)]  # the 31st is a Sunday
    assert RULES.month_end("SPY").days(march) == {march[1]}


def test_closed_days_are_due_before_the_next_open_and_in_order():
    schedule, told = Schedule(DAYS), []
    times = TimeRules()
    schedule.on(RULES.every(DayOfWeek.MONDAY), times.midnight, lambda: told.append("Monday"))
    schedule.on(RULES.on(2019, 5, 26), times.at(16, 0), lambda: told.append("Sunday"))
    friday, tuesday = datetime.date(2019, 5, 24), datetime.date(2019, 5, 28)
    for _, action in schedule.due_closed(friday, tuesday):
        action()
    assert told == ["Sunday", "Monday"]
    assert not schedule.due(tuesday, "open")
    assert len(schedule.due(datetime.date(2019, 6, 3), "open")) == 1
    with pytest.raises(Unsupported, match=r"schedule\.on"):
        schedule.on(RULES.every_day(), lambda: None)


def test_what_is_due_after_the_open_has_the_bar_of_the_day():
    times = TimeRules()
    before = (times.midnight, times.at(9, 30), times.after_market_open("SPY", 30))
    after = (times.noon, times.at(9, 31), times.before_market_close("SPY", 10))
    assert [rule.moment for rule in before] == ["open"] * 3
    assert [rule.moment for rule in after] == ["close"] * 3


def bars(days) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.uniform(10, 20, (len(days), 5)), index=pd.DatetimeIndex(days))
    frame.columns = ["open", "high", "low", "close", "volume"]
    return frame


def consolidated(consolidator: Consolidator, frame: pd.DataFrame) -> pd.DataFrame:
    """What comes out, by the time that the bars have."""
    found = {}

    def take(sender, bar):
        assert sender is consolidator
        found[bar.time] = [bar.open, bar.high, bar.low, bar.close, bar.volume]

    consolidator.data_consolidated += take
    for time, row in zip(map(pd.Timestamp, frame.index), frame.to_numpy().tolist(), strict=True):
        consolidator.update(market.Bar("A", time, row))
    values = np.array(list(found.values())).reshape(-1, len(frame.columns))
    return pd.DataFrame(values, index=pd.DatetimeIndex(list(found)), columns=frame.columns)


def gathered(groups: Any) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "open": groups["open"].first(),
            "high": groups["high"].max(),
            "low": groups["low"].min(),
            "close": groups["close"].last(),
            "volume": groups["volume"].sum(),
        }
    )


@given(
    st.sets(st.integers(0, 400), min_size=3, max_size=60),
    st.sampled_from(
        [
            (Calendar.WEEKLY, "W-SUN", 6),
            (Calendar.MONTHLY, "MS", 0),
            (Calendar.QUARTERLY, "QS", 0),
            (Calendar.YEARLY, "YS", 0),
        ]
    ),
)
def test_bars_of_the_calendar_equal_pandas(days, period):
    make, frequency, back = period
    frame = bars(pd.Timestamp("2019-01-01") + pd.to_timedelta(sorted(days), unit="D"))
    expected = gathered(frame.resample(frequency)).dropna()[:-1]  # the last is not over
    expected.index = pd.DatetimeIndex(expected.index) - pd.Timedelta(days=back)
    found = consolidated(TradeBarConsolidator(make), frame)
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy())
    assert list(found.index) == list(expected.index)


@given(st.integers(1, 9), st.integers(1, 40))
def test_bars_by_count_and_by_time_equal_pandas(size, days):
    frame = bars(pd.date_range("2019-01-01", periods=days))
    whole = days // size * size
    expected = gathered(frame[:whole].groupby(np.arange(whole) // size))
    by_count = consolidated(TradeBarConsolidator(size), frame)
    np.testing.assert_allclose(by_count.to_numpy(), expected.to_numpy())
    by_time = consolidated(TradeBarConsolidator(datetime.timedelta(days=size)), frame)
    over = expected[: len(by_time)]  # the last is over when a day behind it comes
    np.testing.assert_allclose(by_time.to_numpy(), over.to_numpy())
    assert len(by_time) >= len(expected) - 1


def test_an_indicator_goes_on_with_a_consolidators_bars():
    algorithm = api.QCAlgorithm()
    mean = CLASSES["SimpleMovingAverage"](3)
    algorithm.register_indicator("A", mean, Calendar.MONTHLY)
    [(symbol, consolidator)] = algorithm.subscription_manager.consolidators
    frame = bars(pd.bdate_range("2019-01-01", "2019-06-05"))
    months = consolidated(consolidator, frame)
    assert symbol == "A"
    assert float(mean) == pytest.approx(months["close"][-3:].mean())


@pytest.mark.parametrize(
    "period", [datetime.timedelta(hours=1), datetime.timedelta(days=1, hours=3), "hour", len]
)
def test_what_daily_bars_cannot_be_made_into_is_unsupported(period):
    with pytest.raises(Unsupported, match="a consolidator of"):
        TradeBarConsolidator(period)
