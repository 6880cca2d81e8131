"""Tables as people keep them: CSV in any common dialect, and Parquet, as columns under known names.

Nothing is taken on trust: what a cell is not, is an error with file, line and column, and whatever
had to be guessed (an encoding, a decimal comma, the order of day and month) is kept to be said.
"""

import contextlib
import csv
import gzip
import io
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from radiance.errors import ConfigError
from radiance.labs.days import Unreadable, to_days

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_MOST_HEADS, _MOST_SHOWN = 8, 40  # of a header in a message: columns, and characters of each
_EXCEL = "Save it as CSV or Parquet: this is an Excel or zip file."
_UNKNOWN = ("", "-", "--", "—", "–", ".", "n/a", "#n/a", "na", "nan", "null", "none", "nil", "?")
_CLUTTER = "[\\s\u00a0\u2009\u202f'’]|[$€£¥₹₩]|^(?:USD|EUR|GBP|CHF|JPY|CNY|INR)"
_SUFFIXES = {"k": 1e3, "m": 1e6, "b": 1e9, "bn": 1e9, "%": 0.01}
_POINT = (
    r",\d+\.|\.\d{1,2}$|\.\d{4,}|^[-+]?0?\.\d|,\d{2,3},\d{3}"  # only where the point is decimal
)
_COMMA = r"\.\d+,|,\d{1,2}$|,\d{4,}|^[-+]?0?,\d|\.\d{3}\.\d{3}"


@dataclass
class Table:
    """A table that was read.

    Attributes:
        path: The file, for messages.
        columns: Cells by the names asked for, as Arrow arrays; or what reads them, when wanted.
        kinds: Arrow's types of the columns that are read when wanted.
        rows: How many there are.
        heads: The same columns as the file calls them.
        guessed: What was guessed, each a phrase.
    """

    path: Path
    columns: dict[str, Any]
    heads: dict[str, str]
    dialect: str
    guessed: list[str] = field(default_factory=list)
    first_line: int = 2
    lines: Sequence[int] | None = None  # of each row, where blank lines stand between
    kinds: dict[str, Any] = field(default_factory=dict)
    rows: int = 0

    def __len__(self) -> int:
        return self.rows

    def column(self, name: str) -> Any:
        """The cells of a column, read now if they are not yet."""
        if callable(self.columns[name]):
            self.columns[name] = self.columns[name]()
        return self.columns[name]

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def place(self, row: int, name: str) -> str:
        """Where a cell stands, for messages."""
        line = self.lines[row] if self.lines is not None else row + self.first_line
        return f"{self.path}, line {line}, column {self.heads[name]}"

    def require(self, names: Sequence[str], remedy: str = "") -> None:
        """Raise ConfigError where a column is missing, with a remedy that the caller knows."""
        for name in names:
            if name not in self.columns:
                raise ConfigError(
                    f"{self.path}: has no column {name}. It needs {', '.join(names)}; it has "
                    f"{', '.join(self.heads.values()) or 'none of them'}.{remedy and ' '}{remedy}"
                )

    def texts(self, name: str) -> tuple[np.ndarray, list[str]]:
        """Each row's number among the distinct texts of a column, and those, in rising order.

        A whole number is the text that it is written as; outer space is none of it.

        Raises:
            ConfigError: A cell is empty.
        """
        pc = _compute()

        column = self.column(name)
        encoded = column.combine_chunks().dictionary_encode()  # each text is looked at once
        del column
        trimmed = pc.utf8_trim_whitespace(_text(encoded.dictionary))
        texts = pc.fill_null(trimmed, "").to_pylist()
        codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False)
        known = sorted(set(texts))
        number = {text: place for place, text in enumerate(known)}
        empty = np.array([text == "" for text in texts] + [True])  # the last: of -1, no cell
        if (is_empty := empty[codes]).any():
            row = int(np.flatnonzero(is_empty)[0])
            raise ConfigError(f"{self.place(row, name)}: is empty. Each row needs a {name}.")
        return np.array([number[text] for text in texts], np.int32)[codes], known

    def cells(self, name: str) -> list[str]:
        """The texts of a column, without outer space; "" where a cell is empty."""
        pc = _compute()

        column = pc.fill_null(pc.utf8_trim_whitespace(_text(self.column(name))), "")
        return list(column.to_pylist())

    def days(self, name: str) -> np.ndarray:
        """The days of a column, (rows,) datetime64[D].

        Raises:
            ConfigError: A cell is no day, or day and month cannot be told apart.
        """
        import pyarrow as pa

        pc = _compute()

        column = self.column(name)
        if pa.types.is_timestamp(column.type) and column.type.tz:
            column = pc.local_timestamp(column)  # the day where the market is
        if pa.types.is_temporal(column.type) and not column.null_count:
            return column.to_numpy().astype("datetime64[D]")
        column = pc.fill_null(pc.utf8_trim_whitespace(_text(column)), "")
        encoded = column.combine_chunks().dictionary_encode()
        codes = encoded.indices.to_numpy(zero_copy_only=False)
        try:
            days, guess = to_days(encoded.dictionary.to_pylist())
        except Unreadable as error:
            row = int(np.flatnonzero(codes == error.number)[0])
            raise ConfigError(f"{self.place(row, name)}: {error}") from None
        if guess:
            self.guessed.append(guess)
        return days[codes]

    def further_numbers(self, known: Iterable[str]) -> Iterator[tuple[str, np.ndarray]]:
        """The columns beside those ``known`` that hold numbers, as ``each_number`` gives them."""
        for name in [name for name in self.columns if name not in set(known)]:
            with contextlib.suppress(ConfigError):
                cells = self.numbers([name])[name]
                if np.isfinite(cells).any():
                    yield name, cells
            del self.columns[name]

    def each_number(self, names: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
        """As ``numbers``, one column after another, each given up once it is handed out."""
        written = [
            name for name in names if not _is_number(self.kinds.get(name) or self.column(name).type)
        ]
        parsed = self.numbers(written)
        for name in names:
            yield name, parsed.pop(name) if name in parsed else self.numbers([name])[name]
            del self.columns[name]

    def numbers(self, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Columns as float64, NaN where a cell says nothing. They share one way to write numbers.

        Raises:
            ConfigError: A cell is no number, or point and comma cannot be told apart.
        """
        import pyarrow as pa

        found, written = {}, {}
        for name in names:
            column = self.column(name)
            kind = column.type
            if _is_number(kind):
                found[name] = column.cast(pa.float64()).to_numpy()
            else:
                written[name] = _plain(_text(column))
        is_comma = self._is_comma_decimal(written)
        for name, column in written.items():
            found[name] = self._parsed(name, column, is_comma)
        return {name: found[name] for name in names}

    def _is_comma_decimal(self, columns: Mapping[str, Any]) -> bool:
        """Whether numbers have a decimal comma, by all that is written in all of them."""
        point, comma, unclear = (
            self._first(columns, pattern) for pattern in (_POINT, _COMMA, r"\d,\d{3}$")
        )
        if point and comma:
            raise ConfigError(
                f"{self.place(*comma)}: has a decimal comma, and {self.place(*point)} a decimal "
                "point. Write all numbers in one way."
            )
        if unclear and not point and not comma and self.dialect != "commas":
            raise ConfigError(
                f"{self.place(*unclear)}: may be thousands or have a decimal comma, and no other "
                "cell tells. Write numbers with a decimal point and without thousands."
            )
        if comma:
            self.guessed.append("a comma is the decimal mark")
        elif unclear or (point and self._first(columns, ",")):
            self.guessed.append("a comma stands between thousands")
        return comma is not None

    def _first(self, columns: Mapping[str, Any], pattern: str) -> tuple[int, str] | None:
        pc = _compute()

        for name, column in columns.items():
            found = pc.index(pc.match_substring_regex(column, pattern), True).as_py()
            if found >= 0:
                return found, name
        return None

    def _parsed(self, name: str, column: Any, is_comma: bool) -> np.ndarray:
        import pyarrow as pa

        pc = _compute()

        def number(text: str | None) -> float | None:
            if text is None:
                return None
            lower = text.lower()
            factor = 1.0
            for suffix, times in _SUFFIXES.items():
                if lower.endswith(suffix) and lower[: -len(suffix)][-1:].isdigit():
                    lower, factor = lower[: -len(suffix)], times
            thousands, mark = (".", ",") if is_comma else (",", ".")
            whole, dot, part = lower.partition(mark)
            if thousands in whole:
                groups = whole.lstrip("+-").split(thousands)
                sizes = [len(group) for group in groups]
                if sizes[-1] != 3 or not 1 <= sizes[0] <= 3 or set(sizes[1:-1]) - {2, 3}:
                    raise ValueError
                whole = whole.replace(thousands, "")
            if "_" in lower:
                raise ValueError
            return float(whole + ("." if dot else "") + part) * factor

        try:
            if self._first({name: column}, r"[,kKmMbB%]|\..*\.") or is_comma:
                raise pa.ArrowInvalid
            return column.cast(pa.float64()).to_numpy()
        except pa.ArrowInvalid:
            texts = column.to_pylist()
        values = np.full(len(texts), np.nan)
        for row, text in enumerate(texts):
            try:
                found = number(text)
            except ValueError:
                was = pc.utf8_trim_whitespace(_text(self.column(name)))[row].as_py()
                raise ConfigError(f"{self.place(row, name)}: {was!r} is no number.") from None
            if found is not None:
                values[row] = found
        return values


def read_table(
    path: Path, names: Mapping[str, Sequence[str]], *, keeps_further: bool = False
) -> Table:
    """Read the columns of a file that are wanted.

    Args:
        path: A Parquet file by its content, else text: UTF-8 or UTF-16, with or without BOM, else
            Windows-1252; cells between commas, semicolons, tabs or bars; perhaps gzipped.
        names: Each name of a column with the other names that it goes by, in lower case with _
            for whatever is no letter or digit.
        keeps_further: Whether columns of other names are kept too, by their own names written so.

    Raises:
        ConfigError: It cannot be read, has no rows, or two columns are one by name.
    """
    try:
        with path.open("rb") as file:
            is_parquet = file.read(4) == b"PAR1"
        # Parquet is read column by column: a file of years does not fit in memory twice.
        content = b"PAR1" if is_parquet else path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"{path}: cannot be read ({error}).") from None
    if content[:4] == b"PK\x03\x04" or content[:4] == b"\xd0\xcf\x11\xe0":
        raise ConfigError(f"{path}: cannot be read as a table. {_EXCEL}")
    if content[:4] == b"PAR1":
        source = path if is_parquet else io.BytesIO(content)
        table = _parquet(path, source, names, keeps_further)
    else:
        table = _delimited(path, content, names, keeps_further)
    if not table.columns or not len(table):
        raise ConfigError(f"{path}: has a header and no rows.")
    return table


def give_back() -> None:
    """Give the system the memory that Arrow is done with: of a file of years it is gigabytes."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()


def _parquet(
    path: Path,
    source: Path | io.BytesIO,
    names: Mapping[str, Sequence[str]],
    keeps_further: bool,
) -> Table:
    import pyarrow as pa
    import pyarrow.parquet

    table = Table(path, {}, {}, "Parquet", first_line=1)
    try:
        file: Any = pyarrow.parquet.ParquetFile(source)
        schema = file.schema_arrow
        chosen = _chosen(path, schema.names, names, table.guessed)
        if keeps_further:
            chosen |= _further(schema.names, chosen, [_is_number(kind) for kind in schema.types])
    except (OSError, pa.ArrowException, ValueError) as error:
        raise ConfigError(f"{path}: cannot be read as Parquet ({_one_line(error)}).") from None

    def reader(name: str) -> Callable[[], Any]:
        def read() -> Any:
            try:
                column = file.read(columns=[name], use_threads=False).column(name)
            except (OSError, pa.ArrowException, ValueError) as error:
                reason = _one_line(error)
                raise ConfigError(f"{path}: cannot be read as Parquet ({reason}).") from None
            if pa.types.is_dictionary(column.type):
                column = column.cast(column.type.value_type)
            give_back()
            return column

        return read

    for name, place in chosen.items():
        kind = schema.types[place]
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if pa.types.is_nested(kind) or pa.types.is_boolean(kind):
            raise ConfigError(
                f"{path}, column {schema.names[place]}: holds {kind}, which is "
                "neither text nor a number nor a day."
            )
        table.columns[name], table.kinds[name] = reader(schema.names[place]), kind
        table.heads[name] = schema.names[place]
    table.rows = file.metadata.num_rows
    return table


def _delimited(
    path: Path, content: bytes, names: Mapping[str, Sequence[str]], keeps_further: bool
) -> Table:
    import pyarrow as pa
    import pyarrow.csv

    text, guess = _decoded(path, content)
    lines = re.split(r"\r\n|\n|\r", text)
    head = next((n for n, line in enumerate(lines) if line.strip("\x00 \t")), None)
    if head is None:
        raise ConfigError(f"{path}: is empty.")
    told = re.fullmatch(r'"?sep=(.)"?', lines[head].strip())
    delimiter = told[1] if told else None
    head += bool(told)
    header = lines[head] if head < len(lines) else ""
    delimiter = delimiter or max(_DELIMITERS, key=_unquoted(header).count)
    cells = next(csv.reader([header], delimiter=delimiter, skipinitialspace=True), [])
    dialect = _DELIMITERS.get(delimiter, f"{delimiter!r}")
    table = Table(path, {}, {}, dialect, [guess] if guess else [], head + 2)
    chosen = _chosen(path, cells, names, table.guessed)
    if keeps_further:
        chosen |= _further(cells, chosen, [True] * len(cells))
    rows = [n for n, line in enumerate(lines[head + 1 :], start=head + 2) if line.strip()]
    if not rows:
        return table
    if rows[-1] - rows[0] >= len(rows):
        table.lines = rows  # as far as no cell has a line break in it
    columns = [str(place) for place in range(len(cells))]
    wrong: list[tuple[int, int]] = []

    def note(row: Any) -> str:
        wrong.append((row.number or 0, row.actual_columns))
        return "error"

    body = "\n".join(line for line in lines[head + 1 :] if line.strip())
    try:
        found: Any = pyarrow.csv.read_csv(
            io.BytesIO(body.encode()),
            pyarrow.csv.ReadOptions(column_names=columns, use_threads=False),
            pyarrow.csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=note
            ),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
            ),
        )
    except (pa.ArrowException, ValueError) as error:
        if wrong:
            number, count = wrong[0]
            line = rows[number - 1] if 0 < number <= len(rows) else head + 1 + number
            raise ConfigError(
                f"{path}, line {line}: has {count} cells, and the header {len(cells)}. Put text "
                "that holds the delimiter in quotes."
            ) from None
        raise ConfigError(f"{path}: cannot be read as a table ({_one_line(error)}).") from None
    for name, place in chosen.items():
        table.columns[name], table.heads[name] = found.column(place), cells[place].strip()
    table.rows = found.num_rows
    return table


def _decoded(path: Path, content: bytes) -> tuple[str, str]:
    """The text of a file, and what was guessed of its encoding."""
    boms = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
    marked = next((encoding for bom, encoding in boms if content.startswith(bom)), None)
    halves = content[:4000]
    encodings = [marked] if marked else ["utf-8", "cp1252"]
    if not marked and halves.count(0) > len(halves) // 4:
        encodings = ["utf-16-be" if halves[:1] == b"\0" else "utf-16-le"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text, "" if marked or encoding == "utf-8" else f"the encoding is {encoding}"
    raise ConfigError(f"{path}: is no text in UTF-8, UTF-16 or Windows-1252, and no Parquet file.")


def _chosen(
    path: Path, heads: Sequence[str], names: Mapping[str, Sequence[str]], guessed: list[str]
) -> dict[str, int]:
    """Which column is which: by its name, else by another that it goes by."""
    written = [_name(head) for head in heads]
    found: dict[str, int] = {}
    for name, others in names.items():
        for candidate in (name, *others):
            places = [place for place, head in enumerate(written) if head == candidate]
            if len(places) > 1:
                both = " and ".join(repr(heads[place]) for place in places)
                raise ConfigError(f"{path}: has the columns {both}. Keep one of them.")
            if places:
                found[name] = places[0]
                if candidate != name and candidate.replace("_", "") != name.replace("_", ""):
                    guessed.append(f"column {heads[places[0]].strip()} is {name}")
                break
    if not found:
        told = ", ".join(head.strip()[:_MOST_SHOWN] for head in heads[:_MOST_HEADS])
        raise ConfigError(f"{path}: has none of the columns {', '.join(names)}; it has {told}.")
    return found


def _name(head: str) -> str:
    return re.sub(r"[\W_]+", "_", head.strip().casefold()).strip("_")


def _further(
    heads: Sequence[str], chosen: Mapping[str, int], is_kept: Sequence[bool]
) -> dict[str, int]:
    """Columns that nothing asks for by name, by the name that an expression can write.

    Two of one name are neither, and the numbers of rows that pandas writes are no column.
    """
    taken, names = set(chosen.values()), [_name(head) for head in heads]
    return {
        name: place
        for place, name in enumerate(names)
        if is_kept[place]
        and place not in taken
        and name not in chosen
        and names.count(name) == 1
        and re.fullmatch(r"(?!unnamed_\d)[a-z_][a-z_0-9]*", name)
    }


def _compute() -> Any:
    """Arrow's functions: slow to import, and only readers of files need them."""
    import pyarrow.compute

    return pyarrow.compute


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _text(column: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_floating(column.type):  # pandas makes whole numbers with gaps to these
        whole = column.cast(pa.int64(), safe=False)
        column = whole if whole.cast(column.type).equals(column) else column
    return column.cast(pa.string())


def _plain(column: Any) -> Any:
    """Numbers as written, without currency signs and blanks, null where a cell says nothing."""
    import pyarrow as pa

    pc = _compute()

    column = pc.utf8_trim_whitespace(column)
    column = pc.replace_substring_regex(column, r"^\((.*)\)$", r"-\1")
    column = pc.replace_substring(column, "\u2212", "-")
    column = pc.replace_substring_regex(column, _CLUTTER, "")
    is_unknown = pc.is_in(pc.utf8_lower(column), pa.array(_UNKNOWN))
    return pc.if_else(is_unknown, pa.scalar(None, pa.string()), column)


def _unquoted(line: str) -> str:
    return re.sub(r'"[^"]*"', "", line)


def _one_line(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error))[:200]
