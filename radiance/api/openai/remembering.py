"""What memory has to do with /v1: which bodies are plain questions, and how its part is told."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar

from radiance.api.memory_notes import Recollection
from radiance.api.openai.models import SERVING
from radiance.api.openai.parameters import Shared
from radiance.api.openai.shapes import ChatChunk, TextCompletion
from radiance.api.recall import Room, mode_of, recall
from radiance.api.services import Services
from radiance.engine.requests import Weights
from radiance.records import Message

C = TypeVar("C", ChatChunk, TextCompletion)
_TURN = {"role", "content"}
_ROLES = ("system", "user", "assistant")


async def recalled_by(
    services: Services,
    body: Shared,
    turns: Sequence[Mapping[str, Any]],
    weights: Weights,
    limit: int | None,
) -> Recollection:
    """What becomes of a body; as it is, where it is not one plain question to what serves.

    Args:
        services: The running service's.
        body: As it was sent.
        turns: What is said; none: it is no question, whatever the body says.
        weights: What would answer.
        limit: Most tokens of the answer.

    Raises:
        RequestError: It names weights and asks for memory.
    """
    is_named = body.asked_model not in (None, SERVING)
    mode = mode_of(services, body.memory, "pending", is_named=is_named)
    is_chat = all(turn.keys() == _TURN and turn["role"] in _ROLES for turn in turns)
    if not is_chat or body.choices > 1 or body.logit_bias:
        mode = "off"
    said = [Message(turn["role"], turn["content"]) for turn in turns] if is_chat else []
    return await recall(services, said, weights, mode, Room(limit, body.stops))


async def noted(chunks: AsyncGenerator[C, None], recalled: Recollection) -> AsyncGenerator[C, None]:
    """The chunks of a stream, the first of which tells memory's part; closes ``chunks``."""
    note = recalled.note
    async with aclosing(chunks) as given:
        async for chunk in given:
            if note is not None:
                chunk.radiance, note = note, None
            yield chunk
