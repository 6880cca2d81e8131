"""Splits that prices were not adjusted for: found, told, and taken out again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Treatment = Literal["refuse", "repair", "keep"]
_FACTORS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 50, 100)
_JUMP = 0.25  # what moves less in a day is no split
_AT_OPEN, _AT_CLOSE = 0.05, 0.15  # how near the factor a split's day is, in logarithms
_EXACT = 0.01  # how near it is by adj_close, which a spin-off or a large dividend moves otherwise
_PRICES = ("open", "high", "low", "close", "vwap")


@dataclass(frozen=True)
class ShareSplit:
    """A day on which a share's price changed by a factor and its worth did not.

    Attributes:
        row: The first day of the new price.
        factor: New shares for an old one; below 1 for a reverse split.
    """

    row: int
    column: int
    factor: float


def find(fields: Mapping[str, np.ndarray]) -> list[ShareSplit]:
    """Days that look like splits, by symbol and day.

    Where adj_close is known, it tells: it goes on where close jumps. Else a share opens and closes
    at its last close over a whole number, or times one, as seldom happens otherwise but after a
    halt: a day without a bar, or with one that repeats the last close.

    Args:
        fields: Of bars, (dates, symbols) each.
    """
    close, opened, adjusted = (fields.get(name) for name in ("close", "open", "adj_close"))
    assert close is not None
    assert opened is not None
    with np.errstate(all="ignore"):
        jumped = close[1:] / close[:-1]
        rows, columns = np.nonzero((jumped < 1 - _JUMP) | (jumped > 1 + _JUMP))
        before = close[rows, columns]
        at_close = np.log(close[rows + 1, columns] / before)
        at_open = np.log(opened[rows + 1, columns] / before)
        away = None
        if adjusted is not None:
            away = np.log(adjusted[rows + 1, columns] / adjusted[rows, columns]) - at_close
    factors = np.ones(len(rows))
    for factor in (*_FACTORS, *(1 / whole for whole in _FACTORS)):
        shift = np.log(factor)
        if away is not None:
            near = np.abs(away - shift) < _EXACT
        else:
            near = (np.abs(at_open + shift) < _AT_OPEN) & (np.abs(at_close + shift) < _AT_CLOSE)
        factors[near] = factor
    if away is None:
        factors[_is_repeated(fields, rows, columns)] = 1
    hits = np.flatnonzero(factors != 1)
    order = hits[np.lexsort((rows[hits], columns[hits]))]
    return [ShareSplit(int(rows[n]) + 1, int(columns[n]), float(factors[n])) for n in order]


def _is_repeated(
    fields: Mapping[str, np.ndarray], rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Whether bars say no more than the last close, as some sources write a halted day."""
    last = fields["close"][np.maximum(rows - 1, 0), columns]
    bars = [fields[n][rows, columns] for n in ("open", "high", "low", "close") if n in fields]
    return (rows > 0) & np.all([values == last for values in bars], axis=0)


def repair(fields: Mapping[str, np.ndarray], splits: Sequence[ShareSplit]) -> dict[str, np.ndarray]:
    """The fields with earlier prices and volumes in the shares of today; adj_close stays."""
    found = {
        name: values.copy() if name in (*_PRICES, "volume") else values
        for name, values in fields.items()
    }
    for split in splits:
        for name in _PRICES:
            if name in found:
                found[name][: split.row, split.column] /= split.factor
        found["volume"][: split.row, split.column] *= split.factor
    return found


def told(
    splits: Sequence[ShareSplit], dates: np.ndarray, symbols: Sequence[str], most: int = 5
) -> str:
    """Splits by symbol, day and factor, as "AAPL 2014-06-09 7:1"."""
    shown = [
        f"{symbols[split.column]} {dates[split.row]} "
        + (f"{split.factor:.3g}:1" if split.factor > 1 else f"1:{1 / split.factor:.3g}")
        for split in splits[:most]
    ]
    return ", ".join(shown) + (", …" if len(splits) > most else "")
