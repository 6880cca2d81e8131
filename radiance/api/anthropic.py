"""POST /v1/messages: Anthropic's API over the same chats, whole or as its stream of events."""

import json
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing
from itertools import chain
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.requests import Request
from starlette.responses import StreamingResponse

from radiance.api.bodies import check_body, read_json
from radiance.api.openai import messages, shapes
from radiance.api.openai.chat import ChatBody, answer_chat, begin_chat, plan_chat
from radiance.api.openai.events import event_stream
from radiance.api.openai.formats import JsonSchema
from radiance.api.openai.habits import without_nulls
from radiance.api.openai.parameters import StreamOptions
from radiance.api.openai.tools import ChosenName, ChosenTool, Function, FunctionTool, ToolChoice
from radiance.api.route import Reply
from radiance.api.services import services_of
from radiance.errors import RequestError

_PATH = "/v1/messages"
_STOP_REASONS: dict[str, "StopReason"] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
}
StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use"]


class _Part(msgspec.Struct, tag_field="type", forbid_unknown_fields=True, kw_only=True):
    cache_control: Any = None  # prompts are cached by themselves


class TextIn(_Part, tag="text"):
    """A part of a turn that is text."""

    text: str
    citations: None = None


class ThinkingIn(_Part, tag="thinking"):
    """What the assistant thought before it answered, as it was told."""

    thinking: str
    signature: str = ""


class ToolUseIn(_Part, tag="tool_use"):
    """A call that the assistant made."""

    id: str
    name: str
    input: dict[str, Any]


class ToolResultIn(_Part, tag="tool_result"):
    """What a tool answered to a call."""

    tool_use_id: str
    content: str | list[TextIn] = ""
    is_error: bool = False


class TurnIn(msgspec.Struct, forbid_unknown_fields=True):
    """A turn of the chat."""

    role: Literal["user", "assistant"]
    content: (
        str | Annotated[list[TextIn | ThinkingIn | ToolUseIn | ToolResultIn], Meta(min_length=1)]
    )


class ToolIn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A function that may be called."""

    name: str
    input_schema: JsonSchema
    description: str | None = None
    type: Literal["custom"] | None = None
    strict: bool | None = None
    cache_control: Any = None


class ChoiceIn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Whether a tool is to be called; ``any``: one must be."""

    type: Literal["auto", "any", "tool", "none"]
    name: str | None = None
    disable_parallel_tool_use: bool = False


class ThinkingChoice(msgspec.Struct, forbid_unknown_fields=True):
    """Whether a model that can think before it answers is to do so, however long it takes."""

    type: Literal["enabled", "disabled", "adaptive"]
    budget_tokens: int | None = None
    display: str | None = None


class UserIn(msgspec.Struct, forbid_unknown_fields=True):
    """Who asks, as the caller names them."""

    user_id: str | None = None


class MessagesBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of POST /v1/messages.

    Attributes:
        model: As of chats; see ``GET /v1/models``.
        system: What holds for the whole chat.
        service_tier: Changes nothing; nor does cache_control: prompts are cached by themselves.
    """

    model: str
    messages: Annotated[list[TurnIn], Meta(min_length=1)]
    max_tokens: Annotated[int, Meta(ge=1)]
    system: str | list[TextIn] | None = None
    temperature: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    top_k: Annotated[int, Meta(ge=0)] | None = None
    stop_sequences: Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(max_length=16)] = []
    stream: bool = False
    tools: list[ToolIn] = []
    tool_choice: ChoiceIn | None = None
    thinking: ThinkingChoice | None = None
    metadata: UserIn | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    cache_control: Any = None


class CountBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of POST /v1/messages/count_tokens: as of messages, without what shapes an answer."""

    model: str
    messages: Annotated[list[TurnIn], Meta(min_length=1)]
    system: str | list[TextIn] | None = None
    tools: list[ToolIn] = []
    tool_choice: ChoiceIn | None = None
    thinking: ThinkingChoice | None = None


class TextOut(msgspec.Struct, tag_field="type", tag="text"):
    """A part of the answer that is text."""

    text: str


class ThinkingOut(msgspec.Struct, tag_field="type", tag="thinking"):
    """What the model thought before; nothing signs it."""

    thinking: str
    signature: str = ""


class ToolUseOut(msgspec.Struct, tag_field="type", tag="tool_use"):
    """A call that the model made."""

    id: str
    name: str
    input: dict[str, Any]


PartOut = TextOut | ThinkingOut | ToolUseOut


class Used(msgspec.Struct):
    """Tokens counted."""

    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0


class Answered(msgspec.Struct, tag_field="type", tag="message"):
    """The answer of POST /v1/messages."""

    id: str
    model: str
    content: list[PartOut]
    stop_reason: StopReason | None
    usage: Used
    role: Literal["assistant"] = "assistant"
    stop_sequence: str | None = None


class CountAnswer(msgspec.Struct):
    """How many tokens a chat has."""

    input_tokens: int


class StreamEvent(msgspec.Struct):
    """An event of the stream, as Anthropic has them: what begins, what it adds, what ends."""

    type: str
    message: Answered | UnsetType = UNSET
    index: int | UnsetType = UNSET
    content_block: PartOut | UnsetType = UNSET
    delta: dict[str, str | None] | UnsetType = UNSET
    usage: dict[str, int] | UnsetType = UNSET


async def create_message(request: Request) -> Reply[Answered] | StreamingResponse:
    """Answer a chat in Anthropic's shape, whole or as a stream of its events."""
    services = services_of(request)
    data = await read_json(request, services.config.server.max_body_bytes)
    body = check_body(without_nulls(data), MessagesBody)
    plan = await plan_chat(request, services, _as_chat(body))
    if body.stream:
        headers, chunks = await begin_chat(request, services, plan)
        events = _events(chunks, len(plan.wanted[0].tokens))
        return event_stream(events, headers, are_named=True, path=_PATH)
    reply = await answer_chat(request, services, plan)
    return Reply(_answered(reply.body), headers=reply.headers)


async def count_tokens(request: Request) -> CountAnswer:
    """How many tokens a chat's prompt has."""
    services = services_of(request)
    data = await read_json(request, services.config.server.max_body_bytes)
    body = check_body(without_nulls(data), CountBody)
    asked = {name: getattr(body, name) for name in body.__struct_fields__}
    plan = await plan_chat(request, services, _as_chat(MessagesBody(max_tokens=1, **asked)))
    return CountAnswer(len(plan.wanted[0].tokens))


def _as_chat(body: MessagesBody) -> ChatBody:
    """The same as a chat of OpenAI's."""
    if body.messages[-1].role == "assistant":
        raise RequestError.of(
            f"messages[{len(body.messages) - 1}].role",
            "is the assistant's",
            "assistant",
            "End with the user's turn; an answer cannot be begun for the model.",
        )
    system = [messages.System(content=_text(body.system))] if body.system else []
    turns = [_turns(turn, f"messages[{place}]") for place, turn in enumerate(body.messages)]
    choice = body.tool_choice if body.tools else None
    is_unthinking = body.thinking is not None and body.thinking.type == "disabled"
    chat = ChatBody(
        model=body.model,
        messages=[*system, *chain.from_iterable(turns)],
        max_completion_tokens=body.max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        stop=body.stop_sequences or None,
        stream=body.stream,
        user=None if body.metadata is None else body.metadata.user_id,
        stream_options=StreamOptions(include_usage=True) if body.stream else None,
        reasoning_effort="none" if is_unthinking else None,
        tools=[_tool(tool) for tool in body.tools] or None,
        tool_choice=None if choice is None else _choice(choice),
        parallel_tool_calls=False if choice and choice.disable_parallel_tool_use else None,
    )
    return check_body(msgspec.to_builtins(chat), ChatBody)


def _turns(turn: TurnIn, field: str) -> list[messages.Message]:
    if isinstance(turn.content, str):
        kind = messages.User if turn.role == "user" else messages.Assistant
        return [kind(content=turn.content)]
    results, texts, thoughts, calls = [], [], [], []
    for place, part in enumerate(turn.content):
        whose = "user" if isinstance(part, ToolResultIn) else "assistant"
        if not isinstance(part, TextIn) and turn.role != whose:
            raise RequestError.of(
                f"{field}.content[{place}].type",
                f"cannot stand in a turn of the {turn.role}",
                None,
                f"Send it in a turn of the {whose}.",
            )
        match part:
            case TextIn():
                texts.append(part.text)
            case ThinkingIn():
                thoughts.append(part.thinking)
            case ToolUseIn():
                function = messages.CalledFunction(part.name, json.dumps(part.input))
                calls.append(messages.CalledTool(id=part.id, function=function))
            case ToolResultIn():
                told = _text(part.content)
                if part.is_error:  # chat templates have no other place for it
                    told = f"Error: {told}" if told else "Error"
                results.append(messages.Tool(content=told, tool_call_id=part.tool_use_id))
    if turn.role == "user":
        return [*results, *([messages.User(content="".join(texts))] if texts else [])]
    said = "".join(texts) if texts or not calls else None
    thought = "".join(thoughts) if thoughts else None
    return [messages.Assistant(content=said, tool_calls=calls or None, reasoning_content=thought)]


def _text(content: str | list[TextIn]) -> str:
    return content if isinstance(content, str) else "".join(part.text for part in content)


def _tool(tool: ToolIn) -> FunctionTool:
    function = Function(tool.name, tool.description, tool.input_schema, tool.strict)
    return FunctionTool(function=function)


def _choice(choice: ChoiceIn) -> ToolChoice:
    if choice.type == "tool":
        return ChosenTool(function=ChosenName(choice.name or ""))
    return "required" if choice.type == "any" else choice.type


def _answered(completion: shapes.ChatCompletion) -> Answered:
    choice, usage = completion.choices[0], completion.usage
    message, parts = choice.message, list[PartOut]()
    if message.reasoning_content is not UNSET:
        parts.append(ThinkingOut(message.reasoning_content))
    if message.content:
        parts.append(TextOut(message.content))
    for call in message.tool_calls or []:
        parts.append(ToolUseOut(call.id, call.function.name, json.loads(call.function.arguments)))
    used = Used(
        usage.prompt_tokens - usage.prompt_tokens_details.cached_tokens,
        usage.completion_tokens,
        cache_read_input_tokens=usage.prompt_tokens_details.cached_tokens,
    )
    reason, stopped = _reason(choice)
    return Answered(_new_id(), completion.model, parts, reason, used, stop_sequence=stopped)


def _reason(choice: shapes.ChatChoice | shapes.ChunkChoice) -> tuple[StopReason, str | None]:
    """Why an answer ended, and by which text if it was one."""
    if choice.stop_reason:
        return "stop_sequence", choice.stop_reason
    return _STOP_REASONS[choice.finish_reason or "stop"], None


async def _events(
    chunks: AsyncGenerator[shapes.ChatChunk, None], prompt_tokens: int
) -> AsyncGenerator[StreamEvent, None]:
    """Anthropic's events of a stream of OpenAI's chunks; closes ``chunks``."""
    place, kind = -1, ""
    reason: StopReason = "end_turn"
    stopped: str | None = None
    output_tokens = 0
    has_begun = False

    def begun(part: PartOut) -> list[StreamEvent]:
        nonlocal place, kind
        ended = [StreamEvent("content_block_stop", index=place)] if kind else []
        place, kind = place + 1, type(part).__name__
        return [*ended, StreamEvent("content_block_start", index=place, content_block=part)]

    def added(**delta: str | None) -> StreamEvent:
        return StreamEvent("content_block_delta", index=place, delta=delta)

    async with aclosing(chunks) as told:
        async for chunk in told:
            if not has_begun:
                used = Used(prompt_tokens, 0)
                yield StreamEvent(
                    "message_start", message=Answered(_new_id(), chunk.model, [], None, used)
                )
                has_begun = True
            if isinstance(chunk.usage, shapes.Usage):
                output_tokens = chunk.usage.completion_tokens
            for choice in chunk.choices:
                delta = choice.delta
                if delta.reasoning_content:
                    if kind != ThinkingOut.__name__:
                        for event in begun(ThinkingOut("")):
                            yield event
                    yield added(type="thinking_delta", thinking=delta.reasoning_content)
                if delta.content:
                    if kind != TextOut.__name__:
                        for event in begun(TextOut("")):
                            yield event
                    yield added(type="text_delta", text=delta.content)
                for call in delta.tool_calls or []:
                    for event in begun(ToolUseOut(call.id, call.function.name, {})):
                        yield event
                    yield added(type="input_json_delta", partial_json=call.function.arguments)
                if choice.finish_reason is not None:
                    reason, stopped = _reason(choice)
    if kind:
        yield StreamEvent("content_block_stop", index=place)
    ended: dict[str, str | None] = {"stop_reason": reason, "stop_sequence": stopped}
    yield StreamEvent("message_delta", delta=ended, usage={"output_tokens": output_tokens})
    yield StreamEvent("message_stop")


def _new_id() -> str:
    return f"msg_{secrets.token_hex(12)}"
