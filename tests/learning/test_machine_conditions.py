"""When training waits."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance import config
from radiance.config import TrainingSettings
from radiance.errors import ConfigError
from radiance.learning.machine_conditions import MachineConditions, may_train
from radiance.platform.conditions import Conditions
from tests.example_counts import examples

MONDAY = datetime(2026, 2, 9, tzinfo=UTC)
ALL = TrainingSettings(when=("ac_power", "cool", "memory"))
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def quiet_minutes(*hours: str) -> list[int]:
    """The minutes of a week, from Monday on, in which nothing may be trained."""
    settings = TrainingSettings(quiet_hours=hours)
    week = range(7 * 24 * 60)
    return [m for m in week if may_train(Conditions(), settings, MONDAY + timedelta(minutes=m))]


@pytest.mark.parametrize(
    ("conditions", "word"),
    [
        (Conditions(on_battery=True), "battery"),
        (Conditions(thermal="serious"), "hot: serious"),
        (Conditions(thermal="critical"), "hot: critical"),
        (Conditions(memory_pressure="warning"), "memory: warning"),
        (Conditions(memory_pressure="critical"), "memory: critical"),
    ],
)
def test_it_waits_for_what_is_configured_and_says_for_what(conditions, word):
    assert word in (may_train(conditions, ALL, MONDAY) or "")
    assert may_train(conditions, TrainingSettings(when=()), MONDAY) is None


@pytest.mark.parametrize(
    "conditions",
    [
        Conditions(),
        Conditions(on_battery=False, thermal="nominal", memory_pressure="normal"),
        Conditions(thermal="fair"),
    ],
)
def test_what_is_unknown_or_well_holds_nothing_up(conditions):
    assert may_train(conditions, ALL, MONDAY) is None


def test_by_default_a_laptop_on_battery_trains():
    assert may_train(Conditions(on_battery=True), TrainingSettings(), MONDAY) is None


def test_quiet_hours_begin_at_their_first_minute_and_end_before_their_last():
    assert quiet_minutes("mon 09:00-09:02") == [540, 541]


def test_hours_past_midnight_belong_to_the_day_they_begin_on():
    assert quiet_minutes("sun 23:59-00:02") == [0, 1, 7 * 1440 - 1]


def test_equal_ends_are_a_whole_day():
    assert quiet_minutes("tue 06:00-06:00") == list(range(1440 + 360, 2 * 1440 + 360))


times = st.integers(0, 1439).map(lambda m: f"{m // 60:02}:{m % 60:02}")


@examples(20)  # of sets of ten thousand minutes
@given(times, times, st.sampled_from(DAYS), st.integers(0, 6))
def test_hours_and_the_rest_of_the_day_share_no_minute_and_leave_none_out(start, end, day, span):
    last = DAYS[(DAYS.index(day) + span) % 7]
    named = f"{day}-{last}"
    hours, rest = quiet_minutes(f"{named} {start}-{end}"), quiet_minutes(f"{named} {end}-{start}")
    minutes = {text: int(text[:2]) * 60 + int(text[3:]) for text in (start, end)}
    length = (minutes[end] - minutes[start]) % 1440 or 1440
    assert len(hours) == length * (span + 1)
    if span == 6 and start != end:
        assert not set(hours) & set(rest)
        assert len(hours) + len(rest) == 7 * 1440


def test_hours_are_local():
    noon_in_tokyo = datetime.fromisoformat("2026-02-09T12:00:00+09:00")
    settings = TrainingSettings(quiet_hours=("11:00-13:00",))
    assert may_train(Conditions(), settings, noon_in_tokyo)
    assert may_train(Conditions(), settings, noon_in_tokyo.astimezone(UTC)) is None


def test_readings_are_renewed_now_and_then():
    readings = iter([Conditions(thermal="serious"), Conditions()])
    now = [0.0]
    machine_conditions = MachineConditions(
        TrainingSettings(), lambda: next(readings), lambda: MONDAY, lambda: now[0]
    )
    assert "hot" in (machine_conditions.objection() or "")
    now[0] = 9.0
    assert machine_conditions.objection()
    now[0] = 10.0
    assert machine_conditions.objection() is None


def test_nothing_is_read_where_nothing_is_waited_for():
    def read() -> Conditions:
        raise AssertionError

    assert MachineConditions(TrainingSettings(when=()), read).objection() is None


@pytest.mark.parametrize(
    "value", ["9:00-18:00", "09:00-24:00", "monday 09:00-18:00", "mon-fri-sun 09:00-10:00", "09:00"]
)
def test_hours_that_are_none_are_refused(tmp_path, value):
    with pytest.raises(ConfigError, match="quiet_hours"):
        config.load(tmp_path, {"training.quiet_hours": [value]})


def test_when_to_train_is_no_part_of_what_shapes_an_adapter():
    settings = TrainingSettings(when=("ac_power",), quiet_hours=("09:00-10:00",), lr=1e-4)
    assert settings.recipe() == TrainingSettings(when=(), max_minutes=9.0, lr=1e-4).recipe()
    others = TrainingSettings(snapshot_seconds=9.0, max_deaths=9, max_interruptions=9, lr=1e-4)
    assert settings.recipe() == others.recipe()
