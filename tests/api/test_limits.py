"""Limits that are checked before work: what no context can hold is refused, and nobody waits."""

import gzip
import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from radiance import limits
from radiance.engine.model.control_tokens import ControlTokens, Hidden
from radiance.examples import admission
from radiance.records.text import forbidden
from tests.support import ApiError, Client, Running

LONG = "a" * 7_000_000
CHAT = [{"role": "user", "content": LONG}]


def refused(client: Client, path: str, body: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(ApiError) as caught:
        client.post(path, body)
    return caught.value.status, caught.value.error


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/search", {"prompt": LONG}, 413),
        ("/search", {"prompt": LONG, "memory": "always"}, 413),
        ("/v1/chat/completions", {"messages": CHAT}, 400),
        ("/v1/completions", {"prompt": LONG}, 400),
        ("/v1/completions", {"prompt": [1] * 100_000}, 400),
        ("/update", {"examples": [{"input": LONG, "output": "b"}]}, 413),
        ("/update", {"examples": [{"text": LONG}]}, 413),
        ("/alphas/generate", {"prompt": LONG}, 413),
    ],
)
def test_a_text_that_no_context_holds_is_never_tokenized_nor_looked_through(
    shared_service: Running,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    body: dict[str, Any],
    status: int,
) -> None:
    encoded: list[int] = []
    encode, plain = ControlTokens.encode, ControlTokens.plain

    def watched(self: ControlTokens, text: str, hidden: Hidden) -> list[int]:
        encoded.append(len(text))
        return encode(self, text, hidden)

    def watched_plain(self: ControlTokens, text: str) -> list[int]:
        encoded.append(len(text))
        return plain(self, text)

    def looked_through(text: str) -> str | None:
        encoded.append(len(text))
        return forbidden(text)

    monkeypatch.setattr(admission, "forbidden", looked_through)
    monkeypatch.setattr(ControlTokens, "encode", watched)
    monkeypatch.setattr(ControlTokens, "plain", watched_plain)
    got, error = refused(shared_service.client, path, body)
    assert got == status
    assert len(json.dumps(error)) < 4000
    assert max(encoded, default=0) <= shared_service.service.services.engine.encoder.most_characters


def test_one_request_asks_for_so_many_answers_and_no_more(shared_service: Running) -> None:
    client, most = shared_service.client, limits.REQUEST_ROWS.value
    for prompts, n in ((most + 1, 1), (most // 2 + 1, 2), (2, most)):
        body = {"prompt": ["Hi"] * prompts, "n": n, "max_tokens": 1}
        status, error = refused(client, "/v1/completions", body)
        assert (status, error["param"]) == (400, "prompt")
    assert (
        len(client.post("/v1/completions", {"prompt": ["Hi"] * 9, "max_tokens": 1})["choices"]) == 9
    )


@pytest.mark.parametrize("html", [False, True])
@pytest.mark.parametrize(
    "path",
    [
        "/checkpoints?limit=",
        "/feedback?limit=",
        "/jobs?limit=",
        "/audit?limit=",
        "/audit?before=",
        "/v1/files?limit=",
        "/v1/fine_tuning/jobs?limit=",
    ],
)
@pytest.mark.parametrize("given", ["9" * 5000, "9" * 4300, "%D9%A3", "-1", "+1", "1_0", ""])
def test_a_number_that_is_none_is_refused(
    shared_service: Running, path: str, given: str, html: bool
) -> None:
    headers = {"Accept": "text/html" if html else "application/json"}
    status, _ = fetched(shared_service.client, "GET", path + given, headers)
    # Some are pages for a browser, which show what there is.
    assert status == 400 or (html and status == 200)


def fetched(
    client: Client, method: str, path: str, headers: dict[str, str], body: bytes | None = None
) -> tuple[int, str]:
    request = urllib.request.Request(client.url + path, body, headers, method=method)
    try:
        with client.open(request) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/models/nobody", 404),
        ("GET", "/v1/files?limit=-1", 400),
        ("GET", "/v1/fine_tuning/jobs/ftjob-x", 404),
        ("GET", "/v1/nowhere", 404),
        ("POST", "/v1/chat/completions", 400),
        ("PUT", "/v1/models", 405),
    ],
)
def test_an_error_of_openais_api_is_json_for_a_browser_too(
    shared_service: Running, method: str, path: str, status: int
) -> None:
    body = b"{}" if method == "POST" else None
    got, text = fetched(shared_service.client, method, path, {"Accept": "text/html"}, body)
    assert got == status
    assert set(json.loads(text)["error"]) == {"message", "type", "param", "code"}


def test_what_an_error_repeats_of_a_request_is_cut(shared_service: Running) -> None:
    body = {"prompt": "Hi", "x" * 1_000_000: 1}
    status, error = refused(shared_service.client, "/search", body)
    assert (status, len(json.dumps(error)) < 4000) == (400, True)
    assert "is not a known field" in error["message"]


@pytest.mark.parametrize(
    "head",
    [
        "GET /health HTTP/1.1\r\n",
        "GET /health HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n",
        "GET /health HTTP/1.1\r\nHost: evil.example@127.0.0.1\r\n",
        "GET /health HTTP/1.1\r\nHost: localhost/evil\r\n",
        "GET /health HTTP/1.1\r\nHost: localhost#evil\r\n",
    ],
)
def test_a_host_is_named_once_and_is_a_name(shared_service: Running, head: str) -> None:
    where = urlsplit(shared_service.client.url)
    with socket.create_connection((where.hostname, where.port), 30) as connection:
        connection.sendall(f"{head}Connection: close\r\n\r\n".encode())
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 400 ")


def test_a_question_in_an_address_is_not_answered_to_an_image_of_another_site(
    shared_service: Running,
) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Accept": "text/html"}
    client, path = shared_service.client, "/ask?prompt=Hello"
    embedded = elsewhere | {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert fetched(client, "GET", path, embedded)[0] == 403
    assert fetched(client, "GET", path, elsewhere | {"Sec-Fetch-Mode": "navigate"})[0] == 200
    assert fetched(client, "GET", "/ask", embedded)[0] == 200


@pytest.mark.parametrize(
    ("path", "methods"),
    [("/canary", "DELETE, GET, HEAD, POST"), ("/feedback", "GET, HEAD, POST")],
)
def test_a_method_that_is_not_taken_names_all_that_are(
    shared_service: Running, path: str, methods: str
) -> None:
    request = urllib.request.Request(shared_service.client.url + path, method="PATCH")
    with pytest.raises(urllib.error.HTTPError) as caught:
        shared_service.client.open(request)
    with caught.value as error:
        assert (error.status, error.headers["Allow"]) == (405, methods)


def test_what_is_decompressed_counts_among_the_bodies_under_way(
    shared_service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four million spaces arrive as four thousand bytes; another's body is under way, too."""
    client = shared_service.client
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    body = json.dumps({"prompt": "Hi", "max_tokens": 1}).encode() + b" " * 4_000_000
    packed = gzip.compress(body)
    small = limits.BODIES_BYTES._replace(value=1_000_000)
    monkeypatch.setattr(limits, "BODIES_BYTES", small)

    def post() -> Any:
        return client.call("POST", "/search", raw=packed, headers=headers)["response"]

    assert post() is not None  # one alone may be as large as the settings let it
    where = urlsplit(client.url)
    with socket.create_connection((where.hostname, where.port), 60) as other:
        head = b"POST /search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n"
        other.sendall(head + b" " * 199_999)
        error = next(filter(None, (_refusal(post) for _ in range(100))))  # once that has arrived
        assert (error.status, "Retry-After" in error.headers) == (429, True)
        assert client.ask("Hi", max_tokens=1)["response"] is not None  # small ones have room
    monkeypatch.undo()
    assert post() is not None


def test_what_a_huge_body_took_is_given_back_to_the_system(
    shared_service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = threading.Event()
    monkeypatch.setattr("radiance.platform.give_back_memory", given.set)
    given.wait(0.5)  # of another test's
    given.clear()
    shared_service.client.ask("Hi", max_tokens=1)
    assert not given.wait(0.5), "of a small one there is nothing to give"
    assert refused(shared_service.client, "/search", {"prompt": LONG})[0] == 413
    assert given.wait(60)


def _refusal(post: Callable[[], Any]) -> ApiError | None:
    try:
        post()
    except ApiError as error:
        return error
    return None
