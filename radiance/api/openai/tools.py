"""Tools: which a chat offers, which must be called, and the calls in what the model wrote.

A model that may call writes calls as its chat template taught it, and mlx-lm's parser for that
template reads them. A model that must call is held to a JSON schema made of the tools' own.
"""

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from radiance.api.openai.formats import JsonSchema, json_constraint, on_one_line
from radiance.engine.model.tool_format import ToolFormat
from radiance.engine.requests import Constraint
from radiance.errors import RequestError
from radiance.records.tools import NO_ARGUMENTS, TemplateTool, template_tool

_Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[\w-]+$")]


class Function(msgspec.Struct, forbid_unknown_fields=True):
    """A function that may be called.

    Attributes:
        parameters: JSON schema of its arguments; not given: it has none.
        strict: Whether arguments must fit the schema also where the model is free to call; they do
            where a call is forced.
    """

    name: _Name
    description: str | None = None
    parameters: JsonSchema | None = None
    strict: bool | None = None


class FunctionTool(
    msgspec.Struct, tag_field="type", tag="function", forbid_unknown_fields=True, kw_only=True
):
    """A tool; there are no others than functions."""

    function: Function


class ChosenName(msgspec.Struct, forbid_unknown_fields=True):
    """The name of the function that must be called."""

    name: _Name


class ChosenTool(
    msgspec.Struct, tag_field="type", tag="function", forbid_unknown_fields=True, kw_only=True
):
    """The tool that must be called."""

    function: ChosenName


# llguidance's Lark. Lazy: the text before a call ends where the call's mark does, not later.
_FREE_TEXT_WITH_CALLS = r"""
start: call* TEXT
TEXT: /(?s:.*)/ & ~/(?s:.*){start}(?s:.*)/
call: before SPACE body SPACE {end}
before[lazy]: /(?s:.*){start}/
SPACE: /[ \n]*/
body: %json {call}
"""

ToolChoice = Literal["none", "auto", "required"] | ChosenTool


@dataclass(frozen=True)
class ParsedCall:
    """A call that the model made; arguments as JSON text."""

    name: str
    arguments: str
    id: str = field(default_factory=lambda: f"call_{secrets.token_hex(12)}")


@dataclass(frozen=True)
class Toolbox:
    """The tools of one chat.

    Attributes:
        tools: As the chat template takes them; those that may be called.
        functions: Those that may be called, or of which one must be.
        is_forced: Whether one must be called.
        is_named: Whether the caller named the one.
        is_parallel: Whether an answer may have several calls.
    """

    tools: list[TemplateTool]
    functions: tuple[Function, ...] = ()
    is_forced: bool = False
    is_named: bool = False
    is_parallel: bool = True

    def constraint(self, form: ToolFormat) -> Constraint | None:
        """What an answer must look like; None where the model is free to write anything.

        Of a forced call where only one can be meant, the arguments alone. Where calls are free and
        a function is strict, any text, but what begins as a call must be one.

        Raises:
            RequestError: A function is strict, and calls are not written as JSON.
        """
        if self.is_forced and len(self.functions) == 1:
            return json_constraint(_arguments(self.functions[0]))
        if self.is_forced:
            return json_constraint(_any_call(self.functions, self.functions))
        strict = [function for function in self.functions if function.strict]
        if not strict:
            return None
        if not form.is_json:
            raise RequestError.of(
                f"tools[{self.functions.index(strict[0])}].function.strict",
                "cannot be held in the way this model writes calls",
                True,
                'Leave it out, or send tool_choice "required" or a name.',
            )
        start, end = re.escape(form.start), json.dumps(form.end)
        schema = on_one_line(_any_call(self.functions, strict))
        return Constraint("lark", _FREE_TEXT_WITH_CALLS.format(start=start, end=end, call=schema))

    def forced_call(self, text: str) -> ParsedCall | None:
        """The call in an answer that was held to ``constraint``; None where it was cut off."""
        try:
            found = json.loads(text)
        except ValueError:
            return None
        if len(self.functions) == 1:
            return ParsedCall(self.functions[0].name, text)
        return ParsedCall(found["name"], json.dumps(found["arguments"], ensure_ascii=False))


def toolbox(
    tools: list[FunctionTool] | None, choice: ToolChoice | None, parallel: bool | None
) -> Toolbox | None:
    """The tools of a chat; None where none may be called.

    Raises:
        RequestError: Names twice, a choice without tools, or of one that is not there.
    """
    names = [tool.function.name for tool in tools or ()]
    for place, name in enumerate(names):
        if name in names[:place]:
            param = f"tools[{place}].function.name"
            raise RequestError.of(
                param, "is the name of two functions", name, "Give each function its own name."
            )
    if not tools:
        if choice not in (None, "none"):
            shown = msgspec.to_builtins(choice)
            raise RequestError.of("tool_choice", "is only for tools", shown, "Send tools, too.")
        return None
    functions = (tool.function for tool in tools)
    plain = [template_tool(f.name, f.description, f.parameters) for f in functions]
    if isinstance(choice, ChosenTool):
        forced = tuple(t.function for t in tools if t.function.name == choice.function.name)
        if not forced:
            raise RequestError.of(
                "tool_choice.function.name",
                "is not among the tools",
                choice.function.name,
                f"Choose one of {', '.join(names)}.",
            )
        return Toolbox(plain, forced, is_forced=True, is_named=True)
    if choice == "none":
        return None
    return Toolbox(
        plain,
        tuple(tool.function for tool in tools),
        is_forced=choice == "required",
        is_parallel=parallel is not False,
    )


def _arguments(function: Function) -> JsonSchema:
    return NO_ARGUMENTS if function.parameters is None else function.parameters


def _any_call(functions: Sequence[Function], strict: Sequence[Function]) -> JsonSchema:
    """The schema of a call of any of these; of those that are not strict, with any arguments."""
    definitions, calls = {}, []
    for number, function in enumerate(functions):
        place = f"#/$defs/tool{number}"
        arguments = _arguments(function) if function in strict else {"type": "object"}
        definitions[f"tool{number}"] = _moved(arguments, place)
        calls.append(
            {
                "type": "object",
                "properties": {"name": {"const": function.name}, "arguments": {"$ref": place}},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
        )
    return {"anyOf": calls, "$defs": definitions}


def _moved(schema: Any, place: str) -> Any:
    """A schema whose references to its own parts hold at another place of a larger one."""
    if isinstance(schema, list):
        return [_moved(item, place) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: f"{place}{value[1:]}"
        if name == "$ref" and isinstance(value, str) and value.startswith("#")
        else _moved(value, place)
        for name, value in schema.items()
    }
