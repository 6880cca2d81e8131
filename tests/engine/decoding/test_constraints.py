"""Answers that have a form by construction, and forms that cannot be used."""

import json
import re

import pytest

from radiance.engine.requests import Constraint, Sampling
from radiance.engine.worker import Engine
from radiance.errors import RequestError
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
def test_a_schema_is_kept_to(engine: Engine, seed: int) -> None:
    found = json.loads(constrained(engine, Constraint("json_schema", json.dumps(SCHEMA)), seed))
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
