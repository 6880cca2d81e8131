"""Market data as arrays of (dates, symbols), and where they come from.

Every field is float64 with NaN where nothing is known. Groups are one code per symbol and level,
-1 where it is not known.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from radiance.errors import ConfigError
from radiance.labs.alphas.language.operators import LEVELS

BARS = ("open", "high", "low", "close", "volume")
OPTIONAL = ("vwap", "cap", "returns", "adj_close")


@dataclass(frozen=True)
class Panel:
    """Daily data of many symbols.

    Attributes:
        dates: (dates,) datetime64[D], rising.
        symbols: Names, in the order of the columns.
        fields: name → float64 (dates, symbols).
        groups: level of industries → int64 (symbols,).
    """

    dates: np.ndarray
    symbols: tuple[str, ...]
    fields: Mapping[str, np.ndarray]
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.dates), len(self.symbols)

    @property
    def total_close(self) -> np.ndarray:
        """The close with dividends where they are known: what a holder earns on."""
        return self.fields.get("adj_close", self.fields["close"])

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


def read(path: Path, groups_path: Path | None = None) -> Panel:
    """Read a Parquet or CSV table with a row per date and symbol.

    Args:
        path: Columns date, symbol, open, high, low, close, volume; vwap, cap, returns and
            adj_close where there are any.
        groups_path: CSV with symbol and any of sector, industry, subindustry (sub_industry).

    Raises:
        ConfigError: A file cannot be read, or a column is missing.
    """
    table = _table(path)
    if missing := [name for name in ("date", "symbol", *BARS) if name not in table]:
        raise ConfigError(
            f"{path}: has no column {missing[0]}. It needs date, symbol, {', '.join(BARS)}."
        )
    dates, rows = np.unique(table["date"].astype("datetime64[D]"), return_inverse=True)
    symbols, columns = np.unique(table["symbol"].astype(str), return_inverse=True)
    fields = {}
    for name in (*BARS, *OPTIONAL):
        if name in table:
            values = np.full((len(dates), len(symbols)), np.nan)
            values[rows, columns] = table[name].astype(np.float64)
            fields[name] = values
    names = tuple(str(symbol) for symbol in symbols)
    return Panel(dates, names, fields, _groups(groups_path, names) if groups_path else {})


def _table(path: Path) -> dict[str, np.ndarray]:
    # Not at the top: only readers of files need it.
    import pyarrow.csv
    import pyarrow.parquet
    from pyarrow import ArrowException

    try:
        if path.suffix == ".parquet":
            table: Any = pyarrow.parquet.read_table(path)
        else:
            table = pyarrow.csv.read_csv(path)
    except (OSError, ArrowException) as error:
        raise ConfigError(f"{path}: cannot be read as market data ({error}).") from None
    return {name: table[name].to_numpy() for name in table.column_names}


def _groups(path: Path, symbols: tuple[str, ...]) -> dict[str, np.ndarray]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = {row.get("symbol", ""): row for row in csv.DictReader(file)}
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from None
    found = {}
    for level in LEVELS:
        names = [
            row.get(level) or row.get(level.replace("sub", "sub_")) or ""
            for row in (rows.get(symbol, {}) for symbol in symbols)
        ]
        known = sorted({name for name in names if name})
        if known:
            place = {name: number for number, name in enumerate(known)}
            found[level] = np.array([place.get(name, -1) for name in names])
    return found
