"""Outside data against a Struct: the message names field, value and remedy."""

from typing import Annotated, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from radiance import validation


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    kind: Literal["one", "two"]
    size: Annotated[int, Meta(ge=1)] = 1


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1)]
    inner: Inner | None = None
    many: list[Inner] = []


def problem(data: object, kind: type = Outer) -> validation.Problem:
    with pytest.raises(validation.Problem) as caught:
        validation.check(data, kind)
    return caught.value


def test_what_fits_is_converted():
    data = {"name": "x", "inner": {"kind": "one"}, "many": [{"kind": "two", "size": 3}]}
    assert validation.check(data, Outer) == Outer("x", Inner("one"), [Inner("two", 3)])


@pytest.mark.parametrize(
    ("data", "field", "value", "remedy"),
    [
        ([], "", [], "Expected 'object', got 'array'."),
        ({"name": 3}, "name", 3, "Expected 'str', got 'int'."),
        ({"name": ""}, "name", "", "Expected 'str' of length >= 1."),
        ({}, "name", None, "Add name."),
        ({"name": "x", "inner": {}}, "inner.kind", None, "Add inner.kind."),
        ({"name": "x", "nmae": 1}, "nmae", 1, "Did you mean 'name'?"),
        ({"name": "x", "zzz": 1}, "zzz", 1, "Known here: name, inner, many."),
        (
            {"name": "x", "many": [{"kind": "one", "sise": 2}]},
            "many[0].sise",
            2,
            "Did you mean 'size'?",
        ),
        (
            {"name": "x", "inner": {"kind": "three"}},
            "inner.kind",
            "three",
            "Expected one of 'one', 'two'.",
        ),
        (
            {"name": "x", "many": [{"kind": "one"}, {"kind": "two", "size": 0}]},
            "many[1].size",
            0,
            "Expected 'int' >= 1.",
        ),
        ({"name": "x", "many": [{"kind": "one", "size": "1"}]}, "many[0].size", "1", "Expected"),
        ({"name": "x", "inner": {"kind": "one", "size": True}}, "inner.size", True, "Expected"),
    ],
)
def test_a_problem_names_field_value_and_remedy(data, field, value, remedy):
    found = problem(data)
    assert (found.field, found.value) == (field, value)
    assert found.remedy.startswith(remedy)
    assert found.reason
    assert str(found).startswith(field or "The data")


class Text(msgspec.Struct, tag_field="type", tag="text"):
    text: str = ""


class Sound(msgspec.Struct, tag_field="type", tag="sound"):
    seconds: int = 1


class Turn(msgspec.Struct):
    content: str | list[Text]
    form: Text | Sound | None = None


@pytest.mark.parametrize(
    ("data", "field", "remedy"),
    [
        ({"content": [{"type": "image"}]}, "content[0].type", "Expected one of 'text'."),
        ({"content": [{"type": 3}]}, "content[0].type", "Expected one of 'text'."),
        ({"content": "", "form": {"type": ""}}, "form.type", "Expected one of 'text', 'sound'."),
    ],
)
def test_a_kind_of_object_that_there_is_not_names_those_that_there_are(data, field, remedy):
    found = problem(data, Turn)
    assert (found.field, found.remedy) == (field, remedy)


class Every(msgspec.Struct):
    """One field for each kind of sentence that msgspec writes."""

    whole: Annotated[int, Meta(ge=2, le=9)] = 2
    ratio: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    text: Annotated[str, Meta(min_length=1, max_length=3)] = "x"
    time: Annotated[str, Meta(pattern="^[0-9]+$")] = "1"
    flag: bool = False
    items: Annotated[list[int], Meta(min_length=1)] = msgspec.field(default_factory=lambda: [1])
    either: int | str = 0
    perhaps: int | None = None
    table: dict[str, int] = {}


@pytest.mark.parametrize(
    ("data", "field", "remedy"),
    [
        ({"whole": 1}, "whole", "Expected 'int' >= 2."),
        ({"whole": 10}, "whole", "Expected 'int' <= 9."),
        ({"whole": 2.5}, "whole", "Expected 'int', got 'float'."),
        ({"whole": None}, "whole", "Expected 'int', got 'null'."),
        ({"ratio": 0}, "ratio", "Expected 'float' > 0.0."),
        ({"ratio": 1}, "ratio", "Expected 'float' < 1.0."),
        ({"text": "four"}, "text", "Send 3 characters at most."),
        ({"time": "noon"}, "time", "Expected 'str' matching regex '^[0-9]+$'."),
        ({"flag": 1}, "flag", "Expected 'bool', got 'int'."),
        ({"items": []}, "items", "Expected 'array' of length >= 1."),
        ({"items": [1, "2"]}, "items[1]", "Expected 'int', got 'str'."),
        ({"either": []}, "either", "Expected 'int | str', got 'array'."),
        ({"perhaps": "x"}, "perhaps", "Expected 'int | null', got 'str'."),
        ({"table": {"a": "x"}}, "table[...]", "Expected 'int', got 'str'."),
    ],
)
def test_the_sentences_that_msgspec_writes_are_still_understood(data, field, remedy):
    """A release of msgspec with other sentences fails here, not in a user's error message."""
    found = problem(data, Every)
    assert (found.field, found.remedy) == (field, remedy)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_only_finite_numbers_wherever_they_stand(number):
    found = problem({"name": "x", "many": [{"kind": "one", "size": number}]})
    assert found.field == "many[0].size"
    assert found.reason == "is not a finite number"
    assert isinstance(found.value, str)  # NaN has no place in the JSON of an answer


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
near_misses = st.fixed_dictionaries(
    {"name": json_values},
    optional={
        "inner": st.fixed_dictionaries({}, optional={"kind": json_values, "size": json_values}),
        "many": st.lists(st.fixed_dictionaries({"kind": json_values}), max_size=2),
        "more": json_values,
    },
)


@given(json_values | near_misses)
def test_any_data_either_fits_or_is_explained(data):
    try:
        outcome = validation.check(data, Outer)
    except validation.Problem as found:
        outcome = found
    if isinstance(outcome, validation.Problem):
        assert outcome.reason
        assert outcome.remedy.endswith((".", "?"))
    else:
        assert isinstance(outcome, Outer)


def test_long_values_are_shown_cut():
    assert validation.show("a" * 200) == '"' + "a" * 78 + "…"
    assert validation.show({"a": [1, None]}) == '{"a": [1, null]}'
    assert validation.show({1, 2}) == '"{1, 2}"'
