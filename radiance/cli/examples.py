"""Examples from a JSONL file, and the line of the file that a refusal is about."""

import json
import re
from dataclasses import dataclass
from typing import Any, NoReturn

from radiance.errors import RequestError

_REMEDY = 'Write one JSON object a line, such as {"input": "…", "output": "…"}.'
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
    """Parse JSON lines; blank lines are passed over.

    Raises:
        RequestError: A line is not a JSON object; it names the file and the line.
    """
    examples, lines = [], []
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        if not line.strip():
            continue
        examples.append(_parse(line, f"{name}, line {number}"))
        lines.append(number)
    if not examples:
        raise RequestError(f"{name} holds no examples.", remedy=_REMEDY)
    return ExampleFile(name, examples, lines)


def _parse(line: bytes, where: str) -> dict[str, Any]:
    try:
        value = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        reason = "holds half of a surrogate pair, which is not text"
        raise RequestError(f"{where}: {reason}.", remedy="Remove it.") from None
    except UnicodeDecodeError as error:
        raise RequestError(
            f"{where}: is not UTF-8 (byte {error.start + 1}).", remedy="Save the file as UTF-8."
        ) from None
    except json.JSONDecodeError as error:
        reason = f"{error.msg}, column {error.colno}"
        raise RequestError(f"{where}: is not JSON ({reason}).", remedy=_REMEDY) from None
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{where}: is not JSON ({error}).", remedy=_REMEDY) from None
    if not isinstance(value, dict):
        raise RequestError(f"{where}: is not an object.", remedy=_REMEDY)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON value")
