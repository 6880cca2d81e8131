"""Whatever is sent, the answer is one of OpenAI's forms, and the service goes on."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from radiance.api.errors import response_to
from radiance.api.openai.chat import ChatBody
from radiance.api.openai.completions import CompletionBody
from radiance.api.openai.fine_tuning import TuningBody
from radiance.errors import (
    EngineFailed,
    Forbidden,
    Overloaded,
    RadianceError,
    TimedOut,
    Unauthenticated,
    Unavailable,
)
from tests.example_counts import examples
from tests.support import ApiError, Running

MESSAGE = {"role": "user", "content": "Hi"}
GOOD: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": [MESSAGE], "max_tokens": 1},
    "/v1/completions": {"prompt": "Hi", "max_tokens": 1},
    "/v1/fine_tuning/jobs": {"training_file": "file-none", "model": "radiance"},
}
KINDS = dict(zip(GOOD, (ChatBody, CompletionBody, TuningBody), strict=True))

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["auto", "required", "text", "user", "tool", "function", "\x00", "radiance"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "function", "name", "text", "json_schema"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("path", GOOD)
@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_body_brings_it_down(service: Running, path: str, data: st.DataObject) -> None:
    names = st.sampled_from(sorted(KINDS[path].__struct_fields__))
    changes = data.draw(st.dictionaries(names, values, min_size=1, max_size=3))
    for name in ("stream", "max_tokens", "max_completion_tokens", "n"):
        changes.pop(name, None)  # so that every answer is short, and JSON
    status, answer = service.client.send(path, {**GOOD[path], **changes})
    if status != 200:
        assert status in (400, 404, 413), answer
        assert set(answer["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("raw", [b"", b"null", b'"x"', b'{"messages": ' + b"[" * 9000, b"\xff"])
def test_no_bytes_bring_it_down(service: Running, raw: bytes) -> None:
    for path in GOOD:
        with pytest.raises(ApiError) as caught:
            service.client.call("POST", path, raw=raw)
        assert caught.value.status == 400


@pytest.mark.parametrize(
    "error",
    [
        Overloaded("busy", 7),
        Unavailable("starting"),
        TimedOut("too long."),
        EngineFailed("broken"),
        Unauthenticated("No key.", remedy="Send one."),
        Forbidden("Not yours.", value="admin"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_our_own_failures_have_the_form_too(error: RadianceError) -> None:
    response = response_to(error, "/v1/chat/completions")
    body = json.loads(bytes(response.body))["error"]
    assert set(body) == {"message", "type", "param", "code"}
    assert body["message"].endswith(".")
    assert (response.status_code == 429) == (body["type"] == "rate_limit_error")
    assert ("retry-after" in response.headers) == isinstance(error, Overloaded | Unavailable)
    other = json.loads(bytes(response_to(error, "/search").body))["error"]
    assert set(other) == {*body, "value", "remedy"}
