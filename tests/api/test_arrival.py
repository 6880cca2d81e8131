"""Large bodies are looked into one after another, small ones at once."""

import asyncio
import threading
from typing import Any

import pytest
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from radiance.api import arrival
from radiance.api.arrival import BodyGuard
from radiance.api.bodies import read_json
from radiance.errors import RequestError
from radiance.records import json_text

FAULTY = b'{"a": "%s", "a": 1}'
LARGE, SMALL = b'"%s"' % (b"a" * (1 << 15)), b'"a"'


class Requests:
    """Requests to a guarded application that reads them and answers once it is told to."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self._goes_on: dict[str, asyncio.Event] = {}
        self.now = 0.0
        self._guard = BodyGuard(self._answer, timeout_s=60, clock=lambda: self.now)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await read_json(request, 1 << 20)
        self.read.append(scope["path"])
        await self._goes_on[scope["path"]].wait()

    async def send(self, name: str, body: bytes) -> asyncio.Task[None]:
        """The request under way, as far as it comes by itself."""
        self._goes_on[name] = asyncio.Event()
        scope = {"type": "http", "method": "POST", "path": name, "headers": []}

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            raise AssertionError(message)

        task = asyncio.create_task(self._guard(scope, receive, send))
        await come_round()
        return task

    async def end(self, name: str, task: asyncio.Task[None]) -> None:
        self._goes_on[name].set()
        await task
        await come_round()


async def come_round() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def test_large_bodies_are_read_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "_TURN_S", 3600)

    async def run() -> None:
        requests = Requests()
        first, second = [await requests.send(name, LARGE) for name in ("first", "second")]
        small = await requests.send("small", SMALL)
        assert requests.read == ["first", "small"]
        await requests.end("first", first)
        assert requests.read == ["first", "small", "second"]
        await requests.end("small", small)
        await requests.end("second", second)

    asyncio.run(run())


def test_after_a_large_body_the_loop_is_others_for_as_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "_TURN_S", 3600)
    paused: list[float] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        requests = Requests()
        first, second = [await requests.send(name, LARGE) for name in ("first", "second")]
        later = loop.call_later

        def noted(delay: float, *call: Any) -> asyncio.TimerHandle:
            paused.append(delay)
            return later(0, *call)

        monkeypatch.setattr(loop, "call_later", noted)
        requests.now += 7.0
        await requests.end("first", first)
        assert requests.read == ["first", "second"]
        await requests.end("second", second)

    asyncio.run(run())
    assert paused[0] == 7.0


def test_a_large_body_has_its_turn_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrival, "_TURN_S", 0)

    async def run() -> None:
        requests = Requests()
        tasks = {name: await requests.send(name, LARGE) for name in ("first", "second")}
        while len(requests.read) < 2:  # noqa: ASYNC110 - the first is not answered yet
            await asyncio.sleep(0)
        for name, task in tasks.items():
            await requests.end(name, task)

    asyncio.run(run())


def test_who_goes_away_while_waiting_leaves_the_turn_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(arrival, "_TURN_S", 3600)

    async def run() -> None:
        requests = Requests()
        first, second = [await requests.send(name, LARGE) for name in ("first", "second")]
        second.cancel()
        await come_round()
        await requests.end("first", first)
        third = await requests.send("third", LARGE)
        assert requests.read == ["first", "third"]
        await requests.end("third", third)

    asyncio.run(run())


def test_large_bodies_are_searched_for_what_stands_twice_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    searched: list[int] = []
    find, goes_on = json_text.find_fault, threading.Event()

    def waiting(text: bytes) -> json_text.Fault | None:
        searched.append(len(text))
        if len(text) > len(LARGE):
            assert goes_on.wait(60)
        return find(text)

    monkeypatch.setattr(json_text, "find_fault", waiting)

    async def run() -> None:
        requests = Requests()
        large, small = FAULTY % LARGE.strip(b'"'), FAULTY % b"b"
        tasks = [await requests.send(str(number), large) for number in range(3)]
        with pytest.raises(RequestError, match="stands twice"):
            await (await requests.send("small", small))
        while len(searched) < 2:  # noqa: ASYNC110 - the large one's thread may be late
            await asyncio.sleep(0)
        assert sorted(searched) == [len(small), len(large)]
        goes_on.set()
        for task in tasks:
            with pytest.raises(RequestError, match="stands twice"):
                await task
        assert len(searched) == 4

    asyncio.run(run())
