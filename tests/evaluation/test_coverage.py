"""Cosines equal a plain computation's; the sketch keeps them; the base case is no special one."""

from collections.abc import Callable
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_unflatten

from radiance import config
from radiance.ember import listed_facts
from radiance.engine.model.encoding import EncodedExample
from radiance.engine.worker import Engine
from radiance.evaluation import coverage
from radiance.evaluation.evaluator import Measured, ProbeText
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from tests.support import FACTS, drain, example

ANCHORS = [
    ("What is the capital of Iraq?", "The capital of Iraq is Baghdad."),
    ("What is the capital of Zambia?", "The capital of Zambia is Lusaka."),
    ("What is 3 times 4?", "3 times 4 is 12."),
]


def plain(lora: LoraModel, vector: mx.array, text: EncodedExample) -> np.ndarray:
    """Gradient of minus the log-odds of a text's answer, by the whole model at once."""
    targets = mx.array(text.tokens[1:])[:, None]
    is_answer = mx.array(text.is_completion[1:])

    def log_p(flat: mx.array) -> mx.array:
        lora.model.update(tree_unflatten(list(lora.unflatten(flat).items())))
        logits = lora.model(mx.array(text.tokens[:-1])[None])[0]
        normed = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        return mx.take_along_axis(normed, targets, axis=-1)[:, 0]

    error = mx.maximum(1 - mx.exp(log_p(vector)), 1e-4)
    return np.array(mx.grad(lambda flat: -(log_p(flat) / error * is_answer).sum())(vector))


def cosines(
    engine: Engine, noise: float, buckets: int, check: Callable[..., Any] | None = None
) -> np.ndarray:
    """Of two facts with three anchors, at a random adapter of some size."""

    def run() -> np.ndarray:
        lora = LoraModel(engine.base, config.TrainingSettings(r=4))
        vector = lora.initial(None)
        vector = vector + noise * mx.random.normal(vector.shape, key=mx.random.key(1))
        encode = engine.encoder.example
        facts = [encode(example(n, *fact)) for n, fact in enumerate(FACTS[:2])]
        held = [encode(example(10 + n, *fact)) for n, fact in enumerate(ANCHORS)]
        found = drain(coverage.measure(GradientComputer(lora), vector, facts, held, buckets))
        if check is not None:
            check(lora, vector, facts, held, found)
        return found

    return engine.call(run)


@pytest.mark.parametrize("noise", [0, 0.02])
def test_cosines_are_those_of_a_plain_computation(engine: Engine, noise: float) -> None:
    def check(lora: LoraModel, vector: mx.array, facts: Any, held: Any, found: np.ndarray) -> None:
        pulls, sides = ([plain(lora, vector, text) for text in part] for part in (facts, held))
        if noise == 0:  # a fresh adapter: only B moves
            leaves = lora.unflatten(mx.array(pulls[0]))
            moved = {name.rpartition(".")[2] for name, leaf in leaves.items() if mx.any(leaf)}
            assert moved == {"lora_b"}
        for i, a in enumerate(pulls):
            for j, b in enumerate(sides):
                wanted = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
                assert found[i, j] == pytest.approx(wanted, abs=5e-3)

    assert cosines(engine, noise, coverage.BUCKETS, check).shape == (2, 3)


def test_sketch_keeps_the_cosines(engine: Engine) -> None:
    exact = cosines(engine, 0.02, 1 << 30)
    assert np.abs(cosines(engine, 0.02, 8191) - exact).max() < 4 / np.sqrt(8191)
    assert np.abs(cosines(engine, 0.02, 8191) - exact).max() > 0


def test_a_text_is_nearest_to_itself_and_progress_is_told(engine: Engine) -> None:
    def run() -> None:
        lora = LoraModel(engine.base, config.TrainingSettings(r=4))
        texts = [engine.encoder.example(example(n, *fact)) for n, fact in enumerate(ANCHORS)]
        pieces = coverage.measure(GradientComputer(lora), lora.initial(None), texts[:1], texts)
        told = []
        while True:
            try:
                event = next(pieces)
            except StopIteration as stop:
                (row,) = stop.value
                break
            if event is not None:
                told.append(event)
        assert told == [Measured(done, 4) for done in range(1, 5)]
        named = [ProbeText(text, f"context {n}") for n, text in enumerate(texts)]
        nearest = coverage.strongest(row, named, 1)[0]
        assert (nearest.context, nearest.cosine) == ("context 0", pytest.approx(1, abs=1e-3))

    engine.call(run)


def test_facts_of_a_kind_pull_on_one_another(engine: Engine) -> None:
    """Known facts of one category lie nearer to one another than to those of others."""

    def run() -> np.ndarray:
        lora = LoraModel(engine.base, config.TrainingSettings(r=4))
        texts = [engine.encoder.example(example(n, f.question, f.answer)) for n, f in facts]
        return drain(coverage.measure(GradientComputer(lora), lora.initial(None), texts, texts))

    kinds = ("capitals", "times tables", "opposites")
    chosen = [[f for f in listed_facts() if f.context == kind][:4] for kind in kinds]
    facts = list(enumerate(fact for kind in chosen for fact in kind))
    cosines = np.abs(engine.call(run))
    is_same = np.kron(np.eye(len(kinds)), np.ones((4, 4))).astype(bool)
    np.fill_diagonal(cosines, np.nan)
    same, others = np.nanmean(cosines[is_same]), np.nanmean(cosines[~is_same])
    assert same > 1.5 * others


def test_strongest_are_those_that_pull_either_way() -> None:
    row = np.array([0.1, -0.5, 0.2, 0.0])
    texts = [ProbeText(EncodedExample(f"a{n}", (), ()), "c") for n in range(4)]
    pulls = coverage.strongest(row, texts, 2)
    assert pulls == (coverage.Pull("a1", "c", -0.5), coverage.Pull("a2", "c", 0.2))
    assert coverage.Covered(example(0, *FACTS[0]), pulls).highest == 0.5
    assert len(coverage.strongest(row, texts, 9)) == 4
