"""The gradient computed block by block is the gradient."""

import itertools
from collections.abc import Iterator
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import numpy as np
import pytest
from mlx.utils import tree_unflatten

from radiance import config
from radiance.engine.worker import Engine
from radiance.errors import ConfigError
from radiance.training.batches import TrainingBatch, make_batch
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from tests.support import FACTS, drain, example
from tests.training.whole_gradient import whole_gradient


def setting(
    engine: Engine, **settings: Any
) -> tuple[LoraModel, GradientComputer, mx.array, TrainingBatch]:
    """A LoRA model away from its starting point, and a batch."""
    lora = LoraModel(engine.base, config.TrainingSettings(**settings))
    vector = mx.random.normal((lora.size,), key=mx.random.key(3)) * 0.05
    batch = make_batch([engine.encoder.example(example(i, *fact)) for i, fact in enumerate(FACTS)])
    return lora, GradientComputer(lora), vector, batch


def test_equals_the_gradient_of_the_whole_model(engine: Engine) -> None:
    def compare() -> None:
        lora, gradient_computer, vector, batch = setting(engine, r=4)
        assert gradient_computer.is_blockwise
        loss, gradient = drain(gradient_computer.gradient(vector, batch))
        expected_loss, expected = whole_gradient(lora, vector, batch)
        assert np.allclose(np.array(loss), np.array(expected_loss), rtol=1e-5)
        assert np.allclose(np.array(gradient), np.array(expected), rtol=1e-3, atol=1e-4)

    engine.call(compare)


def test_smaller_pieces_give_the_same_bits(engine: Engine) -> None:
    """What is sent while it runs decides where it is cut, and nothing else."""

    def run(answers: Iterator[bool]) -> tuple[int, np.ndarray]:
        _, gradient_computer, vector, batch = setting(engine, r=4, dropout=0.2)
        pieces, count = gradient_computer.gradient(vector, batch, mx.random.key(5)), 0
        try:
            next(pieces)
            while True:
                count += 1
                pieces.send(next(answers))
        except StopIteration as stop:
            return count, np.array(stop.value[1])

    def compare() -> None:
        blocks, plain = run(itertools.repeat(False))
        quarters, fine = run(itertools.repeat(True))
        _, mixed = run(itertools.cycle([True, False, False, True, True]))
        layers = len(engine.base.model.layers)
        assert quarters - blocks >= 3 * 2 * layers, "forward and backward in four parts each"
        assert np.array_equal(plain, fine)
        assert np.array_equal(plain, mixed)

    engine.call(compare)


def test_models_that_cannot_be_cut_are_computed_whole(engine: Engine) -> None:
    def compare() -> None:
        lora, gradient_computer, vector, batch = setting(engine, r=4)
        gradient = drain(gradient_computer.gradient(vector, batch))
        scores = drain(gradient_computer.target_losses(vector, batch))
        lora.model.model_type = "something_else"
        whole = GradientComputer(lora)
        assert not whole.is_blockwise
        for theirs, ours in zip(drain(whole.gradient(vector, batch)), gradient, strict=True):
            assert np.allclose(np.array(theirs), np.array(ours), rtol=1e-3, atol=1e-4)
        for theirs, ours in zip(drain(whole.target_losses(vector, batch)), scores, strict=True):
            assert np.allclose(np.array(theirs), np.array(ours), rtol=1e-4, atol=1e-5)

    engine.call(compare)


def test_dropout_drops_the_same_elements_forward_and_backward(engine: Engine) -> None:
    """Against a finite difference of the loss under the same masks."""

    def compare() -> None:
        _, gradient_computer, vector, batch = setting(engine, r=4, dropout=0.3)
        key = mx.random.key(9)
        loss, gradient = drain(gradient_computer.gradient(vector, batch, key))
        plain, _ = drain(gradient_computer.gradient(vector, batch))
        assert abs(loss.item() - plain.item()) > 1e-3
        step = gradient / mx.linalg.norm(gradient) * 3e-3
        above, _ = drain(gradient_computer.gradient(vector + step, batch, key))
        below, _ = drain(gradient_computer.gradient(vector - step, batch, key))
        slope = (above.item() - below.item()) / 6e-3
        assert slope == pytest.approx(mx.linalg.norm(gradient).item(), rel=0.02)

    engine.call(compare)


def test_no_piece_is_a_whole_step(engine: Engine) -> None:
    """A block forward, the head, a block backward: each is a piece of its own."""

    def count() -> tuple[int, int]:
        lora, gradient_computer, vector, batch = setting(engine, r=4)
        return sum(1 for _ in gradient_computer.gradient(vector, batch)), len(lora.model.layers)

    pieces, layers = engine.call(count)
    assert pieces >= 2 * layers + 1


def test_target_losses_are_the_losses_and_greedy_hits(engine: Engine) -> None:
    def compare() -> None:
        lora, gradient_computer, vector, batch = setting(engine, r=4)
        losses, hits = drain(gradient_computer.target_losses(vector, batch))
        total, _ = drain(gradient_computer.gradient(vector, batch))
        assert (losses * batch.weights).sum().item() == pytest.approx(total.item(), rel=1e-5)
        lora.model.update(tree_unflatten(list(lora.unflatten(vector).items())))
        logits = lora.model(batch.tokens)
        rows = logits.reshape(-1, logits.shape[-1])[batch.positions]
        assert (mx.argmax(rows, axis=-1) == batch.targets).tolist() == hits.tolist()

    engine.call(compare)


def test_fresh_adapter_adds_nothing_and_copies_nothing(engine: Engine) -> None:
    def compare() -> None:
        lora, gradient_computer, _, batch = setting(engine)
        losses, _ = drain(gradient_computer.target_losses(lora.initial(None), batch))
        logits = engine.base.model(batch.tokens)
        rows = logits.reshape(-1, logits.shape[-1])[batch.positions]
        expected = nn.losses.cross_entropy(rows, batch.targets)
        assert np.allclose(np.array(losses), np.array(expected), rtol=1e-4, atol=1e-5)
        ours = lora.model.model.layers[0].self_attn.q_proj.linear.weight
        assert ours is engine.base.parameters["model"]["layers"][0]["self_attn"]["q_proj"]["weight"]

    engine.call(compare)


def test_unknown_target_module_is_refused_by_name(engine: Engine) -> None:
    with pytest.raises(ConfigError, match=r'has "q_prj".*q_proj'):
        engine.call(
            lambda: LoraModel(engine.base, config.TrainingSettings(target_modules=("q_prj",)))
        )
