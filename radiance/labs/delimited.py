"""Tables that are text: which encoding, which delimiter, which line is the header. Pure."""

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from radiance.errors import ConfigError

_DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_MOST_BEFORE = 40  # lines of a title, a source or a licence before the header
_ENDS = "\x00\x1a"  # some programs end a file with these


@dataclass(frozen=True)
class Lines:
    """The lines of a table.

    Attributes:
        delimiter: Between cells.
        dialect: The same in words.
        header: Its cells.
        first_line: The number of the line behind it.
        numbers: The number of each line in ``rows``.
        rows: The lines behind the header that say something.
        guessed: What was guessed, each a phrase.
    """

    delimiter: str
    dialect: str
    header: list[str]
    first_line: int
    numbers: list[int]
    rows: list[str]
    guessed: list[str]


def decoded(path: object, content: bytes) -> tuple[str, str]:
    """The text of a file, and what was guessed of its encoding.

    Raises:
        ConfigError: It is no text.
    """
    boms = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
    marked = next((encoding for bom, encoding in boms if content.startswith(bom)), None)
    halves = content[:4000]
    encodings = [marked] if marked else ["utf-8", "cp1252"]
    if not marked and halves.count(0) > len(halves) // 4:
        encodings = ["utf-16-be" if halves[:1] == b"\0" else "utf-16-le"]
    for encoding in encodings:
        try:
            text = content.decode(encoding).rstrip(_ENDS)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            break
        return text, "" if marked or encoding == "utf-8" else f"the encoding is {encoding}"
    raise ConfigError(f"{path}: is no text in UTF-8, UTF-16 or Windows-1252, and no Parquet file.")


def taken_apart(path: object, text: str, is_header: Callable[[Sequence[str]], bool]) -> Lines:
    """The lines of a text with what they are.

    Args:
        path: For messages.
        text: The whole file.
        is_header: Whether cells name columns that are known. The first line of which that is true
            is the header; where there is none, the first line that says something.

    Raises:
        ConfigError: Nothing is there.
    """
    lines = re.split(r"\r\n|\n|\r", text)
    some = [number for number, line in enumerate(lines) if line.strip(" \t")][:_MOST_BEFORE]
    if not some:
        raise ConfigError(f"{path}: is empty.")
    guessed: list[str] = []
    told = re.fullmatch(r'"?sep=(.)"?', lines[some[0]].strip(" "))
    if told:
        some = some[1:] or some
    split = _split_by(told[1]) if told else _split
    head = next((n for n in some if is_header(split(lines[n])[1])), some[0])
    delimiter, header = split(lines[head])
    if head != some[0]:
        guessed.append(f"the header is line {head + 1}")
    numbers, rows = [], []
    for number, line in enumerate(lines[head + 1 :], start=head + 2):
        if line.strip(f'{delimiter} \t"'):  # a spreadsheet's empty rows are of delimiters
            numbers.append(number)
            rows.append(line)
    if delimiter == " ":
        delimiter, rows = "\t", ["\t".join(row.split()) for row in rows]
        guessed.append("cells stand between blanks")
    elif rows and all(row.endswith(delimiter) for row in rows):
        cells = next(csv.reader(rows[:1], delimiter=delimiter))
        if len(cells) == len(header) + 1:  # each row ends with a delimiter, and the header not
            rows = [row.removesuffix(delimiter) for row in rows]
    dialect = _DELIMITERS.get(delimiter, repr(delimiter))
    return Lines(delimiter, dialect, header, head + 2, numbers, rows, guessed)


def _split(line: str) -> tuple[str, list[str]]:
    """The likeliest delimiter of a header, and its cells."""
    bare = re.sub(r'"[^"]*"', "", line)
    delimiter = max(_DELIMITERS, key=bare.count)
    if delimiter not in bare and len(line.split()) > 1 and '"' not in line:
        return " ", line.split()
    return _split_by(delimiter)(line)


def _split_by(delimiter: str) -> Callable[[str], tuple[str, list[str]]]:
    def split(line: str) -> tuple[str, list[str]]:
        cells = csv.reader([line], delimiter=delimiter, skipinitialspace=delimiter != "\t")
        return delimiter, next(cells, [])

    return split
