"""Log-probabilities of given texts, from one set of weights."""

import asyncio
from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from radiance.api.services import Services
from radiance.api.weights import weights_of
from radiance.engine.requests import Scored, Scoring, Weights
from radiance.errors import Cancelled

_DISCONNECT_POLL_S = 0.1


async def scores_of(
    request: Request, services: Services, texts: Sequence[Sequence[int]], weights: Weights, top: int
) -> tuple[list[Scored], Weights]:
    """The log-probabilities of texts, and the exact weights that have them.

    Raises:
        Unavailable: The engine is not running.
        Cancelled: The client went away.
    """
    task = services.engine.score([Scoring(text, weights) for text in texts], top)
    waiting = asyncio.ensure_future(run_in_threadpool(lambda: task.result))
    try:
        while not (await asyncio.wait({waiting}, timeout=_DISCONNECT_POLL_S))[0]:
            if await request.is_disconnected():
                raise Cancelled("the client went away")
    finally:
        if not waiting.done():
            task.cancel()
    found = waiting.result()
    if weights.kind not in ("base", "checkpoint"):
        weights = await weights_of(services, found[0].checkpoint_id or "base")
    return found, weights
