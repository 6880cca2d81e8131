"""Rows of a file as people keep examples and anchors: JSON lines, a JSON list, or CSV. Pure.

Nothing is lost on the way: a name that stands twice, a cell too many or a column without a name is
an error with its line, and a text whose encoding would have to be guessed is one, too.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

_LONGEST_CELL = 1 << 27  # the default cuts articles off
_DELIMITERS = ",;\t|"
_OTHERS = {
    b"PK\x03\x04": "an Excel or zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\x1f\x8b": "compressed",
}


class BadLine(ValueError):
    """A line is no row; the message is the reason, without a full stop."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def read_rows(content: bytes) -> Iterator[tuple[int, Any]]:
    """Each row and the line that it ends in, counted from 1. Of CSV an empty cell is null.

    Args:
        content: In UTF-8 or UTF-16, with or without a BOM. What begins with "{" is JSON lines, with
            "[" a JSON list where it is one, and all else CSV.

    Raises:
        BadLine: A line cannot be read.
    """
    text = _decoded(content)
    begin = text.lstrip()[:1]
    if begin == "[" and (found := _list(text)) is not None:
        yield from found
    elif begin in ("{", "["):
        yield from read_json_lines(text)
    elif begin:
        yield from _csv(text)


def read_json_lines(text: str) -> Iterator[tuple[int, Any]]:
    """Each line that is not blank as JSON.

    Raises:
        BadLine: One is not JSON.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, _json(line, number)


def _decoded(content: bytes) -> str:
    for start, kind in _OTHERS.items():
        if content.startswith(start):
            raise BadLine(1, f"is not text, but {kind}. Save it as CSV or JSON lines")
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif content[:4000].count(0) > len(content[:4000]) // 4:
        encoding = "utf-16-be" if content[:1] == b"\0" else "utf-16-le"
    else:
        encoding = "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start].removeprefix(b"\xef\xbb\xbf")
        line, place = before.count(b"\n") + 1, len(before) - before.rfind(b"\n")
        raise BadLine(line, f"is not {encoding[:6].upper().rstrip('-S')} (byte {place})") from None


def _json(text: str, line: int) -> Any:
    try:
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_once)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise BadLine(line, "holds half of a surrogate pair, which is not text") from None
    except json.JSONDecodeError as error:
        raise BadLine(line, f"is not JSON ({error.msg}, column {error.colno})") from None
    except _Twice as error:
        raise BadLine(line, f"has {error} twice") from None
    except (ValueError, RecursionError) as error:
        raise BadLine(line, f"is not JSON ({error})") from None
    return value


def _list(text: str) -> Iterator[tuple[int, Any]] | None:
    """The items of a list over several lines or of objects; None where lines are lists."""
    decoder = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_once)
    start = text.index("[") + 1
    if not re.match(r"\s*\{", text[start:]):
        return None

    def items() -> Iterator[tuple[int, Any]]:
        place = start
        while True:
            place += len(text[place:]) - len(text[place:].lstrip(" \t\r\n,"))
            line = text.count("\n", 0, place) + 1
            if text[place : place + 1] == "]":
                if text[place + 1 :].strip():
                    raise BadLine(line, "is not JSON (something stands behind the list)")
                return
            try:
                value, place = decoder.raw_decode(text, place)
            except json.JSONDecodeError as error:
                raise BadLine(error.lineno, f"is not JSON ({error.msg})") from None
            except _Twice as error:
                raise BadLine(line, f"has {error} twice") from None
            except (ValueError, RecursionError) as error:
                raise BadLine(line, f"is not JSON ({error})") from None
            yield line, value

    return items()


class _Twice(Exception):
    pass


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Twice(next(name for name in names if names.count(name) > 1))
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")


def _csv(text: str) -> Iterator[tuple[int, Any]]:
    csv.field_size_limit(_LONGEST_CELL)
    told = re.match(r'\s*"?sep=(.)"?[ \t]*(?:\r\n|\n|\r)', text)
    passed = told.end() if told else 0
    first = re.split(r"\r\n|\n|\r", text[passed:].lstrip("\r\n"), maxsplit=1)[0]
    bare = re.sub(r'"[^"]*"', "", first)
    delimiter = told[1] if told else max(_DELIMITERS, key=bare.count)
    reader = csv.reader(io.StringIO(text[passed:], newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    before = 1 if told else 0
    try:
        for row in reader:
            line = before + reader.line_num
            if not any(cell.strip() for cell in row):
                continue
            if header is None:
                header = _header(row, line)
                continue
            if len(row) != len(header):
                raise BadLine(
                    line,
                    f"has {len(row)} cells, and the first line {len(header)}. Put a text that "
                    "holds the delimiter in quotes",
                )
            for place, (name, cell) in enumerate(zip(header, row, strict=True), start=1):
                if not name and cell:
                    raise BadLine(line, f"has {cell[:40]!r} in column {place}, which has no name")
            yield line, {n: cell or None for n, cell in zip(header, row, strict=True) if n}
    except csv.Error as error:
        raise BadLine(before + max(reader.line_num, 1), f"is not CSV ({error})") from None


def _header(cells: list[str], line: int) -> list[str]:
    names = [name.strip().lower() for name in cells]
    for name in names:
        if name and names.count(name) > 1:
            raise BadLine(line, f"names the column {name} twice")
    return names
