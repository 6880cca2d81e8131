"""Tools in what is taught: calls as text, so that whoever reads a chat reads them, and back. Pure.

An assistant's turn that calls has what it said and, behind that, each call as Hermes writes it. How
a model writes calls is its chat template's business; this is how they are kept and shown.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

Call = Mapping[str, Any]
"""A call: "name", "arguments" (an object) and, where it has one, "id"."""

_LINES = 3  # of a call


def with_calls(said: str, calls: Sequence[Call]) -> str:
    """The text of a turn that calls."""
    lines = [f"<tool_call>\n{json.dumps(dict(c), ensure_ascii=False)}\n</tool_call>" for c in calls]
    return "\n".join([*([said] if said else []), *lines])


def calls_in(content: str, count: int) -> tuple[str, list[dict[str, Any]]]:
    """What ``with_calls`` was given, of a turn with so many calls."""
    lines = content.split("\n")
    first = len(lines) - count * _LINES
    calls = [json.loads(line) for line in lines[first + 1 :: _LINES]]
    return "\n".join(lines[:first]), calls
