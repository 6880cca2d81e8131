"""A gate rule as a line: its value, its interval and its limit."""

import math

from radiance.records import GateRow

_WIDTH, _MARGIN = 120, 6


def interval(row: GateRow) -> dict[str, float | None] | None:
    """Where value, interval and limit lie on a line from the least of them (or 0) to the most.

    None where there is nothing to draw; a bound that is not finite is left out.
    """
    if row.value is None or not math.isfinite(row.value) or not math.isfinite(row.limit):
        return None
    bounds = [v for v in (row.low, row.high) if v is not None and math.isfinite(v)]
    known = [row.value, row.limit, *bounds, 0.0]
    low = min(known)
    span = (max(known) - low) or 1.0
    room = _WIDTH - 2 * _MARGIN

    def across(value: float | None) -> float | None:
        return None if value is None else round(_MARGIN + (value - low) / span * room, 1)

    has_interval = len(bounds) == 2
    return {
        "value": across(row.value),
        "limit": across(row.limit),
        "low": across(row.low) if has_interval else None,
        "high": across(row.high) if has_interval else None,
    }
