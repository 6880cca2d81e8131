"""Charts as data: what a table holds, a sentence says, uPlot or plain SVG draws.

The page carries the numbers once, as an HTML table; the script draws that table. Where there is no
script, and in exported reports, ``svg`` draws the same points on the server.
"""

import math
from collections.abc import Sequence
from typing import Any

WIDTH, HEIGHT = 720, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 10, 26
_TICKS = 4


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
) -> dict[str, Any]:
    """A chart of lines over one axis.

    Args:
        id: Unique on the page.
        title: What is shown, with its unit: "Loss, nats per token".
        sentence: What a person would read off it.
        x: What the first column is.
        series: What the other columns are, at most six; they differ by dash as well as colour.
        rows: ``[x, y, y, …]``; None where a series has no value.
        categories: Whether x is a name (a checkpoint), not a number; drawn at its place.
        low: Lower end of the axis where it is known, as 0 of a share.
        high: Upper end.
    """
    return {
        "id": id,
        "title": title,
        "sentence": sentence,
        "x": x,
        "series": list(series),
        "rows": [list(row) for row in rows],
        "categories": categories,
        "low": low,
        "high": high,
    }


def svg(drawn: dict[str, Any]) -> dict[str, Any]:
    """Where the lines and ticks of a chart lie in a box of ``WIDTH`` x ``HEIGHT``.

    Returns:
        ``lines`` (one list of polyline points a series), ``dots`` for lonely points, ``y`` and
        ``x`` ticks as ``(position, label)``, and the box.
    """
    rows = drawn["rows"]
    xs = [index if drawn["categories"] else float(row[0]) for index, row in enumerate(rows)]
    ys = [v for row in rows for v in row[1:] if v is not None and math.isfinite(v)]
    x0, x1 = (min(xs), max(xs)) if xs else (0.0, 1.0)
    y0 = min(ys, default=0.0) if drawn["low"] is None else drawn["low"]
    y1 = max(ys, default=1.0) if drawn["high"] is None else drawn["high"]
    if y1 <= y0:
        y1 = y0 + (abs(y0) or 1.0)
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM

    def across(x: float) -> float:
        return round(_LEFT + (x - x0) / ((x1 - x0) or 1) * (right - _LEFT), 1)

    def down(y: float) -> float:
        return round(bottom - (y - y0) / (y1 - y0) * (bottom - _TOP), 1)

    lines, dots = [], []
    for place in range(1, len(drawn["series"]) + 1):
        pieces: list[list[str]] = [[]]
        for x, row in zip(xs, rows, strict=True):
            if row[place] is None or not math.isfinite(row[place]):
                pieces.append([])
            else:
                pieces[-1].append(f"{across(x)},{down(row[place])}")
        lines.append([" ".join(piece) for piece in pieces if len(piece) > 1])
        dots.append([piece[0].split(",") for piece in pieces if len(piece) == 1])
    steps = [y0 + (y1 - y0) * step / _TICKS for step in range(_TICKS + 1)]
    ends = [] if not rows else [rows[0][0]] if len(rows) == 1 else [rows[0][0], rows[-1][0]]
    return {
        "lines": lines,
        "dots": dots,
        "y": [(down(y), f"{y:.3g}") for y in steps],
        "x": list(zip([_LEFT, right], ends, strict=False)),
        "left": _LEFT,
        "right": right,
        "bottom": bottom,
        "width": WIDTH,
        "height": HEIGHT,
    }
