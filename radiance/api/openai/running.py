"""Several requests to the engine for one HTTP request, all on the same weights."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from starlette.requests import Request

from radiance.api.services import Services
from radiance.api.streaming import answer_of, events_of
from radiance.api.weights import weights_of
from radiance.engine import requests as engine
from radiance.engine.requests import Answer, Delta, Started, Weights

_MOST_AT_ONCE = 64  # of one HTTP request, so that a list of a thousand prompts leaves others room

Event = Started | Delta | Answer


async def answers_of(
    request: Request, services: Services, wanted: Sequence[engine.Request]
) -> list[Answer]:
    """The answers, in the order asked. What is raised is that of ``events_of_all``."""
    if len(wanted) == 1:
        return [await answer_of(request, services, wanted[0])]
    async with aclosing(events_of_all(request, services, wanted)) as events:
        answers = {place: event async for place, event in events if isinstance(event, Answer)}
    return [answers[place] for place in range(len(wanted))]


async def begin(
    request: Request, services: Services, wanted: Sequence[engine.Request]
) -> tuple[Started, AsyncGenerator[tuple[int, Event], None]]:
    """The first one's ``Started``, and ``events_of_all`` from there on."""
    events = events_of_all(request, services, wanted)
    _, started = await anext(events)
    assert isinstance(started, Started)
    return started, events


async def events_of_all(
    request: Request, services: Services, wanted: Sequence[engine.Request]
) -> AsyncGenerator[tuple[int, Event], None]:
    """What happens to each request, by its place; the first event is the first one's ``Started``.

    All are answered by the weights that the first one is given: a swap in between changes nothing.
    If one fails or the client goes away, all are given up.

    Raises:
        Overloaded: Too many requests are in flight or waiting.
        Unavailable: The engine is not running.
        RequestError: The engine cannot do what is asked.
        Cancelled: The client went away.
    """
    async with aclosing(events_of(request, services, wanted[0])) as first:
        started = await anext(first)
        assert isinstance(started, Started)
        yield 0, started
        if len(wanted) == 1:
            async for event in first:
                yield 0, event
            return
        weights = await _pinned(services, wanted[0].weights, started)
        events: asyncio.Queue[tuple[int, Event | BaseException | None]] = asyncio.Queue()
        gate = asyncio.Semaphore(_MOST_AT_ONCE)

        async def pump(place: int, one: engine.Request | None) -> None:
            try:
                async with gate:
                    source = first if one is None else events_of(request, services, one)
                    async with aclosing(source) as told:
                        async for event in told:
                            events.put_nowait((place, event))
            except Exception as error:  # noqa: BLE001 - raised where the events are read
                events.put_nowait((place, error))
            else:
                events.put_nowait((place, None))

        rest = [replace(one, weights=weights) for one in wanted[1:]]
        pumps = [asyncio.create_task(pump(n, one)) for n, one in enumerate([None, *rest])]
        try:
            left = len(pumps)
            while left:
                place, event = await events.get()
                if isinstance(event, BaseException):
                    raise event
                if event is None:
                    left -= 1
                else:
                    yield place, event
        finally:
            for task in pumps:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)


async def _pinned(services: Services, asked: Weights, started: Started) -> Weights:
    """The weights that a request was given, by name."""
    if asked.kind in ("base", "checkpoint"):
        return asked
    return await weights_of(services, started.checkpoint_id or "base")
