"""Every parameter that OpenAI's client knows is honoured or refused by name."""

import json
import types
import typing
from typing import Any

import pytest
from openai.types import completion_create_params
from openai.types.chat import completion_create_params as chat_create_params

from radiance.api.bodies import check_body
from radiance.api.openai import chat, completions
from radiance.api.openai.chat import ChatBody
from radiance.api.openai.completions import CompletionBody
from radiance.api.openai.formats import constraint_of
from radiance.api.openai.messages import turns
from radiance.api.openai.parameters import Shared, refuse_unsupported
from radiance.errors import RequestError

HELLO = [{"role": "user", "content": "Hello"}]


def official(*kinds: Any) -> set[str]:
    """The parameters of the client's own types."""
    return {name for kind in kinds for name in typing.get_type_hints(kind)}


CHAT = official(
    chat_create_params.CompletionCreateParamsNonStreaming,
    chat_create_params.CompletionCreateParamsStreaming,
)
TEXT = official(
    completion_create_params.CompletionCreateParamsNonStreaming,
    completion_create_params.CompletionCreateParamsStreaming,
)


def chat_body(**parameters: Any) -> ChatBody:
    return check_body({"messages": HELLO, **parameters}, ChatBody)


def refusal(call: Any) -> str | None:
    with pytest.raises(RequestError) as caught:
        call()
    assert caught.value.remedy
    return caught.value.field


@pytest.mark.parametrize(
    ("names", "body", "module"), [(CHAT, ChatBody, chat), (TEXT, CompletionBody, completions)]
)
def test_every_official_parameter_is_known(
    names: set[str], body: type[Shared], module: types.ModuleType
) -> None:
    assert len(names) > 15
    known = set(body.__struct_fields__)
    assert names == (known | module.UNSUPPORTED.keys()) & names
    assert not known & module.UNSUPPORTED.keys()
    assert module.UNSUPPORTED.keys() <= names


@pytest.mark.parametrize("module", [chat, completions])
def test_unsupported_ones_are_refused_by_name_and_null_is_not_given(
    module: types.ModuleType,
) -> None:
    for name in module.UNSUPPORTED:
        data: dict[str, Any] = {name: None}
        refuse_unsupported(data, module.UNSUPPORTED)
        assert data == {}
        given = {name: "x"}
        assert refusal(lambda given=given: refuse_unsupported(given, module.UNSUPPORTED)) == name


def test_null_means_not_given() -> None:
    nothing = dict.fromkeys(set(ChatBody.__struct_fields__) - {"messages"})
    assert chat_body(**nothing) == chat_body()


@pytest.mark.parametrize(
    ("parameter", "value", "field"),
    [
        ("nonsense", 1, "nonsense"),
        ("stop", [1], "stop[0]"),
        ("stop", [""], "stop[0]"),
        ("n", 0, "n"),
        ("temperature", "hot", "temperature"),
        ("temperature", 2.5, "temperature"),
        ("top_p", -0.1, "top_p"),
        ("presence_penalty", 3, "presence_penalty"),
        ("logit_bias", {"1": 101}, "logit_bias[...]"),
        ("top_logprobs", 21, "top_logprobs"),
        ("response_format", {"type": "xml"}, "response_format.type"),
        ("response_format", {"type": "json_schema"}, "response_format.json_schema"),
        ("messages", [], "messages"),
        ("messages", [{"role": "wizard", "content": "x"}], "messages[0].role"),
        ("messages", [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}],
         "messages[0].content[0].type"),
        ("messages", [{"role": "user"}], "messages[0].content"),
        ("messages", [{"role": "tool", "content": "x"}], "messages[0].tool_call_id"),
        ("modalities", ["audio"], "modalities[0]"),
        ("service_tier", "flex", "service_tier"),
        ("reasoning_effort", "utmost", "reasoning_effort"),
        ("tools", [{"type": "custom", "custom": {"name": "x"}}], "tools[0].type"),
        ("tools", [{"type": "function", "function": {"name": "a b"}}], "tools[0].function.name"),
        ("metadata", {"k": 1}, "metadata[...]"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(parameter: str, value: Any, field: str) -> None:
    assert refusal(lambda: chat_body(**{parameter: value})) == field


@pytest.mark.parametrize("token", ["4096", "-1", "x", "1.5", "", "٣", "9" * 30])
def test_biased_tokens_must_be_of_the_vocabulary(token: str) -> None:
    body = chat_body(logit_bias={token: 1})
    assert refusal(lambda: body.sampling(4096)) == "logit_bias"


def test_sampling_is_what_was_asked_for() -> None:
    plain = chat_body().sampling(10)
    assert (plain.temperature, plain.top_p, plain.seed) == (1.0, 1.0, None)
    full = chat_body(
        temperature=0.5, top_p=0.9, top_k=5, min_p=0.1, seed=-1, presence_penalty=1,
        frequency_penalty=-1, repetition_penalty=1.1, logit_bias={"3": -100},
    )  # fmt: skip
    first, second = full.sampling(10), full.sampling(10, 1)
    assert (first.temperature, first.top_p, first.top_k, first.min_p) == (0.5, 0.9, 5, 0.1)
    assert (first.presence_penalty, first.frequency_penalty) == (1, -1)
    assert (first.repetition_penalty, first.logit_bias) == (1.1, ((3, -100.0),))
    assert first.seed is not None
    assert first.seed >= 0
    assert second.seed != first.seed  # else all of n answers were one
    greedy = chat_body(top_p=0).sampling(10)
    assert (greedy.temperature, greedy.top_p) == (0.0, 1.0)
    assert chat_body(top_k=-1).sampling(10).top_k == 0


def test_messages_become_turns_of_a_template() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    body = check_body(
        {
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "Hel"},
                                             {"type": "text", "text": "lo"}], "name": "Ann"},
                {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None,
                 "audio": None, "function_call": None, "annotations": []},
                {"role": "tool", "content": "42", "tool_call_id": "c1"},
            ]
        },
        ChatBody,
    )  # fmt: skip
    assert turns(body.messages) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello", "name": "Ann"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
            ],
        },
        {"role": "tool", "content": "42", "tool_call_id": "c1"},
    ]


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ({"role": "assistant"}, "messages[0].content"),
        (
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": "c", "type": "function", "function": {"name": "f", "arguments": "["}}
                ],
            },
            "messages[0].tool_calls[0].function.arguments",
        ),
    ],
)
def test_turns_that_cannot_be_used_are_named(message: dict[str, Any], field: str) -> None:
    body = check_body({"messages": [message]}, ChatBody)
    assert refusal(lambda: turns(body.messages)) == field


def test_formats_are_constraints() -> None:
    assert constraint_of(chat_body(response_format={"type": "text"}).response_format) is None
    anything = constraint_of(chat_body(response_format={"type": "json_object"}).response_format)
    assert anything is not None
    assert json.loads(anything.source)["type"] == "object"
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "integer"}}}
    fitting = constraint_of(chat_body(response_format=schema).response_format)
    assert fitting is not None
    assert fitting.kind == "json_schema"
    assert json.loads(fitting.source)["type"] == "integer"
