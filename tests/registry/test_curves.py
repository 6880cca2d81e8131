import math

import pytest

from radiance.records import MetricPoint
from radiance.registry.curves import MetricCurves


@pytest.fixture
def curves(workshop) -> MetricCurves:
    return MetricCurves(workshop.db)


def points(cycle_id: int, *values: float, name: str = "loss") -> list[MetricPoint]:
    return [MetricPoint(cycle_id, step, name, value) for step, value in enumerate(values)]


def test_cycles_follow_one_another_as_one_curve(curves):
    curves.record(points(2, 3.0, 2.0))
    curves.record(points(1, 9.0, 8.0, 7.0))
    curves.record(points(2, 0.5, name="eval"))
    assert curves.last("loss", 4) == [8.0, 7.0, 3.0, 2.0]
    assert curves.last("loss", 99) == [9.0, 8.0, 7.0, 3.0, 2.0]
    assert curves.last("eval", 9) == [0.5]
    assert curves.last("unknown", 9) == []
    assert curves.of_cycle(2, "loss") == points(2, 3.0, 2.0)


def test_a_point_recorded_again_is_replaced(curves):
    curves.record(points(1, 3.0, 2.0))
    curves.record(points(1, 4.0))
    assert curves.last("loss", 9) == [4.0, 2.0]


def test_values_that_are_not_finite_are_passed_over(curves):
    curves.record(points(1, math.nan, math.inf, -math.inf))
    curves.record([])
    assert curves.last("loss", 9) == []
    curves.record(points(1, 1.0, math.nan, 2.0))
    assert curves.last("loss", 9) == [1.0, 2.0]


def test_a_resumed_cycle_forgets_what_it_will_do_again(curves):
    curves.record(points(1, 5.0, 4.0, 3.0))
    curves.record(points(1, 5.0, 4.0, 3.0, name="eval"))
    curves.record(points(2, 1.0, 1.0, 1.0))
    curves.forget_after(1, 1)
    assert [p.step for p in curves.of_cycle(1, "loss")] == [0, 1]
    assert [p.step for p in curves.of_cycle(1, "eval")] == [0, 1]
    assert len(curves.of_cycle(2, "loss")) == 3


@pytest.mark.parametrize(
    ("status", "counts"),
    [("open", True), ("finished", True), ("failed", False), ("abandoned", False)],
)
def test_failed_and_abandoned_cycles_are_left_out(curves, workshop, status, counts):
    with workshop.db.transaction() as connection:
        connection.execute(
            "INSERT INTO cycles VALUES (1, 'f', 'A_1', NULL, 's', ?, '2026-02-09', 0)", (status,)
        )
    curves.record(points(1, 5.0))
    curves.record(points(2, 6.0))
    assert curves.last("loss", 9) == ([5.0, 6.0] if counts else [6.0])
    assert len(curves.of_cycle(1, "loss")) == 1


def test_a_cycle_that_resumes_forgets_what_lies_beyond(curves):
    curves.record(points(1, 3.0, 2.0, 1.0))
    curves.record(points(2, 9.0, 8.0))
    curves.record(points(1, 0.5, name="eval"))
    curves.forget_after(1, 0)
    assert curves.all_of(1) == {"loss": {0: 3.0}, "eval": {0: 0.5}}
    assert curves.all_of(2) == {"loss": {0: 9.0, 1: 8.0}}
    assert curves.all_of(3) == {}


def test_how_many_steps_the_last_cycles_took_that_made_a_checkpoint(curves, workshop):
    workshop.commit()
    workshop.commit()
    newest, oldest = (checkpoint.cycle_id for checkpoint in workshop.registry.all(2))
    curves.record(points(oldest, *[0.1] * 5, name="lr"))
    curves.record(points(newest, *[0.1] * 3, name="lr"))
    curves.record(points(newest + 7, *[0.1] * 9, name="lr"))
    assert curves.steps_of_last(9) == [2, 4]
    assert curves.steps_of_last(1) == [2]
