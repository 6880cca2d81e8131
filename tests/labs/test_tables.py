"""The same bars and groups in the dialects that people keep tables in: read right, or refused by
file, line and column; never a traceback."""

import csv
import datetime
import gzip
import io
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.errors import ConfigError
from radiance.labs.daily_bars import Halts, read_bars, read_groups
from radiance.labs.days import Unreadable, to_days

SYMBOLS = ("000001", "1", "NA", "TRUE", "brk.b")
NAMES = ("date", "symbol", "open", "high", "low", "close", "volume")
Rows = list[dict[str, Any]]
Cell = Callable[[Any], str]


def rows() -> Rows:
    """Bars of five symbols whose names a reader may take for numbers and worse, on twenty days."""
    chance, found = random.Random(7), []
    days = [datetime.date(2020, 1, 20) + datetime.timedelta(n) for n in range(28)]
    for day in (day for day in days if day.weekday() < 5):
        for symbol in SYMBOLS:
            low = chance.uniform(1000, 3000)
            prices = {name: round(low + chance.uniform(0, 90), 2) for name in NAMES[2:6]}
            volume = chance.randrange(10**6, 10**7)
            found.append({"date": day, "symbol": symbol, **prices, "volume": volume})
    return found


def text(
    given: Rows,
    *,
    delimiter: str = ",",
    end: str = "\n",
    heads: Mapping[str, str] | None = None,
    before: str = "",
    quoting: Any = csv.QUOTE_MINIMAL,
    **cells: Cell,
) -> str:
    """A table as text, each column of ``cells`` written by its function."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerow([(heads or {}).get(name, name) for name in given[0]])
    for row in given:
        writer.writerow([cells.get(name, cells.get("all", str))(row[name]) for name in row])
    return before + out.getvalue()


def german(value: Any) -> str:
    """1.234,56; what is no number stays."""
    if not isinstance(value, int | float):
        return str(value)
    return f"{value:,}".translate(str.maketrans(",.", ".,"))


def on(form: str) -> Cell:
    return lambda day: day.strftime(form)


def thousands(value: Any) -> str:
    return f"{value:,}"


def priced(sign: str) -> dict[str, Any]:
    return dict.fromkeys(NAMES[2:6], lambda value: f"{sign}{value:,}")


def in_numbers(write: Cell) -> dict[str, Any]:
    return dict.fromkeys(NAMES[2:], write)


PLAIN = rows()
TEXTS: dict[str, str | bytes] = {
    "plain": text(PLAIN),
    "bom": b"\xef\xbb\xbf" + text(PLAIN).encode(),
    "crlf": text(PLAIN, end="\r\n"),
    "cr": text(PLAIN, end="\r"),
    "utf16": text(PLAIN).encode("utf-16"),
    "utf16 big": b"\xfe\xff" + text(PLAIN).encode("utf-16-be"),
    "utf16 without bom": text(PLAIN).encode("utf-16-le"),
    "utf16 tabs, as Excel's Unicode text": text(PLAIN, delimiter="\t", end="\r\n").encode("utf-16"),
    "windows": text([{**row, "Größe": "ü"} for row in PLAIN]).encode("cp1252"),
    "gzip": gzip.compress(text(PLAIN).encode()),
    "semicolons": text(PLAIN, delimiter=";"),
    "tabs": text(PLAIN, delimiter="\t"),
    "bars": text(PLAIN, delimiter="|"),
    "sep=": text(PLAIN, delimiter=";", before="sep=;\n"),
    "decimal commas": text(PLAIN, delimiter=";", **in_numbers(lambda v: str(v).replace(".", ","))),
    "German": text(PLAIN, delimiter=";", **in_numbers(german)),
    "German with tabs": text(PLAIN, delimiter="\t", **in_numbers(german)),
    "German, quoted between commas": text(PLAIN, **in_numbers(german)),
    "Swiss": text(PLAIN, **in_numbers(lambda v: thousands(v).replace(",", "'"))),
    "French": text(PLAIN, delimiter=";", **in_numbers(lambda v: german(v).replace(".", "\u202f"))),
    "no-break spaces": text(PLAIN, **in_numbers(lambda v: thousands(v).replace(",", "\u00a0"))),
    "thousands": text(PLAIN, **in_numbers(thousands)),
    "thousands of volume": text(PLAIN, volume=thousands),
    "thousands between semicolons": text(PLAIN, delimiter=";", **in_numbers(thousands)),
    "dollars": text(PLAIN, **priced("$")),
    "euros": text(PLAIN, **priced("€ ")),
    "codes of currencies": text(PLAIN, **priced("USD ")),
    "volume in thousands": text(PLAIN, volume=lambda v: f"{v / 1000}K"),
    "volume in millions": text(PLAIN, volume=lambda v: f"{v / 1e6}M"),
    "exponents": text(PLAIN, **in_numbers(lambda v: f"{v:e}"[:8] + f"{v:.16e}"[8:])),
    "plus signs": text(PLAIN, **in_numbers(lambda v: f"+{v}")),
    "spaces around": text(PLAIN, all=lambda v: f"  {v} "),
    "all quoted": text(PLAIN, quoting=csv.QUOTE_ALL),
    "capitals": text(PLAIN, heads={name: name.upper() for name in NAMES}),
    "headers with spaces": text(PLAIN, heads={name: f" {name.title()} " for name in NAMES}),
    "Yahoo": text(PLAIN, heads={"date": "Date", "symbol": "Ticker", "close": "Close"}),
    "Nasdaq": text(
        PLAIN, heads={"close": "Close/Last"}, **priced("$"), date=on("%m/%d/%Y")
    ),
    "Stooq": text(
        PLAIN,
        heads={name: f"<{name.upper()}>" for name in NAMES}
        | {"symbol": "<TICKER>", "volume": "<VOL>"},
        date=on("%Y%m%d"),
    ),
    "Tushare": text(PLAIN, heads={"date": "trade_date", "symbol": "ts_code", "volume": "vol"},
                    date=on("%Y%m%d")),
    "slashes": text(PLAIN, date=on("%Y/%m/%d")),
    "day first": text(PLAIN, date=on("%d/%m/%Y")),
    "month first": text(PLAIN, date=on("%m/%d/%Y")),
    "dots": text(PLAIN, date=on("%d.%m.%Y")),
    "short years": text(PLAIN, date=on("%d-%m-%y")),
    "names of months": text(PLAIN, date=on("%d-%b-%Y")),
    "long names of months": text(PLAIN, date=on("%B %d, %Y")),
    "times": text(PLAIN, date=on("%Y-%m-%d 16:00:00")),
    "zones": text(PLAIN, date=on("%Y-%m-%dT00:00:00-05:00")),
    "compact": text(PLAIN, date=on("%Y%m%d")),
    "seconds": text(PLAIN, date=lambda d: str((d - datetime.date(1970, 1, 1)).days * 86400)),
    "milliseconds": text(
        PLAIN, date=lambda d: str((d - datetime.date(1970, 1, 1)).days * 86_400_000)
    ),
    "blank lines": text(PLAIN).replace("\n", "\n\n"),
    "blank lines first": "\n\n" + text(PLAIN),
    "no end of line": text(PLAIN).rstrip("\n"),
    "another order": text([dict(reversed(row.items())) for row in reversed(PLAIN)]),
    "more columns": text([{**row, "note": 'a "b", c'} for row in PLAIN]),
    "twice the same": text(PLAIN + PLAIN[:9]),
    # What spreadsheets, terminals and data vendors make of it.
    "codes as formulas": text(PLAIN, symbol=lambda s: f'="{s}"'),
    "codes as bare formulas": text(PLAIN, symbol=lambda s: f'="{s}"').replace('"=""', '="')
    .replace('"""', '"'),
    "codes behind apostrophes": text(PLAIN, symbol=lambda s: f"'{s}"),
    "a title, a source": "Bars of five shares,,,,,,\n# source: made up\n\n" + text(PLAIN),
    "rows of delimiters": text(PLAIN[:30]) + ",,,,,,\n" + text(PLAIN[30:]).partition("\n")[2]
    + ",,,,,,\n" * 3,
    "a delimiter behind each row": text(PLAIN).replace("\n", ",\n").replace(",\n", "\n", 1),
    "a delimiter behind all lines": text(PLAIN).replace("\n", ",\n"),
    "an empty column first": "," + text(PLAIN).replace("\n", "\n,")[:-1],
    "blanks": text(PLAIN).replace(",", "   "),
    "sep= of a tab": text(PLAIN, delimiter="\t", before="sep=\t\n"),
    "sep= behind a BOM": text(PLAIN, delimiter=";", before="\ufeffsep=;\n"),
    "UTF-16 semicolons": text(PLAIN, delimiter=";", **in_numbers(german)).encode("utf-16"),
    "UTF-16 bars, big": b"\xfe\xff" + text(PLAIN, delimiter="|").encode("utf-16-be"),
    "an end of file": text(PLAIN) + "\x1a",
    "units": text(PLAIN, heads={"close": "Close ($)", "high": "High [USD]", "open": "Open (in EUR)",
                                "volume": "Volume (shares)"}),
    "German headers": text(PLAIN, delimiter=";", heads=dict(zip(NAMES, (
        "Datum", "Symbol", "Eröffnung", "Hoch", "Tief", "Schlusskurs", "Volumen"), strict=True)),
        **in_numbers(german), date=on("%d.%m.%Y")),
    "Chinese headers": text(PLAIN, heads=dict(zip(NAMES, (
        "日期", "代码", "开盘", "最高", "最低", "收盘", "成交量"), strict=True)),
        date=lambda d: f"{d.year}年{d.month}月{d.day}日"),
    "Alpha Vantage": text(PLAIN, heads={"date": "timestamp", **{
        name: f"{n}. {name}" for n, name in enumerate(NAMES[2:], start=1)}}),
    "Polygon": text(PLAIN, heads={"symbol": "ticker", "date": "t", "volume": "v",
                                  **{name: name[0] for name in NAMES[2:6]}},
                    date=lambda d: str((d - datetime.date(1970, 1, 1)).days * 86_400_000 + 18**6)),
    "Compustat": text(PLAIN, heads={"date": "datadate", "symbol": "tic", "volume": "cshtrd", **{
        name: f"prc{name[0]}d" for name in NAMES[2:6]}}, date=on("%Y%m%d")),
    "exponents with commas": text(
        PLAIN, delimiter=";", **in_numbers(lambda v: f"{v:.8E}".replace(".", ","))),
    "lakh": text(PLAIN, volume=lambda v: f"{v // 10**5},{v // 1000 % 100:02d},{v % 1000:03d}"),
    "other currencies": text(PLAIN, open=lambda v: f"{v} kr", high=lambda v: f"HK${v}",
                             low=lambda v: f"Rs. {v}", close=lambda v: f"{v} SEK"),
    "volume in words": text(PLAIN, volume=lambda v: f"{v / 1e6} Mio."),
    "volume in 10,000s": text(PLAIN, volume=lambda v: f"{v / 1e4}万"),
    "Excel's numbers of days": text(
        PLAIN, date=lambda d: str((d - datetime.date(1899, 12, 30)).days)),
    "weekdays": text(PLAIN, date=on("%a, %d %b %Y")),
    "to the minute": text(PLAIN, date=on("%Y%m%d1600")),
    "SAS": text(PLAIN, date=on("%d%b%Y")),
    "midnight in Shanghai, in seconds": text(
        PLAIN, date=lambda d: str((d - datetime.date(1970, 1, 1)).days * 86400 - 8 * 3600)),
}  # fmt: skip


def _frame(given: Rows, **types: Any) -> pa.Table:
    found = pa.table({n: [row[n] for row in given] for n in given[0]})
    for name, kind in types.items():
        place = found.column_names.index(name)
        found = found.set_column(place, name, found[name].cast(kind))
    return found


def _decimals(given: Rows) -> Rows:
    return [{k: str(v) if k in NAMES[2:] else v for k, v in row.items()} for row in given]


PARQUETS: dict[str, pa.Table] = {
    "days": _frame(PLAIN),
    "timestamps": _frame(PLAIN, date=pa.timestamp("ns")),
    "zones": _frame(PLAIN, date=pa.timestamp("us")).set_column(
        0, "date", [pa.compute.assume_timezone(  # type: ignore[attr-defined]
            _frame(PLAIN, date=pa.timestamp("us"))["date"], "America/New_York")],
    ),
    "texts of days": _frame([{**row, "date": str(row["date"])} for row in PLAIN]),
    "numbers of days": _frame([{**r, "date": int(r["date"].strftime("%Y%m%d"))} for r in PLAIN]),
    "categories": _frame(PLAIN).set_column(
        1, "symbol", _frame(PLAIN)["symbol"].combine_chunks().dictionary_encode()
    ),
    "texts of numbers": _frame(_decimals(PLAIN)),
    "float volume": _frame(PLAIN, volume=pa.float64()),
    "an index": _frame(PLAIN).rename_columns(["__index_level_0__", *NAMES[1:]]),
    "capitals": _frame(PLAIN).rename_columns([name.title() for name in NAMES]),
    "large texts": _frame(PLAIN, symbol=pa.large_string()),
    "midnight in Shanghai, in London's time": _frame(PLAIN, date=pa.timestamp("us")).set_column(
        0, "date", [pa.compute.assume_timezone(  # type: ignore[attr-defined]
            _frame(PLAIN, date=pa.timestamp("us"))["date"], "Asia/Shanghai").cast(
                pa.timestamp("us", "UTC"))],
    ),
    "decimals": _frame(_decimals(PLAIN), **dict.fromkeys(NAMES[2:], pa.decimal128(20, 4))),
    "views of texts": _frame(PLAIN, symbol=pa.string_view()),
    "bytes": _frame(PLAIN, symbol=pa.binary()),
    "categories of days": _frame(PLAIN).set_column(
        0, "date", _frame(PLAIN)["date"].combine_chunks().dictionary_encode()
    ),
    "milliseconds": _frame(
        [{**r, "date": (r["date"] - datetime.date(1970, 1, 1)).days * 86_400_000} for r in PLAIN]
    ),
}  # fmt: skip


def _expect(path: Path) -> None:
    found = read_bars(path)
    assert found.symbols == tuple(sorted(SYMBOLS))
    assert list(found.dates) == sorted({np.datetime64(row["date"], "D") for row in PLAIN})
    assert [line.partition(":")[0] for line in found.said] == ["Read", "Dropped", "Guessed"]
    place = {symbol: number for number, symbol in enumerate(found.symbols)}
    days = {day.astype(datetime.date): number for number, day in enumerate(found.dates)}
    cells = ([days[row["date"]] for row in PLAIN], [place[row["symbol"]] for row in PLAIN])
    for name in NAMES[2:]:
        np.testing.assert_allclose(
            found.fields[name][cells], [row[name] for row in PLAIN], rtol=1e-5, err_msg=name
        )


@pytest.mark.parametrize("name", TEXTS)
def test_texts_in_any_dialect_are_the_same_bars(name: str, tmp_path: Path) -> None:
    content = TEXTS[name]
    path = tmp_path / "bars.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    _expect(path)


@pytest.mark.parametrize("name", PARQUETS)
@pytest.mark.parametrize("suffix", [".PARQUET", ".csv"])  # it is known by its content
def test_parquet_of_any_schema_is_the_same_bars(name: str, suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"bars{suffix}"
    pa.parquet.write_table(PARQUETS[name], path)
    _expect(path)


def _changed(row: int, **cells: Any) -> Rows:
    return [{**r, **cells} if n == row else r for n, r in enumerate(PLAIN)]


_FIRST = text(PLAIN[:40])
REFUSED: dict[str, tuple[str | bytes, str]] = {
    "nothing": (b"", "is empty"),
    "a header": (text(PLAIN)[: len("date,symbol,open,high,low,close,volume\n")], "no rows"),
    "another bar of a day": (
        text([*PLAIN, *({**row, "close": 1.5} for row in PLAIN[:3])]),
        "line 102, column symbol: 000001 has a bar on 2020-01-20 already.*3 bars are there twice",
    ),
    "a word": (text(_changed(7, close="abc")), "line 9, column close: 'abc' is no number"),
    "a word, behind blank lines": (
        "\n" + text(_changed(7, close="abc")).replace("\n", "\n\n"),
        "line 18, column close: 'abc' is no number",
    ),
    "no day": (text(_changed(4, date="2020-02-30")), "line 6, column date: '2020-02-30' is no day"),
    "no date": (text(_changed(4, date="")), "line 6, column date: is empty"),
    "no symbol": (text(_changed(4, symbol=" ")), "line 6, column symbol: is empty"),
    "day or month": (
        text([{**r, "date": "03/04/2020", "symbol": str(n)} for n, r in enumerate(PLAIN)]),
        "line 2, column date: '03/04/2020' may be day and month or month and day",
    ),
    "days and months first": (
        text([{**r, "date": ("30/01/2020", "01/30/2020")[n % 2]} for n, r in enumerate(PLAIN)]),
        "line 3, column date: '01/30/2020' has the month first",
    ),
    "point or comma": (
        text([{**row, **dict.fromkeys(NAMES[2:], "1,234")} for row in PLAIN], delimiter=";"),
        "line 2, column open: may be thousands or have a decimal comma",
    ),
    "point and comma": (
        text(_changed(8, close="12,5")),
        "line 10, column close: has a decimal comma, and .*line 2, column open a decimal point",
    ),
    "a cell too many": (text(PLAIN).replace("2020-01-21,1,", "2020-01-21,1,,", 1), "line 8: has 8"),
    "a cell too few": (text(PLAIN).replace("2020-01-21,1,", "2020-01-21,", 1), "line 8: has 6"),
    "no close": (
        text([{k: v for k, v in r.items() if k != "close"} for r in PLAIN]),
        "no column close",
    ),
    "two closes": (text(PLAIN, heads={"open": "Close", "close": "CLOSE"}), "'Close' and 'CLOSE'"),
    "Excel": (b"PK\x03\x04" + bytes(50), "Excel"),
    "old Excel": (b"\xd0\xcf\x11\xe0" + bytes(50), "Excel"),
    "half of a Parquet file": (b"PAR1" + bytes(40), "Parquet"),
    "half of a gzip file": (gzip.compress(_FIRST.encode())[:60], "cannot be read"),
    "an image": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "bars.csv"),
    "JSON": ('{"date": "2020-01-01", "symbol": "A"}', "none of the columns date, symbol"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_of_bars_is_refused_by_place(name: str, tmp_path: Path) -> None:
    content, says = REFUSED[name]
    path = tmp_path / "bars.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=says) as caught:
        read_bars(path)
    assert "bars.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("close", [1.0]),
        ("close", True),
        ("date", datetime.time(9, 30)),
        ("date", datetime.timedelta(days=18_000)),
        ("symbol", {"name": "A"}),
    ],
)
def test_parquet_of_other_types_is_refused_by_column(name: str, cell: Any, tmp_path: Path) -> None:
    path = tmp_path / "bars.parquet"
    pa.parquet.write_table(_frame([{**row, name: cell} for row in PLAIN]), path)
    with pytest.raises(ConfigError, match=rf"bars.parquet, column {name}: holds .* neither text"):
        read_bars(path)


@given(st.randoms(use_true_random=False), st.integers(1, 6))
def test_no_file_is_a_traceback(tmp_path_factory: Any, chance: random.Random, cuts: int) -> None:
    """Bytes put in, taken out and turned anywhere in tables of every dialect."""
    content = TEXTS[chance.choice(list(TEXTS))]
    data = bytearray(content if isinstance(content, bytes) else content.encode())[:900]
    for _ in range(cuts):
        place = chance.randrange(len(data))
        put = chance.choice([b"", b",", b";", b'"', b"\0", b"\n", b"-", b"1,2", b"\xff", b"nan"])
        data[place : place + chance.choice([0, 1, 5])] = put
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(bytes(data))
    for read in (read_bars, lambda given: read_groups(given, ("1",))):
        try:
            read(path)
        except ConfigError as error:
            assert "any.csv" in str(error)  # noqa: PT017 - most are read


_GROUPS = "symbol,sector\n" + "".join(f"{s},S{n % 2}\n" for n, s in enumerate(SYMBOLS))
GROUPS: dict[str, bytes] = {
    "plain": _GROUPS.encode(),
    "bom": _GROUPS.encode("utf-8-sig"),
    "utf16": _GROUPS.encode("utf-16"),
    "semicolons": _GROUPS.replace(",", ";").encode(),
    "tabs": _GROUPS.replace(",", "\t").encode(),
    "capitals": _GROUPS.replace("symbol,sector", "SYMBOL,Sector").encode(),
    "spaces": _GROUPS.replace(",", " , ").encode(),
    "crlf": _GROUPS.replace("\n", "\r\n").encode(),
    "tickers": _GROUPS.replace("symbol,sector", "Ticker,GICS Sector").encode(),
    "twice the same": (_GROUPS + _GROUPS.partition("\n")[2]).encode(),
    "others beside": (_GROUPS + "ZZZ,S9\n").encode(),
}


@pytest.mark.parametrize("name", GROUPS)
def test_groups_in_any_dialect_are_the_same(name: str, tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    path.write_bytes(GROUPS[name])
    found = read_groups(path, SYMBOLS).codes
    assert {level: codes.tolist() for level, codes in found.items()} == {"sector": [0, 1, 0, 1, 0]}


def test_symbols_without_a_group_are_named(tmp_path: Path) -> None:
    """Codes that lost their zeros fit some of the bars' only; nobody sees that in the result."""
    path = tmp_path / "groups.csv"
    path.write_text("Ticker,sector\n1,S0\nNA,S0\n")
    assert read_groups(path, SYMBOLS).said == (
        "Groups: groups.csv, sector of 2 of 5 symbols, unknown of 000001, TRUE, brk.b. Guessed of "
        "them: column Ticker is symbol."
    )
    path.write_text(_GROUPS)
    assert "sector of 5 of 5 symbols. Guessed of them: nothing." in read_groups(path, SYMBOLS).said


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("symbol,colour\nA,red\n", "no column sector, industry or subindustry"),
        ("name,sector\nA,red\n", "no column symbol"),
        ("symbol,sector\n1,red\n1,blue\n", "line 3, column sector: 1 is in 'blue', and in 'red'"),
        ("symbol,sector\nA,red\n", "none of the symbols of the bars"),
    ],
)
def test_groups_that_are_none_are_refused(content: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    path.write_text(content)
    with pytest.raises(ConfigError, match=says):
        read_groups(path, SYMBOLS)


@pytest.mark.parametrize("value", [0, -37.6, "inf", "-inf", 1e400, "-", "", "n/a", "NaN", "null"])
def test_what_is_no_price_is_unknown_and_counted(value: Any, tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text(text(_changed(6, close=value)))
    found = read_bars(path)
    assert np.isnan(found.fields["close"][1, 1])
    assert np.isnan(found.fields["close"]).sum() == 1
    is_said = "1 of close at or below zero or infinite" in found.said[1]
    assert is_said == (value not in ("-", "", "n/a", "NaN", "null"))
    assert "1 days without a close between others" in found.said[0]


def test_a_halt_carries_what_was_last_known() -> None:
    nan = np.nan
    values = np.array([[nan, 1.0], [2.0, nan], [nan, nan], [3.0, nan]])
    carried = Halts(np.isfinite(values)).carried(values)
    # The second lacks the newest days alone: it has not left the market.
    np.testing.assert_array_equal(carried, [[nan, 1.0], [2.0, 1.0], [2.0, 1.0], [3.0, 1.0]])


def test_what_has_left_the_market_is_carried_no_further() -> None:
    values = np.full((9, 2), 3.0)
    values[2:, 1] = np.nan
    halts = Halts(np.isfinite(values))
    assert [places.tolist() for places in halts.left] == [[2], [1]]
    np.testing.assert_array_equal(np.isfinite(halts.carried(values))[:, 1], np.arange(9) < 2)


@given(st.dates(datetime.date(1971, 1, 1), datetime.date(2068, 12, 31)))
def test_days_in_every_common_writing(day: datetime.date) -> None:
    forms = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d.%m.%Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y",
             "%Y-%m-%dT00:00:00Z", "%Y-%m-%d 09:30", "%d-%b-%y", "%Y.%m.%d", "%Y. %m. %d.",
             "%d.%m.%Y.", "%Y-%b-%d", "%d%b%Y", "%d%b%Y:00:00:00", "%A, %B %d, %Y", "%Y-%m-%d (%a)",
             "%a, %d %b %Y 00:00:00 GMT", "%Y-%m-%d 00:00:00-05", "%Y-%m-%d 16:00:00 EST",
             "%Y-%m-%dT00:00:00-05:00[America/New_York]", "%Y%m%d 16:00:00", "%Y%m%dT160000Z",
             "%Y%m%d1600", "%Y年%m月%d日", "%Y_%m_%d", "%Y\u2011%m\u2011%d")  # fmt: skip
    days, _ = to_days([day.strftime(form) for form in forms])
    assert [d.astype(datetime.date) for d in days] == [day] * len(forms)
    with pytest.raises(Unreadable, match="is no day"):
        to_days([f"{day:%Y-%m}"])


def test_a_year_that_there_is_not_is_unreadable():
    for text in ("01/02/0000", "13/02/0000"):
        with pytest.raises(Unreadable, match=text):
            to_days([text])


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        (["24-01-31", "24-02-01"], "2024-01-31"),
        (["20-01-31 09:30", "20-02-03 09:30"], "2020-01-31"),
        (["99-12-31", "00-01-03"], "1999-12-31"),
        (["31-01-24", "01-02-24", "02-02-24"], "2024-01-31"),
        (["01/31/20", "02/03/20"], "2020-01-31"),
        (["31/01/20"], "2020-01-31"),
        (["1-2-2020", "13-2-2020"], "2020-02-01"),
    ],
)
def test_a_short_year_stands_where_the_days_lie_close(texts: list[str], first: str) -> None:
    days, _ = to_days(texts)
    assert str(days[0]) == first


def test_a_short_year_that_may_stand_at_either_end_is_refused() -> None:
    with pytest.raises(Unreadable, match="may begin or end with the year"):
        to_days(["24-01-31"])


def test_bars_without_symbols_say_what_they_seem_to_be(tmp_path):
    path = tmp_path / "bars.csv"
    for text, says in (
        ("Date,Open,High,Low,Close,Volume\n2020-01-02,1,1,1,1,5\n", "Bars of one share need"),
        ("Date,AAPL,MSFT\n2020-01-02,1,2\n", "a row for each date and share"),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=says):
            read_bars(path)
