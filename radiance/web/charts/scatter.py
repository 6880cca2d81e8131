"""Points with their intervals over two logarithmic axes. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from radiance.web import wording

WIDTH, HEIGHT = 720, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 12, 34
_MOST_TICKS = 6
_CHARACTER, _LINE = 6.4, 13  # of a label, about


@dataclass(frozen=True)
class ScatterPoint:
    """A point.

    Attributes:
        x: With ``x_range`` about it, the ends of its interval; greater than 0, as ``y`` is. An
            interval that begins at 0 or below is drawn to the edge, and open there.
        y: With ``y_range``.
    """

    label: str
    x: float
    y: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]


class Mark(msgspec.Struct):
    """Where a point, the ends of its intervals and its label lie; ``told`` is for a pointer."""

    series: int
    label: str
    told: str
    is_open: tuple[bool, bool]
    x: float
    y: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    label_x: float = 0.0
    label_y: float = 0.0
    anchor: str = "start"


class Scatter(msgspec.Struct, frozen=True):
    """Points in a box of ``WIDTH`` x ``HEIGHT``; ``x`` and ``y`` are ticks, (position, label)."""

    id: str
    title: str
    sentence: str
    x_name: str
    y_name: str
    marks: list[Mark]
    x: list[tuple[float, str]]
    y: list[tuple[float, str]]
    corner: tuple[float, float] | None
    left: float
    right: float
    bottom: float
    width: int = WIDTH
    height: int = HEIGHT


class _Axis:
    """A logarithmic axis from one place in the box to another."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        known = [math.log10(value) for value in values if value > 0]
        pad = 0.08 * (max(known) - min(known)) + 0.05
        self._low, self._high = min(known) - pad, max(known) + pad
        self._start, self._end = start, end

    def place(self, value: float) -> float:
        """Where a value lies; what is not on the axis, at its nearer end."""
        at = math.log10(value) if value > 0 else self._low
        share = min(1.0, max(0.0, (at - self._low) / (self._high - self._low)))
        return round(self._start + share * (self._end - self._start), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Round numbers as ``(position, label)``: decades, or 1, 2 and 5 of each."""
        decades = range(math.floor(self._low), math.ceil(self._high) + 1)
        for factors in ((1, 2, 5), (1,)):
            values = [factor * 10.0**power for power in decades for factor in factors]
            found = [value for value in values if self._low <= math.log10(value) <= self._high]
            if len(found) <= _MOST_TICKS:
                break
        if len(found) < 2:
            found = [10**self._low, 10**self._high]
        return [(self.place(value), f"{value:.3g}") for value in found]


def scatter(
    id: str,
    title: str,
    sentence: str,
    x: str,
    y: str,
    points: Sequence[ScatterPoint],
    corner: tuple[float, float] | None = None,
) -> Scatter | None:
    """Where points, labels and ticks lie in a box; None where there is no point to draw.

    Args:
        id: Unique on the page.
        title: What is shown.
        sentence: What a person would read off it.
        x: Name of the axis, with its unit.
        y: Likewise.
        points: At most eight, by their place the colours of ``lines.chart``.
        corner: Everything below both values is shaded.
    """
    places = [(place, p) for place, p in enumerate(points, start=1) if p.x > 0 and p.y > 0]
    if not places:
        return None
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    corner_x, corner_y = ([corner[0]], [corner[1]]) if corner else ([], [])
    across = _Axis([v for _, p in places for v in (p.x, *p.x_range)] + corner_x, _LEFT, right)
    down = _Axis([v for _, p in places for v in (p.y, *p.y_range)] + corner_y, bottom, _TOP)
    marks = [
        Mark(
            place,
            p.label,
            f"{p.label}: {x} {_told(p.x, p.x_range)}, {y} {_told(p.y, p.y_range)}",
            (p.x_range[0] <= 0, p.y_range[0] <= 0),
            across.place(p.x),
            down.place(p.y),
            (across.place(p.x_range[0]), across.place(p.x_range[1])),
            (down.place(p.y_range[0]), down.place(p.y_range[1])),
        )
        for place, p in places
    ]
    _set_labels(marks)
    shaded = (across.place(corner[0]), down.place(corner[1])) if corner else None
    ticks = across.ticks(), down.ticks()
    return Scatter(id, title, sentence, x, y, marks, *ticks, shaded, _LEFT, right, bottom)


def _told(value: float, ends: tuple[float, float]) -> str:
    shown = [wording.number(each) for each in (value, *ends)]
    return f"{shown[0]} ({shown[1]} to {shown[2]})"


def _set_labels(marks: list[Mark]) -> None:
    """A label stands right of its point, or left where it would not fit; none on another."""
    taken: list[tuple[float, float, float]] = []
    for mark in sorted(marks, key=lambda mark: mark.y):
        width = _CHARACTER * len(mark.label)
        is_left = mark.x + 9 + width > WIDTH - _RIGHT
        start = mark.x - 9 - width if is_left else mark.x + 9
        at = max(mark.y - 6, float(_TOP))
        for from_x, to_x, from_y in sorted(taken, key=lambda box: box[2]):
            if start < to_x and from_x < start + width and abs(at - from_y) < _LINE:
                at = from_y + _LINE
        taken.append((start, start + width, at))
        mark.label_x = round(mark.x - 9 if is_left else mark.x + 9, 1)
        mark.label_y = round(at, 1)
        mark.anchor = "end" if is_left else "start"
