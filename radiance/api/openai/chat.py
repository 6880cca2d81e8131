"""POST /v1/chat/completions."""

import functools
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

from radiance.api.memory_notes import Recollection
from radiance.api.openai import fallback, shapes
from radiance.api.openai import origin as origins
from radiance.api.openai.described import in_words
from radiance.api.openai.events import event_stream
from radiance.api.openai.formats import ResponseFormat, TextFormat, constraint_of
from radiance.api.openai.logprobs import chat_logprobs
from radiance.api.openai.messages import Message, turns
from radiance.api.openai.models import model_weights
from radiance.api.openai.parameters import MOST_LOGPROBS, Metadata, Shared, read_parameters
from radiance.api.openai.reading import AnswerPart, Reader
from radiance.api.openai.remembering import noted, recalled_by
from radiance.api.openai.running import Event
from radiance.api.openai.tools import FunctionTool, ParsedCall, Toolbox, ToolChoice, toolbox
from radiance.api.openai.usage import ContextFull, counted, room_for
from radiance.api.route import Reply
from radiance.api.services import Services, services_of
from radiance.api.weights import caller_of, key_of
from radiance.engine import requests as engine
from radiance.engine.model.chat_turns import Turn
from radiance.engine.model.tool_format import HERMES, ToolFormat
from radiance.engine.requests import Answer, Delta
from radiance.errors import RequestError, TooLarge
from radiance.fallback.providers import UpstreamRequest

UNSUPPORTED = {
    "audio": "Answers are text.",
    "function_call": "Use tool_choice.",
    "functions": "Use tools.",
    "moderation": "Leave it out.",
    "prediction": "Leave it out.",
    "prompt_cache_options": "Leave it out; prompts are cached by themselves.",
    "prompt_cache_retention": "Leave it out; prompts are cached as long as there is room.",
    "verbosity": "Leave it out, and ask for it in a message.",
    "web_search_options": "Leave it out; nothing is searched.",
}

_Limit = Annotated[int, Meta(ge=1)]


class ChatBody(Shared):
    """The body of POST /v1/chat/completions.

    Attributes:
        messages: The chat so far; contents are text.
        max_tokens: The older name of ``max_completion_tokens``; not given: the context's room.
        logprobs: Whether to tell the log-probability of each token.
        top_logprobs: Of how many likely tokens in each one's place, besides.
        tools: Functions that may be called; told in words where the chat template has none.
        reasoning_effort: "none" keeps a model that can think before it answers from doing so.
        response_format: The form of the answer; it is always kept, whether strict or not.
        metadata: Sent back with the answer.
        store: Only false: answers are not kept.
        safety_identifier: As ``user``; changes nothing in the answer.
        prompt_cache_key: Changes nothing: every prompt is looked up in the one prompt cache.
    """

    messages: Annotated[list[Message], Meta(min_length=1)]
    max_tokens: _Limit | None = None
    max_completion_tokens: _Limit | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=MOST_LOGPROBS)] | None = None
    reasoning_effort: Literal["none"] | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[FunctionTool], Meta(max_length=128)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    metadata: Metadata | None = None
    modalities: Annotated[list[Literal["text"]], Meta(min_length=1)] | None = None
    service_tier: Literal["auto", "default"] | None = None
    store: bool | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


@dataclass(frozen=True)
class ChatPlan:
    """What is to be done for one body.

    Attributes:
        recalled: What memory has to say to it.
        asked: The same for an upstream; None where it cannot be asked that.
    """

    body: ChatBody
    recalled: Recollection
    asked: UpstreamRequest | None
    wanted: list[engine.Request]
    box: Toolbox | None
    form: ToolFormat
    marks: tuple[str, str] | None
    is_thinking: bool
    stamp: shapes.Stamp

    def reader(self) -> Reader:
        """What reads one answer."""
        return Reader(self.marks, self.is_thinking, self.form, self.box)


async def create_chat(request: Request) -> Reply[shapes.ChatCompletion] | StreamingResponse:
    """Answer a chat, whole or as a stream of server-sent events."""
    services = services_of(request)
    body = await read_parameters(request, ChatBody, UNSUPPORTED)
    plan = await plan_chat(request, services, body)
    if body.stream:
        headers, chunks = await begin_chat(request, services, plan)
        return event_stream(chunks, headers)
    return await answer_chat(request, services, plan)


async def begin_chat(
    request: Request, services: Services, plan: ChatPlan
) -> tuple[dict[str, str], AsyncGenerator[shapes.ChatChunk, None]]:
    """The headers and the chunks of an answer that has begun."""
    with _naming_tools(plan):
        origin, told = await origins.begun(
            request, services, plan.wanted, plan.asked, plan.recalled
        )
    signature = origin.sign(plan.stamp)
    if isinstance(told, str):
        chunks = fallback.chat_chunks(told, signature, wants_usage=plan.body.wants_usage)
    else:
        chunks = _chunks(services, plan, signature, told)
    return origin.headers, noted(chunks, plan.recalled)


async def answer_chat(
    request: Request, services: Services, plan: ChatPlan
) -> Reply[shapes.ChatCompletion]:
    """The whole answer."""
    body = plan.body
    with _naming_tools(plan):
        origin, told = await origins.whole(
            request, services, plan.wanted, plan.asked, plan.recalled
        )
    signature = origin.sign(plan.stamp)
    if isinstance(told, str):
        looked_up = fallback.chat_completion(told, signature)
        looked_up.radiance = plan.recalled.note or UNSET
        looked_up.metadata = UNSET if body.metadata is None else body.metadata
        return Reply(looked_up, headers=origin.headers)
    completion = shapes.ChatCompletion(
        *signature,
        choices=[_choice(services, plan, place, answer) for place, answer in enumerate(told)],
        usage=counted(told, body.choices),
        service_tier=UNSET if body.service_tier is None else "default",
        metadata=UNSET if body.metadata is None else body.metadata,
        radiance=plan.recalled.note or UNSET,
    )
    return Reply(completion, headers=origin.headers)


@contextmanager
def _naming_tools(plan: ChatPlan) -> Iterator[None]:
    """Have an error about the form of the answer name the tools, where it was made of them."""
    try:
        yield
    except RequestError as error:
        if plan.box is None or error.field != "response_format":
            raise
        reason = str(error).removeprefix("response_format: ")
        remedy = "Send parameters that can be held."
        raise RequestError(f"tools: {reason}", field="tools", remedy=remedy) from None


async def plan_chat(request: Request, services: Services, body: ChatBody) -> ChatPlan:
    """What is to be done for a body.

    Raises:
        RequestError: It contradicts itself, or asks for what there is not.
    """
    _refuse_contradictions(body)
    encoder = services.engine.encoder
    box = toolbox(body.tools, body.tool_choice, body.parallel_tool_calls)
    form = encoder.tool_format or HERMES
    constraint = box.constraint(form) if box else None
    if constraint is None:
        constraint = constraint_of(body.response_format)
    given = turns(body.messages)
    caller = caller_of(request, body.safety_identifier or body.user)
    weights = await model_weights(services, body.asked_model, caller)
    limit = body.max_completion_tokens or body.max_tokens
    is_plain = not (body.tools or constraint or body.logprobs)
    recalled = await recalled_by(services, body, given if is_plain else [], weights, limit)
    weights = recalled.weights
    asked_of_weights: list[Turn] = given
    if recalled.note is not None and recalled.note.how in ("taught", "reminded"):
        asked_of_weights = [{"role": t.role, "content": t.content} for t in recalled.turns]
    said, tools = asked_of_weights, box.tools if box else []
    if encoder.tool_format is None:
        said, tools = in_words(said, tools), []
    # What is held to a form from its first token on has no room for thoughts.
    may_think = constraint is None or constraint.kind == "lark"
    is_asked_to = may_think and body.reasoning_effort is None
    try:
        tokens = await run_in_threadpool(
            functools.partial(encoder.chat_prompt, said, tools, thinking=is_asked_to)
        )
    except TooLarge as error:
        raise ContextFull(str(error), field="messages", remedy=error.remedy) from None
    if weights.kind == "training" and body.choices > 1:
        raise RequestError.of(
            "n", "live training weights change from answer to answer", body.n, "Ask them once."
        )
    key = key_of(request)
    wanted = [
        engine.Request(
            tokens=tokens,
            max_tokens=room_for(encoder.context_tokens, tokens, limit, "messages"),
            sampling=body.sampling(encoder.vocabulary.size, choice),
            weights=weights,
            caller=key,
            stop=body.stops,
            top_logprobs=(body.top_logprobs or 0) if body.logprobs else None,
            constraint=constraint,
        )
        for choice in range(body.choices)
    ]
    stamp = shapes.new_stamp("chatcmpl")
    marks = encoder.thought_marks if may_think else None
    asked = fallback.chat_asked(body, given, wanted[0].max_tokens)
    return ChatPlan(
        body, recalled, asked, wanted, box, form, marks, encoder.is_thinking(tokens), stamp
    )


def _refuse_contradictions(body: ChatBody) -> None:
    refused: tuple[str, str, Any, str] | None = None
    limits = (body.max_tokens, body.max_completion_tokens)
    if None not in limits and limits[0] != limits[1]:
        refused = ("max_tokens", "differs from max_completion_tokens", limits[0], "Send one.")
    elif body.top_logprobs is not None and not body.logprobs:
        refused = ("top_logprobs", "needs logprobs", body.top_logprobs, "Send logprobs: true, too.")
    elif body.store:
        refused = ("store", "is not supported", True, "Leave it out; answers are not kept.")
    elif body.tools and body.tool_choice != "none":
        if body.response_format is not None and not isinstance(body.response_format, TextFormat):
            shown = msgspec.to_builtins(body.response_format)
            remedy = "Send one of the two, or a call's form as the tool's parameters."
            refused = ("response_format", "cannot be held beside tools", shown, remedy)
    elif body.parallel_tool_calls is not None and not body.tools:
        shown = body.parallel_tool_calls
        refused = ("parallel_tool_calls", "is only for tools", shown, "Send tools, too.")
    if refused is not None:
        raise RequestError.of(*refused)


def _choice(services: Services, plan: ChatPlan, place: int, answer: Answer) -> shapes.ChatChoice:
    found = _read(plan, answer.text)
    said, calls = found.said, found.calls
    message = shapes.ChatMessage(
        content=said if said or not calls else None,
        reasoning_content=found.thought or UNSET,
        tool_calls=[_shape(call) for call in calls] if calls else UNSET,
    )
    return shapes.ChatChoice(
        index=place,
        message=message,
        finish_reason=_reason(plan, answer, bool(calls)),
        stop_reason=answer.stop_string or UNSET,
        logprobs=chat_logprobs(services.engine.encoder, answer.logprobs)
        if plan.body.logprobs
        else None,
    )


def _read(plan: ChatPlan, text: str) -> AnswerPart:
    """What an answer holds."""
    if plan.box is not None and plan.box.is_forced:
        call = plan.box.forced_call(text)
        return AnswerPart(calls=[call]) if call else AnswerPart(said=text)
    reader = plan.reader()
    return reader.feed(text) + reader.finish()


def _reason(plan: ChatPlan, answer: Answer, has_calls: bool) -> shapes.FinishReason:
    """As OpenAI has it: a call that was named by the caller ends with "stop"."""
    if has_calls and not (plan.box and plan.box.is_named):
        return "tool_calls"
    return answer.finish_reason


async def _chunks(
    services: Services,
    plan: ChatPlan,
    signature: shapes.Signature,
    events: AsyncGenerator[tuple[int, Event], None],
) -> AsyncGenerator[shapes.ChatChunk, None]:
    """The chunks of a stream; closes ``events``."""
    usage = None if plan.body.wants_usage else UNSET

    def chunk(choice: shapes.ChunkChoice) -> shapes.ChatChunk:
        return shapes.ChatChunk(*signature, choices=[choice], usage=usage)

    choices = [_StreamedChoice(services, plan, place) for place in range(len(plan.wanted))]
    answers: list[Answer] = []
    async with aclosing(events) as told:
        for choice in choices:
            yield chunk(choice.opening())
        async for place, event in told:
            if isinstance(event, Delta):
                for part in choices[place].more(event):
                    yield chunk(part)
            elif isinstance(event, Answer):
                answers.append(event)
                for part in choices[place].end(event):
                    yield chunk(part)
    if plan.body.wants_usage:
        counts = counted(answers, plan.body.choices)
        yield shapes.ChatChunk(*signature, choices=[], usage=counts)


class _StreamedChoice:
    """One of the answers of a stream."""

    def __init__(self, services: Services, plan: ChatPlan, place: int) -> None:
        self._services, self._plan, self._place = services, plan, place
        self._text = ""
        self._calls = 0
        self._is_forced = bool(plan.box and plan.box.is_forced)
        self._reader = plan.reader()

    def opening(self) -> shapes.ChunkChoice:
        """Says who speaks."""
        return shapes.ChunkChoice(self._place, shapes.ChatDelta(role="assistant", content=""))

    def more(self, delta: Delta) -> list[shapes.ChunkChoice]:
        """What more of the answer adds."""
        self._text += delta.text
        part = AnswerPart() if self._is_forced else self._reader.feed(delta.text)
        logprobs = None
        if self._plan.body.logprobs and delta.logprobs:
            logprobs = chat_logprobs(self._services.engine.encoder, delta.logprobs)
        return self._parts(part, logprobs)

    def end(self, answer: Answer) -> list[shapes.ChunkChoice]:
        """What the end of the answer adds; its reason is in the last part."""
        parts = self.more(Delta(answer.text[len(self._text) :], ()))
        rest = _read(self._plan, answer.text) if self._is_forced else self._reader.finish()
        parts += self._parts(rest, None)
        reason = _reason(self._plan, answer, self._calls > 0)
        last = shapes.ChunkChoice(self._place, shapes.ChatDelta(), finish_reason=reason)
        last.stop_reason = answer.stop_string or UNSET
        return [*parts, last]

    def _parts(
        self, part: AnswerPart, logprobs: shapes.ChatLogprobs | None
    ) -> list[shapes.ChunkChoice]:
        deltas = []
        if part.thought:
            deltas.append(shapes.ChatDelta(reasoning_content=part.thought))
        if part.said or (logprobs and not part.thought):
            deltas.append(shapes.ChatDelta(content=part.said))
        for call in part.calls:
            shape = _shape(call)
            shape.index, self._calls = self._calls, self._calls + 1
            deltas.append(shapes.ChatDelta(tool_calls=[shape]))
        choices = [shapes.ChunkChoice(self._place, delta) for delta in deltas]
        if choices:
            choices[0].logprobs = logprobs
        return choices


def _shape(call: ParsedCall) -> shapes.ToolCall:
    return shapes.ToolCall(call.id, shapes.FunctionCall(call.name, call.arguments))
