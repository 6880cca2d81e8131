"""OpenAI's own client on POST /v1/responses of a real service: items, tools, forms, events."""

import asyncio
import json
from typing import Any

import jsonschema
import msgspec
import openai
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.api.bodies import check_body
from radiance.api.openai import messages, shapes
from radiance.api.openai.responses import create, writing
from radiance.api.openai.responses.items import Chat
from radiance.errors import TimedOut
from tests.support import ApiError, Running

ASKED: Any = {"model": "radiance:base", "input": "Who are you?", "temperature": 0}
SCHEMA: Any = {
    "type": "object",
    "properties": {"name": {"enum": ["Ember", "Ash"]}, "is_sure": {"type": "boolean"}},
    "required": ["name", "is_sure"],
    "additionalProperties": False,
}
TOOL: Any = {"type": "function", "name": "introduce", "parameters": SCHEMA, "strict": True}


def told(response: Any) -> dict[str, Any]:
    """A response without what differs from one to the next."""
    found = response.model_dump()
    for changing in ("id", "created_at", "completed_at", "usage", "parsed_arguments"):
        found.pop(changing, None)
    found["output"] = [
        {name: value for name, value in item.items() if name in ("type", "status", "name", "role")}
        | {"text": getattr(whole, "content", None) and whole.content[0].text}
        for item, whole in zip(found["output"], response.output, strict=True)
    ]
    return found


def test_a_question_is_answered_as_a_chat_answers_it(client: openai.OpenAI) -> None:
    answer = client.responses.create(**ASKED, metadata={"team": "pumps"})
    chat = client.chat.completions.create(
        model="radiance:base", temperature=0, messages=[{"role": "user", "content": ASKED["input"]}]
    )
    assert answer.output_text == chat.choices[0].message.content
    assert (answer.object, answer.status, answer.model) == ("response", "completed", chat.model)
    assert [item.type for item in answer.output] == ["message"]
    assert answer.metadata == {"team": "pumps"}
    assert answer.usage is not None
    assert chat.usage is not None
    assert answer.usage.input_tokens == chat.usage.prompt_tokens
    assert answer.usage.output_tokens == chat.usage.completion_tokens
    assert answer.usage.total_tokens == chat.usage.total_tokens
    assert answer.error is answer.incomplete_details is answer.previous_response_id is None
    headers = client.responses.with_raw_response.create(**ASKED).headers
    assert headers["X-Radiance-Source"] == "weights"
    assert headers["X-Radiance-Checkpoint"] == "base"


def test_a_stream_tells_the_whole_answer_in_openais_order(client: openai.OpenAI) -> None:
    whole = client.responses.create(**ASKED)
    events = list(client.responses.create(**ASKED, stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert set(kinds[4:-4]) == {"response.output_text.delta"}
    deltas: Any = events[4:-4]
    assert "".join(event.delta for event in deltas) == whole.output_text
    with client.responses.stream(**ASKED) as stream:
        assert told(stream.get_final_response()) == told(whole)


def test_what_was_said_goes_back_as_it_came(client: openai.OpenAI) -> None:
    short: Any = {"instructions": "Be brief.", "max_output_tokens": 20}
    first = client.responses.create(**ASKED, **short)
    turns: Any = [
        {"role": "user", "content": ASKED["input"]},
        *first.output,
        {"role": "user", "content": [{"type": "input_text", "text": "What can you do?"}]},
    ]
    again = client.responses.create(**{**ASKED, "input": turns}, **short)
    said: Any = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": ASKED["input"]},
        {"role": "assistant", "content": first.output_text},
        {"role": "user", "content": "What can you do?"},
    ]
    chat = client.chat.completions.create(
        model="radiance:base", temperature=0, messages=said, max_tokens=20
    )
    assert again.output_text == chat.choices[0].message.content
    assert again.usage is not None
    assert chat.usage is not None
    assert again.usage.input_tokens == chat.usage.prompt_tokens


@pytest.mark.parametrize("stream", [False, True])
def test_a_function_is_called_and_its_result_taken(client: openai.OpenAI, stream: bool) -> None:
    asked: Any = {
        **ASKED,
        "tools": [TOOL],
        "tool_choice": {"type": "function", "name": "introduce"},
    }
    if stream:
        with client.responses.stream(**asked) as events:
            kinds = [event.type for event in events]
            answer: Any = events.get_final_response()
        assert kinds[2:-1] == [
            "response.output_item.added",
            "response.function_call_arguments.delta",
            "response.function_call_arguments.done",
            "response.output_item.done",
        ]
    else:
        answer = client.responses.create(**asked)
    (call,) = answer.output
    assert (call.type, call.name, call.status) == ("function_call", "introduce", "completed")
    jsonschema.validate(json.loads(call.arguments), SCHEMA)
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "Done."}
    turns: Any = [{"role": "user", "content": "Hi"}, call, result]
    free: Any = {**asked, "input": turns, "tool_choice": "none"}
    more = client.responses.create(**free)
    assert more.output[0].type == "message"


def test_an_answer_keeps_a_form(client: openai.OpenAI) -> None:
    text: Any = {"format": {"type": "json_schema", "name": "who", "schema": SCHEMA}}
    answer = client.responses.create(**ASKED, text=text)
    jsonschema.validate(json.loads(answer.output_text), SCHEMA)
    assert answer.text is not None
    assert answer.text.format is not None
    assert answer.text.format.type == "json_schema"

    class Who(pydantic.BaseModel):
        is_sure: bool

    parsed = client.responses.parse(**ASKED, text_format=Who)
    assert isinstance(parsed.output_parsed, Who)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_is_cut_off_says_so(client: openai.OpenAI, stream: bool) -> None:
    asked: Any = {**ASKED, "max_output_tokens": 2}
    if stream:
        last: Any = list(client.responses.create(**asked, stream=True))[-1]
        assert last.type == "response.incomplete"
        answer = last.response
    else:
        answer = client.responses.create(**asked)
    assert (answer.status, answer.output[-1].status) == ("incomplete", "incomplete")
    assert answer.incomplete_details.reason == "max_output_tokens"
    assert answer.usage.output_tokens == 2


@pytest.mark.parametrize("stream", [False, True])
def test_log_probabilities_are_told_where_asked_for(client: openai.OpenAI, stream: bool) -> None:
    asked: Any = {**ASKED, "include": ["message.output_text.logprobs"], "top_logprobs": 2}
    if stream:
        last: Any = list(client.responses.create(**asked, stream=True))[-1]
        answer: Any = last.response
    else:
        answer = client.responses.create(**asked)
    part = answer.output[0].content[0]
    assert len(part.logprobs) == answer.usage.output_tokens
    assert {len(token.top_logprobs) for token in part.logprobs} == {2}
    assert "".join(token.token for token in part.logprobs).startswith(part.text)


CALL: Any = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 400, "input"),
        ({"input": []}, 400, "input"),
        ({"input": "x", "wings": 2}, 400, "wings"),
        ({"input": "x", "previous_response_id": "resp_1"}, 400, "previous_response_id"),
        ({"input": "x", "conversation": "conv_1"}, 400, "conversation"),
        ({"input": "x", "store": True}, 400, "store"),
        ({"input": "x", "background": True}, 400, "background"),
        ({"input": "x", "truncation": "auto"}, 400, "truncation"),
        ({"input": "x", "model": "gpt-5"}, 404, "model"),
        ({"input": "x", "max_output_tokens": 0}, 400, "max_output_tokens"),
        ({"input": "x", "text": {"verbosity": "low"}}, 400, "text.verbosity"),
        ({"input": "x", "reasoning": {"summary": "detailed"}}, 400, "reasoning.summary"),
        ({"input": "x", "include": ["file_search_call.results"]}, 400, "include[0]"),
        ({"input": "x", "tools": [{"type": "web_search"}]}, 400, "tools[0].type"),
        ({"input": "x", "tools": [TOOL, TOOL]}, 400, "tools[1].name"),
        (
            {"input": "x", "tools": [TOOL], "tool_choice": {"type": "function", "name": "g"}},
            400,
            "tool_choice.name",
        ),
        ({"input": "x", "tool_choice": "required"}, 400, "tool_choice"),
        (
            {"input": "x", "text": {"format": {"type": "json_schema", "name": "n",
             "schema": {"type": "string", "not": {"const": "a"}}}}},
            400,
            "text.format",
        ),
        (
            {"input": "x", "tools": [{"type": "function", "name": "f", "parameters":
             {"type": "object", "not": {}}}], "tool_choice": "required"},
            400,
            "tools",
        ),
        ({"input": "word " * 9000}, 400, "input"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, 400,
         "input[0].content[0].type"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, 400, "input[0].type"),
        ({"input": [{"role": "user", "content": "x"}, {**CALL, "arguments": "{"}]}, 400,
         "input[1].arguments"),
        ({"input": [{"type": "reasoning", "id": "rs_1", "content":
         [{"type": "reasoning_text", "text": "Hm."}]}, {"role": "user", "content": "x"}]}, 400,
         "input[0]"),
    ],
)  # fmt: skip
def test_what_cannot_be_honoured_is_refused_by_its_own_name(
    shared_service: Running, body: dict[str, Any], status: int, param: str
) -> None:
    with pytest.raises(ApiError) as caught:
        shared_service.client.post("/v1/responses", body)
    assert (caught.value.status, caught.value.error["param"]) == (status, param)
    assert "messages" not in caught.value.error["message"]
    assert "response_format" not in caught.value.error["message"]


def test_habits_that_mean_one_thing_are_taken_for_it(shared_service: Running) -> None:
    body = {
        "input": [{"role": "user", "content": "x", "id": None, "status": None, "phase": None}],
        "previous_response_id": None,
        "max_output_tokens": 2,
        "tools": [],
        "tool_choice": "auto",
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"effort": "medium", "summary": "auto"},
        "text": {"verbosity": "medium", "format": {"type": "text"}},
        "chat_template_kwargs": {"enable_thinking": False},
        "truncation": "disabled",
    }
    assert shared_service.client.post("/v1/responses", body)["object"] == "response"
    no_limit = check_body(
        create._usual({"input": "x", "max_output_tokens": -1}), create.ResponsesBody
    )
    assert no_limit.max_output_tokens is None


# ------------------------------------------------------------------- items and writing, alone


def test_items_of_one_answer_are_one_turn() -> None:
    thought = {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Hm."}]}
    said = {"type": "message", "role": "assistant", "content": "Let me look."}
    other = {**CALL, "call_id": "c2"}
    result = {"type": "function_call_output", "call_id": "c1", "output": "1"}
    items = [thought, said, CALL, other, result, said, said, CALL]
    body = check_body({"input": items}, create.ResponsesBody)
    first, tool, second, third = Chat(None, body.input).messages
    assert isinstance(first, messages.Assistant)
    assert (first.reasoning_content, first.content) == ("Hm.", "Let me look.")
    assert [call.id for call in first.tool_calls or []] == ["c1", "c2"]
    assert isinstance(tool, messages.Tool)
    assert isinstance(second, messages.Assistant)
    assert isinstance(third, messages.Assistant)
    assert not second.tool_calls
    assert third.tool_calls


Part = shapes.ChatDelta
texts = st.text("abc é", min_size=1, max_size=5)
calls = st.builds(
    lambda name: Part(tool_calls=[shapes.ToolCall("c", shapes.FunctionCall(name, "{}"))]), texts
)
parts = st.tuples(
    st.lists(st.builds(lambda text: Part(reasoning_content=text), texts), max_size=3),
    st.lists(st.builds(lambda text: Part(content=text), texts), max_size=3),
    st.lists(calls, max_size=2),
).map(lambda groups: [part for group in groups for part in group])


def writer() -> writing.ResponseWriter:
    body = check_body({"input": "x"}, create.ResponsesBody)
    return writing.ResponseWriter(create._begun(body), len)


@given(said=parts, is_cut_off=st.booleans())
def test_events_add_up_to_what_is_told_at_the_end(said: list[Part], is_cut_off: bool) -> None:
    """Every item is added, filled and done in its place, and the last event has them all."""
    one = writer()
    usage = shapes.Usage(3, 50, 53, shapes.CachedTokens(1))
    chunk = shapes.ChatChunk("i", 1, "m", "f", choices=[])
    events = [msgspec.to_builtins(event) for event in one.begin(chunk)]
    for part in said:
        events += [msgspec.to_builtins(event) for event in one.add(part, None)]
    ended = one.end(is_cut_off=is_cut_off, usage=usage)
    events += [msgspec.to_builtins(event) for event in ended]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    output = events[-1]["response"]["output"]
    added = [event for event in events if event["type"] == "response.output_item.added"]
    done = [event for event in events if event["type"] == "response.output_item.done"]
    assert [event["output_index"] for event in added] == list(range(len(output)))
    assert [event["item"] for event in done] == output
    for place, item in enumerate(output):
        deltas = "".join(
            event["delta"]
            for event in events
            if event.get("output_index") == place and event["type"].endswith(".delta")
        )
        assert deltas == item.get("arguments", "".join(p["text"] for p in item.get("content", [])))
    thought = "".join(part.reasoning_content or "" for part in said)
    texts = {"reasoning": "", "message": ""}
    for item in output:
        if item["type"] in texts:
            texts[item["type"]] += item["content"][0]["text"]
    assert texts == {
        "reasoning": thought,
        "message": "".join(part.content or "" for part in said),
    }
    assert output  # OpenAI's clients look at the first item
    used = events[-1]["response"]["usage"]
    assert used["output_tokens_details"]["reasoning_tokens"] == len(thought)
    assert events[-1]["response"]["status"] == ("incomplete" if is_cut_off else "completed")


def test_a_stream_that_breaks_ends_with_an_error() -> None:
    async def chunks() -> Any:
        yield shapes.ChatChunk("i", 1, "m", "f", [shapes.ChunkChoice(0, Part(content="a"))])
        raise TimedOut("it took too long")

    async def read() -> list[Any]:
        return [event async for event in writing.events_of(chunks(), writer())]

    events = asyncio.run(read())
    assert events[-1].type == "error"
    assert events[-1].code == "timeout"
    assert "too long" in str(events[-1].message)
    assert [event.sequence_number for event in events] == list(range(len(events)))
