"""Expressions as traders speak of them."""

import random
import re

import pytest

from radiance.labs.alphas.data.spoken import speak
from radiance.labs.alphas.language.checker import check
from radiance.labs.alphas.language.printer import render
from radiance.labs.alphas.language.syntax import Call, Name, Number, walk
from radiance.labs.alphas.values.evaluator import Evaluator
from radiance.labs.alphas.values.synthetic import made_up


def test_what_is_spoken_checks_evaluates_and_is_a_sentence() -> None:
    rng, evaluator = random.Random(1), Evaluator(made_up(40, 6))
    for _ in range(500):
        node, said = speak(rng)
        evaluator.evaluate(check(render(node)))
        assert re.fullmatch(r"[\w][^{}]*[^.]", said), said


@pytest.mark.parametrize("seed", range(20))
def test_every_window_of_the_expression_is_said(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(100):
        node, said = speak(rng)
        days = {
            f"{argument.value:g}"
            for part in walk(node)
            if isinstance(part, Call)
            for argument in part.arguments[1:]
            if isinstance(argument, Number)
        }
        days |= {
            part.name[3:] for part in walk(node) if isinstance(part, Name) if "adv" in part.name
        }
        assert days <= set(re.findall(r"\d+(?:\.\d+)?", said)), (said, render(node))


def test_a_seed_gives_one_set() -> None:
    one, other = ([speak(random.Random(7)) for _ in range(3)] for _ in range(2))
    assert one == other
    rng = random.Random(7)
    assert len({said for _, said in (speak(rng) for _ in range(200))}) > 190
