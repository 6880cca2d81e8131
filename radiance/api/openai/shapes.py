"""What /v1 answers with, in OpenAI's shapes."""

import secrets
import time
from typing import Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from radiance.api.memory_notes import MemoryNote

FinishReason = Literal["stop", "length", "tool_calls"]


class CachedTokens(msgspec.Struct):
    """How many of the prompt's tokens were known from an earlier request."""

    cached_tokens: int


class Usage(msgspec.Struct):
    """Tokens counted; each prompt once, whatever ``n``."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: CachedTokens


class TopLogprob(msgspec.Struct):
    """A likely token in a token's place; log-probabilities in nats."""

    token: str
    logprob: float
    bytes: list[int]


class ChatLogprob(msgspec.Struct):
    """A token of the answer, with the likeliest in its place."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[TopLogprob]


class ChatLogprobs(msgspec.Struct):
    """The tokens of the answer; there are no refusals."""

    content: list[ChatLogprob]
    refusal: None = None


class FunctionCall(msgspec.Struct):
    """Which function to call, with its arguments as JSON text."""

    name: str
    arguments: str


class ToolCall(msgspec.Struct):
    """A call that the model made; ``index`` only in streams."""

    id: str
    function: FunctionCall
    type: Literal["function"] = "function"
    index: int | UnsetType = UNSET


class ChatMessage(msgspec.Struct):
    """The answer; content is null where there are only calls.

    Attributes:
        reasoning_content: What the model thought before, where it does that.
    """

    content: str | None
    role: Literal["assistant"] = "assistant"
    refusal: None = None
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCall] | UnsetType = UNSET


class ChatChoice(msgspec.Struct):
    """One of ``n`` answers; ``stop_reason`` is vLLM's: the stop text that ended it, if one did."""

    index: int
    message: ChatMessage
    finish_reason: FinishReason
    logprobs: ChatLogprobs | None = None
    stop_reason: str | UnsetType = UNSET


class ChatCompletion(msgspec.Struct):
    """The answer of POST /v1/chat/completions.

    Attributes:
        radiance: The part that memory had in it, where it had one.
        system_fingerprint: The base's and the adapter's content hashes: with a seed, equal requests
            have equal answers while it is the same.
    """

    id: str
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChatChoice]
    usage: Usage
    object: Literal["chat.completion"] = "chat.completion"
    service_tier: Literal["default"] | UnsetType = UNSET
    metadata: dict[str, str] | UnsetType = UNSET
    radiance: MemoryNote | UnsetType = UNSET


class ChatDelta(msgspec.Struct):
    """What a chunk adds to the answer."""

    role: Literal["assistant"] | UnsetType = UNSET
    content: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[ToolCall] | UnsetType = UNSET


class ChunkChoice(msgspec.Struct):
    """What a chunk adds to one of ``n`` answers; ``stop_reason`` as of whole ones."""

    index: int
    delta: ChatDelta
    logprobs: ChatLogprobs | None = None
    finish_reason: FinishReason | None = None
    stop_reason: str | UnsetType = UNSET


class ChatChunk(msgspec.Struct):
    """One event of a stream; ``usage`` is there where it was asked for, null but in the last.

    Attributes:
        radiance: In the first one, the part that memory had, where it had one.
    """

    id: str
    created: int
    model: str
    system_fingerprint: str
    choices: list[ChunkChoice]
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    usage: Usage | UnsetType | None = UNSET
    radiance: MemoryNote | UnsetType = UNSET


class TextLogprobs(msgspec.Struct):
    """The tokens of a text, in parallel lists; nothing predicts the first of a prompt.

    Attributes:
        top_logprobs: The likeliest tokens in each one's place, and itself. A token that is no whole
            character is written as its bytes, in OpenAI's way.
        text_offset: Where each token begins in ``text``, in characters.
    """

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None]
    text_offset: list[int]


class TextChoice(msgspec.Struct):
    """One of the answers; ``finish_reason`` is null but in a stream's last chunk."""

    index: int
    text: str
    logprobs: TextLogprobs | None = None
    finish_reason: Literal["stop", "length"] | None = None


class TextCompletion(msgspec.Struct):
    """The answer of POST /v1/completions, and one event of its stream.

    Attributes:
        radiance: As of chats.
    """

    id: str
    created: int
    model: str
    system_fingerprint: str
    choices: list[TextChoice]
    object: Literal["text_completion"] = "text_completion"
    usage: Usage | UnsetType | None = UNSET
    radiance: MemoryNote | UnsetType = UNSET


class Model(msgspec.Struct):
    """Weights that can be asked.

    Attributes:
        created: Seconds since 1970.
        root: The base model.
        parent: The checkpoint it continues from; null for the base.
        max_model_len: Longest prompt and answer together, in tokens.
    """

    id: str
    created: int
    root: str
    parent: str | None
    max_model_len: int
    object: Literal["model"] = "model"
    owned_by: Literal["radiance"] = "radiance"


class ModelList(msgspec.Struct):
    """The answer of GET /v1/models."""

    data: list[Model]
    object: Literal["list"] = "list"


class Stamp(NamedTuple):
    """The id of a completion, and when it was made, in seconds since 1970."""

    id: str
    created: int


class Signature(NamedTuple):
    """The fields that every completion and every chunk begins with."""

    id: str
    created: int
    model: str
    system_fingerprint: str


def new_stamp(kind: str) -> Stamp:
    """A stamp of now; ``kind`` begins the id."""
    return Stamp(f"{kind}-{secrets.token_hex(12)}", int(time.time()))
