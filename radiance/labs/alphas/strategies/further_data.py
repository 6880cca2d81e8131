"""What strategies are told of besides bars: actions of companies, and members of funds."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from radiance.errors import ConfigError
from radiance.labs.tables import read_table

_ACTIONS = {
    "date": ("ex_date", "exdate", "day"),
    "symbol": ("ticker", "code"),
    "dividend": ("distribution", "dividends", "amount"),
    "split": ("split_factor",),
    "last": ("is_last", "delisted"),
}
_MEMBERS = {
    "date": ("day", "as_of"),
    "fund": ("etf", "index_name", "universe"),
    "symbol": ("ticker", "code", "member"),
    "weight": ("w",),
    "shares": ("shares_held",),
}


class Action(NamedTuple):
    """What a share pays its holders, or how it is split.

    Attributes:
        date: From which on the price is without it, as 2020-01-31.
        dividend: Dollars a share.
        split: What of a share one was before: 0.5 where one becomes two.
        is_last: Whether it is delisted with this day.
    """

    date: str
    symbol: str
    dividend: float = 0.0
    split: float = 1.0
    is_last: bool = False


class FundMember(NamedTuple):
    """A share that a fund holds.

    Attributes:
        date: Of the fund's list, which is known before the next open.
        weight: Its part of the fund; None where it is not known.
    """

    date: str
    fund: str
    symbol: str
    weight: float | None = None
    shares: float | None = None


def read_actions(path: Path) -> list[Action]:
    """A table of dividends, splits and last days; an empty cell is none.

    Raises:
        ConfigError: It cannot be read, or has no column of them.
    """
    table = read_table(path, _ACTIONS)
    table.require(("date", "symbol"))
    names = [name for name in ("dividend", "split", "last") if name in table]
    if not names:
        raise ConfigError(f"{path}: has no column dividend, split or last.")
    symbols = table.cells("symbol")
    dates = table.days("date")
    read = table.numbers(names)
    empty = np.full(len(symbols), np.nan)
    rows = zip(*(read.get(name, empty) for name in ("dividend", "split", "last")), strict=True)
    return [
        Action(
            str(date),
            symbol,
            float(np.nan_to_num(dividend)),
            1.0 if np.isnan(split) else float(split),
            bool(np.nan_to_num(last)),
        )
        for date, symbol, (dividend, split, last) in zip(dates, symbols, rows, strict=True)
    ]


def read_members(path: Path) -> list[FundMember]:
    """A table of the members of funds, by the days of their lists.

    Raises:
        ConfigError: It cannot be read, or does not say who holds what.
    """
    table = read_table(path, _MEMBERS)
    table.require(("date", "fund", "symbol"))
    read = table.numbers([name for name in ("weight", "shares") if name in table])
    columns: list[list[Any]] = [table.cells("fund"), table.cells("symbol")]
    for name in ("weight", "shares"):
        cells = read.get(name, np.full(len(table), np.nan))
        columns.append([None if np.isnan(cell) else float(cell) for cell in cells])
    dates = [str(date) for date in table.days("date")]
    return [FundMember(*row) for row in zip(dates, *columns, strict=True)]
