"""The fallback chain for /v1: where it answers in our place, in the same shapes.

Passed on is only what an upstream can be asked just as well: turns of text, or a text to continue,
with a temperature and a limit of tokens. What else a body asks for (tools, a form, stop texts,
log-probabilities, named weights) is the local model's alone: nothing is dropped in silence.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from msgspec import UNSET

from radiance.api.openai import shapes
from radiance.api.openai.models import SERVING
from radiance.api.openai.parameters import Shared
from radiance.fallback.providers import UpstreamRequest

_PASSED_ON = frozenset(
    ("messages", "prompt", "max_tokens", "max_completion_tokens", "temperature", "n", "model")
)
# These change nothing in an answer.
_ASIDE = frozenset(
    (
        *("stream", "stream_options", "user", "safety_identifier", "prompt_cache_key"),
        *("metadata", "service_tier", "modalities", "store", "memory"),
    )
)
_TURN = {"role", "content"}
_NOTHING = shapes.Usage(0, 0, 0, shapes.CachedTokens(0))  # usage is of this machine's tokens


def can_pass_on(body: Shared) -> bool:
    """Whether an upstream can be asked all that a body asks for."""
    given = {name for name in body.__struct_fields__ if getattr(body, name) is not None}
    is_serving = body.model in (None, SERVING)
    return given <= _PASSED_ON | _ASIDE and body.choices == 1 and is_serving


def chat_asked(
    body: Shared, turns: Sequence[Mapping[str, Any]], max_tokens: int
) -> UpstreamRequest | None:
    """A chat for an upstream; None where only the local model can be asked it."""
    if not can_pass_on(body) or any(turn.keys() != _TURN for turn in turns):
        return None
    said = tuple((turn["role"], turn["content"]) for turn in turns)
    return UpstreamRequest(said, max_tokens, 1.0 if body.temperature is None else body.temperature)


def text_asked(body: Shared, prompt: Any, max_tokens: int) -> UpstreamRequest | None:
    """A text for an upstream to continue; None where only the local model can be asked it."""
    if not can_pass_on(body) or not isinstance(prompt, str) or not prompt:
        return None
    temperature = 1.0 if body.temperature is None else body.temperature
    return UpstreamRequest((("user", prompt),), max_tokens, temperature, continues=True)


def chat_completion(text: str, signature: shapes.Signature) -> shapes.ChatCompletion:
    """An upstream's answer to a chat."""
    choice = shapes.ChatChoice(0, shapes.ChatMessage(text), "stop")
    return shapes.ChatCompletion(*signature, choices=[choice], usage=_NOTHING)


def text_completion(text: str, signature: shapes.Signature) -> shapes.TextCompletion:
    """An upstream's continuation of a text."""
    choice = shapes.TextChoice(0, text, finish_reason="stop")
    return shapes.TextCompletion(*signature, choices=[choice], usage=_NOTHING)


async def chat_chunks(
    text: str, signature: shapes.Signature, *, wants_usage: bool
) -> AsyncGenerator[shapes.ChatChunk, None]:
    """An upstream's answer as a stream: it came whole, and goes on whole."""
    usage = None if wants_usage else UNSET
    choices = [
        shapes.ChunkChoice(0, shapes.ChatDelta(role="assistant", content="")),
        shapes.ChunkChoice(0, shapes.ChatDelta(content=text)),
        shapes.ChunkChoice(0, shapes.ChatDelta(), finish_reason="stop"),
    ]
    for choice in choices:
        yield shapes.ChatChunk(*signature, choices=[choice], usage=usage)
    if wants_usage:
        yield shapes.ChatChunk(*signature, choices=[], usage=_NOTHING)


async def text_chunks(
    text: str, signature: shapes.Signature, *, wants_usage: bool
) -> AsyncGenerator[shapes.TextCompletion, None]:
    """An upstream's continuation as a stream."""
    choice = shapes.TextChoice(0, text, finish_reason="stop")
    usage = None if wants_usage else UNSET
    yield shapes.TextCompletion(*signature, choices=[choice], usage=usage)
    if wants_usage:
        yield shapes.TextCompletion(*signature, choices=[], usage=_NOTHING)
