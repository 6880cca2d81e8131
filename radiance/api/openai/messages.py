"""A chat as OpenAI's clients send it, checked and turned into what chat templates take."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from radiance.engine.model.chat_turns import Turn
from radiance.errors import RequestError


class TextPart(msgspec.Struct, tag_field="type", tag="text", forbid_unknown_fields=True):
    """A part of a message's content; there is no other kind than text."""

    text: str


_Content = str | Annotated[list[TextPart], Meta(min_length=1)]


class _Message(
    msgspec.Struct, tag_field="role", tag=str.lower, forbid_unknown_fields=True, kw_only=True
):
    pass


class System(_Message):
    """What holds for the whole chat."""

    content: _Content
    name: str | None = None


class Developer(_Message):
    """The newer name of a system message."""

    content: _Content
    name: str | None = None


class User(_Message):
    """What a person says."""

    content: _Content
    name: str | None = None


class CalledFunction(msgspec.Struct, forbid_unknown_fields=True):
    """Which function was called, with its arguments as JSON text."""

    name: str
    arguments: str


class CalledTool(
    msgspec.Struct, tag_field="type", tag="function", forbid_unknown_fields=True, kw_only=True
):
    """A call that the assistant made."""

    id: str
    function: CalledFunction


class Assistant(_Message):
    """What the model said, with the calls it made.

    Attributes:
        reasoning_content: What it thought before; chat templates make of it what they do.
        refusal: Of OpenAI's answers, as the rest; always null here.
    """

    content: _Content | None = None
    tool_calls: list[CalledTool] | None = None
    name: str | None = None
    reasoning_content: str | None = None
    refusal: None = None
    audio: None = None
    function_call: None = None
    annotations: Annotated[list[Any], Meta(max_length=0)] | None = None


class Tool(_Message):
    """What a tool answered to a call."""

    content: _Content
    tool_call_id: str
    name: str | None = None


Message = System | Developer | User | Assistant | Tool


def turns(messages: list[Message]) -> list[Turn]:
    """The chat as a chat template takes it: plain dicts, contents as text, arguments as objects.

    Raises:
        RequestError: A message cannot be used; names it.
    """
    return [_turn(message, f"messages[{place}]") for place, message in enumerate(messages)]


def _turn(message: Message, field: str) -> Turn:
    turn: Turn = {"role": _ROLES[type(message)], "content": _text(message.content)}
    if message.name is not None:
        turn["name"] = message.name
    if isinstance(message, Tool):
        return {**turn, "tool_call_id": message.tool_call_id}
    if isinstance(message, Assistant):
        if message.content is None and not message.tool_calls:
            raise RequestError.of(
                f"{field}.content",
                "is required",
                None,
                "An assistant's message has a content, tool_calls, or both.",
            )
        if message.reasoning_content is not None:
            turn["reasoning_content"] = message.reasoning_content
        if message.tool_calls:
            turn["tool_calls"] = [
                _call(call, f"{field}.tool_calls[{place}]")
                for place, call in enumerate(message.tool_calls)
            ]
    return turn


_ROLES: dict[type, str] = {
    System: "system",
    Developer: "system",
    User: "user",
    Assistant: "assistant",
    Tool: "tool",
}


def _text(content: str | list[TextPart] | None) -> str:
    if isinstance(content, list):
        return "".join(part.text for part in content)
    return content or ""


def _call(call: CalledTool, field: str) -> Turn:
    try:
        arguments = msgspec.json.decode(call.function.arguments or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise RequestError.of(
            f"{field}.function.arguments",
            f"is not a JSON object ({error})",
            call.function.arguments,
            "Send back what the answer had there.",
        ) from None
    function = {"name": call.function.name, "arguments": arguments}
    return {"id": call.id, "type": "function", "function": function}
