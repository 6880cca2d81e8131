"""Tools, calls and results in what is taught, as OpenAI's clients write them. Pure."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from radiance.records import Message
from radiance.records import tools as kept
from radiance.records.json_text import fault_of

_Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[\w.-]+$")]


class ExampleCallFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which function is called, with its arguments: JSON as text, or an object."""

    name: _Name
    arguments: str | dict[str, Any] = ""


class ExampleCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call."""

    function: ExampleCallFunction
    type: Literal["function"] = "function"
    id: str | None = None
    index: int | None = None  # of a stream, as clients send it back


class ExampleTurn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A turn of a chat."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str | None = None
    tool_calls: list[ExampleCall] | None = None
    tool_call_id: str | None = None


class ExampleFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A function that may be called; ``strict`` changes nothing of what is learned."""

    name: _Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class ExampleTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tool; there are no others than functions."""

    function: ExampleFunction
    type: Literal["function"] = "function"


class BadTool(ValueError):
    """A call, a result or a tool cannot be learned; the message is the reason."""

    def __init__(self, field: str, value: Any, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.field, self.value, self.remedy = field, value, remedy


def told(tools: Sequence[ExampleTool] | None) -> tuple[Message, ...]:
    """The tools of a chat as the turn that tells of them; none where there are none.

    Raises:
        BadTool: Two have one name.
    """
    names = [tool.function.name for tool in tools or ()]
    for place, name in enumerate(names):
        if name in names[:place]:
            field = f"tools[{place}].function.name"
            raise BadTool(field, name, "is the name of two functions", "Name each otherwise.")
    if not tools:
        return ()
    functions = (tool.function for tool in tools)
    plain = [kept.template_tool(f.name, f.description, f.parameters) for f in functions]
    return (Message("tools", json.dumps(plain, ensure_ascii=False)),)


def with_calls(turns: Sequence[ExampleTurn], messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages with the calls of their turns.

    Raises:
        BadTool: Who may not calls, arguments are no JSON object, or a result is of no call before.
    """
    found: list[Message] = []
    waiting: list[str | None] = []
    for place, (turn, message) in enumerate(zip(turns, messages, strict=True)):
        field = f"messages[{place}]"
        if turn.tool_calls and turn.role != "assistant":
            remedy = "Let the assistant call."
            raise BadTool(f"{field}.tool_calls", None, f"is of a {turn.role}", remedy)
        if turn.role == "tool":
            _take(waiting, turn.tool_call_id, f"{field}.tool_call_id")
        elif turn.tool_call_id is not None:
            raise BadTool(f"{field}.tool_call_id", None, "is of no tool's result", "Leave it out.")
        if turn.role == "assistant":
            waiting = [call.id for call in turn.tool_calls or ()]
        if turn.tool_calls:
            calls = [
                _call(call, f"{field}.tool_calls[{number}]")
                for number, call in enumerate(turn.tool_calls)
            ]
            message = Message("assistant", kept.with_calls(message.content, calls), len(calls))
        found.append(message)
    return tuple(found)


def _take(waiting: list[str | None], id: str | None, field: str) -> None:
    """Take the call that a result is of; results come in the order of their calls."""
    if not waiting:
        return  # the order of roles is refused, and says so better
    call = waiting.pop(0)
    if id is not None and call is not None and id != call:
        raise BadTool(
            field,
            id,
            f"is not of the call that comes next ({call})",
            "Send one result for each call, in the order of the calls.",
        )


def _call(call: ExampleCall, field: str) -> kept.TaughtCall:
    arguments: Any = call.function.arguments
    if isinstance(arguments, str):
        written, fault = arguments or "{}", None
        try:
            arguments = json.loads(written)
            fault = fault_of(written, arguments)
        except (ValueError, RecursionError):
            arguments = None
        if fault is not None or not isinstance(arguments, dict):
            raise BadTool(
                f"{field}.function.arguments",
                call.function.arguments,
                "is not a JSON object" if fault is None else fault.told,
                "Send what the model had there." if fault is None else fault.remedy,
            )
    found = kept.TaughtCall(name=call.function.name, arguments=arguments)
    return found if call.id is None else {"id": call.id, **found}
