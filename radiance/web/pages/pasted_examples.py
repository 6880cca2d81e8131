"""What a person pastes, drops or types, as the body of an update: JSON lines, JSON or CSV. Pure."""

import csv
import io
import json
import re
from typing import Any

from radiance.errors import RequestError

_COLUMNS = (("input", "output"), ("prompt", "completion"), ("question", "answer"), ("q", "a"))
_REMEDY = (
    'One JSON object a line, such as {"input": "…", "output": "…"}, or CSV whose first line is'
    " input,output."
)
_PLACE = re.compile(r"examples\[(\d+)\](?:\.([\w.\[\]]*\w))?")


def read(text: str) -> tuple[list[Any], list[int]]:
    """The examples in a text, and the line that each of them begins in, counted from 1.

    Raises:
        RequestError: It is neither JSON lines, nor a JSON list, nor CSV; it names the line.
    """
    text = text.removeprefix("\ufeff")
    begin = text.lstrip()[:1]
    if not begin:
        raise RequestError("There is nothing to learn in it.", field="examples", remedy=_REMEDY)
    if begin == "[":
        return _json_list(text)
    return _json_lines(text) if begin == "{" else _csv(text)


def locate(error: RequestError, lines: list[int]) -> RequestError:
    """A refusal in the words of whoever typed: with lines, or with the names of the boxes.

    Args:
        error: Of ``POST /update``, which counts examples from 0.
        lines: Where each example begins; empty where one was typed into the boxes.
    """

    def shown(found: re.Match[str]) -> str:
        place, field = int(found[1]), found[2]
        box = {"input": "the question", "output": "the answer"}.get(field or "", field)
        if not lines:
            return box or "the example"
        line = f"line {lines[place]}" if place < len(lines) else f"example {place + 1}"
        return f"{line}, {box}" if box else line

    told = _PLACE.sub(shown, str(error)).replace("the example: the example", "the example")
    told = told[:1].upper() + told[1:]
    remedy = _PLACE.sub(shown, error.remedy) if error.remedy else error.remedy
    return type(error)(told, field=error.field, value=error.value, remedy=remedy)


def _json_list(text: str) -> tuple[list[Any], list[int]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _bad("The text", f"is not JSON ({error})") from None
    return found, [1] * len(found)


def _json_lines(text: str) -> tuple[list[Any], list[int]]:
    examples, lines = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            examples.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise _bad(f"Line {number}", f"is not JSON ({error})") from None
        lines.append(number)
    return examples, lines


def _csv(text: str) -> tuple[list[Any], list[int]]:
    first = text.lstrip("\n").split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    examples: list[Any] = []
    lines: list[int] = []
    header: list[str] | None = None
    places = (0, 1)
    begins = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                if header is None:
                    header = [cell.strip().lower() for cell in row]
                    places = _places(header)
                elif len(row) != len(header):
                    wrong = f"has {len(row)} cells, and the first line {len(header)}"
                    raise _bad(f"Line {begins}", wrong)
                else:
                    examples.append({"input": row[places[0]], "output": row[places[1]]})
                    lines.append(begins)
            begins = reader.line_num + 1
    except csv.Error as error:
        raise _bad(f"Line {reader.line_num}", f"is not CSV ({error})") from None
    if not examples:
        raise _bad("The text", "has a first line with names and no examples below it")
    return examples, lines


def _places(header: list[str]) -> tuple[int, int]:
    for question, answer in _COLUMNS:
        if question in header and answer in header:
            others = [name for name in header if name not in (question, answer)]
            if others:
                raise _bad("Line 1", f"names the column {others[0]!r}, which is not known")
            return header.index(question), header.index(answer)
    raise _bad("Line 1", f"names the columns {', '.join(header)[:80]}, not input and output")


def _bad(where: str, what: str) -> RequestError:
    return RequestError(f"{where} {what}.", field="examples", remedy=_REMEDY)
