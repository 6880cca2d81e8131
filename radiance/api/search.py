"""POST /search: a prompt in, an answer and the checkpoint that gave it out."""

import time
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.requests import Request

from radiance.api.memory_notes import DocumentMatch, MemoryMatch, Recollection, Source
from radiance.api.recall import Room, mode_of, recall
from radiance.api.services import services_of
from radiance.api.streaming import answer_of
from radiance.api.tokens import prompt_tokens
from radiance.api.weights import caller_of, key_of, weights_of
from radiance.config import MemoryMode
from radiance.engine import requests
from radiance.errors import RequestError
from radiance.fallback.chain import LOCAL
from radiance.fallback.providers import UpstreamRequest
from radiance.records import CheckpointStatus, Message

_STATUSES = [*CheckpointStatus, "upstream", "memory"]
_Status = Annotated[str, Meta(extra_json_schema={"enum": _STATUSES})]


class SearchBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /search; no checkpoint means the one that serves."""

    prompt: Annotated[str, Meta(min_length=1)]
    max_tokens: Annotated[int, Meta(ge=1)] = 256
    temperature: Annotated[float, Meta(ge=0, le=10)] = 0.2
    use_training_adapter: bool = False
    checkpoint: Annotated[str, Meta(min_length=1)] | None = None
    memory: MemoryMode | None = None


class SearchAnswer(msgspec.Struct):
    """An answer, and the checkpoint that gave it; null is the base, an upstream, or memory.

    Attributes:
        source: Whether it is the text of an accepted example or of a document, or weights or an
            upstream gave it.
        matches: The example that was asked for, or those that the question could mean.
        passage: Of a document, where it answers.
    """

    response: str
    checkpoint: str | None
    checkpoint_status: _Status
    latency_ms: float
    finish_reason: Literal["stop", "length"]
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    adapter_hash: str
    provider: str
    source: Source = "weights"
    matches: list[MemoryMatch] = []
    passage: DocumentMatch | None = None


async def search(request: Request, body: SearchBody) -> SearchAnswer:
    """Answer a prompt from what serves, from a checkpoint, or from the live training weights."""
    services = services_of(request)
    if not body.prompt.strip():
        raise RequestError.of("prompt", "is blank", body.prompt, "Send a prompt with some text.")
    context = services.engine.encoder.context_tokens
    if body.max_tokens > context:
        raise RequestError.of(
            "max_tokens",
            f"is {body.max_tokens}, and the model's context is {context} tokens",
            body.max_tokens,
            f"Send at most {context}.",
        )
    if body.use_training_adapter and body.checkpoint not in (None, "training"):
        raise RequestError.of(
            "checkpoint",
            "contradicts use_training_adapter",
            body.checkpoint,
            "Send one of the two.",
        )
    name = "training" if body.use_training_adapter else body.checkpoint
    turns = [Message("user", body.prompt)]
    weights = await weights_of(services, name, caller=caller_of(request))
    mode = mode_of(services, body.memory, "always", is_named=name is not None)
    began = time.monotonic()
    recalled = await recall(services, turns, weights, mode, Room(body.max_tokens))
    if recalled.text is not None:
        return _of_memory(recalled.text, recalled, time.monotonic() - began)
    tokens = await prompt_tokens(services, recalled.turns)
    wanted = requests.Request(
        tokens=tokens,
        max_tokens=min(body.max_tokens, context - len(tokens)),
        sampling=requests.Sampling(temperature=body.temperature),
        weights=recalled.weights,
        caller=key_of(request),
    )
    asked = UpstreamRequest((("user", body.prompt),), body.max_tokens, body.temperature)
    given = await services.chain.answer(lambda: answer_of(request, services, wanted), asked)
    answer = given.value
    if isinstance(answer, str):
        return _of_upstream(answer, given.provider, time.monotonic() - began)
    return SearchAnswer(
        response=answer.text,
        checkpoint=answer.checkpoint_id,
        checkpoint_status=answer.checkpoint_status,
        latency_ms=round(answer.latency_s * 1000, 1),
        finish_reason=answer.finish_reason,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=len(answer.tokens),
        cached_tokens=answer.cached_tokens,
        adapter_hash=answer.adapter_hash,
        provider=given.provider,
        matches=list(recalled.note.matches) if recalled.note else [],
    )


def _of_memory(text: str, recalled: Recollection, seconds: float) -> SearchAnswer:
    """The same fields of an answer that was looked up."""
    answer = _of_upstream(text, LOCAL, seconds)
    answer.checkpoint_status = answer.source = "memory"
    if recalled.note is not None:
        answer.matches, answer.passage = list(recalled.note.matches), recalled.note.passage
    return answer


def _of_upstream(text: str, provider: str, seconds: float) -> SearchAnswer:
    """The same fields of an answer that no weights of ours gave."""
    return SearchAnswer(
        response=text,
        checkpoint=None,
        checkpoint_status="upstream",
        latency_ms=round(seconds * 1000, 1),
        finish_reason="stop",
        prompt_tokens=0,
        completion_tokens=0,
        cached_tokens=0,
        adapter_hash="",
        provider=provider,
        source="upstream",
    )
