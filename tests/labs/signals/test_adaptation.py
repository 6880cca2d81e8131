"""One computation of many trainings is the trainings themselves: same code, same numbers."""

from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from radiance.config.derived import derived
from radiance.labs.signals.adaptation import ANCHORS_PER_STEP, adapt
from radiance.labs.signals.backbone import Linear, Lora, fresh_lora
from radiance.labs.signals.market import make_markets
from radiance.labs.signals.methods import Method, find_methods
from radiance.labs.signals.presets import with_values
from radiance.labs.signals.settings import StudySettings
from radiance.labs.signals.study import adapt_all, make_backbone, training_settings
from radiance.training.optimizer import Optimizer
from radiance.training.projection import project, project_all
from tests.example_counts import examples

SEEDS, METHODS, SIZE = 2, 3, 12
numbers = st.floats(-1, 1, width=32)
batches = hnp.arrays(np.float32, (SEEDS, METHODS, SIZE), elements=numbers)


def over_pairs(function: Any) -> Any:
    return mx.vmap(mx.vmap(function, (0, 0)), (0, 0))


@given(batches, batches)
def test_projected_steps_of_all_pairs_obey_the_law_of_the_float64_reference(step, anchor):
    found = np.array(over_pairs(project)(mx.array(step), mx.array(anchor)), dtype=np.float64)
    step, anchor = step.astype(np.float64), anchor.astype(np.float64)
    against = np.minimum((step * anchor).sum(-1, keepdims=True), 0)
    squares = (anchor**2).sum(-1, keepdims=True)
    expected = step - np.where(squares > 0, against / np.where(squares > 0, squares, 1), 0) * anchor
    clear = squares[..., 0] > 1e-12  # below that float32 has no direction
    assert np.allclose(found[clear], expected[clear], atol=1e-5)
    products = (found * anchor).sum(-1)
    assert (products[clear] >= -1e-5 * np.sqrt(squares[..., 0][clear])).all()


@examples(15)
@given(batches, hnp.arrays(np.float32, (SEEDS, METHODS, 3, SIZE), elements=numbers))
def test_several_constraints_of_all_pairs_are_those_of_each_alone(step, constraints):
    together = np.array(project_all(mx.array(step), mx.array(constraints)))
    for seed in range(SEEDS):
        for method in range(METHODS):
            alone = project_all(mx.array(step[seed, method]), mx.array(constraints[seed, method]))
            assert np.allclose(together[seed, method], np.array(alone), atol=1e-5)


@pytest.fixture(scope="module")
def parts(small: StudySettings) -> Any:
    markets = make_markets(small.market, small.seed_list)
    backbone = make_backbone(small.adaptation, markets.history, small.seed_list)
    methods = find_methods(small.adaptation)
    adapted, material = adapt_all(small, markets, backbone, methods)
    return markets, backbone, methods, adapted, material


def test_a_pair_is_trained_the_same_alone_and_among_others(
    small: StudySettings, parts: Any
) -> None:
    _, _, methods, adapted, _ = parts
    for seed, place in ((0, 1), (1, 3), (2, 4), (1, 6), (0, 7)):
        alone = with_values(small, {"seeds": 1, "first_seed": seed})
        markets = make_markets(alone.market, [seed])
        backbone = make_backbone(alone.adaptation, markets.history, [seed])
        found, _ = adapt_all(alone, markets, backbone, [methods[place]])
        assert np.allclose(found.vectors[0, 0], adapted.vectors[seed, place], atol=2e-4), methods[
            place
        ].name


@pytest.mark.parametrize("place", range(1, 8))
def test_a_pair_takes_the_steps_of_the_services_objective(
    place: int, small: StudySettings, parts: Any
) -> None:
    """The same days and anchors through ``training.Objective``, one training at a time."""
    markets, backbone, methods, adapted, material = parts
    method: Method = methods[place]
    assert method.anchor is not None
    training, seed = training_settings(small.adaptation), 1
    kinds = list(dict.fromkeys(material.contexts.tolist()))
    names = tuple(str(kind) for kind in kinds)
    ours = Optimizer(adapted.vectors.shape[-1], training, method.anchor, names)
    vector = mx.array(fresh_lora(backbone.shapes, derived(training.r), [seed])[0])
    one = Linear(type(markets.history)(*(v[1:2] for v in vars(markets.history).values())))
    draw, left = np.random.default_rng([seed, *b"order"]), np.empty(0, dtype=np.int64)

    def loss(vector: mx.array, inputs: Any, wanted: Any, opening: Any) -> mx.array:
        lora = Lora(one.shapes, vector[None, None], derived(training.r), 1.0, mx.array(opening))
        return mx.square(one(mx.array(inputs), lora) - mx.array(wanted)).mean()

    def at(inputs: Any, wanted: Any, opening: Any, days: Any) -> Any:
        used = opening[seed, days] if method.is_routed else np.ones(len(days), np.float32)
        value, gradient = mx.value_and_grad(loss)(
            vector,
            inputs[seed, days][None, None],
            wanted[seed, days][None, None],
            used[None, None, :, None],
        )
        return float(np.array(value)), gradient

    for number in range(1, derived(training.max_steps) + 1):
        while len(left) < training.batch_size:
            left = np.concatenate([left, draw.permutation(material.inputs.shape[1])])
        days, left = left[: training.batch_size], left[training.batch_size :]
        mixed = np.resize(draw.permutation(len(material.contexts)), ANCHORS_PER_STEP)
        kind = (number - 1) % len(kinds)
        own = np.resize(
            draw.permutation(np.flatnonzero(material.contexts == kinds[kind])), ANCHORS_PER_STEP
        )
        _, gradient = at(material.inputs, material.labels, material.opening, days)
        if method.anchor.method != "naive":
            chosen = own if method.anchor.constraints == "contexts" else mixed
            away, held = at(material.anchors, material.outputs, material.anchor_opening, chosen)
            gradient = ours.combine(gradient, held, away, 1, names[kind])
        rate = derived(training.lr) * min(
            1.0,
            number / training.warmup_steps,
            (derived(training.max_steps) - number + 1) / training.cooldown_steps,
        )
        vector, _ = ours.step(vector, gradient, number, rate)
    assert np.allclose(np.array(vector), adapted.vectors[seed, place], atol=2e-4)


def test_what_is_not_trained_adds_nothing(parts: Any) -> None:
    markets, backbone, _, adapted, _ = parts
    inputs = mx.array(markets.judged.inputs)[:, None]
    lora = Lora(backbone.shapes, mx.array(adapted.vectors[:, :1]), 4, 1.0)
    assert mx.array_equal(backbone(inputs, lora), backbone(inputs))


def test_the_weight_of_a_budget_rises_where_it_is_exceeded(small: StudySettings) -> None:
    tight = with_values(
        small, {"adaptation.budget": 1e-4, "market.indicator_shift": 0.5, "adaptation.steps": 60}
    )
    loose = with_values(tight, {"adaptation.budget": 1e4})
    weights = []
    for study in (tight, loose):
        markets = make_markets(study.market, study.seed_list)
        backbone = make_backbone(study.adaptation, markets.history, study.seed_list)
        held = [m for m in find_methods(study.adaptation) if m.name == "held"]
        weights.append(adapt_all(study, markets, backbone, held)[0].weight)
    assert (weights[0] > 0.05).all()
    assert (weights[1] < 0.05).all()


def test_progress_is_told_and_can_end_it(small: StudySettings, parts: Any) -> None:
    _, backbone, methods, _, material = parts
    seen: list[tuple[int, int]] = []

    class StopHere(Exception):
        pass

    def told(done: int, total: int) -> None:
        seen.append((done, total))
        if done == 3:
            raise StopHere

    training = training_settings(small.adaptation)
    start = fresh_lora(backbone.shapes, derived(training.r), small.seed_list)
    with pytest.raises(StopHere):
        adapt(backbone, material, methods, training, start, small.seed_list, told)
    assert seen == [(1, 30), (2, 30), (3, 30)]
