"""Charts drawn on the server: every value lies in the box, on an axis of round numbers."""

import itertools
import math
import re

from hypothesis import example, given
from hypothesis import strategies as st

from radiance.records import Checkpoint, CheckpointStatus, EvalReport, GateRow, now
from radiance.web.charts import cycle, intervals, lineage, lines
from radiance.web.charts.scatter import ScatterPoint, scatter

VALUE = st.floats(-1e9, 1e9, allow_subnormal=False).filter(lambda v: v == 0 or abs(v) > 1e-12)
FLOAT = st.floats(width=32)  # infinities and NaN among them
SERIES = st.lists(st.one_of(st.none(), VALUE), min_size=1, max_size=30)


@given(SERIES)
@example([325000000.0, 349999920.0])  # two digits would say 3.4e+08 three times
def test_every_value_lies_in_the_box(values: list[float | None]) -> None:
    drawn = lines.chart("c", "t", "s", "x", ["a"], list(enumerate(values)))
    found = lines.svg(drawn)
    known = [value for value in values if value is not None]
    points = [tuple(map(float, p.split(","))) for p in found.lines[0].split()]
    points += found.dots[0]
    assert len(points) == len(known)
    assert all(found.left <= x <= found.right for x, _ in points)
    assert all(0 <= y <= found.bottom for _, y in points)
    heights = [y for y, _ in found.y]
    assert heights == sorted(heights, reverse=True)
    assert 2 <= len(heights) <= 7
    labels = [label for _, label in found.y]
    assert len(set(labels)) == len(labels) or max(map(abs, known)) > 1e3 * (max(known) - min(known))
    # Higher values are drawn higher.
    by_value = [y for _, (_, y) in sorted(zip(known, points, strict=True), key=lambda one: one[0])]
    assert all(a >= b for a, b in itertools.pairwise(by_value))


@given(st.one_of(st.none(), FLOAT), FLOAT, st.one_of(st.none(), FLOAT), FLOAT)
def test_intervals_lie_on_their_line(
    value: float | None, limit: float, low: float | None, high: float
) -> None:
    found = intervals.interval(GateRow("rule", value, limit, low, high, "pass"))
    if value is None or not math.isfinite(value) or not math.isfinite(limit):
        assert found is None
        return
    assert found is not None
    assert all(6 <= at <= 114 for at in found.values() if at is not None)


@given(st.lists(st.tuples(VALUE, VALUE, VALUE), min_size=2, max_size=20))
def test_a_band_lies_about_its_line_and_in_the_box(values: list[tuple[float, ...]]) -> None:
    lows, middles, highs = zip(*map(sorted, values), strict=True)
    rows = list(enumerate(middles))
    drawn = lines.chart("c", "t", "s", "x", ["a", "b"], [[x, None, y] for x, y in rows],
                        bands={1: (lows, highs)})  # fmt: skip
    assert drawn.columns == ["a", "b", "b, low", "b, high"]
    found = lines.svg(drawn)
    ((series, points),) = found.bands
    assert series == 2
    places = [float(point.split(",")[1]) for point in points.split()]
    upper, lower = places[: len(rows)], places[len(rows) :][::-1]
    middle = [float(point.split(",")[1]) for point in found.lines[1].split()]
    for high, at, low in zip(upper, middle, lower, strict=True):
        assert 0 <= high <= at <= low <= found.bottom


POSITIVE = st.floats(1e-6, 1e6)


@given(
    st.lists(st.tuples(POSITIVE, POSITIVE), min_size=1, max_size=8),
    st.one_of(st.none(), st.tuples(POSITIVE, POSITIVE)),
)
def test_scattered_points_and_ticks_lie_in_the_box(
    values: list[tuple[float, float]], corner: tuple[float, float] | None
) -> None:
    points = [ScatterPoint("a method", x, y, (-x, 2 * x), (y / 2, 2 * y)) for x, y in values]
    found = scatter("c", "t", "s", "x", "y", points, corner)
    assert found is not None
    for mark in found.marks:
        for x in (mark.x, *mark.x_range):
            assert found.left <= x <= found.right
        for y in (mark.y, *mark.y_range):
            assert 0 <= y <= found.bottom
        assert mark.y_range[1] <= mark.y <= mark.y_range[0]
    for name in ("x", "y"):
        assert len(getattr(found, name)) >= 2
        assert len(getattr(found, name)) == len({label for _, label in getattr(found, name)})


def test_labels_of_points_that_coincide_stand_apart() -> None:
    points = [ScatterPoint("the same", 1.0, 1.0, (0.5, 2.0), (0.5, 2.0)) for _ in range(4)]
    found = scatter("c", "t", "s", "x", "y", points)
    assert found is not None
    heights = sorted(mark.label_y for mark in found.marks)
    assert all(b - a >= 12 for a, b in itertools.pairwise(heights))
    assert scatter("c", "t", "s", "x", "y", []) is None


@given(SERIES)
@example([3.5e-08, 4.1e-08])
def test_the_axis_is_as_wide_as_its_labels(values: list[float | None]) -> None:
    found = lines.svg(lines.chart("c", "t", "s", "x", ["a"], list(enumerate(values))))
    widest = max(len(label) for _, label in found.y)
    # Digits are 0.56 of the size of the type, 13.5 at most; labels end 8 before the axis.
    assert found.left - 8 >= 0.56 * 13.5 * widest


def test_an_interval_that_begins_at_nothing_is_open_at_its_end() -> None:
    points = [
        ScatterPoint("some", 0.2, 0.3, (0.0, 0.5), (0.1, 0.4)),
        ScatterPoint("other", 0.4, 0.3, (0.3, 0.5), (0.1, 0.4)),
    ]
    drawn = scatter("s", "t", "s", "x", "y", points)
    assert drawn is not None
    assert [mark.is_open for mark in drawn.marks] == [(True, False), (False, False)]
    assert drawn.marks[0].told == "some: x 0.2 (0 to 0.5), y 0.3 (0.1 to 0.4)"


def test_cycles_lie_beside_one_another_over_all_their_steps() -> None:
    here = {"finetune_loss": {1: 2.0, 2: 1.0}, "lr": {1: 0.1, 2: 0.1}}
    there = {"finetune_loss": {1: 3.0, 4: 0.5}, "lr": {4: 0.1}, "angle": {1: 90.0}}
    loss, *others = cycle.draw(here, False, {"Cycle 7": there})
    assert loss.series == ["New examples", "Cycle 7"]
    assert loss.rows == [[1, 2.0, 3.0], [2, 1.0, None], [4, None, 0.5]]
    assert loss.sentence == "From 2 to 1 in 2 steps, at most 2."
    assert [chart.series for chart in others if chart.id == "angle"] == [["Cycle 7"]]


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=30))
@example([(0, False), (0, True), (0, True)])  # one refused behind the other
@example([(0, False), (0, False), (1, True), (1, True), (0, False)])  # refused after a rollback
def test_no_line_of_the_lineage_passes_through_a_checkpoint(made: list[tuple[int, bool]]) -> None:
    served: list[str | None] = [None]
    found: list[Checkpoint] = []
    for number, (back, is_refused) in enumerate(made):
        name, parent = f"A_{number}", served[-1 - back % min(len(served), 3)]
        status = CheckpointStatus.REJECTED if is_refused else CheckpointStatus.STABLE
        found.append(Checkpoint(name, parent, status, now(), number, "", EvalReport()))
        if not is_refused:
            served.append(name)
    drawn = lineage.draw(found[::-1])
    places = {(node.x, node.y): node.id for node in drawn.nodes}
    assert len(places) == len(found), "each has a place of its own"
    for path in drawn.edges:
        x, y = map(int, re.findall(r"\d+", path)[:2])
        assert (x, y) in places
        for verb, told in re.findall(r"([HL])([\d ]+)", path):
            to, *level = map(int, told.split())
            if verb == "H":
                between = [places[at] for at in places if at[1] == y and x < at[0] < to]
                assert between == [], path
            x, y = to, *(level or [y])
        assert (x, y) in places
