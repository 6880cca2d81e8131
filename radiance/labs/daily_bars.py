"""Daily bars and groups from files: one reader for the alpha desk, its strategies and the signals.

What a table says twice is refused unless it says the same; what is no price is unknown, and
counted. A day without a bar is a halt, which the holder of a share bears (``Halts``).
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

import numpy as np

from radiance.errors import ConfigError
from radiance.labs.splits import Treatment, find, repair, told
from radiance.labs.tables import Table, give_back, read_table

BARS = ("open", "high", "low", "close", "volume")
OPTIONAL = ("vwap", "cap", "returns", "adj_close")
_PRICES = ("open", "high", "low", "close", "vwap", "adj_close", "cap")

_SYMBOL = (
    "ticker",
    "code",
    "ts_code",
    "instrument",
    "asset",
    "security",
    "sid",
    "sym",
    "stock",
    "tic",
    "ric",
    "isin",
    "kürzel",
    "代码",
    "股票代码",
    "证券代码",
)
_NAMES = {
    "date": ("trade_date", "trading_date", "datetime", "timestamp", "day", "dtyyyymmdd", "datadate",
             "time", "t", "datum", "fecha", "日期", "交易日期", "index_level_0", "index"),
    "symbol": _SYMBOL,
    "open": ("open_price", "opening_price", "px_open", "o", "1_open", "openprc", "prcod",
             "eröffnung", "eröffnungskurs", "erster", "ouverture", "apertura", "开盘", "开盘价"),
    "high": ("high_price", "px_high", "h", "2_high", "prchd", "hoch", "tageshoch", "plus_haut",
             "máximo", "最高", "最高价"),
    "low": ("low_price", "px_low", "l", "3_low", "prcld", "tief", "tagestief", "plus_bas", "mínimo",
            "最低", "最低价"),
    "close": ("close_price", "closing_price", "close_last", "last", "px_last", "c", "4_close",
              "prccd", "schluss", "schlusskurs", "clôture", "cierre", "收盘", "收盘价"),
    "volume": ("vol", "volume_shares", "px_volume", "v", "5_volume", "6_volume", "cshtrd",
               "volumen", "stück", "成交量"),
    "vwap": ("vw", "average_price"),
    "cap": ("market_cap", "mktcap", "marketcap", "market_capitalization"),
    "returns": ("return", "ret", "pct_change"),
    "adj_close": ("adjclose", "adjusted_close", "close_adj", "adj_close_price", "close_adjusted",
                  "5_adjusted_close"),
}  # fmt: skip
_GROUP_NAMES = {
    "symbol": _SYMBOL,
    "sector": ("gics_sector", "sector_name"),
    "industry": ("gics_industry", "industry_name"),
    "subindustry": ("sub_industry", "gics_sub_industry", "gicssubindustry"),
}
LEVELS = tuple(_GROUP_NAMES)[1:]
DELISTING_RETURN = -0.3
"""What a holder of a share that leaves the market earns on the day after its last bar, unless told
otherwise: Shumway's mean of delistings for cause (The Delisting Bias in CRSP Data, 1997). A share
that was bought up earned next to nothing (0), one that went bankrupt lost all (-1)."""
_MOST_NAMED = 3
_RECENT = 5  # last days of all; who has a bar on one of them has not left


@dataclass(frozen=True)
class DailyBars:
    """A table of bars as arrays.

    Attributes:
        dates: (dates,) datetime64[D], rising.
        symbols: As written, in rising order.
        fields: name → float64 (dates, symbols), NaN where nothing is known; the further columns of
            numbers are among them, by their names in lower case.
        said: What was read, what was dropped and what was guessed: three lines.
    """

    dates: np.ndarray
    symbols: tuple[str, ...]
    fields: dict[str, np.ndarray]
    said: tuple[str, ...] = field(default=())


def read_bars(path: Path, splits: Treatment = "keep") -> DailyBars:
    """Read a table with a row per date and symbol.

    Args:
        path: Columns date, symbol, open, high, low, close, volume; vwap, cap, returns and
            adj_close where there are any. Further columns of numbers are kept as they are.
        splits: What becomes of splits that prices were not adjusted for; kept ones are told.

    Raises:
        ConfigError: It cannot be read, a column is missing, a cell is not what it should be, two
            rows of one symbol and day differ, or there are splits that are to be refused.
    """
    table = read_table(path, _NAMES, keeps_further=True)
    table.require(("date", "symbol", *BARS), _without_symbols(table))
    names = [name for name in (*BARS, *OPTIONAL) if name in table]
    dates, symbols, keys = _placed(table)
    count = len(symbols)
    first, second = _repeated(keys)
    differs = np.zeros(len(first), dtype=bool)
    dropped = [f"{len(first)} equal rows"] if len(first) else []
    fields: dict[str, np.ndarray] = {}

    def keep(name: str, cells: np.ndarray) -> None:
        fields[name] = np.full((len(dates), count), np.nan)
        fields[name].reshape(-1)[keys] = cells

    for name, cells in table.each_number(names):
        one, other = cells[first], cells[second]
        differs |= ~((one == other) | (np.isnan(one) & np.isnan(other)))
        is_wrong = np.isinf(cells)
        if name in _PRICES:
            is_wrong |= cells <= 0
        elif name == "volume":
            is_wrong |= cells < 0
        wrong = np.flatnonzero(is_wrong)
        if len(wrong):
            shown = [_bar(int(keys[n]), dates, symbols) for n in wrong[:_MOST_NAMED]]
            more = ", …" if len(wrong) > _MOST_NAMED else ""
            what = "below zero" if name == "volume" else "at or below zero"
            dropped.append(
                f"{len(wrong)} of {name} {what} or infinite, unknown now ({', '.join(shown)}{more})"
            )
            cells = np.where(is_wrong, np.nan, cells)
        keep(name, cells)
    if differs.any():
        _refuse_contradiction(table, second[differs], keys, dates, symbols)
    for name, cells in table.further_numbers(_NAMES):
        keep(name, np.where(np.isinf(cells), np.nan, cells))
    table.columns.clear()
    give_back()
    jumps = find(fields)
    shown = told(jumps, dates, symbols)
    if jumps and splits == "refuse":
        raise ConfigError(
            f"{path}: {len(jumps)} days look like splits that prices were not adjusted for "
            f"({shown}). splits (--splits) repair takes them out, splits keep trades them as they "
            "stand."
        )
    if jumps and splits == "repair":
        fields = repair(fields, jumps)
    has_close = np.isfinite(fields["close"])
    halts = int((is_listed(has_close) & ~has_close).sum())
    rows, columns = left_after(has_close)
    gone = [
        f"{symbols[column]} {dates[row - 1]}" for row, column in zip(rows, columns, strict=True)
    ]
    read = (
        f"Read: {path.name}, {len(table):,} rows, {len(symbols)} symbols, "
        f"{dates[0]} to {dates[-1]}, {halts} days without a close between others."
    )
    if gone:
        more = ", …" if len(gone) > _MOST_NAMED else ""
        read += (
            f" {len(gone)} left the market: last bar of {', '.join(gone[:_MOST_NAMED])}{more}; who "
            "holds one bears the delisting return."
        )
    if jumps:
        became = "taken out" if splits == "repair" else "kept as they stand"
        read += f" {len(jumps)} days look like unadjusted splits, {became}: {shown}."
    if further := [name for name in fields if name not in names]:
        read += f" Further fields: {', '.join(further)}."
    said = (
        read,
        f"Dropped: {'; '.join(dropped) or 'nothing'}.",
        f"Guessed: {'; '.join(table.guessed) or 'nothing'}.",
    )
    return DailyBars(dates, tuple(symbols), fields, said)


@dataclass(frozen=True)
class Groups:
    """A table of groups.

    Attributes:
        codes: level → a code for each symbol, -1 where it has none.
        said: What was read and guessed, and which symbols have no group.
    """

    codes: dict[str, np.ndarray]
    said: str


def read_groups(path: Path, symbols: tuple[str, ...]) -> Groups:
    """A code for each symbol at each level of industries that a table has.

    Args:
        path: Columns symbol and any of sector, industry and subindustry.
        symbols: Those to give a code.

    Raises:
        ConfigError: It cannot be read, has no such column, names a symbol twice with different
            groups, or none of the symbols.
    """
    table = read_table(path, _GROUP_NAMES)
    table.require(("symbol",))
    levels = [level for level in LEVELS if level in table]
    if not levels:
        raise ConfigError(f"{path}: has no column {', '.join(LEVELS[:-1])} or {LEVELS[-1]}.")
    rows, named = table.texts("symbol")
    place = {symbol: number for number, symbol in enumerate(named)}
    if symbols and not place.keys() & set(symbols):
        raise ConfigError(
            f"{path}: has none of the symbols of the bars ({symbols[0]}, …); its first is "
            f"{named[0]}. Write symbols in both files alike."
        )
    found, told = {}, []
    for level in levels:
        groups = [""] * len(named)
        for row, (number, group) in enumerate(zip(rows, table.cells(level), strict=True)):
            if groups[number] not in ("", group) and group:
                raise ConfigError(
                    f"{table.place(row, level)}: {named[number]} is in {group!r}, and in "
                    f"{groups[number]!r} on an earlier line. Keep one of them."
                )
            groups[number] = group or groups[number]
        known = {name: number for number, name in enumerate(sorted({*groups} - {""}))}
        if known:
            codes = [known.get(groups[place[s]], -1) if s in place else -1 for s in symbols]
            found[level] = np.array(codes, np.int64)
            told.append(_told_of(level, symbols, found[level]))
    guessed = "; ".join(table.guessed) or "nothing"
    return Groups(found, f"Groups: {path.name}, {'; '.join(told)}. Guessed of them: {guessed}.")


def _told_of(level: str, symbols: tuple[str, ...], codes: np.ndarray) -> str:
    """For how many symbols a level of groups is known, and of which it is not."""
    without = [symbol for symbol, code in zip(symbols, codes, strict=True) if code < 0]
    told = f"{level} of {len(symbols) - len(without)} of {len(symbols)} symbols"
    if not without:
        return told
    more = ", …" if len(without) > _MOST_NAMED else ""
    return f"{told}, unknown of {', '.join(without[:_MOST_NAMED])}{more}"


def _without_symbols(table: Table) -> str:
    """What to do with bars that are of one share, or have a column for each."""
    if "symbol" in table or "date" not in table:
        return ""
    if "close" in table:
        return "Bars of one share need a column symbol, too, with its name in every row."
    return "A table with a column for each share is to be written as a row for each date and share."


class Halts:
    """Days on which listed symbols have no bar.

    Args:
        has_bar: (dates, symbols).

    Attributes:
        left: Of each symbol that left the market, the day after its last bar, and its column.
    """

    def __init__(self, has_bar: np.ndarray) -> None:
        self.left = left_after(has_bar)
        begun = np.logical_or.accumulate(has_bar, axis=0)
        # Who has not left is halted at the end, too: nobody knows then whether a bar will come.
        self._is_listed = begun
        for day, column in zip(*self.left, strict=True):
            self._is_listed[day:, column] = False
        days = np.where(has_bar, np.arange(len(has_bar))[:, None], 0)
        # Days are rising, so the greatest so far is the last one with a bar.
        halted = np.flatnonzero((self._is_listed & ~has_bar).any(axis=0))
        self._columns = halted
        self._latest = np.maximum.accumulate(days[:, halted], axis=0)

    def carried(self, values: np.ndarray) -> np.ndarray:
        """``values``, (dates, symbols), and on a halt those of the last day with a bar.

        NaN before a symbol's first bar, and after its last where it has left the market.
        """
        found = np.where(self._is_listed, values, np.nan)
        columns = self._columns
        last = np.take_along_axis(values[:, columns], self._latest, axis=0)
        found[:, columns] = np.where(self._is_listed[:, columns], last, np.nan)
        return found


def is_listed(is_known: np.ndarray) -> np.ndarray:
    """From each symbol's first to its last day with a bar, (dates, symbols)."""
    begun = np.logical_or.accumulate(is_known, axis=0)
    goes_on = np.logical_or.accumulate(is_known[::-1], axis=0)[::-1]
    return begun & goes_on


def left_after(has_bar: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The day after the last bar of each symbol that has left the market, and its column.

    A symbol that lacks but the newest few days has not left.
    """
    days = len(has_bar)
    last = days - 1 - np.argmax(has_bar[::-1], axis=0)
    columns = np.flatnonzero(has_bar.any(axis=0) & (last < days - _RECENT))
    return last[columns] + 1, columns


def _placed(table: Table) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Days and symbols in rising order, and each row's place in a grid of them, (rows,) int64."""
    days = table.days("date").astype(np.int64)
    del table.columns["date"]
    first = days.min()
    days -= first
    is_there = np.zeros(int(days.max()) + 1, dtype=bool)
    is_there[days] = True
    dates = (np.flatnonzero(is_there) + first).astype("datetime64[D]")
    keys = (np.cumsum(is_there) - 1)[days]
    del days
    columns, symbols = table.texts("symbol")
    keys *= len(symbols)
    keys += columns
    return dates, symbols, keys


def _bar(key: int, dates: np.ndarray, symbols: list[str]) -> str:
    return f"{symbols[key % len(symbols)]} {dates[key // len(symbols)]}"


def _repeated(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a table that are of one day and symbol, in pairs of neighbours."""
    if (keys[1:] > keys[:-1]).all():
        return np.empty(0, np.int64), np.empty(0, np.int64)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    again = np.flatnonzero(ordered[1:] == ordered[:-1])
    return order[again], order[again + 1]


def _refuse_contradiction(
    table: Table, wrong: np.ndarray, keys: np.ndarray, dates: np.ndarray, symbols: list[str]
) -> NoReturn:
    place, number = int(wrong[0]), len(wrong)
    key = int(keys[place])
    raise ConfigError(
        f"{table.place(place, 'symbol')}: {symbols[key % len(symbols)]} has a bar "
        f"on {dates[key // len(symbols)]} already, with other numbers; {number} "
        f"{'bar is' if number == 1 else 'bars are'} there twice so. Keep one of each day."
    )
