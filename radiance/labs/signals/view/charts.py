"""Drawings as SVG text: they need no script, print, and open from a file years later.

Colours are CSS classes (``s0`` ... ``s7``) that the page and the report define; series differ by
dash too. Every drawing has a title for who cannot see it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from radiance.labs.signals.results import Band

_WIDTH, _HEIGHT = 720, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 12, 34
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4", "10 4", "4 4", "12 3 3 3")


@dataclass(frozen=True)
class Series:
    """A curve with its band.

    Attributes:
        place: Of its colour and dash.
        has_band: Whether the band is drawn; many on one another say nothing.
    """

    label: str
    band: Band
    place: int
    has_band: bool = True


@dataclass(frozen=True)
class Point:
    """A method in the plane of its two errors, with the 95 % interval of each mean."""

    label: str
    place: int
    x: float
    y: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]


def curves(series: Sequence[Series], title: str, unit: str) -> str:
    """Medians over days, with bands."""
    if not series:
        return ""
    low = min(min(s.band.low if s.has_band else s.band.middle) for s in series)
    high = max(max(s.band.high if s.has_band else s.band.middle) for s in series)
    pad = 0.04 * (high - low or 1)
    low, high = low - pad, high + pad
    last = max(s.band.days[-1] for s in series) or 1

    def x(day: float) -> float:
        return _LEFT + day / last * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _TOP + (high - value) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [_axes(_ticks(low, high), y, _ticks(0, last), x, "day", unit)]
    for s in series:
        if not s.has_band:
            continue
        upper = [f"{x(d):.1f},{y(v):.1f}" for d, v in zip(s.band.days, s.band.high, strict=True)]
        lower = [f"{x(d):.1f},{y(v):.1f}" for d, v in zip(s.band.days, s.band.low, strict=True)]
        parts.append(f'<polygon class="band s{s.place}" points="{" ".join(upper + lower[::-1])}"/>')
    for s in series:
        line = [f"{x(d):.1f},{y(v):.1f}" for d, v in zip(s.band.days, s.band.middle, strict=True)]
        dash = DASHES[s.place % len(DASHES)]
        parts.append(
            f'<polyline class="line s{s.place}" stroke-dasharray="{dash}" '
            f'points="{" ".join(line)}"><title>{escape(s.label)}</title></polyline>'
        )
    return _svg(title, parts)


def pareto(points: Sequence[Point], title: str, bar: tuple[float, float] | None) -> str:
    """Drift error against stress error, both logarithmic: down and left is better.

    Args:
        points: The methods.
        title: For who cannot see it.
        bar: The drift and stress error asked for; the corner below it is shaded.
    """
    known = [p for p in points if p.x > 0 and p.y > 0]
    if not known:
        return ""
    xs = [v for p in known for v in (*p.x_range, p.x) if v > 0]
    ys = [v for p in known for v in (*p.y_range, p.y) if v > 0]
    x_low, x_high = math.log10(min(xs)) - 0.2, math.log10(max(xs)) + 0.35
    y_low, y_high = math.log10(min(ys)) - 0.2, math.log10(max(ys)) + 0.2

    def x(value: float) -> float:
        share = (math.log10(max(value, 1e-12)) - x_low) / (x_high - x_low)
        return _LEFT + min(1.0, max(0.0, share)) * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        share = (y_high - math.log10(max(value, 1e-12))) / (y_high - y_low)
        return _TOP + min(1.0, max(0.0, share)) * (_HEIGHT - _TOP - _BOTTOM)

    parts = []
    if bar is not None:
        right, top = x(bar[0]), y(bar[1])
        parts.append(
            f'<rect class="asked" x="{_LEFT}" y="{top:.1f}" width="{right - _LEFT:.1f}" '
            f'height="{_HEIGHT - _BOTTOM - top:.1f}"><title>what is asked for</title></rect>'
        )
    decades = (_decades(y_low, y_high), y, _decades(x_low, x_high), x)
    parts.append(_axes(*decades, "drift MSE (log)", "stress MSE (log)"))
    for p in known:
        cx, cy = x(p.x), y(p.y)
        is_right = cx > 0.7 * _WIDTH  # its label would not fit to the right of it
        at, side = (cx - 8, "end") if is_right else (cx + 8, "start")
        parts.append(
            f'<g class="mark s{p.place}">'
            f'<line x1="{x(p.x_range[0]):.1f}" x2="{x(p.x_range[1]):.1f}" y1="{cy:.1f}" '
            f'y2="{cy:.1f}"/>'
            f'<line x1="{cx:.1f}" x2="{cx:.1f}" y1="{y(p.y_range[0]):.1f}" '
            f'y2="{y(p.y_range[1]):.1f}"/>'
            f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="5"/>'
            f'<text class="{side}" x="{at:.1f}" y="{cy - 7:.1f}">{escape(p.label)}</text></g>'
        )
    return _svg(title, parts)


def explanation() -> str:
    """What the three methods do to one step, drawn: the proposal's idea in one look."""
    arrows = (
        (30, "naive", ("follows the new regime,", "whatever it costs under stress"), 62, False),
        (260, "+ anchor", ("a pull back towards", "the old outputs is added"), 84, True),
        (490, "+ projection", ("what points against", "the anchors is taken out"), 108, True),
    )
    parts = []
    for left, name, lines, tip, is_pulled in arrows:
        parts.append(
            f'<g><rect class="good" x="{left}" y="110" width="190" height="62"/>'
            f'<text class="small" x="{left + 6}" y="166">anchors keep their outputs</text>'
            f'<rect class="bad" x="{left}" y="30" width="190" height="80"/>'
            f'<text class="small" x="{left + 6}" y="44">anchors forget</text>'
            f'<line class="wall" x1="{left}" x2="{left + 190}" y1="110" y2="110"/>'
        )
        if is_pulled:
            parts.append(_arrow(left + 40, 110, left + 150, 62, "arrow ghost"))
            parts.append(_arrow(left + 150, 62, left + 150, tip, "arrow pull"))
        parts.append(_arrow(left + 40, 110, left + 150, tip, "arrow step"))
        words = "".join(
            f'<text class="small" x="{left}" y="{190 + 14 * row}">{line}</text>'
            for row, line in enumerate(lines)
        )
        parts.append(f'<text class="name" x="{left}" y="20">{name}</text>{words}</g>')
    head = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>'
    )
    title = "One step of each method: naive, with an anchor term, with projection"
    return (
        f'<svg class="explanation" viewBox="0 0 720 210" role="img"><title>{title}</title>'
        f"{head}{''.join(parts)}</svg>"
    )


def _arrow(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" marker-end="url(#tip)"/>'


def _axes(y_ticks, y, x_ticks, x, x_name: str, y_name: str) -> str:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    parts = []
    for tick in y_ticks:
        at = y(tick)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{right}" y1="{at:.1f}" y2="{at:.1f}"/>'
            f'<text class="tick end" x="{_LEFT - 6}" y="{at + 4:.1f}">{tick:.4g}</text>'
        )
    for tick in x_ticks:
        at = x(tick)
        parts.append(f'<text class="tick mid" x="{at:.1f}" y="{bottom + 15}">{tick:.4g}</text>')
    parts.append(
        f'<text class="tick end" x="{right}" y="{_HEIGHT - 4}">{escape(x_name)}</text>'
        f'<text class="tick" x="4" y="{_HEIGHT - 4}">{escape(y_name)}</text>'
    )
    return "".join(parts)


def _ticks(low: float, high: float) -> list[float]:
    span = high - low
    step = 10 ** math.floor(math.log10(span / 4)) if span > 0 else 1.0
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 6)
    first = math.ceil(low / step)
    return [k * step for k in range(first, math.floor(high / step) + 1)]


def _decades(low: float, high: float) -> list[float]:
    found = [10.0**k for k in range(math.ceil(low), math.floor(high) + 1)]
    return found if len(found) > 1 else [10**low, 10**high]


def _svg(title: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )
