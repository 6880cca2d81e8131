"""The fallback chain against real servers on loopback: one slow, one failing, one good."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from radiance.config import ChainSettings, UpstreamSettings
from radiance.errors import ConfigError, Overloaded, RequestError, Unavailable
from radiance.fallback.chain import Chain
from radiance.fallback.providers import UpstreamRequest

KEY = "sk-very-secret-key-17"
ASKED = UpstreamRequest((("system", "Be brief."), ("user", "Hello?")), 16, 0.5)


class Server:
    """An upstream that behaves as it is told, and remembers what it was asked."""

    def __init__(self, behaviour: str) -> None:
        self.behaviour = behaviour
        self.asked: list[tuple[str, dict[str, str], Any]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.asked.append((self.path, dict(self.headers), body))
                outer.reply(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        self.stopping = threading.Event()

    def reply(self, handler: BaseHTTPRequestHandler) -> None:
        status, text = 200, f"answer of {self.behaviour}"
        body: Any = {"choices": [{"message": {"content": text}}]}
        match self.behaviour:
            case "anthropic":
                body = {"content": [{"type": "text", "text": text}]}
            case "failing":
                status, body = 500, {"error": f"bad key {KEY}"}
            case "nonsense":
                body = {"choices": []}
            case "empty":
                body = {"choices": [{"message": {"content": " "}}]}
            case "slow":
                self.stopping.wait(30)
        data = json.dumps(body).encode()
        try:
            handler.send_response(status)
            handler.send_header("content-length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)
        except OSError:
            pass  # whoever asked has gone

    def stop(self) -> None:
        self.stopping.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def upstream(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Make upstreams: ``upstream("good")`` gives its settings; ``.servers`` has what they heard."""
    monkeypatch.setenv("TEST_UPSTREAM_KEY", KEY)
    servers: dict[str, Server] = {}

    def make(behaviour: str, **options: Any) -> UpstreamSettings:
        servers[behaviour] = Server(behaviour)
        kind = "anthropic" if behaviour == "anthropic" else "openai"
        given: dict[str, Any] = {"kind": kind, "timeout_s": 1.0, **options}
        return UpstreamSettings(
            name=behaviour,
            url=servers[behaviour].url,
            model="some-model",
            key_env="TEST_UPSTREAM_KEY",
            **given,
        )

    make.servers = servers  # type: ignore[attr-defined]
    yield make
    for server in servers.values():
        server.stop()


async def fails() -> str:
    raise Overloaded("too much is waiting")


def answer(chain: Chain, local: Any = fails, **options: Any) -> Any:
    return asyncio.run(chain.answer(local, ASKED, **options))


def test_the_good_one_answers_within_the_deadline_and_no_key_is_told(upstream, caplog):
    caplog.set_level(logging.DEBUG)
    links = (upstream("slow"), upstream("failing"), upstream("good"))
    chain = Chain(
        ChainSettings(upstreams=links, deadline_s=6, breaker_failures=2, breaker_seconds=60)
    )
    began = time.monotonic()
    found = answer(chain)
    assert (found.value, found.provider) == ("answer of good", "good")
    assert time.monotonic() - began < 6
    assert [name for name, _ in found.tried] == ["local", "slow", "failing"]
    assert chain.states()[0].failure_ratio > 0
    answer(chain)
    assert [state.state for state in chain.states()] == ["open", "open", "closed"]
    third = answer(chain)
    assert [reason for _, reason in third.tried[1:]] == ["its circuit breaker is open"] * 2
    assert len(upstream.servers["failing"].asked) == 2
    told = caplog.text + repr(found) + repr(third) + repr(chain.states()) + repr(vars(chain).keys())
    assert "upstream_failed" in caplog.text or "breaker" in told
    assert KEY not in told
    assert upstream.servers["good"].asked[0][1]["authorization"] == f"Bearer {KEY}"


def test_both_protocols_are_spoken(upstream):
    found = answer(Chain(ChainSettings(upstreams=(upstream("anthropic"),))))
    assert found.value == "answer of anthropic"
    path, headers, body = upstream.servers["anthropic"].asked[0]
    headers = {name.lower(): value for name, value in headers.items()}
    assert (path, headers["x-api-key"]) == ("/v1/messages", KEY)
    assert headers["anthropic-version"]
    assert body["system"] == "Be brief."
    assert body["messages"] == [{"role": "user", "content": "Hello?"}]
    answer(Chain(ChainSettings(upstreams=(upstream("good"),))))
    path, _, body = upstream.servers["good"].asked[0]
    assert path == "/v1/chat/completions"
    assert body == {
        "model": "some-model",
        "max_tokens": 16,
        "temperature": 0.5,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello?"},
        ],
    }


def test_without_upstreams_only_the_local_model_is_asked():
    chain = Chain(ChainSettings())
    with pytest.raises(Overloaded):
        answer(chain)

    async def local() -> str:
        return "mine"

    assert answer(chain, local).provider == "local"


def test_what_is_not_good_enough_goes_on_and_the_local_answer_is_the_last_resort(upstream):
    async def local() -> str:
        return "poor"

    chain = Chain(ChainSettings(upstreams=(upstream("good"),)))

    def accepts(value: str) -> str | None:
        return None if value.startswith("answer") else "it is poor"

    found = answer(chain, local, accepts=accepts)
    assert (found.provider, found.tried) == ("good", (("local", "it is poor"),))
    found = answer(chain, local, accepts=lambda _: "never enough")
    assert (found.value, found.provider) == ("poor", "local")


def test_order_follows_cost_or_health_and_the_local_model_may_be_last(upstream):
    links = (upstream("failing", cost=1.0), upstream("good", cost=3.0))
    cheap = Chain(ChainSettings(upstreams=links[::-1], order="cost"))
    assert [state.name for state in cheap.states()] == ["failing", "good"]
    healthy = Chain(ChainSettings(upstreams=links, order="health", local="last"))
    assert answer(healthy).tried[0][0] == "failing"
    assert answer(healthy).tried == ()


def test_a_request_that_is_wrong_is_nobody_elses_business(upstream):
    async def wrong() -> str:
        raise RequestError("prompt: is blank.")

    with pytest.raises(RequestError):
        answer(Chain(ChainSettings(upstreams=(upstream("good"),))), wrong)
    assert upstream.servers["good"].asked == []


def test_if_nobody_answers_the_local_error_is_told(upstream):
    links = (upstream("nonsense"), upstream("empty"))
    with pytest.raises(Overloaded, match="too much"):
        answer(Chain(ChainSettings(upstreams=links)))

    async def stuck() -> str:
        await asyncio.sleep(60)
        return ""

    with pytest.raises(Unavailable, match="not of its protocol"):
        answer(Chain(ChainSettings(upstreams=links, deadline_s=1.5)), stuck)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"url": "http://api.example.com/v1"}, "clear text"),
        ({"url": "ftp://127.0.0.1/"}, "clear text"),
        ({"key_env": "NO_SUCH_KEY_IS_SET"}, "NO_SUCH_KEY_IS_SET is not set"),
    ],
)
def test_an_upstream_that_would_leak_or_has_no_key_is_refused(fields, says):
    given: dict[str, Any] = {"name": "x", "kind": "openai", "model": "m"}
    given |= {"url": "https://api.example.com"} | fields
    with pytest.raises(ConfigError, match=says):
        Chain(ChainSettings(upstreams=(UpstreamSettings(**given),)))
