"""What POST /v1/responses answers with; calls, thoughts and texts may be sent back as they are."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from radiance.api.memory_notes import MemoryNote
from radiance.api.openai.formats import NamedSchema, ObjectFormat, TextFormat
from radiance.api.openai.shapes import CachedTokens, ChatLogprob
from radiance.api.openai.tools import ChosenName, Function

Status = Literal["in_progress", "completed", "incomplete"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
_Nothing = Annotated[list[Any], Meta(max_length=0)]


class ResponseTool(Function, tag_field="type", tag="function", forbid_unknown_fields=True):
    """A function that may be called; there are no other tools."""


class ChosenFunction(ChosenName, tag_field="type", tag="function", forbid_unknown_fields=True):
    """The function that must be called."""


class ResponseSchema(NamedSchema, tag_field="type", tag="json_schema", forbid_unknown_fields=True):
    """JSON that fits a schema."""


class TextOptions(msgspec.Struct, forbid_unknown_fields=True):
    """The form of the answer.

    Attributes:
        verbosity: Only medium, the usual one.
    """

    format: TextFormat | ObjectFormat | ResponseSchema = msgspec.field(default_factory=TextFormat)
    verbosity: Literal["medium"] = "medium"


class ReasoningOptions(msgspec.Struct, forbid_unknown_fields=True):
    """Whether a model that can think before it answers is to do so.

    Attributes:
        effort: "none": it is not; the others mean the same.
        summary: Only auto: thoughts are told as they are, and never summed up.
    """

    effort: Effort | None = None
    summary: Literal["auto"] | None = None


class _Item(
    msgspec.Struct, tag_field="type", tag=str.lower, forbid_unknown_fields=True, kw_only=True
):
    id: str = ""
    status: Status = "completed"


class OutputText(
    msgspec.Struct, tag_field="type", tag="output_text", forbid_unknown_fields=True, kw_only=True
):
    """A text of the assistant's, with the log-probabilities of its tokens where asked for."""

    text: str
    annotations: _Nothing = []
    logprobs: list[ChatLogprob] = []


class ThoughtText(
    msgspec.Struct, tag_field="type", tag="reasoning_text", forbid_unknown_fields=True
):
    """A text that the model thought."""

    text: str


class Reasoning(_Item, tag="reasoning"):
    """What the model thought before it answered; nothing of it is summed up or encrypted."""

    summary: list[Any] = []
    content: list[ThoughtText] = []
    encrypted_content: None = None


class ResponseCall(_Item, tag="function_call"):
    """A call that the model made; ``arguments`` are JSON text."""

    call_id: str
    name: str
    arguments: str


class OutputMessage(_Item, tag="message"):
    """What the model said."""

    content: list[OutputText]
    role: Literal["assistant"] = "assistant"


OutputItem = OutputMessage | Reasoning | ResponseCall


class InputTokens(CachedTokens):
    """Of the prompt's tokens, those known before; none are charged for being kept."""

    cache_write_tokens: int = 0


class OutputTokens(msgspec.Struct):
    """Of the answer's tokens, those of what the model thought."""

    reasoning_tokens: int


class ResponseUsage(msgspec.Struct):
    """Tokens counted."""

    input_tokens: int
    input_tokens_details: InputTokens
    output_tokens: int
    output_tokens_details: OutputTokens
    total_tokens: int


class IncompleteDetails(msgspec.Struct):
    """Why an answer was cut off."""

    reason: Literal["max_output_tokens"] = "max_output_tokens"


class ModelResponse(msgspec.Struct, kw_only=True):
    """The answer of POST /v1/responses; what was asked stands in it again.

    Attributes:
        created_at: Seconds since 1970.
        radiance: The part that memory had in it, where it had one.
    """

    id: str
    created_at: int
    model: str
    status: Status
    output: list[OutputItem]
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str]
    parallel_tool_calls: bool
    reasoning: ReasoningOptions
    temperature: float
    text: TextOptions
    tool_choice: Literal["none", "auto", "required"] | ChosenFunction
    tools: list[ResponseTool]
    top_logprobs: int
    top_p: float
    user: str | None
    usage: ResponseUsage | None = None
    incomplete_details: IncompleteDetails | None = None
    object: Literal["response"] = "response"
    background: Literal[False] = False
    error: None = None
    previous_response_id: None = None
    service_tier: Literal["default"] = "default"
    store: Literal[False] = False
    truncation: Literal["disabled"] = "disabled"
    radiance: MemoryNote | UnsetType = UNSET


class ResponseEvent(msgspec.Struct, kw_only=True):
    """An event of the stream, as OpenAI has them: what begins, what it adds, what ends.

    Attributes:
        code: Of an error, as ``message`` and ``param``.
    """

    type: str
    sequence_number: int = 0
    response: ModelResponse | UnsetType = UNSET
    output_index: int | UnsetType = UNSET
    item: OutputItem | UnsetType = UNSET
    item_id: str | UnsetType = UNSET
    content_index: int | UnsetType = UNSET
    part: OutputText | ThoughtText | UnsetType = UNSET
    delta: str | UnsetType = UNSET
    text: str | UnsetType = UNSET
    logprobs: list[ChatLogprob] | UnsetType = UNSET
    name: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET
    code: str | UnsetType | None = UNSET
    message: str | UnsetType = UNSET
    param: str | UnsetType | None = UNSET
