"""POST /v1/responses."""

import secrets
import time
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from starlette.requests import Request
from starlette.responses import StreamingResponse

from radiance.api.bodies import check_body, read_json
from radiance.api.openai.chat import ChatBody, answer_chat, begin_chat, plan_chat
from radiance.api.openai.events import event_stream
from radiance.api.openai.formats import ResponseFormat, SchemaFormat, TextFormat
from radiance.api.openai.habits import usual, without_nulls
from radiance.api.openai.parameters import (
    MOST_LOGPROBS,
    Metadata,
    StreamOptions,
    refuse_unsupported,
)
from radiance.api.openai.responses.items import Chat, InputItem, with_types
from radiance.api.openai.responses.shapes import (
    ChosenFunction,
    ModelResponse,
    ReasoningOptions,
    ResponseSchema,
    ResponseTool,
    TextOptions,
)
from radiance.api.openai.responses.writing import ResponseWriter, events_of, written
from radiance.api.openai.tools import ChosenTool, FunctionTool, ToolChoice
from radiance.api.route import Reply
from radiance.api.services import services_of
from radiance.config import MemoryMode
from radiance.errors import RequestError

UNSUPPORTED = {
    "background_options": "Leave it out.",
    "context_management": "Leave it out; nothing is cut.",
    "conversation": "Send the turns so far as items of input; answers are not kept.",
    "max_tool_calls": "Leave it out; functions are called by the caller.",
    "moderation": "Leave it out.",
    "previous_response_id": "Send the turns so far as items of input; answers are not kept.",
    "prompt": "Send instructions and input.",
    "prompt_cache_options": "Leave it out; prompts are cached by themselves.",
    "prompt_cache_retention": "Leave it out; prompts are cached as long as there is room.",
}
_LOGPROBS = "message.output_text.logprobs"

_Ratio = Annotated[float, Meta(ge=0, le=1)]


class ResponsesBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of POST /v1/responses.

    Attributes:
        input: What the user says, or the chat so far as items: turns, calls, their results, and
            the output of earlier answers as it was.
        model: As of chats; see ``GET /v1/models``.
        instructions: A system turn before all others.
        max_output_tokens: Most tokens of thoughts and answer; not given: the context's room.
        include: Whether to tell log-probabilities; the other changes nothing, as nothing that is
            thought is hidden.
        store: Only false: answers are not kept.
        truncation: Only disabled: nothing is cut from the input.
        safety_identifier: As ``user`` and ``prompt_cache_key``; changes nothing in the answer.
        memory: As of chats. Radiance's own, as ``seed``, ``top_k`` and ``min_p`` are.
    """

    input: str | Annotated[list[InputItem], Meta(min_length=1)]
    model: str | None = None
    instructions: str | None = None
    max_output_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: _Ratio | None = None
    top_k: Annotated[int, Meta(ge=-1, lt=1 << 31)] | None = None
    min_p: _Ratio | None = None
    seed: Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)] | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=MOST_LOGPROBS)] | None = None
    include: list[Literal["message.output_text.logprobs", "reasoning.encrypted_content"]] = []
    reasoning: ReasoningOptions = msgspec.field(default_factory=ReasoningOptions)
    text: TextOptions = msgspec.field(default_factory=TextOptions)
    tools: Annotated[list[ResponseTool], Meta(max_length=128)] = []
    tool_choice: Literal["none", "auto", "required"] | ChosenFunction | None = None
    parallel_tool_calls: bool | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    background: bool = False
    store: bool = False
    truncation: Literal["disabled"] = "disabled"
    service_tier: Literal["auto", "default"] | None = None
    metadata: Metadata = {}
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    memory: MemoryMode | None = None


async def create_response(request: Request) -> Reply[ModelResponse] | StreamingResponse:
    """Answer items in the shape of the Responses API, whole or as a stream of its events."""
    services = services_of(request)
    data = await read_json(request, services.config.server.max_body_bytes)
    body = check_body(_usual(data), ResponsesBody)
    _refuse_what_is_not_done(body)
    chat = Chat(body.instructions, body.input)
    encoder = services.engine.encoder
    writer = ResponseWriter(_begun(body), lambda text: len(encoder.plain(text)))
    try:
        plan = await plan_chat(request, services, _as_chat(body, chat))
        if not body.stream:
            reply = await answer_chat(request, services, plan)
            return Reply(written(reply.body, writer), headers=reply.headers)
        headers, chunks = await begin_chat(request, services, plan)
    except RequestError as error:
        _rename(error, chat)
        raise
    return event_stream(events_of(chunks, writer), headers, are_named=True)


def _usual(data: Any) -> Any:
    """A body as OpenAI's own clients would have sent it."""
    data = usual(data)
    if not isinstance(data, dict):
        return data
    refuse_unsupported(data, UNSUPPORTED)
    if (effort := data.pop("reasoning_effort", None)) is not None:  # of chat_template_kwargs, too
        data.setdefault("reasoning", {"effort": effort})
    if "input" in data:
        data["input"] = with_types(without_nulls(data["input"]))
    return data


def _refuse_what_is_not_done(body: ResponsesBody) -> None:
    refused: tuple[str, str] | None = None
    if body.store:
        refused = ("store", "Leave it out, or send false; answers are not kept.")
    elif body.background:
        refused = ("background", "Leave it out, and wait for the answer or stream it.")
    elif body.stream_options is not None and body.stream_options.include_obfuscation:
        refused = ("stream_options.include_obfuscation", "Leave it out; nothing is added.")
    elif body.stream_options is not None and body.stream_options.include_usage is not None:
        refused = ("stream_options.include_usage", "Leave it out; the last event counts tokens.")
    if refused is not None:
        field, remedy = refused
        raise RequestError.of(field, "is not supported", True, remedy)


def _as_chat(body: ResponsesBody, chat: Chat) -> ChatBody:
    """The same as a chat of OpenAI's."""
    form: ResponseFormat | None = None
    if isinstance(body.text.format, ResponseSchema):
        form = SchemaFormat(json_schema=body.text.format)
    else:
        form = body.text.format
    choice: ToolChoice | None = None
    if isinstance(body.tool_choice, ChosenFunction):
        choice = ChosenTool(function=body.tool_choice)
    else:
        choice = body.tool_choice
    has_logprobs = bool(body.top_logprobs) or _LOGPROBS in body.include
    return ChatBody(
        messages=chat.messages,
        model=body.model,
        max_completion_tokens=body.max_output_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        min_p=body.min_p,
        seed=body.seed,
        logprobs=has_logprobs or None,
        top_logprobs=body.top_logprobs if has_logprobs else None,
        reasoning_effort="none" if body.reasoning.effort == "none" else None,
        response_format=None if isinstance(form, TextFormat) else form,
        tools=[FunctionTool(function=tool) for tool in body.tools] or None,
        tool_choice=choice,
        parallel_tool_calls=body.parallel_tool_calls,
        stream=body.stream or None,
        stream_options=StreamOptions(include_usage=True) if body.stream else None,
        user=body.user,
        safety_identifier=body.safety_identifier,
        memory=body.memory,
    )


def _begun(body: ResponsesBody) -> ModelResponse:
    """The response before anything is said."""
    return ModelResponse(
        id=f"resp_{secrets.token_hex(12)}",
        created_at=int(time.time()),
        model=body.model or "",
        status="in_progress",
        output=[],
        instructions=body.instructions,
        max_output_tokens=body.max_output_tokens,
        metadata=body.metadata,
        parallel_tool_calls=body.parallel_tool_calls is not False,
        reasoning=body.reasoning,
        temperature=1.0 if body.temperature is None else body.temperature,
        text=body.text,
        tool_choice=body.tool_choice or "auto",
        tools=body.tools,
        top_logprobs=body.top_logprobs or 0,
        top_p=1.0 if body.top_p is None else body.top_p,
        user=body.user,
    )


def _rename(error: RequestError, chat: Chat) -> None:
    """Have an error about the chat name what stood in the body."""
    if (field := error.field) is None:
        return
    if field.startswith("messages"):
        named = chat.field_of(field)
    elif field.startswith("response_format"):
        named = f"text.format{field.removeprefix('response_format')}"
    else:
        named = field.replace(".function", "")
    error.args = (str(error).replace(field, named), *error.args[1:])
    error.field = named
