"""Tools in what is taught: calls as text, so that whoever reads a chat reads them, and back. Pure.

An assistant's turn that calls has what it said and, behind that, each call as Hermes writes it. How
a model writes calls is its chat template's business; this is how they are kept and shown.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict


class TaughtCall(TypedDict):
    """A call as it is kept."""

    id: NotRequired[str]
    name: str
    arguments: Mapping[str, Any]


class TemplateFunction(TypedDict):
    """A function with the JSON schema of its arguments."""

    name: str
    parameters: Mapping[str, Any]
    description: NotRequired[str]


class TemplateTool(TypedDict):
    """A tool as chat templates take it."""

    type: Literal["function"]
    function: TemplateFunction


NO_ARGUMENTS = {"type": "object", "properties": {}, "additionalProperties": False}
"""The schema of a function that has none."""
_LINES = 3  # of a call


def template_tool(
    name: str, description: str | None, parameters: Mapping[str, Any] | None
) -> TemplateTool:
    """A function as chat templates take it; without a schema it has no arguments."""
    schema = NO_ARGUMENTS if parameters is None else parameters
    function = TemplateFunction(name=name, parameters=schema)
    if description is not None:
        function["description"] = description
    return TemplateTool(type="function", function=function)


def with_calls(said: str, calls: Sequence[TaughtCall]) -> str:
    """The text of a turn that calls."""
    lines = [f"<tool_call>\n{json.dumps(dict(c), ensure_ascii=False)}\n</tool_call>" for c in calls]
    return "\n".join([*([said] if said else []), *lines])


def calls_in(content: str, count: int) -> tuple[str, list[TaughtCall]]:
    """What ``with_calls`` was given, of a turn with so many calls."""
    lines = content.split("\n")
    first = len(lines) - count * _LINES
    calls = [json.loads(line) for line in lines[first + 1 :: _LINES]]
    return "\n".join(lines[:first]), calls
