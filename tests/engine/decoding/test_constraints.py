"""Answers that have a form by construction, and forms that cannot be used."""

import json
import re
import threading
import time
from concurrent.futures import Future
from typing import Any

import jsonschema
import pytest
from llguidance import LLMatcher

from radiance import limits
from radiance.engine.decoding.constraints import (
    _BYTES,
    ConstraintCompiler,
    _exact,
    _grammar,
    _shadowed,
)
from radiance.engine.requests import Answer, Constraint, Request, Sampling
from radiance.engine.worker import Engine
from radiance.errors import Cancelled, Overloaded, RequestError
from tests.engine.decoding.test_generation import ask

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "size": {"type": "integer", "minimum": 1, "maximum": 9},
        "kind": {"enum": ["pump", "lamp"]},
    },
    "required": ["name", "size", "kind"],
    "additionalProperties": False,
}


def constrained(engine: Engine, constraint: Constraint, seed: int) -> str:
    sampling = Sampling(temperature=1.0, seed=seed)
    request = ask(engine, max_tokens=200, sampling=sampling, constraint=constraint)
    answer = engine.submit(request).result(timeout=120)
    assert answer.finish_reason == "stop"
    return answer.text


@pytest.mark.parametrize("seed", range(4))
def test_a_schema_is_kept_to_on_one_line(engine: Engine, seed: int) -> None:
    text = constrained(engine, Constraint("json_schema", json.dumps(SCHEMA)), seed)
    found = json.loads(text)
    assert text == json.dumps(found, ensure_ascii=False)  # no blank more than between its parts
    assert set(found) == {"name", "size", "kind"}
    assert isinstance(found["name"], str)
    assert found["size"] in range(1, 10)
    assert found["kind"] in ("pump", "lamp")


def test_other_forms(engine: Engine) -> None:
    assert re.fullmatch(r"[ab]{3,5}", constrained(engine, Constraint("regex", "[ab]{3,5}"), 1))
    grammar = 'start: NUMBER ("+" NUMBER)*\nNUMBER: /[0-9]{1,3}/'
    text = constrained(engine, Constraint("lark", grammar), 2)
    assert re.fullmatch(r"\d{1,3}(\+\d{1,3})*", text)


def test_constrained_and_free_rows_share_a_batch(engine: Engine) -> None:
    free = engine.submit(ask(engine)).result().tokens
    form = Constraint("regex", "[0-9]{4}")
    futures = [
        engine.submit(ask(engine, constraint=form if number % 2 else None)) for number in range(6)
    ]
    answers = [future.result(timeout=60) for future in futures]
    for number, answer in enumerate(answers):
        if number % 2:
            assert re.fullmatch(r"\d{4}", answer.text)
        else:
            assert answer.tokens == free


@pytest.mark.parametrize(
    ("constraint", "why"),
    [
        (Constraint("json_schema", '{"type": "objct"}'), "objct"),
        (Constraint("json_schema", "{"), "line 1"),
        (Constraint("lark", "start: nowhere"), "nowhere"),
        (Constraint("regex", "("), "unclosed"),
        (Constraint("regex", "a" * 200_000), "characters"),
    ],
)
def test_a_form_that_cannot_be_used_is_the_callers_error(
    engine: Engine, constraint: Constraint, why: str
) -> None:
    with pytest.raises(RequestError, match=why) as caught:
        engine.submit(ask(engine, constraint=constraint)).result(timeout=60)
    assert caught.value.field == "response_format"
    assert engine.submit(ask(engine)).result(timeout=60).tokens


def _object(**parts: Any) -> dict[str, Any]:
    return {"type": "object", **parts}


_A = {"properties": {"a": {"type": "boolean"}}, "required": ["a"]}
_CLOSED = {"additionalProperties": False}
SCHEMAS: dict[str, dict[str, Any]] = {
    "additionalProperties": _object(**_A, **_CLOSED),
    "allOf": {"allOf": [_object(**_A), _object(properties={"b": {"const": 1}}, required=["b"])]},
    "anyOf": {"anyOf": [{"type": "boolean"}, {"const": "x"}]},
    "const": {"const": {"a": [1, None, "x\ny"]}},
    "dependentRequired": _object(dependentRequired={"a": ["b"]}),
    "dependentSchemas": _object(dependentSchemas={"a": {"required": ["b"]}}),
    "enum": {"enum": [1, "two", [3], None]},
    "format": {"type": "string", "format": "date"},
    "if": {"if": {"const": 1}, "then": {"type": "integer"}},
    "items": {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 3},
    "maximum": {"type": "integer", "minimum": -3, "exclusiveMaximum": 12},
    "maxLength": {"type": "string", "minLength": 2, "maxLength": 4},
    "maxProperties": _object(maxProperties=1, additionalProperties={"type": "boolean"}),
    "minContains": {"type": "array", "contains": {"const": 1}, "minContains": 2},
    "multipleOf": {"type": "integer", "multipleOf": 7, "minimum": 0, "maximum": 99},
    "not": {"not": {"type": "string"}},
    "oneOf": {"oneOf": [{"type": "boolean"}, {"type": "integer", "maximum": 3}]},
    "pattern": {"type": "string", "pattern": "^[ab]{2,3}$"},
    "patternProperties": _object(
        properties={"score": {"type": "integer"}},
        patternProperties={"^score$": {"type": "integer"}},
        **_CLOSED,
    ),
    "patternProperties beside others": _object(
        **_A, patternProperties={"^x": {"type": "boolean"}}, maxProperties=3, **_CLOSED
    ),
    "prefixItems": {
        "type": "array",
        "prefixItems": [{"const": 1}, {"type": "boolean"}],
        "items": False,
        "minItems": 2,
    },
    "propertyNames": _object(propertyNames={"pattern": "^a"}),
    "$ref": {"$ref": "#/$defs/one", "$defs": {"one": {"type": "boolean"}}},
    "$ref elsewhere": {"$ref": "http://localhost/other.json"},
    "$ref to nothing": {"$ref": "#/$defs/two", "$defs": {"one": {"type": "boolean"}}},
    "$ref to no anchor": {"$ref": "#two"},
    "maximum beyond whole numbers": {"type": "number", "maximum": 2**64},
    "oneOf that overlaps": {"oneOf": [{"type": "integer"}, {"minimum": 2}]},
    "pattern of another dialect": {"type": "string", "pattern": "^\\cC$"},
    "$dynamicRef": {"$dynamicRef": "#/$defs/one", "$defs": {"one": {"type": "boolean"}}},
    "type": {"type": ["boolean", "null"]},
    "unevaluatedProperties": _object(**_A, unevaluatedProperties=False),
    "uniqueItems": {"type": "array", "uniqueItems": True, "items": {"type": "integer"}},
}


# Objects that may have anything besides take seconds of a core.
_SLOW = pytest.param("allOf", marks=pytest.mark.slow)


@pytest.mark.parametrize("keyword", [_SLOW if name == "allOf" else name for name in SCHEMAS])
def test_a_schema_is_held_or_refused_by_its_keyword(engine: Engine, keyword: str) -> None:
    schema = SCHEMAS[keyword]
    form = Constraint("json_schema", json.dumps(schema))
    for seed in range(3):
        sampling = Sampling(temperature=1.0, seed=seed)
        request = ask(engine, max_tokens=200, sampling=sampling, constraint=form)
        future = engine.submit(request)
        if (error := future.exception(timeout=120)) is not None:
            assert isinstance(error, RequestError)
            assert keyword.partition(" ")[0] in str(error)
            assert "\n" not in str(error)
            assert len(str(error)) < 300
            return
        answer = future.result()
        if answer.finish_reason == "stop":
            jsonschema.validate(json.loads(answer.text), schema)


def properties(count: int) -> Constraint:
    """A schema of so many optional properties, which no parser of bounded width can hold."""
    fields = {f"p{number}": {"type": "string"} for number in range(count)}
    schema = {"type": "object", "properties": fields, "additionalProperties": False}
    return Constraint("json_schema", json.dumps(schema))


def test_a_form_that_cannot_be_held_is_the_callers_error_too(engine: Engine, monkeypatch) -> None:
    monkeypatch.setattr(engine._forms, "_unholdable", lambda matcher: "")  # as deep in a form
    told: list[object] = []
    engine.observe(lambda checkpoint, request, outcome: told.append(outcome))
    with pytest.raises(RequestError, match="nothing that fits it can follow") as caught:
        engine.submit(ask(engine, constraint=properties(600))).result(timeout=60)
    assert caught.value.field == "response_format"
    assert [type(outcome) for outcome in told] == [RequestError]
    engine._observers.pop()


def test_a_form_is_compiled_while_others_are_answered(engine: Engine, monkeypatch) -> None:
    began, goes_on = threading.Event(), threading.Event()
    compiled = engine._forms._compiled

    def slow(constraint: Constraint) -> LLMatcher | str:
        began.set()
        assert goes_on.wait(60)
        return compiled(constraint)

    monkeypatch.setattr(engine._forms, "_compiled", slow)
    monkeypatch.setattr(limits, "FORM_SECONDS", limits.FORM_SECONDS._replace(value=60))
    formed = engine.submit(ask(engine, constraint=Constraint("regex", "[0-9]{5}")))
    assert began.wait(60)
    assert engine.submit(ask(engine)).result(timeout=60).tokens
    assert not formed.done()
    goes_on.set()
    assert re.fullmatch(r"\d{5}", formed.result(timeout=60).text)


def test_a_form_that_takes_too_long_is_refused_and_the_next_is_compiled(
    engine: Engine, monkeypatch
) -> None:
    goes_on = threading.Event()
    compiled = engine._forms._compiled

    def endless(constraint: Constraint) -> LLMatcher | str:
        if constraint.source == "[x]{7}":
            assert goes_on.wait(60)
        return compiled(constraint)

    monkeypatch.setattr(engine._forms, "_compiled", endless)
    monkeypatch.setattr(limits, "FORM_SECONDS", limits.FORM_SECONDS._replace(value=0))
    try:
        with pytest.raises(RequestError, match="takes over"):
            engine.submit(ask(engine, constraint=Constraint("regex", "[x]{7}"))).result(timeout=60)
        monkeypatch.setattr(limits, "FORM_SECONDS", limits.FORM_SECONDS._replace(value=60))
        other = engine.submit(ask(engine, constraint=Constraint("regex", "[y]{7}")))
        assert other.result(timeout=60).text == "y" * 7
    finally:
        goes_on.set()


def test_who_gives_up_while_a_form_is_compiled_hears_of_it(engine: Engine, monkeypatch) -> None:
    goes_on = threading.Event()

    def slow(constraint: Constraint) -> LLMatcher:
        assert goes_on.wait(60)
        raise RequestError("too late")

    monkeypatch.setattr(engine._forms, "_compiled", slow)
    formed = engine.submit(ask(engine, constraint=Constraint("regex", "[z]{7}")))
    engine.cancel(formed)
    with pytest.raises(Cancelled):
        formed.result(timeout=60)
    goes_on.set()
    assert engine.submit(ask(engine)).result(timeout=60).tokens


def test_so_many_forms_wait_and_no_more(engine: Engine, monkeypatch) -> None:
    goes_on = threading.Event()

    def slow(constraint: Constraint) -> LLMatcher:
        goes_on.wait(60)
        raise RequestError("of no use")

    compiler = ConstraintCompiler(engine.encoder.vocabulary)
    monkeypatch.setattr(compiler, "_compiled", slow)
    for number in range(64):
        compiler.compile(Constraint("regex", f"{number}"))
    with pytest.raises(Overloaded):
        compiler.compile(Constraint("regex", "one more"))
    goes_on.set()
    compiler.close()


def test_who_wait_for_the_same_form_share_one_compilation(engine: Engine, monkeypatch) -> None:
    goes_on, compiled = threading.Event(), list[Constraint]()
    compiler = ConstraintCompiler(engine.encoder.vocabulary)
    compile_one = compiler._compiled

    def slow(constraint: Constraint) -> LLMatcher | str:
        compiled.append(constraint)
        assert goes_on.wait(60)
        return compile_one(constraint)

    monkeypatch.setattr(compiler, "_compiled", slow)
    good, bad = Constraint("regex", "[0-9]{5}"), Constraint("regex", "(")
    waiting = [compiler.compile(form) for form in (good, bad) * 15]
    goes_on.set()
    waiting += [compiler.compile(form) for form in (good, bad) * 15]
    states = [form.result(timeout=60) for form in waiting[::2]]
    assert len({id(state._matcher) for state in states}) == 30  # each answer has its own
    for form in waiting[1::2]:
        with pytest.raises(RequestError, match="unclosed"):
            form.result(timeout=60)
    assert compiled == [good, bad]
    compiler.close()


def test_what_took_too_long_is_there_once_it_has_come_to_its_end(
    engine: Engine, monkeypatch
) -> None:
    goes_on = threading.Event()
    compiler = ConstraintCompiler(engine.encoder.vocabulary)
    compile_one = compiler._compiled

    def slow(constraint: Constraint) -> LLMatcher | str:
        assert goes_on.wait(60)
        return compile_one(constraint)

    monkeypatch.setattr(compiler, "_compiled", slow)
    monkeypatch.setattr(limits, "FORM_SECONDS", limits.FORM_SECONDS._replace(value=0))
    form = Constraint("regex", "[0-9]{5}")
    with pytest.raises(RequestError, match="takes over"):
        compiler.compile(form).result(timeout=60)
    goes_on.set()
    while form not in compiler._kept:
        time.sleep(0.01)
    assert compiler.compile(form).result(timeout=0)
    compiler.close()


def _properties(count: int, *, required: bool = False) -> dict[str, Any]:
    properties = {f"p{number}": {"type": "string"} for number in range(count)}
    needed = {"required": list(properties)} if required else {}
    return {"type": "object", "properties": properties, "additionalProperties": False} | needed


@pytest.mark.parametrize(
    "schema",
    [
        _properties(1000),
        {"type": "object", "properties": {"a": _properties(1000)}, "required": ["a"]},
    ],
    ids=["at its first choice", "below what is forced"],
)
def test_what_cannot_be_held_is_refused_before_it_takes_a_row(
    engine: Engine, monkeypatch, schema: dict[str, Any]
) -> None:
    found, add = list[BaseException | None](), engine._add_formed

    def note(row: Any, form: Any) -> None:
        found.append(form.exception())
        add(row, form)

    monkeypatch.setattr(engine, "_add_formed", note)
    future = engine.submit(ask(engine, constraint=Constraint("json_schema", json.dumps(schema))))
    with pytest.raises(RequestError, match="some 500 optional properties"):
        future.result(timeout=60)
    assert "some 500 optional properties" in str(found[0])


@pytest.mark.parametrize("schema", [_properties(400), _properties(1000, required=True)])
def test_large_forms_that_can_be_held_are_taken(engine: Engine, schema: dict[str, Any]) -> None:
    compiler = ConstraintCompiler(engine.encoder.vocabulary)
    assert compiler.compile(Constraint("json_schema", json.dumps(schema))).result(timeout=60)
    compiler.close()


def test_of_large_forms_fewer_wait(engine: Engine, monkeypatch) -> None:
    goes_on = threading.Event()
    compiler = ConstraintCompiler(engine.encoder.vocabulary)
    monkeypatch.setattr(compiler, "_compiled", lambda form: goes_on.wait(60) and "of no use")
    waiting = [compiler.compile(Constraint("regex", f"{n}" * 90_000)) for n in range(3)]
    waiting += [compiler.compile(Constraint("regex", f"{n}" * 90_000)) for n in range(2)]
    with pytest.raises(Overloaded):
        compiler.compile(Constraint("regex", "2" * 90_000))
    waiting.append(compiler.compile(Constraint("regex", "small")))
    goes_on.set()
    for form in waiting:
        with pytest.raises(RequestError, match="of no use"):
            form.result(timeout=60)
    compiler.compile(Constraint("regex", "3" * 90_000))  # there is room again
    compiler.close()


def test_the_supervisor_s_question_goes_before_all_that_wait(engine: Engine) -> None:
    rows = engine._settings.decode_rows
    ended: list[Future[Answer]] = []
    is_answered = threading.Event()

    def note_first(future: Future[Answer]) -> None:
        ended.append(future)
        is_answered.set()

    waiting = [engine.submit(ask(engine, max_tokens=300)) for _ in range(3 * rows)]
    for future in waiting:
        future.add_done_callback(ended.append)
    first = engine.submit(Request(engine.encoder.plain("."), 1), goes_first=True)
    first.add_done_callback(note_first)
    before = len(ended)
    assert is_answered.wait(120)
    # Who was answered when it came goes on; of those that waited for a row nobody went before it.
    assert ended.index(first) <= before + rows
    for future in waiting:
        engine.cancel(future)


@pytest.mark.parametrize(
    ("pattern", "is_shadowed"),
    [("^sc", True), ("re$", True), ("o", True), ("^o", False), ("(s|c|o|r|e)+", True)],
)
def test_a_property_that_a_pattern_matches_is_found(pattern: str, is_shadowed: bool) -> None:
    schema = {"properties": {"score": {}}, "patternProperties": {"^never$": {}, pattern: {}}}
    assert (_shadowed(json.dumps({"anyOf": [schema]})) == "score") == is_shadowed


@pytest.mark.timeout(20)
def test_no_pattern_takes_for_ever() -> None:
    """Each of these takes Python's matcher longer than anybody lives."""
    costly = {r"((\w|\.)+)+#": {}, "(a*)*b": {}, "^(a|aa)+$x": {}}
    names = {f"{'a' * 3000}{number}": {} for number in range(20)}
    assert _shadowed(json.dumps({"properties": names, "patternProperties": costly})) is None


@pytest.mark.parametrize(
    ("form", "text", "is_taken"),
    [
        ("date", "2023-02-28", True),
        ("date", "2024-02-29", True),
        ("date", "2000-02-29", True),
        ("date", "2023-02-29", False),
        ("date", "1900-02-29", False),
        ("date", "2023-04-31", False),
        ("date", "0000-01-01", False),
        ("date-time", "2023-02-28T23:59:59.5+01:00", True),
        ("date-time", "2023-02-28T12:25:60Z", False),
        ("date-time", "2023-02-29T00:00:00Z", False),
        ("time", "23:59:59Z", True),
        ("time", "12:25:60Z", False),
    ],
)
def test_days_and_times_are_such_as_there_are(form: str, text: str, is_taken: bool) -> None:
    schema = {"properties": {"x": {"type": "string", "format": form}}, "required": ["x"]}
    source = json.dumps({"type": "object", "additionalProperties": False, **schema})
    grammar = _grammar(Constraint("json_schema", source))
    matcher = LLMatcher(_BYTES, grammar, log_level=0)
    tokens = _BYTES.tokenize_bytes(json.dumps({"x": text}).encode())
    taken = matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()
    assert taken == is_taken


def test_what_is_a_value_in_a_schema_is_left_alone() -> None:
    schema = {"enum": [{"format": "date"}], "const": {"format": "time"}}
    assert _exact(schema) == schema
    own = {"type": "string", "format": "date", "pattern": "^2020"}
    assert _exact({"items": own}) == {"items": own}
