"""Market data as arrays of (dates, symbols), and where they come from.

Every field is float64 with NaN where nothing is known. Groups are one code per symbol and level,
-1 where it is not known.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np

from radiance.labs.daily_bars import BARS, OPTIONAL, read_bars, read_groups
from radiance.labs.splits import Treatment


@dataclass(frozen=True)
class Panel:
    """Daily data of many symbols.

    Attributes:
        dates: (dates,) datetime64[D], rising.
        symbols: Names, in the order of the columns.
        fields: name → float64 (dates, symbols).
        groups: level of industries → int64 (symbols,).
        said: What is to be said of the file it was read from, in lines.
    """

    dates: np.ndarray
    symbols: tuple[str, ...]
    fields: Mapping[str, np.ndarray]
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)
    said: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.dates), len(self.symbols)

    @property
    def total_close(self) -> np.ndarray:
        """The close with dividends where they are known: what a holder earns on."""
        return self.fields.get("adj_close", self.fields["close"])

    @property
    def columns_of_its_own(self) -> frozenset[str]:
        """Fields that not every panel has: the further columns of the user's bars."""
        return frozenset(self.fields) - {*BARS, *OPTIONAL}

    def rows(self, first: int, last: int) -> Self:
        """The days ``first`` up to but without ``last``."""
        kept = {name: values[first:last] for name, values in self.fields.items()}
        return replace(self, dates=self.dates[first:last], fields=kept)

    def columns(self, places: np.ndarray) -> Self:
        """Some symbols, in the order given."""
        return replace(
            self,
            symbols=tuple(self.symbols[place] for place in places),
            fields={name: np.ascontiguousarray(v[:, places]) for name, v in self.fields.items()},
            groups={name: codes[places] for name, codes in self.groups.items()},
        )


def read(path: Path, groups_path: Path | None = None, splits: Treatment = "keep") -> Panel:
    """The panel of a table of daily bars, and of one of groups.

    Raises:
        ConfigError: One of them cannot be used; see ``daily_bars``.
    """
    bars = read_bars(path, splits)
    if groups_path is None:
        return Panel(bars.dates, bars.symbols, bars.fields, {}, bars.said)
    groups = read_groups(groups_path, bars.symbols)
    said = (*bars.said, groups.said)
    return Panel(bars.dates, bars.symbols, bars.fields, groups.codes, said)
