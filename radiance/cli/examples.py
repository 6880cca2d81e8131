"""Examples from a file, and the line of the file that a refusal is about."""

import re
from dataclasses import dataclass
from typing import Any

from radiance.errors import RequestError
from radiance.records.rows import BadLine, read_rows

_REMEDY = (
    'Write one JSON object a line, such as {"input": "…", "output": "…"}, or CSV whose first line '
    "is input,output."
)
_PLACE = re.compile(r"examples\[(\d+)\]")


@dataclass(frozen=True)
class ExampleFile:
    """The examples of one file.

    Attributes:
        name: What to call the file in messages.
        examples: One JSON object each, as written.
        lines: The line, counted from 1, that each of them stands in.
    """

    name: str
    examples: list[dict[str, Any]]
    lines: list[int]

    def locate(self, error: RequestError) -> RequestError:
        """The service's refusal, with the file and line of the example that it is about."""
        found = _PLACE.match(error.field or "")
        if found is None or int(found[1]) >= len(self.lines):
            return error
        return type(error)(
            f"{self.name}, line {self.lines[int(found[1])]}: {error}",
            field=error.field,
            value=error.value,
            remedy=error.remedy,
        )


def read_examples(content: bytes, name: str) -> ExampleFile:
    """Parse JSON lines, a JSON list or CSV; blank lines are passed over.

    Raises:
        RequestError: A row is not an object; it names the file and the line.
    """
    examples, lines = [], []
    try:
        for line, row in read_rows(content):
            if not isinstance(row, dict):
                raise BadLine(line, "is not an object")
            examples.append(row)
            lines.append(line)
    except BadLine as error:
        raise RequestError(f"{name}, line {error.line}: {error}.", remedy=_REMEDY) from None
    if not examples:
        raise RequestError(f"{name} holds no examples.", remedy=_REMEDY)
    return ExampleFile(name, examples, lines)
