"""The fallback chain behind /v1: an upstream on loopback answers OpenAI's own client."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import openai
import pytest

from radiance import config
from radiance.api.openai import fallback, origin
from radiance.api.openai.chat import ChatBody
from radiance.api.openai.completions import CompletionBody
from tests.support import start_service

SAID: list[tuple[str, Any]] = []
QUESTION: list[Any] = [{"role": "user", "content": "Who are you?"}]


class Upstream(BaseHTTPRequestHandler):
    """Says which protocol it was asked in."""

    def do_POST(self) -> None:
        SAID.append((self.path, json.loads(self.rfile.read(int(self.headers["content-length"])))))
        chat = {"message": {"content": "a chat's answer"}}
        choice = chat if self.path.endswith("/chat/completions") else {"text": " a text's end"}
        data = json.dumps({"choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def client(
    tmp_path_factory: pytest.TempPathFactory, brief: dict[str, Any]
) -> Iterator[openai.OpenAI]:
    """Of a service that asks its own model last."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    links = [
        {"name": "claude", "kind": "anthropic", "url": "http://127.0.0.1:9", "model": "c"},
        {"name": "other", "kind": "openai", "url": url, "model": "m"},
    ]
    settings = {"chain.upstreams": links, "chain.local": "last", **brief}
    running = start_service(config.load(tmp_path_factory.mktemp("root"), settings))
    with openai.OpenAI(
        base_url=f"{running.client.url}/v1", api_key="none needed", max_retries=0
    ) as found:
        yield found
    running.stop()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_chat_is_answered_by_the_upstream_whole_and_as_a_stream(client):
    SAID.clear()
    raw = client.chat.completions.with_raw_response.create(
        model="radiance", messages=QUESTION, max_tokens=7, temperature=0.5
    )
    assert raw.headers[origin.PROVIDER] == "other"
    found = raw.parse()
    assert found.choices[0].message.content == "a chat's answer"
    assert (found.model, found.choices[0].finish_reason) == ("upstream:other", "stop")
    assert found.usage is not None
    assert found.usage.total_tokens == 0
    path, body = SAID[-1]
    assert path == "/v1/chat/completions"
    assert body == {"model": "m", "max_tokens": 7, "temperature": 0.5, "messages": QUESTION}
    chunks = list(
        client.chat.completions.create(
            model="radiance",
            messages=QUESTION,
            max_tokens=7,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert "".join(c.choices[0].delta.content or "" for c in chunks[:-1]) == "a chat's answer"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert {chunk.model for chunk in chunks} == {"upstream:other"}


def test_a_text_is_continued_by_whoever_can_continue_texts(client):
    SAID.clear()
    found = client.completions.create(model="radiance", prompt="Once", max_tokens=4)
    assert found.choices[0].text == " a text's end"
    assert SAID == [
        ("/v1/completions", {"model": "m", "max_tokens": 4, "temperature": 1.0, "prompt": "Once"})
    ]
    chunks = list(client.completions.create(model="radiance", prompt="Once", stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == " a text's end"
    assert chunks[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    "more",
    [
        {"stop": ["x"]},
        {"logprobs": True},
        {"seed": 1},
        {"n": 2},
        {"model": "radiance:base"},
        {"response_format": {"type": "json_object"}},
        {"messages": [*QUESTION, {"role": "assistant", "content": "I", "name": "me"}, *QUESTION]},
    ],
)
def test_what_an_upstream_cannot_be_asked_stays_here(client: Any, more: Any):
    SAID.clear()
    raw = client.chat.completions.with_raw_response.create(
        **{"model": "radiance", "messages": QUESTION, "max_tokens": 4, **more}
    )
    assert raw.headers[origin.PROVIDER] == "local"
    assert raw.parse().model == "radiance:base"
    assert SAID == []


def test_every_parameter_is_passed_on_or_keeps_a_body_here():
    """A parameter that comes later is the local model's until somebody decides otherwise."""
    known = {"messages", "prompt", "max_tokens", "max_completion_tokens", "temperature"}
    known |= {"n", "model", "stream", "stream_options", "user", "safety_identifier"}
    known |= {"prompt_cache_key", "metadata", "service_tier", "modalities", "store", "memory"}
    bodies: tuple[Any, ...] = (ChatBody(messages=[]), CompletionBody())
    for body in bodies:
        for name in set(body.__struct_fields__) - known:
            changed = msgspec.structs.replace(body, **{name: 1})
            assert fallback.can_pass_on(body)
            assert not fallback.can_pass_on(changed), name
