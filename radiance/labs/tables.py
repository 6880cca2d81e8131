"""Tables as people keep them: CSV in any common dialect, and Parquet, as columns under known names.

Nothing is taken on trust: what a cell is not, is an error with file, line and column, and whatever
had to be guessed (an encoding, a decimal comma, the order of day and month) is kept to be said.
"""

import contextlib
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
from radiance.labs import columns, number_cells
from radiance.labs.days import Unreadable, from_instants, to_days
from radiance.labs.delimited import decoded, taken_apart

_LEAST_NAMES = 2  # of columns, for a line to be the header
_EXCEL = "Save it as CSV or Parquet: this is an Excel or zip file."
_ARMOUR = r'^="(.*)"$', r"^'(.+)$"  # keeps a spreadsheet from making a number of a code


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
        pc = number_cells.compute()

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
        pc = number_cells.compute()

        column = pc.fill_null(pc.utf8_trim_whitespace(_text(self.column(name))), "")
        return list(column.to_pylist())

    def days(self, name: str) -> np.ndarray:
        """The days of a column, (rows,) datetime64[D].

        Raises:
            ConfigError: A cell is no day, or day and month cannot be told apart.
        """
        import pyarrow as pa

        pc = number_cells.compute()

        column = self.column(name)
        if pa.types.is_timestamp(column.type) and column.type.tz:
            column = pc.local_timestamp(column)  # the day where the market is
        if pa.types.is_timestamp(column.type) and not column.null_count:
            days, guess = from_instants(column.cast(pa.timestamp("s"), safe=False).to_numpy())
            self.guessed += [guess] if guess else []
            return days
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
                written[name] = number_cells.plain(_text(column))
        is_comma = self._is_comma_decimal(written)
        for name, column in written.items():
            try:
                found[name] = number_cells.parsed(column, is_comma=is_comma)
            except number_cells.NoNumber as error:
                raise ConfigError(
                    f"{self.place(error.row, name)}: {self.cells(name)[error.row]!r} is no number."
                ) from None
        return {name: found[name] for name in names}

    def _is_comma_decimal(self, columns: Mapping[str, Any]) -> bool:
        """Whether numbers have a decimal comma, by all that is written in all of them."""
        point, comma, unclear = (
            number_cells.first(columns, pattern)
            for pattern in (number_cells.POINT, number_cells.COMMA, number_cells.UNCLEAR)
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
        elif unclear or (point and number_cells.first(columns, ",")):
            self.guessed.append("a comma stands between thousands")
        return comma is not None


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
        chosen = columns.chosen(path, schema.names, names, table.guessed)
        if keeps_further:
            chosen |= columns.further(
                schema.names, chosen, [_is_number(kind) for kind in schema.types]
            )
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
        if not _is_readable(kind):
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

    text, guess = decoded(path, content)
    lines = taken_apart(path, text, lambda cells: len(columns.named(cells, names)) >= _LEAST_NAMES)
    cells, rows = lines.header, lines.numbers
    guessed = ([guess] if guess else []) + lines.guessed
    table = Table(path, {}, {}, lines.dialect, guessed, lines.first_line)
    chosen = columns.chosen(path, cells, names, table.guessed)
    if keeps_further:
        chosen |= columns.further(cells, chosen, [True] * len(cells))
    if not rows:
        return table
    if rows[-1] - rows[0] >= len(rows):
        table.lines = rows  # as far as no cell has a line break in it
    numbered = [str(place) for place in range(len(cells))]
    wrong: list[tuple[int, int]] = []

    def note(row: Any) -> str:
        wrong.append((row.number or 0, row.actual_columns))
        return "error"

    body = "\n".join(lines.rows)
    try:
        found: Any = pyarrow.csv.read_csv(
            io.BytesIO(body.encode()),
            pyarrow.csv.ReadOptions(column_names=numbered, use_threads=False),
            pyarrow.csv.ParseOptions(
                delimiter=lines.delimiter, newlines_in_values=True, invalid_row_handler=note
            ),
            pyarrow.csv.ConvertOptions(
                column_types=dict.fromkeys(numbered, pa.string()), strings_can_be_null=False
            ),
        )
    except (pa.ArrowException, ValueError) as error:
        if wrong:
            number, count = wrong[0]
            line = rows[number - 1] if 0 < number <= len(rows) else table.first_line + number - 1
            raise ConfigError(
                f"{path}, line {line}: has {count} cells, and the header {len(cells)}. Put text "
                "that holds the delimiter in quotes."
            ) from None
        raise ConfigError(f"{path}: cannot be read as a table ({_one_line(error)}).") from None
    for name, place in chosen.items():
        table.columns[name] = _unarmoured(found.column(place))
        table.heads[name] = cells[place].strip()
    table.rows = found.num_rows
    return table


def _is_readable(kind: Any) -> bool:
    """Whether cells of a type are text, numbers or days."""
    import pyarrow as pa

    types = pa.types
    is_length = types.is_time(kind) or types.is_duration(kind) or types.is_interval(kind)
    return not (is_length or types.is_nested(kind) or types.is_boolean(kind))


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)


def _text(column: Any) -> Any:
    import pyarrow as pa

    if pa.types.is_floating(column.type):  # pandas makes whole numbers with gaps to these
        whole = column.cast(pa.int64(), safe=False)
        column = whole if whole.cast(column.type).equals(column) else column
    return column.cast(pa.string())


def _unarmoured(column: Any) -> Any:
    """Texts without what keeps a spreadsheet from reading them: ="000001" and '000001."""
    pc = number_cells.compute()

    for mark, pattern in zip(("=", "'"), _ARMOUR, strict=True):
        if pc.any(pc.starts_with(column, mark)).as_py():
            column = pc.replace_substring_regex(column, pattern, r"\1")
    return column


def _one_line(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error))[:200]
