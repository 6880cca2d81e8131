"""What a person pastes, drops or types, as the body of an update. Pure.

A table (CSV, cells of a spreadsheet, Markdown), questions and answers or a conversation with who
speaks before each turn, JSON lines or JSON.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from radiance.errors import RequestError
from radiance.records.json_text import fault_of
from radiance.web.pages import pasted_text

_COLUMNS = (("input", "output"), ("prompt", "completion"), ("question", "answer"), ("q", "a"))
_REMEDY = (
    'A table whose first line is question,answer; or "Q: …" and "A: …" on lines of their own; or'
    ' one JSON object a line, such as {"input": "…", "output": "…"}.'
)
_NOT_ASKED = "A text that asks nothing is for memory to look up in: send it as a document, below."
_LIST = re.compile(r"\s*\[\s*[\[{\"\]]")  # of JSON, and no date in brackets
_LISTS = ("examples", "data", "conversations")
_ASKS = ("?", "？", "؟")
_EDGES = re.compile(r"^\s*\||\|\s*$")
_BELOW_NAMES = re.compile(r"[\s|:-]*-[\s|:-]*")  # of a table in Markdown
_ENTRIES = re.compile(r"examples has (\d+) entries")
_TURN = re.compile(r"messages\[(\d+)\]\.(content|role)")
_SAID = {"content": "what is said in", "role": "who speaks in"}
_Row = tuple[int, list[str]]  # the line that it begins in, and its cells
_PLACE = re.compile(r"examples\[(\d+)\](?:\.([\w.\[\]]*\w))?")


def read(text: str) -> tuple[list[Any], list[int]]:
    """The examples in a text, and the line that each of them begins in, counted from 1.

    Raises:
        RequestError: It is none of these; it names the line.
    """
    text = text.removeprefix("\ufeff")
    begin = text.lstrip()[:1]
    if not begin:
        raise RequestError("There is nothing to learn in it.", field="examples", remedy=_REMEDY)
    if _LIST.match(text):
        return _json_list(text)
    if begin == "{":
        return _json_object(text) or _json_lines(text)
    if begin == "|":
        return _table(_markdown_rows(text))
    return pasted_text.read(text) if pasted_text.is_spoken(text) else _table(_csv_rows(text))


def locate(error: RequestError, lines: list[int]) -> RequestError:
    """A refusal in the words of whoever typed: with lines, or with the names of the boxes.

    Args:
        error: Of ``POST /update``, which counts examples from 0.
        lines: Where each example begins; empty where one was typed into the boxes.
    """

    def shown(found: re.Match[str]) -> str:
        place, field = int(found[1]), found[2]
        box = {"input": "the question", "output": "the answer"}.get(field or "", field)
        if turn := _TURN.fullmatch(box or ""):
            box = f"{_SAID[turn[2]]} turn {int(turn[1]) + 1}"
        if not lines:
            return box or "the example"
        line = f"line {lines[place]}" if place < len(lines) else f"example {place + 1}"
        return f"{line}, {box}" if box else line

    told = _ENTRIES.sub(r"There are \1 examples", str(error))
    told = _PLACE.sub(shown, told).replace("the example: the example", "the example")
    told = told[:1].upper() + told[1:]
    remedy = _PLACE.sub(shown, error.remedy) if error.remedy else error.remedy
    return type(error)(told, field=error.field, value=error.value, remedy=remedy)


def _json_list(text: str) -> tuple[list[Any], list[int]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _bad("The text", f"is not JSON ({error})") from None
    _check_whole("The text", text, found)
    return found, [1] * len(found)


def _json_object(text: str) -> tuple[list[Any], list[int]] | None:
    """One example that is written over several lines, or an object that holds a list of them."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    _check_whole("The text", text, found)
    held = next((found[name] for name in _LISTS if isinstance(found.get(name), list)), [found])
    return held, [1] * len(held)


def _json_lines(text: str) -> tuple[list[Any], list[int]]:
    examples, lines = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise _bad(f"Line {number}", f"is not JSON ({error})") from None
        _check_whole(f"Line {number}", line, found)
        examples.append(found)
        lines.append(number)
    return examples, lines


def _check_whole(where: str, text: str, decoded: Any) -> None:
    """Refuse JSON of which a part would be lost."""
    if fault := fault_of(text, decoded):
        raise _bad(where, fault.told)


def _csv_rows(text: str) -> Iterator[_Row]:
    first = text.lstrip("\n").split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    begins = 1
    try:
        for row in reader:
            yield begins, row
            begins = reader.line_num + 1
    except csv.Error as error:
        raise _bad(f"Line {reader.line_num}", f"is not CSV ({error})") from None


def _markdown_rows(text: str) -> Iterator[_Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not _BELOW_NAMES.fullmatch(line):
            cells = re.split(r"(?<!\\)\|", _EDGES.sub("", line))
            yield number, [cell.strip().replace(r"\|", "|") for cell in cells]


def _table(rows: Iterable[_Row]) -> tuple[list[Any], list[int]]:
    """The facts of a table: a first line that asks something is a fact, else it has names."""
    examples: list[Any] = []
    lines: list[int] = []
    width, places = 0, (0, 1)
    for number, row in rows:
        if not any(cell.strip() for cell in row):
            continue
        if not width:
            width = len(row)
            if width == 1:
                raise RequestError(
                    f"Line {number} is no question with an answer beside or below it.",
                    field="examples",
                    remedy=f"{_REMEDY} {_NOT_ASKED}",
                )
            if not (width == 2 and row[0].rstrip().endswith(_ASKS)):
                places = _places([cell.strip().lower() for cell in row])
                continue
        if len(row) != width:
            raise _bad(f"Line {number}", f"has {len(row)} cells, and the first line {width}")
        examples.append({"input": row[places[0]], "output": row[places[1]]})
        lines.append(number)
    if not examples:
        raise _bad("The text", "has a first line with names and no examples below it")
    return examples, lines


def _places(header: list[str]) -> tuple[int, int]:
    for question, answer in _COLUMNS:
        if question in header and answer in header:
            others = [name for name in header if name not in (question, answer)]
            if others:
                raise RequestError(
                    f"Line 1 names the column {others[0]!r} besides {question} and {answer}.",
                    field="examples",
                    remedy=f"Take that column out: only {question} and {answer} are learned.",
                )
            return header.index(question), header.index(answer)
    raise RequestError(
        f"Line 1 has {', '.join(repr(name[:40]) for name in header[:4])}, not question and answer.",
        field="examples",
        remedy="Name the columns question and answer, or put such a line above the first fact. "
        + _NOT_ASKED,
    )


def _bad(where: str, what: str) -> RequestError:
    return RequestError(f"{where} {what}.", field="examples", remedy=_REMEDY)
