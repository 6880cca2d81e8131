"""Anthropic's own client against a real service."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import ApiError, Running

if TYPE_CHECKING:
    import anthropic

HI: Any = [{"role": "user", "content": "Hi"}]
GREEDY: Any = {"extra_body": {"temperature": 0}}  # newer clients name it no more
TOOL: Any = {
    "name": "lamp",
    "description": "Switches a lamp.",
    "input_schema": {
        "type": "object",
        "properties": {"is_on": {"type": "boolean"}},
        "required": ["is_on"],
        "additionalProperties": False,
    },
}


@pytest.fixture(scope="module")
def client(shared_service: Running) -> "Iterator[anthropic.Anthropic]":
    import anthropic  # takes two seconds, in every process that collects tests

    with anthropic.Anthropic(
        base_url=shared_service.client.url, api_key="none", max_retries=0
    ) as client:
        yield client


def test_a_message_is_answered(client: "anthropic.Anthropic") -> None:
    answer = client.messages.create(
        model="radiance", max_tokens=5, **GREEDY, system="Be brief.", messages=HI
    )
    assert (answer.type, answer.role, answer.model) == ("message", "assistant", "radiance:base")
    assert [part.type for part in answer.content] == ["text"]
    assert answer.stop_reason in ("end_turn", "max_tokens")
    assert answer.usage.output_tokens <= 5


def test_a_stream_is_the_same_answer(client: "anthropic.Anthropic") -> None:
    asked: Any = {"model": "radiance:base", "max_tokens": 20, **GREEDY, "messages": HI}
    whole = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == whole.content[0].text  # type: ignore[union-attr]
    assert [part.type for part in final.content] == ["text"]
    assert final.stop_reason == whole.stop_reason
    assert final.usage.output_tokens == whole.usage.output_tokens


@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_is_called_and_its_result_taken(client: "anthropic.Anthropic", stream: bool) -> None:
    asked: Any = {
        "model": "radiance", "max_tokens": 100, **GREEDY, "tools": [TOOL],
        "tool_choice": {"type": "tool", "name": "lamp"},
    }  # fmt: skip
    if stream:
        with client.messages.stream(**asked, messages=HI) as told:
            answer: Any = told.get_final_message()
    else:
        answer = client.messages.create(**asked, messages=HI)
    (call,) = [part for part in answer.content if part.type == "tool_use"]
    assert call.name == "lamp"
    assert set(call.input) == {"is_on"}
    result = {"type": "tool_result", "tool_use_id": call.id, "content": [
        {"type": "text", "text": "It is on.", "cache_control": {"type": "ephemeral"}}]}  # fmt: skip
    turns: Any = [
        *HI,
        {"role": "assistant", "content": [part.model_dump() for part in answer.content]},
        {"role": "user", "content": [result]},
    ]
    free: Any = {**asked, "tool_choice": {"type": "auto"}, "messages": turns}
    more: Any = client.messages.create(**free)
    assert more.stop_reason is not None


def test_a_tool_that_failed_is_told_from_one_that_did_not(client: "anthropic.Anthropic") -> None:
    def tokens(**told: Any) -> int:
        call = {"type": "tool_use", "id": "call_1", "name": "lamp", "input": {"is_on": True}}
        result = {"type": "tool_result", "tool_use_id": "call_1", **told}
        turns: Any = [
            *HI,
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ]
        counted = client.messages.count_tokens(model="radiance", tools=[TOOL], messages=turns)
        return counted.input_tokens

    for content in ("It is on.", ""):
        fine, failed = tokens(content=content), tokens(content=content, is_error=True)
        assert failed > fine == tokens(content=content, is_error=False)


def test_a_stop_sequence_is_named(client: "anthropic.Anthropic") -> None:
    whole: Any = client.messages.create(
        model="radiance", max_tokens=40, **GREEDY, messages=HI
    ).content
    letter = next(letter for letter in whole[0].text if letter.isprintable())
    answer = client.messages.create(
        model="radiance", max_tokens=40, **GREEDY, messages=HI, stop_sequences=[letter]
    )
    assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", letter)


def test_tokens_are_counted(client: "anthropic.Anthropic") -> None:
    counted = client.messages.count_tokens(model="radiance", messages=HI)
    answer = client.messages.create(model="radiance", max_tokens=1, messages=HI)
    usage = answer.usage
    assert counted.input_tokens == usage.input_tokens + (usage.cache_read_input_tokens or 0)


@pytest.mark.parametrize(
    ("body", "status", "kind", "says"),
    [
        ({"messages": HI}, 400, "invalid_request_error", "max_tokens"),
        ({"messages": HI, "max_tokens": 1, "model": "claude"}, 404, "not_found_error", "claude"),
        ({"messages": HI, "max_tokens": 1, "beta": 1}, 400, "invalid_request_error", "beta"),
        (
            {"messages": [*HI, {"role": "assistant", "content": "I"}], "max_tokens": 1},
            400,
            "invalid_request_error",
            r"messages[1].role",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {}}]}],
             "max_tokens": 1},
            400,
            "invalid_request_error",
            "messages[0].content[0].type",
        ),
        (
            {"messages": [{"role": "user", "content": [
                {"type": "tool_use", "id": "a", "name": "b", "input": {}}]}], "max_tokens": 1},
            400,
            "invalid_request_error",
            "messages[0].content[0].type",
        ),
    ],
)  # fmt: skip
def test_what_is_refused_is_said_as_anthropic_says_it(
    shared_service: Running, body: dict[str, Any], status: int, kind: str, says: str
) -> None:
    with pytest.raises(ApiError) as caught:
        shared_service.client.post("/v1/messages", {"model": "radiance", **body})
    assert caught.value.status == status
    assert caught.value.body["type"] == "error"
    assert caught.value.error["type"] == kind
    assert says in caught.value.error["message"]
