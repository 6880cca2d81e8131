"""Texts of clients to tokens, without holding up the event loop, whatever they send."""

from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool

from radiance.api.services import Services
from radiance.records import Message

_MOST_AT_ONCE = 4096  # characters: within a millisecond, less than another thread costs


async def prompt_tokens(services: Services, turns: Sequence[Message]) -> list[int]:
    """Tokens that ask for the next turn; see ``Encoder.prompt``.

    Raises:
        TooLarge: No room is left in the context for an answer.
    """
    encode = services.engine.encoder.prompt
    if sum(len(turn.content) for turn in turns) <= _MOST_AT_ONCE:
        return encode(turns)
    return await run_in_threadpool(encode, turns)
