"""The answer of POST /v1/responses as it grows from a chat's, and an event for each step."""

import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import msgspec

from radiance.api.errors import OpenAIErrorAnswer, response_to
from radiance.api.openai import shapes as chat
from radiance.api.openai.responses.shapes import (
    IncompleteDetails,
    InputTokens,
    ModelResponse,
    OutputMessage,
    OutputText,
    OutputTokens,
    Reasoning,
    ResponseCall,
    ResponseEvent,
    ResponseUsage,
    Status,
    ThoughtText,
)
from radiance.errors import RadianceError

CountTokens = Callable[[str], int]


class ResponseWriter:
    """Writes one response; the same whether it comes whole or in parts.

    Attributes:
        response: What is known of it at the beginning; it is filled in.
    """

    def __init__(self, response: ModelResponse, count_tokens: CountTokens) -> None:
        self.response = response
        self._count_tokens = count_tokens
        self._events = 0
        self._open: OutputMessage | Reasoning | None = None
        self._logprobs: list[chat.ChatLogprob] = []  # of what is not told yet

    def begin(self, chunk: chat.ChatChunk | chat.ChatCompletion) -> list[ResponseEvent]:
        """The answer begins; ``chunk`` says whose it is, and what memory had to do with it."""
        self.response.model = chunk.model
        self.response.radiance = chunk.radiance
        return [
            self._event("response.created", response=self.response),
            self._event("response.in_progress", response=self.response),
        ]

    def add(
        self, part: chat.ChatDelta | chat.ChatMessage, logprobs: chat.ChatLogprobs | None
    ) -> list[ResponseEvent]:
        """A part more of it: what is thought, then said, then called."""
        told: list[ResponseEvent] = []
        if part.reasoning_content:
            told += self._think(part.reasoning_content)
        self._logprobs += logprobs.content if logprobs else []
        if part.content:
            told += self._say(part.content)
        for call in part.tool_calls or ():
            told += self._call(call)
        return told

    def end(self, *, is_cut_off: bool, usage: chat.Usage) -> list[ResponseEvent]:
        """The answer has ended, cut off by ``max_output_tokens`` or not."""
        told: list[ResponseEvent] = []
        if not self.response.output:
            told += self._say("")
        told += self._close("incomplete" if is_cut_off else "completed")
        response = self.response
        response.status = "incomplete" if is_cut_off else "completed"
        response.incomplete_details = IncompleteDetails() if is_cut_off else None
        response.usage = self._usage(usage)
        return [*told, self._event(f"response.{response.status}", response=response)]

    def fail(self, error: RadianceError) -> ResponseEvent:
        """It went wrong on the way; the status is sent already."""
        body = bytes(response_to(error, "/v1/responses").body)
        told = msgspec.json.decode(body, type=OpenAIErrorAnswer).error
        return self._event("error", code=told.code, message=told.message, param=told.param)

    def _think(self, text: str) -> list[ResponseEvent]:
        told: list[ResponseEvent] = []
        if not isinstance(self._open, Reasoning):
            told = self._open_item(Reasoning(id=_new_id("rs"), content=[ThoughtText("")]))
        assert isinstance(self._open, Reasoning)
        self._open.content[0].text += text
        return [*told, self._of_part("response.reasoning_text.delta", delta=text)]

    def _say(self, text: str) -> list[ResponseEvent]:
        told: list[ResponseEvent] = []
        if not isinstance(self._open, OutputMessage):
            told = self._open_item(OutputMessage(id=_new_id("msg"), content=[OutputText(text="")]))
        assert isinstance(self._open, OutputMessage)
        part = self._open.content[0]
        logprobs, self._logprobs = self._logprobs, []
        part.text += text
        part.logprobs += logprobs
        if text:
            told.append(self._of_part("response.output_text.delta", delta=text, logprobs=logprobs))
        return told

    def _call(self, call: chat.ToolCall) -> list[ResponseEvent]:
        told = self._close("completed")
        name, arguments = call.function.name, call.function.arguments
        item = ResponseCall(id=_new_id("fc"), call_id=call.id, name=name, arguments=arguments)
        begun = msgspec.structs.replace(item, arguments="", status="in_progress")
        self.response.output.append(item)
        place = {"output_index": self._place, "item_id": item.id}
        kind = "response.function_call_arguments"
        return [
            *told,
            self._event("response.output_item.added", output_index=self._place, item=begun),
            self._event(f"{kind}.delta", delta=arguments, **place),
            self._event(f"{kind}.done", name=name, arguments=arguments, **place),
            self._event("response.output_item.done", output_index=self._place, item=item),
        ]

    def _open_item(self, item: OutputMessage | Reasoning) -> list[ResponseEvent]:
        told = self._close("completed")
        item.status = "in_progress"
        self._open = item
        self.response.output.append(item)
        empty = msgspec.structs.replace(item, content=[])
        part = msgspec.structs.replace(item.content[0])
        return [
            *told,
            self._event("response.output_item.added", output_index=self._place, item=empty),
            self._of_part("response.content_part.added", part=part),
        ]

    def _close(self, status: Status) -> list[ResponseEvent]:
        item = self._open
        if item is None:
            return []
        item.status = status
        part = item.content[0]
        if isinstance(part, OutputText):
            part.logprobs += self._logprobs
            said = {"text": part.text, "logprobs": part.logprobs}
            done = self._of_part("response.output_text.done", **said)
        else:
            done = self._of_part("response.reasoning_text.done", text=part.text)
        part_done = self._of_part("response.content_part.done", part=part)
        self._open = None
        item_done = self._event("response.output_item.done", output_index=self._place, item=item)
        return [done, part_done, item_done]

    @property
    def _place(self) -> int:
        return len(self.response.output) - 1

    def _of_part(self, kind: str, **fields: Any) -> ResponseEvent:
        assert self._open is not None
        place = {"output_index": self._place, "item_id": self._open.id, "content_index": 0}
        return self._event(kind, **place, **fields)

    def _event(self, kind: str, **fields: Any) -> ResponseEvent:
        self._events += 1
        return ResponseEvent(type=kind, sequence_number=self._events - 1, **fields)

    def _usage(self, usage: chat.Usage) -> ResponseUsage:
        thoughts = [item for item in self.response.output if isinstance(item, Reasoning)]
        thought = sum(self._count_tokens(part.text) for item in thoughts for part in item.content)
        return ResponseUsage(
            usage.prompt_tokens,
            InputTokens(usage.prompt_tokens_details.cached_tokens),
            usage.completion_tokens,
            OutputTokens(min(thought, usage.completion_tokens)),
            usage.total_tokens,
        )


def written(completion: chat.ChatCompletion, writer: ResponseWriter) -> ModelResponse:
    """The whole response of a chat's answer."""
    (choice,) = completion.choices
    assert isinstance(completion.usage, chat.Usage)
    writer.begin(completion)
    writer.add(choice.message, choice.logprobs)
    writer.end(is_cut_off=choice.finish_reason == "length", usage=completion.usage)
    return writer.response


async def events_of(
    chunks: AsyncGenerator[chat.ChatChunk, None], writer: ResponseWriter
) -> AsyncGenerator[ResponseEvent, None]:
    """The events of a chat's chunks, the last of which counts the tokens; closes ``chunks``."""
    has_begun, is_cut_off = False, False
    try:
        async with aclosing(chunks) as told:
            async for chunk in told:
                if not has_begun:
                    has_begun = True
                    for event in writer.begin(chunk):
                        yield event
                for choice in chunk.choices:
                    is_cut_off |= choice.finish_reason == "length"
                    for event in writer.add(choice.delta, choice.logprobs):
                        yield event
                if isinstance(chunk.usage, chat.Usage):
                    for event in writer.end(is_cut_off=is_cut_off, usage=chunk.usage):
                        yield event
    except RadianceError as error:
        yield writer.fail(error)


def _new_id(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(12)}"
