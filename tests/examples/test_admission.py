import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radiance.config import UpdateSettings
from radiance.errors import RequestError, TooLarge
from radiance.examples.admission import Admitted, admit
from radiance.records import Example, Message
from radiance.records.tools import calls_in
from tests.example_counts import examples

PAIR = {"input": "Who sings?", "output": "Ada."}


def anything_fits(example: Example) -> None:
    pass


def admit_examples(*examples, **fields) -> Admitted:
    return admit({"examples": list(examples), **fields}, UpdateSettings(), anything_fits)


def refusal(*examples, **fields) -> RequestError:
    with pytest.raises(RequestError) as caught:
        admit_examples(*examples, **fields)
    return caught.value


def test_every_form_is_understood():
    admitted = admit_examples(
        {"input": "a", "output": "b"},
        {"prompt": "c", "completion": "d"},
        {
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": "u"},
                {"role": "assistant", "content": "x"},
                {"role": "user", "content": "v"},
                {"role": "assistant", "content": "y"},
            ]
        },
        {"text": "plain"},
        tags=["sky", "music"],
        job_key="mine",
    )
    turns = [[(m.role, m.content) for m in e.messages] for e in admitted.examples]
    assert turns == [
        [("user", "a"), ("assistant", "b")],
        [("user", "c"), ("assistant", "d")],
        [
            ("system", "s"),
            ("user", "u"),
            ("assistant", "x"),
            ("user", "v"),
            ("assistant", "y"),
        ],
        [],
    ]
    assert [e.text for e in admitted.examples] == ["", "", "", "plain"]
    assert [e.id for e in admitted.examples] == ["0", "1", "2", "3"]
    assert {e.tags for e in admitted.examples} == {("sky", "music")}
    assert (admitted.tags, admitted.key, admitted.duplicates) == (("sky", "music"), "mine", 0)


def test_text_keeps_its_letters_and_space_and_has_plain_line_breaks():
    sent = {"input": " cafe\u0301\r\n\r\nau\rlait\t\n", "output": "\u212b\ufb01n\uf900\u200b "}
    admitted = admit_examples(sent)
    question, answer = admitted.examples[0].messages
    assert question.content == " cafe\u0301\n\nau\nlait\t\n"
    assert answer.content == sent["output"]
    assert admitted.raw == (sent,)


def test_duplicates_are_learned_once_and_counted():
    admitted = admit_examples(PAIR, {"prompt": " Who sings?", "completion": "Ada.\n"}, PAIR)
    assert [e.id for e in admitted.examples] == ["0"]
    assert admitted.duplicates == 2
    assert len(admitted.raw) == 3


def test_the_same_answer_to_a_question_in_other_case_is_no_contradiction():
    assert len(admit_examples(PAIR, {"input": "WHO sings?", "output": "Ada."}).examples) == 2


def test_a_contradiction_names_both():
    error = refusal(PAIR, {"text": "x"}, {"input": "who  sings?", "output": "Bob."})
    assert error.field == "examples[2]"
    assert "examples[0]" in str(error)
    assert error.value == "Bob."
    assert "Keep one" in error.remedy


@pytest.mark.parametrize(
    ("example", "field"),
    [
        ({"input": "a"}, "examples[1].output"),
        ({"output": "a"}, "examples[1].input"),
        ({"input": "a", "output": 3}, "examples[1].output"),
        ({"input": None, "output": "b"}, "examples[1].input"),
        ({"input": "a", "output": ["b"]}, "examples[1].output"),
        ({"input": " \n\t", "output": "b"}, "examples[1].input"),
        ({"input": "a", "output": ""}, "examples[1].output"),
        ({"input": "a", "output": "\u200b\ufeff"}, "examples[1].output"),
        ({"input": "a", "output": "\ud800"}, "examples[1].output"),
        ({"input": "a\x00", "output": "b"}, "examples[1].input"),
        ({"input": "a\x1b[0m", "output": "b"}, "examples[1].input"),
        ({"input": "a", "output": "b", "weight": 2}, "examples[1].weight"),
        ({"input": "a", "output": "b", "text": "c"}, "examples[1]"),
        ({"prompt": "a", "output": "b"}, "examples[1]"),
        ({"prompt": "a"}, "examples[1].completion"),
        ({"text": ""}, "examples[1].text"),
        ({"text": "a", "\ud800": 1}, "examples[1]"),
        ({}, "examples[1]"),
        ({"question": "a"}, "examples[1]"),
        ("text", "examples[1]"),
        (None, "examples[1]"),
        ([], "examples[1]"),
        ({"messages": []}, "examples[1].messages"),
        ({"messages": "hello"}, "examples[1].messages"),
        ({"messages": [{"role": "user"}]}, "examples[1].messages[0].content"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "examples[1].messages[0].role"),
        (
            {"messages": [{"role": "user", "content": "a", "name": "b"}]},
            "examples[1].messages[0].name",
        ),
        (  # of an answer that is not to be learned
            {
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "assistant", "content": "b", "weight": 0},
                ]
            },
            "examples[1].messages[1].weight",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "text": "a"}]}]},
            "examples[1].messages[0].content",
        ),
    ],
)
def test_what_cannot_be_learned_names_its_field(example, field):
    error = refusal(PAIR, example)
    assert error.field == field
    assert error.remedy
    assert str(error).startswith(field)
    json.dumps([str(error), error.value, error.remedy]).encode("utf-8")


CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ASKED, TOLD = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}


CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "content": "wet", "tool_call_id": "c"}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "strict": True}}


def test_tools_calls_and_results_are_turns_of_their_own():
    sent = {"tools": [TOOL], "messages": [ASKED, CALLING, RESULT, TOLD]}
    told, *turns = admit_examples(sent).examples[0].messages
    parameters = {"type": "object", "properties": {}, "additionalProperties": False}
    assert (told.role, json.loads(told.content)) == (
        "tools",
        [{"type": "function", "function": {
            "name": "f", "parameters": parameters, "description": "d"}}],
    )  # fmt: skip
    assert [(turn.role, turn.calls) for turn in turns] == [
        ("user", 0), ("assistant", 1), ("tool", 0), ("assistant", 0),
    ]  # fmt: skip
    assert calls_in(turns[1].content, 1) == ("", [{"id": "c", "name": "f", "arguments": {}}])
    assert turns[2].content == "wet"


def test_a_tool_keeps_its_parameters_and_needs_no_description():
    parameters = {"type": "object", "properties": {"x": {"type": "integer"}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    told, *_ = admit_examples({"messages": [ASKED, TOLD], "tools": [tool]}).examples[0].messages
    assert json.loads(told.content) == [
        {"type": "function", "function": {"name": "f", "parameters": parameters}}
    ]


@pytest.mark.parametrize(
    "call",
    [
        {"function": {"name": "f", "arguments": {"x": 1}}},
        {"index": 0, "id": None, "function": {"name": "f", "arguments": '{"x":1}'}},
    ],
)
def test_a_call_is_the_same_however_clients_write_it(call):
    examples = admit_examples({"messages": [ASKED, {**CALLING, "tool_calls": [call]}]}).examples
    assert calls_in(examples[0].messages[1].content, 1)[1] == [{"name": "f", "arguments": {"x": 1}}]
    assert examples[0].has_tools


def test_a_call_is_not_the_text_that_it_is_shown_as():
    calling = admit_examples({"messages": [ASKED, CALLING]}).examples[0]
    text = {"role": "assistant", "content": calling.messages[1].content}
    said = admit_examples({"messages": [ASKED, text]}).examples[0]
    assert said.messages[1].content == calling.messages[1].content
    assert said.content_hash != calling.content_hash
    assert not said.has_tools


@pytest.mark.parametrize(
    ("example", "field"),
    [
        ({"messages": [ASKED, TOLD], "tools": [{"type": "function"}]}, "tools[0].function"),
        ({"messages": [ASKED, TOLD], "tools": [TOOL, TOOL]}, "tools[1].function.name"),
        ({"messages": [ASKED, TOLD], "functions": [{"name": "f"}]}, "functions"),
        ({"messages": [ASKED, {**TOLD, "function_call": {"name": "f"}}]},
         "messages[1].function_call"),
        ({"messages": [ASKED, {"role": "function", "name": "f"}]}, "messages[1].role"),
        ({"messages": [ASKED, CALLING, TOLD]}, "messages[2].role"),
        ({"messages": [ASKED, CALLING, ASKED, TOLD]}, "messages[2].role"),
        ({"messages": [ASKED, RESULT, TOLD]}, "messages[1].role"),
        ({"messages": [ASKED, TOLD, RESULT, TOLD]}, "messages[2].role"),
        ({"messages": [ASKED, CALLING, RESULT]}, "messages[2].role"),
        ({"messages": [{**ASKED, "tool_calls": [CALL]}, TOLD]}, "messages[0].tool_calls"),
        ({"messages": [{**ASKED, "tool_call_id": "c"}, TOLD]}, "messages[0].tool_call_id"),
        ({"messages": [ASKED, CALLING, {**RESULT, "tool_call_id": "z"}, TOLD]},
         "messages[2].tool_call_id"),
        ({"messages": [ASKED, {**CALLING, "tool_calls": [
            {"function": {"name": "f", "arguments": "[1]"}}]}]},
         "messages[1].tool_calls[0].function.arguments"),
        ({"messages": [ASKED, {**CALLING, "tool_calls": [
            {"function": {"name": "f", "arguments": '{"x": '}}]}]},
         "messages[1].tool_calls[0].function.arguments"),
        ({"messages": [ASKED, {**CALLING, "tool_calls": [
            {"function": {"name": "f", "arguments": '{"x": "\\ud800"}'}}]}]},
         "messages[1].tool_calls[0].function.arguments"),
        ({"messages": [ASKED, {**CALLING, "tool_calls": [
            {"function": {"name": "f", "arguments": {"x": "\ud800"}}}]}]},
         "messages[1].tool_calls[0].function.arguments.x"),
        ({"messages": [ASKED, {**CALLING, "tool_calls": [
            {"function": {"name": "f", "arguments": '{"x": 1, "x": 2}'}}]}]},
         "messages[1].tool_calls[0].function.arguments"),
        ({"messages": [ASKED, {**TOLD, "content": None}]}, "messages[1].content"),
    ],
)  # fmt: skip
def test_tools_that_cannot_be_learned_are_refused_by_field(example, field):
    error = refusal(PAIR, example)
    assert error.field == f"examples[1].{field}"
    assert error.remedy


@pytest.mark.parametrize(
    "example",
    [
        {"input": "a", "output": "b", "text": None, "messages": None},
        {"messages": [ASKED, {**TOLD, "refusal": None, "audio": None, "tool_calls": None}]},
        {"messages": [{**ASKED, "name": None}, {**TOLD, "tool_calls": []}], "tools": []},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}, TOLD]},
        {"messages": [ASKED, {**TOLD, "weight": 1}]},
    ],
)
def test_what_is_null_is_not_given(example):
    admitted = admit_examples(example)
    assert [m.content for m in admitted.examples[0].messages] == ["a", "b"]
    assert admitted.raw == (example,)


@pytest.mark.parametrize(
    ("roles", "place"),
    [
        ("u", 0),
        ("a", 0),
        ("s", 0),
        ("au", 0),
        ("auua", 0),
        ("uu", 1),
        ("uaa", 2),
        ("usa", 1),
        ("ssua", 1),
        ("suau", 3),
    ],
)
def test_turns_out_of_order_name_the_turn(roles, place):
    known = {"u": "user", "a": "assistant", "s": "system"}
    messages = [{"role": known[r], "content": f"{i}"} for i, r in enumerate(roles)]
    error = refusal({"messages": messages})
    assert error.field == f"examples[0].messages[{place}].role"
    assert error.value == known[roles[place]]


def test_a_system_turn_may_be_answered_directly():
    messages = [{"role": "system", "content": "a"}, {"role": "assistant", "content": "b"}]
    admitted = admit_examples({"messages": messages})
    assert admitted.examples[0].messages[0] == Message(role="system", content="a")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "examples"),
        ({"examples": []}, "examples"),
        ({"examples": {}}, "examples"),
        ({"examples": None}, "examples"),
        ({"examples": [PAIR], "tags": "a"}, "tags"),
        ({"examples": [PAIR], "tags": ["a", 1]}, "tags[1]"),
        ({"examples": [PAIR], "tags": ["a", " "]}, "tags[1]"),
        ({"examples": [PAIR], "tags": ["a" * 257]}, "tags[0]"),
        ({"examples": [PAIR], "tags": [f"{i}" for i in range(65)]}, "tags"),
        ({"examples": [PAIR], "tags": ["\x07"]}, "tags[0]"),
        ({"examples": [PAIR], "job_key": ""}, "job_key"),
        ({"examples": [PAIR], "job_key": "  "}, "job_key"),
        ({"examples": [PAIR], "job_key": "k" * 201}, "job_key"),
        ({"examples": [PAIR], "job_key": 5}, "job_key"),
        ({"examples": [PAIR], "example": []}, "example"),
        ({"examples": [PAIR], "x": float("nan")}, "x"),
        ([PAIR], None),
        ("hello", None),
        (None, None),
        (7, None),
    ],
)
def test_a_bad_body_names_its_field(body, field):
    with pytest.raises(RequestError) as caught:
        admit(body, UpdateSettings(), anything_fits)
    assert caught.value.field == field
    assert caught.value.remedy


def test_tags_are_cleaned_and_not_repeated():
    assert admit_examples(PAIR, tags=[" a", "b", "a\r\n"]).tags == ("a", "b")


def test_too_many_examples_are_too_large():
    body = {"examples": [PAIR, PAIR, PAIR]}
    with pytest.raises(TooLarge) as caught:
        admit(body, UpdateSettings(max_examples_per_update=2), anything_fits)
    assert (caught.value.field, caught.value.value) == ("examples", 3)
    assert "at most 2" in caught.value.remedy


def test_an_example_that_is_too_long_is_named():
    def measure(example: Example) -> None:
        if example.text == "long":
            raise TooLarge("It has 9 tokens; the limit is 8.", value=9, remedy="Shorten it.")

    with pytest.raises(TooLarge) as caught:
        admit({"examples": [PAIR, {"text": "long"}]}, UpdateSettings(), measure)
    error = caught.value
    assert (error.field, error.value, error.remedy) == ("examples[1]", 9, "Shorten it.")
    assert str(error) == "examples[1]: It has 9 tokens; the limit is 8."


def test_what_the_template_refuses_is_named_within_its_example():
    def measure(example: Example) -> None:
        if example.text == "odd":
            raise RequestError("It is odd.", field="messages[0]", value=1, remedy="Send another.")

    with pytest.raises(RequestError) as caught:
        admit({"examples": [PAIR, {"text": "odd"}]}, UpdateSettings(), measure)
    error = caught.value
    assert (error.field, error.value) == ("examples[1].messages[0]", 1)
    assert (str(error), error.remedy) == ("examples[1]: It is odd.", "Send another.")


def test_nothing_is_measured_before_everything_is_checked():
    measured = []
    with pytest.raises(RequestError):
        admit({"examples": [PAIR, {}]}, UpdateSettings(), measured.append)
    assert measured == []


def test_deep_nesting_is_refused_without_recursion():
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    for body in (deep, {"examples": deep}, {"examples": [{"text": deep}]}):
        with pytest.raises(RequestError, match="nested too deeply"):
            admit(body, UpdateSettings(), anything_fits)
    while deep:  # taken apart by hand: deleting it whole would recurse
        deep = deep.pop()


TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
KEYS = st.sampled_from(
    ["input", "output", "messages", "prompt", "completion", "text", "role", "content", "tags"]
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=8)
    | st.sampled_from(["user", "assistant", "system", "a\ud800", "`x` - at `$.y`"])
)
GARBAGE = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)
EXAMPLES = st.one_of(
    st.fixed_dictionaries({"input": TEXTS, "output": TEXTS}),
    st.fixed_dictionaries({"text": TEXTS}),
    st.fixed_dictionaries(
        {
            "messages": st.lists(
                st.fixed_dictionaries(
                    {"role": st.sampled_from(["system", "user", "assistant"]), "content": TEXTS}
                ),
                max_size=4,
            )
        }
    ),
    GARBAGE,
)
BODIES = GARBAGE | st.fixed_dictionaries(
    {"examples": st.lists(EXAMPLES, max_size=4)},
    optional={"tags": GARBAGE | st.lists(TEXTS, max_size=2), "job_key": LEAVES},
)


def as_body(admitted: Admitted) -> dict:
    examples = [
        {"messages": [{"role": m.role, "content": m.content} for m in e.messages]}
        if e.messages
        else {"text": e.text}
        for e in admitted.examples
    ]
    return {"examples": examples, "tags": list(admitted.tags)}


def learned(admitted: Admitted) -> list[tuple]:
    return [(e.messages, e.text, e.tags) for e in admitted.examples]


@examples(150, deadline=None)
@given(BODIES)
def test_any_json_is_admitted_or_refused_with_reasons(body):
    try:
        admitted = admit(body, UpdateSettings(), anything_fits)
    except RequestError as error:
        parts = [str(error), error.field, error.value, error.remedy]
        json.dumps(parts, ensure_ascii=False).encode("utf-8")
        is_explained = bool(str(error) and error.remedy)
    else:
        again = admit(as_body(admitted), UpdateSettings(), anything_fits)
        assert learned(again) == learned(admitted)
        assert again.duplicates == 0
        is_explained = len(admitted.raw) == len(admitted.examples) + admitted.duplicates
    assert is_explained
