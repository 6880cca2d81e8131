"""Predictions of two signals, the deployed and the new one, read from the tables people keep.

Three forms are read: a row per date and symbol with a column for each signal; a row per date,
symbol and signal ("long"); a row per date with a column for each signal and symbol ("wide").
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from radiance.errors import ConfigError
from radiance.labs.columns import column_name
from radiance.labs.signals import bars as market_bars
from radiance.labs.signals.bars import Bars
from radiance.labs.tables import Table, read_table

_SIGNALS = {
    "deployed": ("old", "current", "champion", "baseline", "alt", "bisher", "bisherig", "aktuell"),
    "candidate": ("new", "challenger", "prediction", "neu", "kandidat", "prognose"),
}
_PLACES = {
    "date": ("day", "datetime", "timestamp", "trade_date", "datum", "tag", "fecha", "jour"),
    "symbol": ("ticker", "code", "instrument", "asset", "sid", "kürzel", "wertpapier", "isin"),
}
_NAMES = {**_PLACES, **_SIGNALS}
_LONG = {
    **_PLACES,
    "signal": ("model", "version", "series", "strategy", "variable", "name", "modell"),
    "value": ("prediction", "score", "forecast", "prognose", "wert"),
}


@dataclass(frozen=True)
class Predictions:
    """What two signals said at each close, by day and symbol of the bars; NaN where nothing.

    Attributes:
        deployed: Of the signal that trades today, (days, symbols), in any unit.
        candidate: Of the one that is to replace it.
        notes: What of the file was not used, as sentences.
    """

    deployed: np.ndarray
    candidate: np.ndarray
    notes: tuple[str, ...] = ()


def read_predictions(path: Path, bars: Bars) -> Predictions:
    """Read a table with a row per date and symbol, or in one of the two other forms.

    Args:
        path: Columns date, symbol, deployed and candidate; or date, symbol, signal (which says
            "deployed" or "candidate") and value; or date and a column for each signal and symbol,
            as in "deployed_AAPL" and "candidate AAPL". A larger number is a higher return
            expected, in any unit.
        bars: Whose days and symbols are kept.

    Raises:
        ConfigError: It cannot be read, a column is missing, a row is there twice, or no row is of
            a day and a symbol of the bars.
    """
    table = read_table(path, _NAMES, keeps_further=True)
    if "symbol" not in table and "date" in table:
        return _wide(table, bars)
    if "deployed" not in table and _is_long(path):
        return _long(path, bars)
    table.require(tuple(_NAMES), "Or write a column signal, deployed or candidate, and one value.")
    values = table.numbers(tuple(_SIGNALS))
    rows, columns, there = _placed(table, bars)
    _refuse_repeats(table, bars, rows, columns, there, np.zeros(len(table), np.int64))
    found = {}
    for name, cells in values.items():
        found[name] = _empty(bars)
        found[name][rows[there], columns[there]] = cells[there]
    return Predictions(**found, notes=_left_over(int((~there).sum())))


def _is_long(path: Path) -> bool:
    table = read_table(path, _LONG)
    return all(name in table for name in _LONG)


def _long(path: Path, bars: Bars) -> Predictions:
    table = read_table(path, _LONG)
    values = table.numbers(("value",))["value"]
    rows, columns, there = _placed(table, bars)
    codes, names = table.texts("signal")
    known = [_signal(name) for name in names]
    for number, name in enumerate(names):
        if known[number] is None:
            row = int(np.flatnonzero(codes == number)[0])
            raise ConfigError(
                f"{table.place(row, 'signal')}: {name!r} is neither deployed nor candidate."
            )
    is_candidate = np.array([signal == "candidate" for signal in known])[codes]
    _refuse_repeats(table, bars, rows, columns, there, is_candidate.astype(np.int64))
    found = {}
    for name, own in (("deployed", ~is_candidate), ("candidate", is_candidate)):
        if not (own & there).any():
            raise ConfigError(f"{path}: column signal never says {name}. Both signals are needed.")
        found[name] = _empty(bars)
        found[name][rows[own & there], columns[own & there]] = values[own & there]
    return Predictions(**found, notes=_left_over(int((~there).sum())))


def _wide(table: Table, bars: Bars) -> Predictions:
    """A row per date, a column for each signal and symbol."""
    symbols = {column_name(symbol): n for n, symbol in enumerate(bars.symbols)}
    wanted: dict[str, tuple[str, int]] = {}
    for name in table.columns:
        for signal, others in _SIGNALS.items():
            for word in (signal, *others):
                rest = (name.removeprefix(f"{word}_"), name.removesuffix(f"_{word}"))
                place = next((symbols[each] for each in rest if each in symbols), None)
                if place is not None and name not in symbols:
                    wanted[name] = (signal, place)
    alone = any(name in symbols for name in table.columns)
    missing = [name for name in _SIGNALS if not any(name == own for own, _ in wanted.values())]
    if missing:
        said = (
            "has a column for each symbol, of one signal"
            if alone
            else "has neither a column symbol nor one for each signal and symbol"
        )
        raise ConfigError(
            f"{table.path}: {said}. Call the columns deployed_{bars.symbols[0]}, …, "
            f"candidate_{bars.symbols[0]}, …, or write a row for each date and symbol with the "
            "columns date, symbol, deployed, candidate."
        )
    days = table.days("date")
    rows = np.minimum(np.searchsorted(bars.dates, days), len(bars.dates) - 1)
    there = bars.dates[rows] == days
    if not there.any():
        raise ConfigError(
            f"{table.path}: has no day of the bars, which go from {bars.dates[0]} to "
            f"{bars.dates[-1]}."
        )
    _refuse_repeats(table, bars, rows, np.zeros(len(rows), np.int64), there, rows * 0)
    found = {name: _empty(bars) for name in _SIGNALS}
    for name, cells in table.numbers(tuple(wanted)).items():
        signal, place = wanted[name]
        found[signal][rows[there], place] = cells[there]
    return Predictions(**found, notes=_left_over(int((~there).sum()), "rows"))


def _signal(text: str) -> str | None:
    name = column_name(text)
    return next((own for own, others in _SIGNALS.items() if name in (own, *others)), None)


def _empty(bars: Bars) -> np.ndarray:
    return np.full((len(bars.dates), len(bars.symbols)), np.nan)


def _placed(table: Table, bars: Bars) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    (rows, columns), there = market_bars.placed(table, bars)
    return rows, columns, there


def _refuse_repeats(
    table: Table,
    bars: Bars,
    rows: np.ndarray,
    columns: np.ndarray,
    there: np.ndarray,
    kinds: np.ndarray,
) -> None:
    keys = ((rows * len(bars.symbols) + columns) * 2 + kinds)[there]
    if len(np.unique(keys)) == len(keys):
        return
    order = np.argsort(keys, kind="stable")
    twice = np.flatnonzero(there)[order[1:][np.diff(keys[order]) == 0][0]]
    where = "symbol" if "symbol" in table else "date"
    whose = (
        f"{bars.symbols[columns[twice]]} has a prediction" if where == "symbol" else "there is one"
    )
    raise ConfigError(
        f"{table.place(int(twice), where)}: {whose} for {bars.dates[rows[twice]]} already. Keep "
        "one of each day."
    )


def _left_over(count: int, what: str = "predictions") -> tuple[str, ...]:
    if not count:
        return ()
    return (f"{count} {what} are of no day or symbol of the bars, and not used.",)
