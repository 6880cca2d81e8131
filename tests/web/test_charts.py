"""Charts drawn on the server: every value lies in the box, on an axis of round numbers."""

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from radiance.records import GateRow
from radiance.web.charts import intervals, lines

VALUE = st.floats(-1e9, 1e9, allow_subnormal=False).filter(lambda v: v == 0 or abs(v) > 1e-12)
FLOAT = st.floats(width=32)  # infinities and NaN among them
SERIES = st.lists(st.one_of(st.none(), VALUE), min_size=1, max_size=30)


@given(SERIES)
def test_every_value_lies_in_the_box(values: list[float | None]) -> None:
    drawn = lines.chart("c", "t", "s", "x", ["a"], list(enumerate(values)))
    found = lines.svg(drawn)
    known = [value for value in values if value is not None]
    points = [tuple(map(float, p.split(","))) for p in found["lines"][0].split()]
    points += found["dots"][0]
    assert len(points) == len(known)
    assert all(found["left"] <= x <= found["right"] for x, _ in points)
    assert all(0 <= y <= found["bottom"] for _, y in points)
    heights = [y for y, _ in found["y"]]
    assert heights == sorted(heights, reverse=True)
    assert 2 <= len(heights) <= 7
    labels = [label for _, label in found["y"]]
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
