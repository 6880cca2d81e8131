"""What clients of local servers send by habit, against a real service."""

import gzip
import json
from typing import Any

import pytest

from radiance.api.openai.habits import usual, without_nulls
from radiance.errors import RequestError
from tests.support import ApiError, Running

HI = [{"role": "user", "content": "Hi"}]
CHAT: dict[str, Any] = {"messages": HI, "max_tokens": 2, "temperature": 0}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"const": None}}}


@pytest.mark.parametrize(
    "habit",
    [
        {"max_tokens": -1, "stop": ["a", "e", "i", "o", "n", "t", "s"]},
        {"max_completion_tokens": -1},
        {"max_completion_tokens": None, "top_p": None, "stream_options": None, "tools": None},
        {"tools": [], "tool_choice": "auto", "parallel_tool_calls": True},
        {"tool_choice": "auto", "parallel_tool_calls": False},
        {"tool_choice": "none", "top_logprobs": 0},
        {"cache_prompt": True, "id_slot": -1, "mirostat": 0, "typical_p": 1.0, "grammar": ""},
        {"best_of": 1, "suffix": "", "repeat_penalty": 1.0, "ignore_eos": False},
        {"add_generation_prompt": True, "continue_final_message": False},
        {"skip_special_tokens": True},
        {"keep_alive": "5m"},
        {"reasoning_effort": "medium"},
        {"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": False}},
        {"chat_template_kwargs": {"enable_thinking": True}},
        {"messages": [{"role": "user", "content": "Hi", "name": None}]},
        {"messages": [{"role": "user", "content": [
            {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}]}]},
        {"messages": [*HI, {"role": "assistant", "content": "x", "reasoning": "hm"}, *HI]},
        {"messages": [*HI, {"role": "assistant", "content": "x", "tool_calls": None}, *HI]},
        {"min_p": 0.1, "xtc_probability": 0.5, "xtc_threshold": 0.1, "temperature": 0.8},
        {"xtc_probability": 0.5, "seed": 3, "temperature": 0.8},
        {"repetition_penalty": 1.1, "repetition_context_size": 20, "num_draft_tokens": 3},
        {"presence_penalty": 0.1, "presence_context_size": 20, "frequency_context_size": 20},
        {"repetition_penalty": 0, "top_logprobs": -1, "draft_model": "default_model"},
        {"model": "default_model"},
        {"adapters": "base"},
        {"model": "radiance", "adapters": "radiance:base"},
        {"max_tokens": 2.0, "stop": "", "model": "", "extra_body": {}, "options": {}},
        {"stop": ["", "zz"], "functions": [], "function_call": "auto", "ttl": 300, "echo": False},
        {"think": False},
        {"enable_thinking": True, "include_reasoning": True},
        {"reasoning": {"effort": "low"}},
        {"reasoning": {"enabled": False}, "timings_per_token": False},
        {"dry_multiplier": 0.0, "dry_base": 1.75, "dynatemp_range": 0, "dynatemp_exponent": 1},
        {"mirostat": 0, "mirostat_tau": 5, "repeat_last_n": 64, "backend_sampling": False},
        {"tools": [{**TOOL, "cache_control": {"type": "ephemeral"}}]},
        {"tools": [TOOL], "messages": [
            *HI,
            {"role": "assistant", "content": None, "tool_calls": [{"index": 0, "id": "c",
             "type": "function", "function": {"name": "f", "arguments": {"a": 1}}}]},
            {"role": "tool", "tool_call_id": "c", "name": "f", "content": None}]},
        {"response_format": {"type": "json_schema", "json_schema": {
            "name": "a", "strict": None, "schema": {"enum": [None]}}}},
    ],
)  # fmt: skip
def test_a_habit_is_taken_for_what_it_means(shared_service: Running, habit: dict[str, Any]) -> None:
    answer = shared_service.client.post("/v1/chat/completions", {**CHAT, **habit})
    assert answer["choices"][0]["finish_reason"] in ("stop", "length")


@pytest.mark.parametrize(
    ("habit", "field", "says"),
    [
        ({"max_tokens": -2}, "max_tokens", "not valid"),
        ({"max_tokens": 0}, "max_tokens", "not valid"),
        ({"chat_template_kwargs": {"tools_in_user": 1}}, "chat_template_kwargs.tools_in_user", ""),
        ({"reasoning_effort": "utmost"}, "reasoning_effort", "'none'"),
        ({"adapters": "/no/such"}, "model", "no model '/no/such'"),
        ({"draft_model": "other"}, "draft_model", "not a known field"),
        ({"tool_choice": "required"}, "tool_choice", "only for tools"),
        ({"top_logprobs": 2}, "top_logprobs", "needs logprobs"),
        ({"repeat_penalty": 1.1}, "repeat_penalty", "'repetition_penalty'"),
        ({"mirostat": 2}, "mirostat", "not a known field"),
        ({"dry_multiplier": 0.8, "dry_base": 1.75}, "dry_multiplier", "not a known field"),
        ({"think": "high"}, "think", "not a known field"),
        ({"reasoning": {"max_tokens": 9}}, "reasoning", "'reasoning_effort'"),
        ({"max_tokens": 2.5}, "max_tokens", "not valid"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "x": 1}]}]},
            "messages[0].content[0].x",
            "Known here: text.",
        ),
        (
            {"messages": [{"role": "assistant", "content": "a", "zzz": 1}]},
            "messages[0].zzz",
            "tool_calls",
        ),
        (
            {"messages": [{"role": "tool", "content": "a", "tool_call_id": "c", "zzz": 1}]},
            "messages[0].zzz",
            "tool_call_id",
        ),
    ],
)
def test_what_is_refused_names_the_fields_that_there_are(
    shared_service: Running, habit: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(ApiError) as caught:
        shared_service.client.post("/v1/chat/completions", {**CHAT, **habit})
    error = caught.value.body["error"]
    assert (caught.value.status in (400, 404), error["param"]) == (True, field)
    assert says in error["message"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1//chat/completions",
        "//v1/chat//completions",
        "/v1/chat/completions/",
        "/chat/completions",
    ],
)
def test_a_slash_more_is_none(shared_service: Running, path: str) -> None:
    assert shared_service.client.post(path, CHAT)["choices"]
    assert shared_service.client.get("/v1/models/")["object"] == "list"


def test_a_body_may_be_compressed(shared_service: Running) -> None:
    call, packed = shared_service.client.call, gzip.compress(json.dumps(CHAT).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    path = "/v1/chat/completions"
    assert call("POST", path, raw=packed, headers=headers)["choices"]
    for raw, encoding in ((packed[:-9], "gzip"), (b"{}", "gzip"), (packed, "br")):
        with pytest.raises(ApiError) as caught:
            call("POST", path, raw=raw, headers={**headers, "Content-Encoding": encoding})
        assert caught.value.status == 400
    bomb = gzip.compress(b" " * (64 << 20))
    with pytest.raises(ApiError) as caught:
        call("POST", path, raw=bomb, headers=headers)
    assert caught.value.status == 413


def test_a_null_within_a_schema_is_kept() -> None:
    body = {"messages": HI, "tools": [TOOL], "metadata": {"a": None}, "top_p": None}
    assert usual(body) == {"messages": HI, "tools": [TOOL], "metadata": {"a": None}}
    assert usual([1]) == [1]
    with pytest.raises(RequestError, match="chat_template_kwargs: is not an object"):
        usual({"chat_template_kwargs": 3})


def test_a_null_in_a_tools_schema_or_call_is_kept():
    call = {"type": "tool_use", "input": {"path": None}, "cache_control": None}
    tool = {"input_schema": {"properties": {"x": {"const": None}}}, "description": None}
    assert without_nulls({"content": [call], "tools": [tool]}) == {
        "content": [{"type": "tool_use", "input": {"path": None}}],
        "tools": [{"input_schema": tool["input_schema"]}],
    }


def test_what_is_nested_too_deep_is_refused():
    nested: list[object] = []
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(RequestError, match="nested too deep"):
        without_nulls({"messages": nested})
