"""Charts as data: what a table holds, a sentence says, uPlot or plain SVG draws.

The page carries the numbers once, as an HTML table; the script draws that table. Where there is no
script, and in exported reports, ``svg`` draws the same points on the server.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

WIDTH, HEIGHT = 720, 220
_RIGHT, _TOP, _BOTTOM = 12, 10, 26
_CHARACTER, _LEAST_LEFT = 7.8, 44  # of the labels of the y axis, in the largest type they get
_TICKS = 4


class Chart(msgspec.Struct):
    """A chart of lines over one axis, as ``chart`` makes it.

    Attributes:
        bands: The series that have a band, from 0; its ends are the last columns.
    """

    id: str
    title: str
    sentence: str
    x: str
    series: list[str]
    bands: list[int]
    columns: list[str]
    rows: list[list[Any]]
    categories: bool
    low: float | None
    high: float | None


class DrawnLines(msgspec.Struct, frozen=True):
    """Where a chart's parts lie in a box of ``WIDTH`` x ``HEIGHT``.

    Attributes:
        lines: The points of a polyline for each series.
        dots: Lonely ones, for each series.
        bands: Series from 1, and the points of a polygon.
        y: Ticks as ``(position, label)``, as of ``x``.
    """

    lines: list[str]
    dots: list[list[tuple[float, float]]]
    bands: list[tuple[int, str]]
    y: list[tuple[float, str]]
    x: Sequence[tuple[float, Any]]
    left: float
    right: float
    bottom: float
    width: int = WIDTH
    height: int = HEIGHT


def chart(
    id: str,
    title: str,
    sentence: str,
    x: str,
    series: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    categories: bool = False,
    low: float | None = None,
    high: float | None = None,
    bands: Mapping[int, tuple[Sequence[float], Sequence[float]]] | None = None,
) -> Chart:
    """A chart of lines over one axis.

    Args:
        id: Unique on the page.
        title: What is shown, with its unit: "Loss, nats per token".
        sentence: What a person would read off it.
        x: What the first column is.
        series: What the other columns are, at most eight; they differ by dash as well as colour.
        rows: ``[x, y, y, …]``; None where a series has no value.
        categories: Whether x is a name (a checkpoint), not a number; drawn at its place.
        low: Lower end of the axis where it is known, as 0 of a share.
        high: Upper end.
        bands: By a series' place, from 0, the lower and the upper ends of a band about it.
    """
    banded = sorted(bands or {})
    ends = [end for place in banded for end in (bands or {})[place]]
    names = [f"{series[place]}, {end}" for place in banded for end in ("low", "high")]
    columns = [*series, *names]
    whole = [[*row, *more] for row, *more in zip(rows, *ends, strict=True)]
    return Chart(
        id, title, sentence, x, list(series), banded, columns, whole, categories, low, high
    )


def svg(drawn: Chart) -> DrawnLines:
    """Where the lines and ticks of a chart lie in a box."""
    rows = drawn.rows
    xs = [index if drawn.categories else float(row[0]) for index, row in enumerate(rows)]
    ys = [v for row in rows for v in row[1:] if v is not None and math.isfinite(v)]
    x0, x1 = (min(xs), max(xs)) if xs else (0.0, 1.0)
    ticks = _ticks(
        min(ys, default=0.0) if drawn.low is None else drawn.low,
        max(ys, default=1.0) if drawn.high is None else drawn.high,
    )
    y0, y1 = ticks[0][0], ticks[-1][0]
    left = max(_LEAST_LEFT, round(_CHARACTER * max(len(label) for _, label in ticks)) + 10)
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM

    def across(x: float) -> float:
        return round(left + (x - x0) / ((x1 - x0) or 1) * (right - left), 1)

    def down(y: float) -> float:
        return round(bottom - (y - y0) / (y1 - y0) * (bottom - _TOP), 1)

    def known_of(column: int) -> list[tuple[float, float]]:
        """What is measured now and then is one line, as in the browser."""
        return [
            (across(x), down(row[column]))
            for x, row in zip(xs, rows, strict=True)
            if row[column] is not None and math.isfinite(row[column])
        ]

    lines, dots, bands = [], [], []
    count = len(drawn.series)
    for place in range(1, count + 1):
        known = known_of(place)
        lines.append(" ".join(f"{x},{y}" for x, y in known) if len(known) > 1 else "")
        dots.append(known if len(known) == 1 else [])
    for index, place in enumerate(drawn.bands):
        low, high = (known_of(count + 1 + 2 * index + end) for end in (0, 1))
        around = [*high, *reversed(low)]
        bands.append((place + 1, " ".join(f"{x},{y}" for x, y in around)))
    ends = [] if not rows else [rows[0][0]] if len(rows) == 1 else [rows[0][0], rows[-1][0]]
    y = [(down(y), label) for y, label in ticks]
    x = list(zip([left, right], ends, strict=False))
    return DrawnLines(lines, dots, bands, y, x, left, right, bottom)


def _ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Round numbers from at most ``low`` to at least ``high``, four or so, and how they read."""
    if high <= low:
        low, high = (low - abs(low) / 2, low + abs(low) / 2) if low else (0.0, 1.0)
    power = math.floor(math.log10((high - low) / _TICKS))
    for factor in (1, 2, 5, 10):
        step = factor * 10.0**power
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first <= _TICKS + 1:
            break
    decimals = max(0, -power - (factor == 10))
    largest = max(abs(first), abs(last)) * step
    plain = decimals <= 5 and largest < 1e6
    # As many significant digits as tell one tick from the next.
    digits = max(2, math.floor(math.log10(largest)) - power - (factor == 10) + 1)
    return [
        (at * step, f"{at * step:.{decimals}f}" if plain else f"{at * step:.{digits}g}")
        for at in range(first, last + 1)
    ]
