"""Predictions of two signals in the forms that people keep them: each gives the same numbers."""

import csv
from pathlib import Path

import numpy as np
import pytest

from radiance.errors import ConfigError
from radiance.labs.signals.bars import Bars
from radiance.labs.signals.predictions import read_predictions

DATES = np.arange("2024-01-29", "2024-02-24", dtype="datetime64[D]")
SYMBOLS = ("AAPL", "BRK.B", "MSFT")
RNG = np.random.default_rng(4)
OLD, NEW = (RNG.normal(size=(len(DATES), len(SYMBOLS))).round(6) for _ in range(2))
_ONES = np.ones(OLD.shape)
BARS = Bars(DATES, SYMBOLS, _ONES, _ONES, _ONES, _ONES, _ONES)
SERIAL = (DATES - np.datetime64("1899-12-30")).astype(int)


def _rows(days=DATES, written=repr):
    return [
        [day, symbol, written(float(OLD[row, column])), written(float(NEW[row, column]))]
        for row, day in enumerate(days)
        for column, symbol in enumerate(SYMBOLS)
    ]


def _long(names=("deployed", "candidate")):
    return [
        [day, symbol, name, value]
        for day, symbol, *values in _rows()
        for name, value in zip(names, values, strict=True)
    ]


def _wide():
    return [[day, *OLD[row], *NEW[row]] for row, day in enumerate(DATES)]


def _comma(number: float) -> str:
    return repr(number).replace(".", ",")


GERMAN = [f"{day.item():%d.%m.%Y}" for day in DATES]
HEADS = [f"{name} {symbol}" for name in ("deployed", "candidate") for symbol in SYMBOLS]
TURNED = [f"{symbol}_{name}" for name in ("old", "new") for symbol in SYMBOLS]
FORMS = {
    "a column each": (",", ["date", "symbol", "deployed", "candidate"], _rows()),
    "German": (";", ["Datum", "Kürzel", "bisher", "neu"], _rows(GERMAN, _comma)),
    "a spreadsheet's days": (",", ["date", "ticker", "old", "new"], _rows(SERIAL)),
    "long": (",", ["date", "symbol", "signal", "value"], _long()),
    "long, other names": (",", ["Day", "Ticker", "Model", "Score"], _long(("Old", "NEW"))),
    "wide": (",", ["date", *HEADS], _wide()),
    "wide, the symbol first": ("\t", ["Date", *TURNED], _wide()),
}


def _write(path: Path, delimiter: str, head: list[str], rows: list[list]) -> Path:
    with path.open("w", encoding="cp1252", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows([head, *rows])
    return path


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(tmp_path, form):
    found = read_predictions(_write(tmp_path / "signals.csv", *FORMS[form]), BARS)
    np.testing.assert_array_equal(found.deployed, OLD)
    np.testing.assert_array_equal(found.candidate, NEW)
    assert found.notes == ()


@pytest.mark.parametrize(
    ("head", "rows", "says"),
    [
        (["date", *SYMBOLS], [[day, *OLD[0]] for day in DATES], "of one signal. Call the columns"),
        (["date", "other"], [[day, 1] for day in DATES], "neither a column symbol nor one for"),
        (["date", "symbol", "deployed"], [r[:3] for r in _rows()], "no column candidate"),
        (["date", "symbol", "signal", "value"], _long(("old", "none")), "'none' is neither"),
        (["date", "symbol", "signal", "value"], _long(("old", "deployed")), "has a prediction"),
        (["date", "symbol", "signal", "value"], _long()[::2], "never says candidate"),
        (["date", *HEADS], [*_wide(), _wide()[0]], "there is one for 2024-01-29 already"),
        (["date", *HEADS], [["1999-01-01", *OLD[0], *NEW[0]]], "has no day of the bars"),
    ],
)
def test_what_cannot_be_read_says_what_to_write(tmp_path, head, rows, says):
    with pytest.raises(ConfigError, match=says):
        read_predictions(_write(tmp_path / "signals.csv", ",", head, rows), BARS)
