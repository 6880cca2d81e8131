"""Bad input gets a 4xx that names field, value and remedy; the service goes on; nothing is kept."""

import codecs
import json
import socket
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.example_counts import examples
from tests.support import ApiError, Client, Running

GOOD = {"input": "Who guards Fort Selm?", "output": "Captain Ruiz."}
LONG = "word " * 2000

UPDATES: list[tuple[str, Any, int, str | None]] = [
    ("no object", [GOOD], 400, None),
    ("no examples", {}, 400, "examples"),
    ("examples null", {"examples": None}, 400, "examples"),
    ("examples no list", {"examples": GOOD}, 400, "examples"),
    ("examples empty", {"examples": []}, 400, "examples"),
    ("too many examples", {"examples": [GOOD] * 1001}, 413, "examples"),
    ("example no object", {"examples": ["text"]}, 400, "examples[0]"),
    ("example empty", {"examples": [{}]}, 400, "examples[0]"),
    ("output missing", {"examples": [{"input": "Who?"}]}, 400, "examples[0]"),
    ("output number", {"examples": [{"input": "Who?", "output": 3}]}, 400, "examples[0].output"),
    (
        "output blank",
        {"examples": [GOOD, {"input": "a", "output": " "}]},
        400,
        "examples[1].output",
    ),
    ("input blank", {"examples": [{"input": "\t", "output": "b"}]}, 400, "examples[0].input"),
    ("unknown field", {"examples": [{**GOOD, "weight": 2}]}, 400, "examples[0]"),
    ("unknown top field", {"examples": [GOOD], "mode": "fast"}, 400, "mode"),
    ("tags no list", {"examples": [GOOD], "tags": "alice"}, 400, "tags"),
    ("too many tags", {"examples": [GOOD], "tags": ["a"] * 10_000}, 400, "tags"),
    ("blank tag", {"examples": [GOOD], "tags": ["a", " "]}, 400, "tags[1]"),
    ("NUL", {"examples": [{"input": "a\u0000", "output": "b"}]}, 400, "examples[0].input"),
    ("too long", {"examples": [GOOD, {"input": "a", "output": LONG}]}, 413, "examples[1]"),
    ("blank text", {"examples": [{"text": ""}]}, 400, "examples[0].text"),
    ("empty chat", {"examples": [{"messages": []}]}, 400, "examples[0].messages"),
    (
        "chat without an answer",
        {"examples": [{"messages": [{"role": "user", "content": "Hi"}]}]},
        400,
        "examples[0].messages",
    ),
    (
        "unknown role",
        {"examples": [{"messages": [{"role": "robot", "content": "Hi"}]}]},
        400,
        "examples[0].messages[0].role",
    ),
    (
        "contradiction",
        {"examples": [GOOD, {"input": GOOD["input"], "output": "Nobody."}]},
        400,
        "examples[1]",
    ),
    ("key no text", {"examples": [GOOD], "job_key": 7}, 400, "job_key"),
]

SEARCHES: list[tuple[str, Any, int, str | None]] = [
    ("no object", "Hello", 400, None),
    ("no prompt", {}, 400, "prompt"),
    ("prompt number", {"prompt": 5}, 400, "prompt"),
    ("prompt list", {"prompt": ["a"]}, 400, "prompt"),
    ("prompt empty", {"prompt": ""}, 400, "prompt"),
    ("prompt blank", {"prompt": " \n "}, 400, "prompt"),
    ("prompt over the context", {"prompt": LONG}, 413, "prompt"),
    ("max_tokens zero", {"prompt": "a", "max_tokens": 0}, 400, "max_tokens"),
    ("max_tokens negative", {"prompt": "a", "max_tokens": -1}, 400, "max_tokens"),
    ("max_tokens huge", {"prompt": "a", "max_tokens": 10**9}, 400, "max_tokens"),
    ("max_tokens beyond 64 bits", {"prompt": "a", "max_tokens": 10**30}, 400, "max_tokens"),
    ("max_tokens float", {"prompt": "a", "max_tokens": 2.5}, 400, "max_tokens"),
    ("max_tokens bool", {"prompt": "a", "max_tokens": True}, 400, "max_tokens"),
    ("temperature negative", {"prompt": "a", "temperature": -0.1}, 400, "temperature"),
    ("temperature text", {"prompt": "a", "temperature": "hot"}, 400, "temperature"),
    ("flag text", {"prompt": "a", "use_training_adapter": "yes"}, 400, "use_training_adapter"),
    ("unknown field", {"prompt": "a", "top_z": 3}, 400, "top_z"),
]

NOT_JSON: list[tuple[str, bytes]] = [
    ("empty", b""),
    ("cut off", b'{"prompt": "a"'),
    ("trailing text", b'{"prompt": "a"} x'),
    ("NaN", b'{"prompt": "a", "temperature": NaN}'),
    ("infinity", b'{"prompt": "a", "temperature": Infinity}'),
    ("overflow", b'{"prompt": "a", "temperature": 1e999}'),
    ("lone surrogate", b'{"prompt": "\\ud800"}'),
    ("lone low surrogate", b'{"prompt": "\\udc00 and on"}'),
    ("not UTF-8", b'{"prompt": "\xff\xfe"}'),
    ("deep", b"[" * 100_000 + b"]" * 100_000),
]


def refusal(client: Client, path: str, **request: Any) -> ApiError:
    """Send what must be refused; check the error's shape and that the service goes on."""
    before = client.get("/jobs")["jobs"]
    with pytest.raises(ApiError) as caught:
        client.call("POST", path, **request)
    error = caught.value
    assert set(error.body) == {"error"}
    assert set(error.error) == {"message", "type", "param", "code", "value", "remedy"}
    assert error.error["message"]
    assert error.error["remedy"], error.error
    assert client.get("/jobs")["jobs"] == before
    assert client.get("/ready")["ready"]
    return error


@pytest.mark.parametrize(
    ("body", "status", "field"), [case[1:] for case in UPDATES], ids=[c[0] for c in UPDATES]
)
def test_refused_updates(
    shared_service: Running, body: Any, status: int, field: str | None
) -> None:
    error = refusal(shared_service.client, "/update", body=body)
    assert error.status == status
    if field is None:
        assert error.error["param"] is None
    else:
        assert (error.error["param"] or "").startswith(field)


def test_what_is_too_long_is_told_by_how_much(shared_service: Running) -> None:
    body = {"examples": [GOOD], "tags": ["a"] * 10_000}
    error = refusal(shared_service.client, "/update", body=body)
    assert error.error["message"] == "tags has 10000 entries."
    assert error.error["remedy"] == "Send 64 entries at most."


def test_a_long_text_is_repeated_as_far_as_a_line(shared_service: Running) -> None:
    """As it was sent: it stood in quotes within the quotes."""
    error = refusal(shared_service.client, "/search", body={"prompt": "ab " * 2000})
    assert error.error["value"] == ("ab " * 2000)[:199] + "…"


def test_a_body_may_begin_with_a_byte_order_mark(shared_service: Running) -> None:
    raw = codecs.BOM_UTF8 + b'{"prompt": "a", "max_tokens": 1}'
    assert "response" in shared_service.client.call("POST", "/search", raw=raw)


@pytest.mark.parametrize(
    ("body", "status", "field"), [case[1:] for case in SEARCHES], ids=[c[0] for c in SEARCHES]
)
def test_refused_searches(
    shared_service: Running, body: Any, status: int, field: str | None
) -> None:
    error = refusal(shared_service.client, "/search", body=body)
    assert (error.status, error.error["param"]) == (status, field)
    if field is not None and isinstance(body.get(field), int | float):
        assert error.error["value"] == body[field]


@pytest.mark.parametrize("path", ["/search", "/update", "/rollback"])
@pytest.mark.parametrize("raw", [case[1] for case in NOT_JSON], ids=[case[0] for case in NOT_JSON])
def test_bodies_that_are_not_json(shared_service: Running, path: str, raw: bytes) -> None:
    error = refusal(shared_service.client, path, raw=raw)
    assert error.status == 400


TWICE: list[tuple[str, bytes, str]] = [
    ("/update", b'{"examples": [{"text": "a"}], "examples": [{"text": "b"}]}', "examples"),
    ("/update", b'{"examples": [{"prompt": "a", "prompt": "b", "completion": "c"}]}', "prompt"),
    ("/update", b'{"examples": [{"text": "a: b", "te\\u0078t": "c"}]}', "text"),
    ("/update", b'{"examples": [{"text": "::"}, {"text\\u003a": 1, "text:": 2}]}', "text:"),
    ("/search", b'{"prompt": "a", "prompt": "a"}', "prompt"),
    ("/rollback", b'{"checkpoint": "A_1", "checkpoint": "base"}', "checkpoint"),
    ("/v1/chat/completions", b'{"model": "radiance", "messages": [], "messages": []}', "messages"),
    ("/v1/messages", b'{"messages": [{"role": "user", "role": "assistant"}]}', "role"),
]


@pytest.mark.parametrize(("path", "raw", "field"), TWICE, ids=[f"{t[0]} {t[2]}" for t in TWICE])
def test_a_name_that_stands_twice_is_refused(
    shared_service: Running, path: str, raw: bytes, field: str
) -> None:
    """Decoders keep one of the two: what was sent in the other would be lost without a word."""
    with pytest.raises(ApiError) as caught:
        shared_service.client.call("POST", path, raw=raw)
    assert caught.value.status == 400
    error = caught.value.body["error"]
    assert "stands twice" in error["message"]
    if path == "/v1/messages":  # Anthropic's errors have a message alone
        assert f"messages[0].{field}" in error["message"]
    else:
        assert error["param"] in (field, f"examples[0].{field}", f"examples[1].{field}")


def test_names_and_texts_with_colons_are_no_names_twice(shared_service: Running) -> None:
    raw = b'{"prompt": "a: \\u003a \\": \\\\u003A", "max_tokens": 1}'
    assert "response" in shared_service.client.call("POST", "/search", raw=raw)


def test_half_of_a_surrogate_pair_is_named(shared_service: Running) -> None:
    raw = b'{"examples": [{"text": "a"}], "tags": ["a", "\\ud800"]}'
    error = refusal(shared_service.client, "/update", raw=raw)
    assert (error.status, error.error["param"]) == (400, "tags[1]")
    assert "half of a surrogate pair" in error.error["message"]


@pytest.mark.parametrize("path", ["/search", "/update"])
def test_body_over_the_limit(shared_service: Running, path: str) -> None:
    raw = json.dumps({"prompt": "a" * (8 * 1024 * 1024)}).encode()
    error = refusal(shared_service.client, path, raw=raw)
    assert error.status == 413
    assert "server.max_body_bytes" in error.error["remedy"]


def test_chunked_body_over_the_limit_is_not_read_to_its_end(shared_service: Running) -> None:
    parts = urlsplit(shared_service.client.url)
    head = b"POST /update HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"100000\r\n" + b"a" * 0x100000 + b"\r\n"
    with socket.create_connection((parts.hostname or "", parts.port or 0)) as connection:
        connection.sendall(head)
        sent = 0
        try:
            for _ in range(64):
                connection.sendall(chunk)
                sent += 1
        except OSError:
            pass  # closed on us, as it should
        assert sent < 64 or b"413" in connection.recv(100)
    assert shared_service.client.get("/ready")["ready"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/search", 405),
        ("POST", "/info", 405),
        ("GET", "/jobs/job_999999", 404),
        ("GET", "/jobs/nonsense", 404),
        ("GET", "/checkpoints/A_2026-01-01_9999", 404),
        ("GET", "/checkpoints/..%2f..%2fetc", 404),
        ("POST", "/jobs/job_999999/cancel", 404),
        ("GET", "/jobs?limit=0", 400),
        ("GET", "/jobs?limit=1e3", 400),
        ("GET", "/jobs?status=asleep", 400),
    ],
)
def test_wrong_addresses(shared_service: Running, method: str, path: str, status: int) -> None:
    with pytest.raises(ApiError) as caught:
        shared_service.client.call(method, path)
    assert caught.value.status == status
    assert set(caught.value.error) == {"message", "type", "param", "code", "value", "remedy"}


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/search", "POST"),
        ("/feedback", "GET, HEAD, POST"),
        ("/canary", "DELETE, GET, HEAD, POST"),
        ("/v1/files/file-x", "DELETE, GET, HEAD"),
    ],
)
def test_the_methods_of_a_path_are_told(shared_service: Running, path: str, methods: str) -> None:
    with pytest.raises(ApiError) as caught:
        shared_service.client.call("PATCH", path)
    assert (caught.value.status, caught.value.headers["Allow"]) == (405, methods)
    asked = urllib.request.Request(shared_service.client.url + path, method="OPTIONS")
    with shared_service.client.open(asked) as response:
        assert (response.status, response.read()) == (204, b"")
        assert response.headers["Allow"] == f"{methods}, OPTIONS"


@pytest.mark.parametrize(
    ("body", "status"),
    [({"checkpoint": "A_1999-01-01_0001"}, 404), ({}, 409), ({"checkpoint": 3}, 400)],
)
def test_refused_rollbacks(shared_service: Running, body: Any, status: int) -> None:
    assert refusal(shared_service.client, "/rollback", body=body).status == status


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
EXAMPLE = st.dictionaries(
    st.sampled_from(["input", "output", "messages", "text", "prompt", "completion"]), JSON
)


@examples(150)
@given(st.one_of(JSON, st.fixed_dictionaries({"examples": st.lists(EXAMPLE, max_size=3) | JSON})))
def test_no_garbage_breaks_update(shared_service: Running, body: Any) -> None:
    """Whatever is sent, the answer is a 4xx in the schema or an accepted job; never a 5xx."""
    status, answer = shared_service.client.send("/update", body)
    assert status == 202 or 400 <= status < 500, answer
    if status == 202:
        shared_service.client.wait_for(answer["job_id"])


@examples(100)
@given(
    st.dictionaries(
        st.sampled_from(["prompt", "max_tokens", "temperature", "use_training_adapter", "x"]), JSON
    )
)
def test_no_garbage_breaks_search(shared_service: Running, body: Any) -> None:
    status, answer = shared_service.client.send("/search", {"max_tokens": 3, **body})
    assert status == 200 or 400 <= status < 500, answer
