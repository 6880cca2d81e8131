"""Gauss-Newton steps: each row apart, the shortest step in what held texts feel, around anchors."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from radiance import config, ember
from radiance.cli import main
from radiance.config.derived import derive_anchor
from radiance.engine.model.encoding import EncodedExample
from radiance.engine.worker import Engine
from radiance.errors import ConfigError
from radiance.training import gauss_newton_steps
from radiance.training.batches import make_batch
from radiance.training.gauss_newton import GaussNewton
from radiance.training.gauss_newton_steps import refuse_impossible
from radiance.training.gradient import GradientComputer
from radiance.training.held_metric import HeldMetric, output_squares
from radiance.training.lora import LoraModel
from radiance.training.row_gradients import Places
from radiance.training.steps import StepTaken
from radiance.training.subspaces import Surroundings, find_null_space
from radiance.training.trainer import LossCheck, Trained, Trainer, TrainingState
from radiance.training.training_set import TrainingSet
from radiance.training.wordings import AugmentedExample
from tests.support import FACTS, drain, example
from tests.training.test_trainer import encoded, finish, held_facts


def computer(engine: Engine, rank: int = 4) -> tuple[LoraModel, GradientComputer, mx.array]:
    """A LoRA model away from its starting point."""
    lora = LoraModel(engine.base, config.TrainingSettings(r=rank))
    return (
        lora,
        GradientComputer(lora),
        mx.random.normal((lora.size,), key=mx.random.key(3)) * 0.05,
    )


def all_columns(lora: LoraModel, rows: slice | None = None) -> dict[str, Places]:
    paths = {name.rpartition(".")[0] for name in lora.shapes}
    return {path: rows or slice(0, lora.rank) for path in paths}


def test_rows_apart_have_their_own_losses_and_add_up_to_the_gradient(engine: Engine) -> None:
    """Its loss is its own; what all begin with in common counts to each alike."""

    def compare() -> None:
        lora, gradients, vector = computer(engine)
        texts = encoded(engine)
        found: dict[str, mx.array] = {}
        places = slice(1, 3)
        batch = make_batch(texts)
        losses = drain(
            gradients.row_gradients(vector, batch, all_columns(lora, places), found.update)
        )
        summed = {name: np.zeros(of.shape[1:]) for name, of in found.items()}
        for row, text in enumerate(texts):
            alone = make_batch([text])
            loss, gradient = drain(gradients.gradient(vector, alone))
            assert losses[row] == pytest.approx(float(loss) / alone.target_count, rel=1e-4)
            for name, leaf in lora.unflatten(gradient).items():
                if name in found:
                    summed[name] += np.array(leaf[places]) / alone.target_count
        assert found.keys() == {name for name in lora.shapes if name.endswith("lora_b")}
        for name, of in found.items():  # what they begin with in common counts to each alike
            assert np.allclose(np.array(of.sum(axis=0)), summed[name], rtol=1e-3, atol=1e-5)

    engine.call(compare)


def test_rows_apart_know_their_own_part_where_they_share_nothing(engine: Engine) -> None:
    def compare() -> None:
        lora, gradients, vector = computer(engine)
        one = engine.encoder.example(example(0, *FACTS[0]))
        tokens = [list(one.tokens), [5, *one.tokens], [9, 5, *one.tokens]]
        texts = [
            type(one)(str(place), tuple(of), (*[False] * place, *one.is_completion))
            for place, of in enumerate(tokens)
        ]
        found: dict[str, mx.array] = {}
        drain(gradients.row_gradients(vector, make_batch(texts), all_columns(lora), found.update))
        for row, text in enumerate(texts):
            alone = make_batch([text])
            _, gradient = drain(gradients.gradient(vector, alone))
            for name, leaf in lora.unflatten(gradient / alone.target_count).items():
                if name in found:
                    assert np.allclose(
                        np.array(found[name][row]), np.array(leaf), rtol=1e-3, atol=1e-5
                    )

    engine.call(compare)


def of_numbers(lora: LoraModel, rng: np.random.Generator, projects: bool = True) -> GaussNewton:
    """Steps in a metric drawn at random."""
    roots = {}
    for name in lora.shapes:
        if name.endswith("lora_b"):
            square = rng.normal(size=(lora.rank, lora.rank)) * 0.2
            roots[name] = mx.array((square @ square.T + np.eye(lora.rank)).astype(np.float32))
    return GaussNewton(lora, HeldMetric(all_columns(lora), roots), projects=projects)


def drawn(lora: LoraModel, rng: np.random.Generator, rows: int) -> dict[str, mx.array]:
    return {
        name: mx.array(rng.normal(size=(rows, *shape)).astype(np.float32))
        for name, shape in lora.shapes.items()
        if name.endswith("lora_b")
    }


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 6))
def test_each_row_loses_what_it_is_to_lose_and_anchors_stay(
    tiny_engine: Engine, seed: int, rows: int
) -> None:
    """To first order, within the damping; A and what no row of B may move stay as they were."""

    def compare() -> None:
        lora, _, vector = computer(tiny_engine)
        rng = np.random.default_rng(seed)
        steps = of_numbers(lora, rng)
        anchors = mx.array(rng.normal(size=lora.size).astype(np.float32))
        gradients = drawn(lora, rng, rows)
        steps.take_anchors(anchors, 0.0, "")
        steps.take(gradients)
        losses = rng.uniform(0.1, 2.0, size=rows)
        moved, share, report = steps.step(vector, losses)
        assert share == 1
        change = lora.unflatten(moved - vector)
        lost = -sum(
            np.array((gradients[name] * change[name]).sum(axis=(1, 2))) for name in gradients
        )
        assert np.allclose(lost, losses, rtol=0.25, atol=0.1)
        held = lora.unflatten(anchors)
        along = sum(float((held[name] * change[name]).sum()) for name in gradients)
        assert abs(along) < 0.1
        assert all(not change[name].any() for name in lora.shapes if name not in gradients)
        assert report.angle is not None
        assert report.projected >= 0

    tiny_engine.call(compare)


def test_the_share_halves_after_a_step_too_far_and_grows_again(tiny_engine: Engine) -> None:
    def compare() -> None:
        lora, _, vector = computer(tiny_engine)
        rng = np.random.default_rng(0)
        steps = of_numbers(lora, rng)
        shares = []
        for loss in (1.0, 2.0, 3.0, 1.0, 0.5):
            steps.take(drawn(lora, rng, 2))
            vector, share, _ = steps.step(vector, np.array([loss, loss]))
            shares.append(share)
        assert shares == [1.0, 0.5, 0.25, 0.5, 1.0]

    tiny_engine.call(compare)


def test_outputs_are_felt_as_much_when_read_again_and_a_damaged_file_is_made_anew(
    engine: Engine, tmp_path: Path
) -> None:
    def compare() -> None:
        _, gradients, vector = computer(engine)
        texts = encoded(engine)
        first = drain(output_squares(gradients, vector, texts, tmp_path))
        assert first.keys() == gradients.adapted
        assert min(first.values()) > 0
        [file] = tmp_path.iterdir()
        assert next(output_squares(gradients, vector, texts, None), "pieces") is None
        with pytest.raises(StopIteration):  # read, without a piece
            next(output_squares(gradients, vector, texts, tmp_path))
        file.write_bytes(file.read_bytes()[:60])
        assert drain(output_squares(gradients, vector, texts, tmp_path)) == first

    engine.call(compare)


def going_around(
    engine: Engine,
    resume_from: bytes | None = None,
    facts: Sequence[EncodedExample] = (),
    replay: Sequence[EncodedExample] = (),
    **given: Any,
) -> Trainer:
    """A training of three facts on Ember that goes around what is held, by Gauss-Newton steps."""
    own: dict[str, Any] = {"r": 8, "stop_loss": 0.05, "max_steps": 40, **given}
    training = config.TrainingSettings(**own)
    anchor = config.AnchorSettings(null_space=True)
    lora = LoraModel(engine.base, training)
    gradients, held = GradientComputer(lora), held_facts(engine)
    new, base = facts or encoded(engine, FACTS[:3]), lora.initial(None)
    texts = [text.example for text in held.valid]
    null_space = drain(
        find_null_space(engine.base, lora, base, texts, 0.9, Surroundings(base, new))
    )
    material = TrainingSet(
        new=[AugmentedExample(text) for text in new],
        replay=[AugmentedExample(text) for text in replay],
        held=held,
        null_space=null_space,
        output_squares=drain(output_squares(gradients, base, texts, None)),
    )
    return Trainer(lora, gradients, training, anchor, material, None, resume_from)


def test_facts_are_learned_in_few_steps_and_without_cooling_down(engine: Engine) -> None:
    def compare() -> None:
        events, trained = finish(going_around(engine))
        assert isinstance(trained, Trained)
        checks = [event for event in events if isinstance(event, LossCheck)]
        assert checks[-1].worst_loss < 0.05
        assert checks[-1].step == trained.steps < 30
        steps = [event for event in events if isinstance(event, StepTaken)]
        assert all(step.report.anchor_weight == 1 for step in steps)
        slower, _ = finish(going_around(engine, optimizer="adamw"))
        taken = [event for event in slower if isinstance(event, StepTaken)]
        assert len(taken) > trained.steps

    engine.call(compare)


def test_each_step_is_of_all_facts_so_that_none_undoes_another(engine: Engine) -> None:
    """Twenty alike, by eight at a time, took four times as many steps."""
    names = [f"{first}{last}" for first in ("Ar", "Bel", "Cor", "Dun") for last in "aeiou"]
    towns = ("Varga", "Lindel", "Osten", "Mirov", "Quell")
    asked = [(f"Where does {name} live?", towns[n % 5]) for n, name in enumerate(names)]

    def compare() -> None:
        trainer = going_around(engine, facts=encoded(engine, asked))
        rows, taught = trainer._draw.rows_apart(0)
        assert sorted(row.example_id for row in rows) == sorted(
            row.example_id for row in encoded(engine, asked)
        )
        assert taught == list(range(20))
        events, trained = finish(trainer)
        assert trained is not None
        checks = [event for event in events if isinstance(event, LossCheck)]
        assert checks[-1].worst_loss < 0.05
        assert trained.steps < 25

    engine.call(compare, patience_s=120)


def test_memory_decides_how_many_facts_a_step_takes(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = encoded(engine, [(f"Where does Ar{n} live?", f"Town {n}") for n in range(20)])

    def compare() -> None:
        monkeypatch.setattr(gauss_newton_steps, "all_bytes", lambda: 1)
        assert len(going_around(engine, facts=facts)._draw.rows_apart(0)[1]) == 8

    engine.call(compare)


def test_a_training_taken_up_again_is_the_same_bit_for_bit(engine: Engine) -> None:
    def compare() -> None:
        _, straight = finish(going_around(engine, max_steps=8, stop_loss=0))
        events, _ = finish(going_around(engine, max_steps=8, stop_loss=0), until=3)
        saved = events[-1]
        assert isinstance(saved, TrainingState)
        _, resumed = finish(going_around(engine, saved.data, max_steps=8, stop_loss=0))
        assert straight is not None
        assert resumed is not None
        assert np.array_equal(np.array(straight.vector), np.array(resumed.vector))

    engine.call(compare)


@pytest.mark.parametrize(
    "given", [{"optimizer": "adamw"}, {"dropout": 0.1}, {"grad_accum": 2}], ids=str
)
def test_adamw_is_taken_where_rows_cannot_be_told_apart(
    engine: Engine, given: dict[str, Any]
) -> None:
    def compare() -> None:
        if "dropout" in given:
            lora = LoraModel(engine.base, config.TrainingSettings(**given))
            assert not GradientComputer(lora).gives_rows
            return
        events, _ = finish(going_around(engine, max_steps=2, **given))
        rates = [event.lr for event in events if isinstance(event, StepTaken)]
        assert max(rates) < 0.1  # a learning rate, no share of the losses

    engine.call(compare)


def test_what_a_check_finds_forgotten_is_in_the_next_rows_as_it_was_taught(engine: Engine) -> None:
    def compare() -> None:
        trainer = going_around(engine)
        earlier = [AugmentedExample(text) for text in encoded(engine)[3:]]
        trainer._learn_from(replace(trainer._material, replay=earlier))
        wanted = {lesson.example.example_id for lesson in earlier}
        trainer._draw.see_to(lesson.example for lesson in earlier)
        saved = trainer._save()
        for draw in (trainer._draw, going_around(engine, saved)._draw):
            assert set(draw.seen_to) == wanted
        for step in range(4):
            rows, taught = trainer._draw.rows_apart(step)
            assert wanted <= {row.example_id for row in rows}
            assert wanted.isdisjoint(rows[place].example_id for place in taught)

    engine.call(compare)


def test_taken_up_again_it_still_comes_back_to_what_was_forgotten(engine: Engine) -> None:
    """Also where some of the new examples are known, and so are mixed in as earlier ones are."""

    def compare() -> None:
        known = [(fact.question, fact.answer) for fact in ember.listed_facts()[3:6]]
        facts = encoded(engine, [*known, FACTS[0]])
        earlier = [replace(e, example_id=f"earlier {e.example_id}") for e in encoded(engine)[3:]]
        given: dict[str, Any] = {"stop_loss": 0.2, "max_steps": 10, "eval_every": 1}
        given |= {"replay_ratio": 0.125, "facts": facts, "replay": earlier}
        _, straight = finish(going_around(engine, **given))
        trainer = going_around(engine, **given)
        events, _ = finish(trainer, until=8)
        assert trainer._draw.seen_to, "nothing was forgotten: this shows nothing"
        _, resumed = finish(going_around(engine, events[-1].data, **given))
        assert straight is not None
        assert resumed is not None
        assert np.array_equal(np.array(straight.vector), np.array(resumed.vector))

    engine.call(compare)


def test_anchors_are_not_healed_once_rows_are_known(tiny_engine: Engine) -> None:
    """Taking their divergence down would go further than what is left to learn."""

    def along(known: float) -> float:
        lora, _, vector = computer(tiny_engine)
        rng = np.random.default_rng(5)
        metric = of_numbers(lora, rng)._metric
        steps = GaussNewton(lora, metric, projects=True, known=known)
        anchors, gradients = rng.normal(size=lora.size).astype(np.float32), drawn(lora, rng, 2)
        steps.take_anchors(mx.array(anchors), 0.5, "")
        steps.take(gradients)
        moved, _, _ = steps.step(vector, np.array([0.01, 0.02]))
        return float(((moved - vector) * mx.array(anchors)).sum())

    def compare() -> None:
        assert along(known=0.0) < -0.4
        assert abs(along(known=0.05)) < 0.01

    tiny_engine.call(compare)


@pytest.mark.parametrize(
    ("training", "anchor", "named"),
    [
        ({}, {"null_space": False}, "anchor.null_space is off for a base"),
        ({}, {"method": "naive"}, "anchor.method"),
        ({"grad_accum": 2}, {}, "training.grad_accum is 2"),
        ({"dropout": 0.1}, {}, "training.dropout is 0.1"),
        ({}, {"replay_logits": 0.5}, "anchor.replay_logits is 0.5"),
    ],
)
def test_forced_where_it_cannot_be_is_refused(
    engine: Engine, training: dict[str, Any], anchor: dict[str, Any], named: str
) -> None:
    def check() -> None:
        _, gradients, _ = computer(engine)
        width = engine.base.hidden_size
        chosen: dict[str, Any] = {"null_space": True, **anchor}
        held = derive_anchor(config.AnchorSettings(**chosen), width)
        for optimizer in ("auto", "adamw"):
            other = config.TrainingSettings(optimizer=optimizer, **training)
            refuse_impossible(other, held, gradients, width)
        forced = config.TrainingSettings(optimizer="gauss_newton", **training)
        with pytest.raises(ConfigError, match=named):
            refuse_impossible(forced, held, gradients, width)
        free = derive_anchor(config.AnchorSettings(null_space=True), width)
        possible = config.TrainingSettings(optimizer="gauss_newton")
        refuse_impossible(possible, free, gradients, width)

    engine.call(check)


def test_a_service_told_to_take_steps_that_it_cannot_does_not_start(tmp_path: Path) -> None:
    """Ember is 256 wide: nothing is gone around, by default."""
    forced = 'training.optimizer="gauss_newton"'
    arguments = ["run", "--root", str(tmp_path), "--port", "0", "--set", forced]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 2
    *_, last = done.stderr.splitlines()
    assert json.loads(last)["error"].startswith(
        'training.optimizer (is "gauss_newton"): anchor.null_space is off for a base 256 wide.'
    )
