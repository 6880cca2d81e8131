"""Calls of tools: found in any cutting of the text, forced ones by a schema."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from llguidance import LLMatcher
from mlx_lm.tool_parsers import mistral

from radiance.api.bodies import check_body
from radiance.api.openai.chat import ChatBody
from radiance.api.openai.described import in_words
from radiance.api.openai.reading import CallReader
from radiance.api.openai.tools import Toolbox, toolbox
from radiance.engine.model.tool_format import HERMES, ToolFormat
from radiance.engine.worker import Engine
from radiance.errors import RequestError
from tests.support import Running

MISTRAL = ToolFormat(mistral.tool_call_start, "", mistral.parse_tool_call)
PLACES = {"type": "object", "properties": {"city": {"$ref": "#/$defs/city"}}, "required": ["city"],
          "additionalProperties": False, "$defs": {"city": {"enum": ["Tarn", "Oslo"]}}}  # fmt: skip


def tool(name: str, parameters: Any = None, **more: Any) -> Any:
    return {"type": "function", "function": {"name": name, "parameters": parameters, **more}}


def box_of(tools: Any, choice: Any = None, parallel: bool | None = None) -> Toolbox | None:
    messages = [{"role": "user", "content": "x"}]
    body = {"messages": messages, "tools": tools, "tool_choice": choice}
    checked = check_body({**body, "parallel_tool_calls": parallel}, ChatBody)
    return toolbox(checked.tools, checked.tool_choice, checked.parallel_tool_calls)


def read(form: ToolFormat, pieces: list[str], parallel: bool = True) -> tuple[str, list[Any]]:
    reader = CallReader(form, Toolbox([], is_parallel=parallel))
    said, calls = "", []
    for piece in pieces:
        more, found = reader.feed(piece)
        said, calls = said + more, calls + found
    more, found = reader.finish()
    assert calls + found == reader.calls
    return said + more, [(call.name, json.loads(call.arguments)) for call in reader.calls]


@st.composite
def cut(draw: st.DrawFn, text: str) -> list[str]:
    places = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


CALL = '<tool_call>\n{"name": "f", "arguments": {"a": "<tool"}}\n</tool_call>'


@pytest.mark.parametrize(
    ("form", "text", "said", "calls"),
    [
        (HERMES, f"Let me see. {CALL}{CALL} <b", "Let me see.  <b", [("f", {"a": "<tool"})] * 2),
        (HERMES, "a < b <tool_cal", "a < b <tool_cal", []),
        (HERMES, "<tool_call>no json</tool_call>!", "<tool_call>no json</tool_call>!", []),
        (HERMES, '<tool_call>{"name": "f", "ar', '<tool_call>{"name": "f", "ar', []),
        (HERMES, '<tool_call>{"name": "f", "arguments": {}}', "", [("f", {})]),
        (MISTRAL, 'Hm[TOOL_CALLS]f[ARGS]{"a": 1}', "Hm", [("f", {"a": 1})]),
        (MISTRAL, '[TOOL_CALLS][{"name": "g", "arguments": {}}]', "", [("g", {})]),
    ],
)
@given(data=st.data())
def test_the_cutting_of_the_text_does_not_matter(
    data: st.DataObject, form: ToolFormat, text: str, said: str, calls: list[Any]
) -> None:
    assert read(form, data.draw(cut(text))) == (said, calls)


def test_one_call_where_only_one_is_wanted() -> None:
    assert read(HERMES, [CALL + CALL], parallel=False) == ("", [("f", {"a": "<tool"})])
    box = box_of([tool("f")], parallel=False)
    assert box is not None
    assert not box.is_parallel


def test_nothing_is_called_without_tools_or_by_choice() -> None:
    assert box_of(None) is None
    assert box_of(None, "none") is None
    assert box_of([tool("f")], "none") is None
    auto = box_of([tool("f", description="Does f.")])
    assert auto is not None
    assert auto.constraint(HERMES) is None
    assert auto.tools[0]["function"].get("description") == "Does f."


def test_a_single_forced_call_is_held_to_its_parameters() -> None:
    for choice in ("required", {"type": "function", "function": {"name": "f"}}):
        box = box_of([tool("f", PLACES)], choice)
        assert box is not None
        assert box.is_named == (choice != "required")
        constraint = box.constraint(HERMES)
        assert constraint is not None
        assert json.loads(constraint.source).items() >= PLACES.items()
        call = box.forced_call('{"city": "Oslo"}')
        assert call is not None
        assert (call.name, call.arguments) == ("f", '{"city": "Oslo"}')
        assert box.forced_call('{"city": "Os') is None


def test_one_of_several_forced_calls_is_held_to_that_ones_parameters() -> None:
    box = box_of([tool("f", PLACES), tool("g")], "required")
    assert box is not None
    constraint = box.constraint(HERMES)
    assert constraint is not None
    schema = json.loads(constraint.source)
    jsonschema.Draft202012Validator.check_schema(schema)
    good = jsonschema.Draft202012Validator(schema).is_valid
    assert good({"name": "f", "arguments": {"city": "Oslo"}})
    assert not good({"name": "f", "arguments": {"city": "Rome"}})
    assert good({"name": "g", "arguments": {}})
    assert not good({"name": "g", "arguments": {"city": "Oslo"}})
    call = box.forced_call('{"name": "f", "arguments": {"city": "Oslo"}}')
    assert call is not None
    assert (call.name, json.loads(call.arguments)) == ("f", {"city": "Oslo"})


CALLS = '<tool_call>{{"name": "f", "arguments": {{"city": "{}"}}}}</tool_call>'


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("Just a < b and <tool_", True),
        ("I see. " + CALLS.format("Oslo"), True),
        (CALLS.format("Oslo") + CALLS.format("Tarn") + " Done <t", True),
        ("<tool_call>\n" + '{"name": "g", "arguments": {"any": [1]}}' + "\n</tool_call>", True),
        ("I see. " + CALLS.format("Rome"), False),
        ("<tool_call>no", False),
        ('<tool_call>{"name": "h", "arguments": {}}</tool_call>', False),
    ],
)
def test_strict_functions_hold_what_begins_as_a_call(engine: Engine, text: str, fits: bool) -> None:
    box = box_of([tool("f", PLACES, strict=True), tool("g")])
    assert box is not None
    constraint = box.constraint(HERMES)
    assert constraint is not None
    assert constraint.kind == "lark"
    grammar = LLMatcher.grammar_from_lark(constraint.source)
    matcher = LLMatcher(engine.encoder.vocabulary.llguidance, grammar)
    assert not matcher.is_error(), matcher.get_error()
    tokens = engine.encoder.plain(text)
    taken = matcher.try_consume_tokens(tokens)
    assert (taken == len(tokens)) == fits
    if fits:
        assert matcher.is_accepting()
    with pytest.raises(RequestError) as caught:
        box.constraint(MISTRAL)
    assert caught.value.field == "tools[0].function.strict"


@pytest.mark.parametrize(
    ("tools", "choice", "field"),
    [
        ([tool("f"), tool("f")], None, "tools[1].function.name"),
        (None, "required", "tool_choice"),
        ([tool("f")], {"type": "function", "function": {"name": "g"}}, "tool_choice.function.name"),
    ],
)
def test_what_cannot_be_chosen_is_refused(tools: Any, choice: Any, field: str) -> None:
    with pytest.raises(RequestError) as caught:
        box_of(tools, choice)
    assert caught.value.field == field


# ------------------------------------------------------------------- told in words


def test_tools_and_calls_are_told_in_words_where_the_template_has_none() -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": {"city": "Oslo"}}}
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": [call]},
        {"role": "tool", "content": "Rain.", "tool_call_id": "c"},
    ]
    told = in_words(chat, [tool("f", PLACES)])
    assert [turn["role"] for turn in told] == ["system", "user", "assistant", "user"]
    assert told[0]["content"].startswith("Be brief.\n\n# Tools")
    assert json.dumps(tool("f", PLACES)) in told[0]["content"]
    assert read(HERMES, [told[2]["content"]]) == ("Let me see.\n", [("f", {"city": "Oslo"})])
    assert "Rain." in told[3]["content"]
    assert in_words(chat[1:2], []) == chat[1:2]
    assert in_words(chat[1:2], [tool("f")])[0]["role"] == "system"


def test_a_model_without_tools_can_be_made_to_call_one(shared_service: Running) -> None:
    body = {
        "messages": [{"role": "user", "content": "Where?"}],
        "tools": [tool("f", PLACES), tool("g")],
        "seed": 1,
    }
    url = "/v1/chat/completions"
    forced = shared_service.client.post(url, {**body, "tool_choice": "required"})["choices"][0]
    (call,) = forced["message"]["tool_calls"]
    assert call["function"]["name"] in ("f", "g")
    assert forced["finish_reason"] == "tool_calls"
    free = shared_service.client.post(url, {**body, "max_tokens": 4})
    none = shared_service.client.post(url, {**body, "max_tokens": 4, "tool_choice": "none"})
    assert free["usage"]["prompt_tokens"] > none["usage"]["prompt_tokens"] + 50
