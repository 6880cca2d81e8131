"""What daily bars hold that whoever trades on them should know first."""

import numpy as np

from radiance.labs import splits
from radiance.labs.alphas.values.panel import Panel
from radiance.labs.daily_bars import is_listed, left_after

_JUMP = 0.5
_MOST_NAMED = 5


def inspect(panel: Panel) -> dict[str, str | int]:
    """Facts by name: counts, and of what is doubtful the first few by symbol and day."""
    fields, dates, symbols = panel.fields, panel.dates, panel.symbols
    has_bar = np.isfinite(fields["close"])
    halts = is_listed(has_bar) & ~has_bar
    found = splits.find(fields)
    total = panel.total_close
    with np.errstate(all="ignore"):
        moved = total[1:] / total[:-1] - 1
        low, high = fields["low"], fields["high"]
        outside = (high < low) | (np.fmax(fields["open"], fields["close"]) > high * (1 + 1e-9))
        outside |= np.fmin(fields["open"], fields["close"]) < low * (1 - 1e-9)
    jumps = np.zeros(has_bar.shape, bool)
    jumps[1:] = np.abs(moved) > _JUMP
    gone = np.zeros(has_bar.shape, bool)
    rows, columns = left_after(has_bar)
    gone[rows - 1, columns] = True
    without = np.busday_count(dates[0], dates[-1] + 1) - len(dates)

    def named(cells: np.ndarray) -> str:
        places = np.argwhere(cells)
        shown = ", ".join(f"{symbols[c]} {dates[r]}" for r, c in places[:_MOST_NAMED])
        return f"{len(places)}" + (
            f" ({shown}{', …' if len(places) > _MOST_NAMED else ''})" if len(places) else ""
        )

    levels = {
        level: f"{len(set(codes[codes >= 0].tolist()))}, {int((codes < 0).sum())} symbols without"
        for level, codes in panel.groups.items()
    }
    return {
        "symbols": len(symbols),
        "days": f"{len(dates)}, {dates[0]} to {dates[-1]}, {max(0, without)} weekdays without",
        "bars": int(has_bar.sum()),
        "halts": named(halts),
        "listed_later": int((~has_bar[0] & has_bar.any(axis=0)).sum()),
        "left_the_market": named(gone),
        "jumps_over_50_percent": named(jumps),
        "unadjusted_splits": f"{len(found)}"
        + (f" ({splits.told(found, dates, symbols)})" if found else ""),
        "range_without_open_or_close": named(outside & has_bar),
        "days_without_volume": named(has_bar & ~(fields["volume"] > 0)),
        "fields": ", ".join(fields),
        "groups": ", ".join(f"{name}: {text}" for name, text in levels.items()) or "none",
    }
