"""The step: AdamW where nothing is held; never against the anchors; the weight keeps a budget."""

from typing import Any

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from radiance import config
from radiance.training.optimizer import Optimizer

SIZE = 16
vectors = hnp.arrays(np.float32, SIZE, elements=st.floats(-1, 1, width=32))


def objective(contexts: tuple[str, ...] = (), decay: float = 0.0, **anchor: Any) -> Optimizer:
    training = config.TrainingSettings(weight_decay=decay, max_grad_norm=1e9)
    return Optimizer(SIZE, training, config.AnchorSettings(**anchor), contexts)


@given(st.lists(vectors, min_size=1, max_size=6), st.sampled_from([0.0, 0.1]))
def test_without_anchors_it_is_adamw(gradients: list[np.ndarray], decay: float) -> None:
    ours = objective(decay=decay)
    theirs = optim.AdamW(learning_rate=0.01, weight_decay=decay, bias_correction=True)
    vector = {"ours": mx.ones(SIZE)}
    expected = {"w": mx.ones(SIZE)}
    for number, gradient in enumerate(gradients, start=1):
        combined = ours.combine(mx.array(gradient), None)
        vector["ours"], _ = ours.step(vector["ours"], combined, number, 0.01)
        expected = theirs.apply_gradients({"w": mx.array(gradient)}, expected)
    assert np.allclose(np.array(vector["ours"]), np.array(expected["w"]), atol=1e-5)


@given(st.lists(vectors, min_size=1, max_size=6), st.sampled_from([0.0, 0.1]))
def test_with_rates_each_number_is_adamw_at_its_own(
    gradients: list[np.ndarray], decay: float
) -> None:
    """As with two groups of parameters, one of them with a higher learning rate (LoRA+)."""
    training = config.TrainingSettings(weight_decay=decay, max_grad_norm=1e9)
    rates = mx.where(mx.arange(SIZE) < SIZE // 2, 1.0, 4.0)
    ours = Optimizer(SIZE, training, config.AnchorSettings(), rates=rates)
    vector = mx.ones(SIZE)
    groups = [
        (optim.AdamW(learning_rate=lr, weight_decay=decay, bias_correction=True), part)
        for lr, part in ((0.01, slice(0, SIZE // 2)), (0.04, slice(SIZE // 2, SIZE)))
    ]
    expected = [{"w": mx.ones(SIZE)[part]} for _, part in groups]
    for number, gradient in enumerate(gradients, start=1):
        combined = ours.combine(mx.array(gradient), None)
        vector, _ = ours.step(vector, combined, number, 0.01)
        for place, (group, part) in enumerate(groups):
            expected[place] = group.apply_gradients(
                {"w": mx.array(gradient)[part]}, expected[place]
            )
    found = np.concatenate([np.array(part["w"]) for part in expected])
    assert np.allclose(np.array(vector), found, atol=1e-5)


@given(st.lists(st.tuples(vectors, vectors), min_size=1, max_size=6))
def test_the_applied_step_never_moves_against_the_anchors(pairs: Any) -> None:
    ours = objective(weight=0.0)
    vector = mx.zeros(SIZE)
    average = np.zeros(SIZE)
    for number, (new, held) in enumerate(pairs, start=1):
        combined = ours.combine(mx.array(new), mx.array(held), 0.1)
        after, report = ours.step(vector, combined, number, 0.01)
        held = held.astype(np.float64)
        if np.linalg.norm(held) <= 1e-6 * np.linalg.norm(new):  # rounding holds nothing
            held = np.zeros(SIZE)
        average = held if not average.any() else 0.8 * average + 0.2 * held
        applied = np.array(vector, dtype=np.float64) - np.array(after, dtype=np.float64)
        assert applied @ average >= -1e-5 * max(1.0, float(np.linalg.norm(average)))
        assert 0 <= report.projected <= 1 + 1e-5
        vector = after


@given(vectors.filter(lambda v: np.linalg.norm(v) > 0.1), vectors)
def test_rounding_of_the_anchors_turns_no_step(new: np.ndarray, noise: np.ndarray) -> None:
    """Before anything has diverged the anchors' gradient is zero, but for its rounding."""
    held = objective()
    combined = held.combine(mx.array(new), mx.array(noise * np.float32(1e-9)))
    after, report = held.step(mx.zeros(SIZE), combined, 1, 0.01)
    free, _ = objective().step(mx.zeros(SIZE), mx.array(new), 1, 0.01)
    assert np.array_equal(np.array(combined), new)
    assert np.allclose(np.array(after), np.array(free), atol=1e-7)
    assert report.projected < 1e-3


def test_each_context_is_a_constraint_of_its_own() -> None:
    ours = objective(("a", "b"), weight=0.0, constraints="contexts")
    first, second = (mx.array(np.eye(SIZE, dtype=np.float32)[i]) for i in (0, 1))
    ours.combine(mx.zeros(SIZE), first, context="a")
    combined = ours.combine(-first - second + mx.eye(SIZE)[2], second, context="b")
    after, report = ours.step(mx.zeros(SIZE), combined, 1, 0.01)
    moved = -np.array(after)
    assert moved[0] == pytest.approx(0, abs=1e-6)
    assert moved[1] == pytest.approx(0, abs=1e-6)
    assert moved[2] > 0.009
    assert report.projected == pytest.approx(np.sqrt(2 / 3), abs=1e-3)


@pytest.mark.parametrize(("divergence", "grows"), [(0.3, True), (0.01, False)])
def test_the_weight_follows_the_budget(divergence: float, grows: bool) -> None:
    ours, weight = objective(budget=0.1, weight=1.0), 1.0
    for number in range(1, 60):
        combined = ours.combine(mx.ones(SIZE), mx.ones(SIZE), divergence)
        _, report = ours.step(mx.zeros(SIZE), combined, number, 0.01)
        weight = report.anchor_weight
    assert (weight > 10) if grows else (weight < 0.1)
    assert 0.01 <= weight <= 100


def test_angle_and_distortion_are_what_they_say() -> None:
    ours = objective(weight=0.0, project="gradient")
    new, held = mx.array([1.0, 0.0] * 8), mx.array([-1.0, 0.0] * 8)
    combined = ours.combine(new, held)
    _, report = ours.step(mx.zeros(SIZE), combined, 1, 0.01)
    assert report.angle == pytest.approx(180, abs=0.1)
    assert np.allclose(np.array(combined), 0, atol=1e-6)


def test_moments_of_another_size_are_refused() -> None:
    """A state that was saved where more numbers could move; the training begins anew then."""
    saved = objective().save()
    saved["m"] = np.zeros(SIZE + 1, np.float32)
    with pytest.raises(ValueError, match="moments of 17 parameters, not 16"):
        objective().restore(saved)
