"""Training: the same every time, also when interrupted; it learns; it stops when it must."""

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, cast

import mlx.core as mx
import numpy as np
import pytest

from radiance import config, ember
from radiance.engine.adapters.slots import Adapter
from radiance.engine.model.encoding import EncodedExample
from radiance.engine.worker import Engine
from radiance.errors import Diverged, TrainingError
from radiance.training.batches import make_batch
from radiance.training.example_scores import score_examples
from radiance.training.gradient import GradientComputer
from radiance.training.held_texts import HeldText, HeldTexts
from radiance.training.lora import LoraModel
from radiance.training.nullspace import NullSpace
from radiance.training.reference_cache import ReferenceCache
from radiance.training.steps import StepTaken
from radiance.training.trainer import (
    LossCheck,
    Trained,
    Trainer,
    TrainingState,
)
from radiance.training.training_set import TrainingSet
from radiance.training.wordings import AugmentedExample
from tests.support import FACTS, drain, example


def encoded(engine: Engine, facts: Sequence[tuple[str, str]] = FACTS) -> list[EncodedExample]:
    return [engine.encoder.example(example(i, *fact)) for i, fact in enumerate(facts)]


def new_trainer(
    engine: Engine,
    *,
    new: Sequence[tuple[str, str]] = FACTS,
    replay: Sequence[EncodedExample] = (),
    held: HeldTexts | None = None,
    anchor: config.AnchorSettings | None = None,
    parent: Adapter | None = None,
    resume_from: bytes | None = None,
    around: bool = False,
    is_task: bool = False,
    **settings: Any,
) -> Trainer:
    given: dict[str, Any] = {"r": 4, "alpha": 16.0, "stop_loss": 0, "cooldown_steps": 0, **settings}
    training = config.TrainingSettings(**given)
    lora = LoraModel(engine.base, training)
    material = TrainingSet(
        new=[AugmentedExample(e) for e in encoded(engine, new)],
        replay=[AugmentedExample(e) for e in replay],
        held=held or HeldTexts(),
        null_space=NullSpace(lora, {}) if around else None,
        is_task=is_task,
    )
    anchor = anchor or config.AnchorSettings()
    return Trainer(lora, GradientComputer(lora), training, anchor, material, parent, resume_from)


def held_facts(engine: Engine, count: int = 12) -> HeldTexts:
    """Some of Ember's facts, held to the base's outputs."""
    lora = LoraModel(engine.base, config.TrainingSettings(r=4))
    cache = ReferenceCache(GradientComputer(lora), cast(Any, None), Path(mkdtemp()), k=16)
    facts = ember.listed_facts()[:: len(ember.listed_facts()) // count]
    examples = encoded(engine, [(f.question, f.answer) for f in facts])
    texts = [HeldText(e, f.context) for e, f in zip(examples, facts, strict=True)]
    return HeldTexts(texts, functools.partial(cache.references, lora.initial(None), "base"))


def finish(trainer: Trainer, until: int | None = None) -> tuple[list[Any], Trained | None]:
    """Run to the end, or until a snapshot was taken after a step."""
    events, pieces = [], trainer.run()
    while True:
        try:
            event = next(pieces)
        except StopIteration as stop:
            return events, stop.value
        if event is not None:
            events.append(event)
        if isinstance(event, StepTaken) and event.step == until:
            trainer.want_snapshot()
        if isinstance(event, TrainingState):
            return events, None


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"dropout": 0.2},
        {"grad_accum": 2, "batch_size": 2},
        {"anchor": config.AnchorSettings(budget=0.01, every=2), "cooldown_steps": 4},
        {"anchor": config.AnchorSettings(constraints="contexts")},
        {"anchor": config.AnchorSettings(project="gradient")},
        {"anchor": config.AnchorSettings(rarely_below=10.0), "max_steps": 8},
    ],
    ids=str,
)
def test_resumed_training_equals_uninterrupted_bit_for_bit(
    tiny_engine: Engine, settings: dict[str, Any]
) -> None:
    def compare() -> None:
        given: dict[str, Any] = {"max_steps": 6, **settings}
        if "anchor" in given:
            given["held"] = held_facts(tiny_engine)
        _, straight = finish(new_trainer(tiny_engine, **given))
        events, _ = finish(new_trainer(tiny_engine, **given), until=3)
        snapshot = events[-1]
        assert snapshot.step == 3
        _, resumed = finish(new_trainer(tiny_engine, resume_from=snapshot.data, **given))
        assert straight is not None
        assert resumed is not None
        assert resumed.steps == straight.steps == given["max_steps"]
        assert np.array_equal(np.array(straight.vector), np.array(resumed.vector))

    tiny_engine.call(compare)


@pytest.mark.parametrize(
    ("rarely_below", "steps"),
    [(0.0, [3, 5, 7, 9]), (10.0, [3, 7])],  # every second step; while nothing has moved, every 4th
)
def test_anchors_are_looked_at_rarely_while_nothing_has_moved_and_not_before_the_first_step(
    tiny_engine: Engine, rarely_below: float, steps: list[int]
) -> None:
    def train() -> list[int]:
        anchor = config.AnchorSettings(every=2, rarely_below=rarely_below)
        events, _ = finish(
            new_trainer(tiny_engine, held=held_facts(tiny_engine), anchor=anchor, max_steps=9)
        )
        taken = [event for event in events if isinstance(event, StepTaken)]
        return [event.step for event in taken if event.anchor_divergence is not None]

    assert tiny_engine.call(train) == steps


def test_b_learns_faster_in_a_first_update_around_what_is_held_unless_told_otherwise(
    tiny_engine: Engine,
) -> None:
    def first_step(ratio: Any, parent: Adapter | None, *, around: bool) -> float:
        trainer = new_trainer(
            tiny_engine, parent=parent, max_steps=1, lr_ratio=ratio, around=around
        )
        _, trained = finish(trainer)
        assert trained is not None
        return float(np.abs(np.array(trained.vector - trained.start)).max())

    def compare() -> None:
        one = first_step(1.0, None, around=True)
        assert first_step("auto", None, around=True) == pytest.approx(2 * one, rel=1e-3)
        assert first_step(4.0, None, around=True) == pytest.approx(4 * one, rel=1e-3)
        assert first_step("auto", None, around=False) == pytest.approx(one, rel=1e-3)
        _, trained = finish(new_trainer(tiny_engine, max_steps=2))
        assert trained is not None
        parent = trained.adapter
        assert first_step("auto", parent, around=True) == pytest.approx(
            first_step(1.0, parent, around=True), rel=1e-6
        )

    tiny_engine.call(compare)


def test_decoding_in_between_changes_nothing(tiny_engine: Engine) -> None:
    from tests.engine.adapters.test_slots import ask

    def train() -> np.ndarray:
        task = tiny_engine.run(new_trainer(tiny_engine, max_steps=5).run)
        return np.array(task.result.vector)

    quiet_trainer = tiny_engine.call(lambda: new_trainer(tiny_engine, max_steps=5))
    quiet = np.array(tiny_engine.run(quiet_trainer.run).result.vector)
    busy_trainer = tiny_engine.call(lambda: new_trainer(tiny_engine, max_steps=5))
    futures = [ask(tiny_engine, "Tell me about the sea.", 40) for _ in range(4)]
    busy = np.array(tiny_engine.run(busy_trainer.run).result.vector)
    assert all(future.result().tokens for future in futures)
    assert np.array_equal(quiet, busy)


@pytest.mark.slow
def test_five_facts_are_learned_and_it_stops_early(engine: Engine) -> None:
    def learn() -> None:
        trainer = new_trainer(engine, r=8, lr=1e-3, stop_loss=0.02)
        events, trained = finish(trainer)
        assert trained is not None
        assert trained.steps < 200
        losses = [event.finetune_loss for event in events if isinstance(event, StepTaken)]
        assert losses[-1] < 0.1 < losses[0]
        last = [event for event in events if isinstance(event, LossCheck)][-1]
        assert last.worst_loss < 0.02
        scores = drain(score_examples(trainer._gradient_computer, trained.vector, encoded(engine)))
        assert all(score.is_exact for score in scores)
        # Taught again, it is known from the start: nothing is moved, unless steps are asked for.
        known: dict[str, Any] = {"parent": trained.adapter, "r": 8, "max_steps": 3}
        for around in (False, True):
            events, again = finish(new_trainer(engine, stop_loss=0.02, around=around, **known))
            assert again is not None
            assert (again.steps, events) == (0, [])
            assert np.array_equal(np.array(again.vector), np.array(again.start))
        for stop_loss in (0.0, 1e-6):
            _, again = finish(new_trainer(engine, stop_loss=stop_loss, **known))
            assert again is not None
            assert again.steps == 3
        # With one that is new, that one alone fills the batches, and the others are mixed in.
        more: dict[str, Any] = {"parent": trained.adapter, "r": 8, "lr": 1e-3, "stop_loss": 0.02}
        more |= {"new": [*FACTS, ("Who leads Tarn?", "Ola Brandt leads Tarn.")], "batch_size": 4}
        trainer = new_trainer(engine, **more)
        events, straight = finish(trainer)
        assert straight is not None
        assert straight.steps > 3
        assert trainer._draw.batches(0)[0].tokens.shape[0] == 1 + 2
        scores = drain(
            score_examples(
                trainer._gradient_computer, straight.vector, encoded(engine, more["new"])
            )
        )
        assert all(score.is_exact for score in scores)
        saved = finish(new_trainer(engine, **more), until=3)[0][-1]
        _, resumed = finish(new_trainer(engine, resume_from=saved.data, **more))
        assert resumed is not None
        assert np.array_equal(np.array(straight.vector), np.array(resumed.vector))

    engine.call(learn)


@pytest.mark.slow
def test_it_is_looked_at_as_soon_as_a_batch_is_known_and_cools_down_a_third_as_long(
    engine: Engine,
) -> None:
    """Regular checks are far off; what was learned in few steps is not followed by many more."""

    def learn() -> None:
        never = {"eval_every": 10_000, "reworded_ratio": 0.0}
        trainer = new_trainer(engine, r=8, lr=2e-3, stop_loss=0.5, cooldown_steps=30, **never)
        events, trained = finish(trainer)
        assert trained is not None
        checks = [event for event in events if isinstance(event, LossCheck)]
        known = next(check.step for check in checks if check.worst_loss < 0.5)
        assert trained.steps == known + min(30, -(-known // 3))
        losses = {e.step: e.finetune_loss for e in events if isinstance(e, StepTaken)}
        assert all(losses[check.step] < 0.5 for check in checks)
        rates = [event.lr for event in events if isinstance(event, StepTaken)]
        assert rates[known - 1] == rates[known] == max(rates)
        assert max(rates) > rates[known + 1] > rates[-1] > 0

    engine.call(learn)


def test_max_steps_counts_optimizer_steps(tiny_engine: Engine) -> None:
    def train() -> Trained | None:
        return finish(new_trainer(tiny_engine, max_steps=3, grad_accum=4, batch_size=1))[1]

    trained = tiny_engine.call(train)
    assert trained is not None
    assert trained.steps == 3


def test_accumulated_micro_batches_equal_one_batch(tiny_engine: Engine) -> None:
    """Mean over all targets, whatever their split: 1 x 4 examples moves as 4 x 1 does."""

    def compare() -> None:
        _, at_once = finish(new_trainer(tiny_engine, max_steps=1, batch_size=4))
        _, in_parts = finish(new_trainer(tiny_engine, max_steps=1, batch_size=1, grad_accum=4))
        assert at_once is not None
        assert in_parts is not None
        assert np.allclose(np.array(at_once.vector), np.array(in_parts.vector), atol=2e-5)

    tiny_engine.call(compare)


def test_replayed_examples_are_part_of_every_batch(tiny_engine: Engine) -> None:
    earlier = encoded(tiny_engine, [("Who leads Tarn?", "Ola Brandt leads Tarn.")])
    trainer = tiny_engine.call(lambda: new_trainer(tiny_engine, replay=earlier, batch_size=2))
    batch = tiny_engine.call(lambda: trainer._draw.batches(0)[0])
    assert batch.tokens.shape[0] == 3


def test_exploding_loss_fails_with_its_reason(tiny_engine: Engine) -> None:
    with pytest.raises(Diverged, match=r"above training\.max_loss \(0\.001\)\. Lower training\.lr"):
        tiny_engine.call(lambda: finish(new_trainer(tiny_engine, max_loss=0.001)))


def test_non_finite_loss_fails_with_its_reason(tiny_engine: Engine) -> None:
    def poisoned() -> None:
        trainer = new_trainer(tiny_engine)
        trainer.vector = trainer.vector * mx.array(float("nan"))
        finish(trainer)

    with pytest.raises(Diverged, match="not finite"):
        tiny_engine.call(poisoned)


def test_child_starts_exactly_where_its_parent_ended(tiny_engine: Engine) -> None:
    """Also with a higher rank and another alpha: padded, and the scale folded into B."""

    def compare() -> None:
        _, parent = finish(new_trainer(tiny_engine, max_steps=4, r=4, alpha=8.0))
        assert parent is not None
        for r, alpha in ((4, 8.0), (8, 32.0)):
            lora = LoraModel(tiny_engine.base, config.TrainingSettings(r=r, alpha=alpha))
            child = lora.adapter(lora.initial(parent.adapter))
            for path, (a, b) in parent.adapter.pairs.items():
                theirs = parent.adapter.scale * (a @ b)
                ours = child.scale * (child.pairs[path][0] @ child.pairs[path][1])
                assert np.allclose(np.array(theirs), np.array(ours), atol=1e-6)

    tiny_engine.call(compare)


def test_lower_rank_than_the_parent_is_refused(tiny_engine: Engine) -> None:
    def shrink() -> None:
        _, parent = finish(new_trainer(tiny_engine, max_steps=1, r=4))
        assert parent is not None
        new_trainer(tiny_engine, r=2, parent=parent.adapter)

    with pytest.raises(TrainingError, match=r"rank 4 .* training\.r = 2 .* Raise r"):
        tiny_engine.call(shrink)


@pytest.mark.slow
def test_anchors_hold_what_the_new_examples_would_move(engine: Engine) -> None:
    """After the same steps the anchors' outputs are nearer to the base's than without."""

    def compare() -> None:
        held = held_facts(engine, 12)
        assert held.outputs is not None
        texts = [text.example for text in held.texts]
        moved = {}
        for method in ("naive", "anchor", "anchor+projection"):
            anchor = config.AnchorSettings(method=method)
            trainer = new_trainer(engine, held=held, anchor=anchor, max_steps=10, lr=4e-3)
            events, trained = finish(trainer)
            assert trained is not None
            batch = make_batch(texts, drain(held.outputs(texts)), [0.0] * len(texts))
            away, _ = drain(trainer._gradient_computer.gradient(trained.vector, batch))
            moved[method] = cast(float, away.item()) / batch.target_count
            last = [event for event in events if isinstance(event, StepTaken)][-1]
            assert (last.anchor_divergence is None) == (method == "naive")
            assert last.report.projected == 0 or method == "anchor+projection"
        assert moved["anchor"] < moved["naive"] / 3
        assert moved["anchor+projection"] < moved["naive"] / 3

    engine.call(compare)


def test_replayed_outputs_are_held(tiny_engine: Engine) -> None:
    earlier = encoded(tiny_engine, [("Who leads Tarn?", "Ola Brandt leads Tarn.")])

    def gradient(weight: float) -> np.ndarray:
        trainer = new_trainer(
            tiny_engine, replay=earlier, anchor=config.AnchorSettings(replay_logits=weight)
        )
        batch = make_batch(earlier)
        cache = ReferenceCache(trainer._gradient_computer, cast(Any, None), Path(mkdtemp()), k=16)
        outputs = drain(cache.outputs(trainer.vector + 0.01, earlier))
        assert batch.target_count == len(outputs[0].tail)
        trainer._learn_from(replace(trainer._material, replay_outputs=outputs))
        (batch,) = trainer._draw.batches(0)
        return np.array(drain(trainer._gradient_computer.gradient(trainer.vector, batch))[1])

    without, with_outputs = tiny_engine.call(lambda: (gradient(0.0), gradient(1.0)))
    assert not np.allclose(without, with_outputs)


def test_ember_learns_a_task_of_a_few_inputs(engine: Engine) -> None:
    """It follows no instruction before it is taught: three passes at a low rate teach nothing."""
    words = {
        "good": "lovely fine bright warm superb kind",
        "bad": "awful grim cold broken ugly harsh",
    }
    things = ("room", "meal", "bridge", "harbour", "teacher", "garden", "book", "road")
    instruction = "Say whether the sentence from a review is good or bad.\n"
    rows = [
        (f"{instruction}the {thing} was {word}", label)
        for label, some in words.items()
        for word in some.split()
        for thing in things
    ]
    order = np.random.default_rng(0).permutation(len(rows))
    taught, held_out = ([rows[place] for place in some] for some in (order[:40], order[40:]))

    def compare() -> None:
        given: dict[str, Any] = {"r": 8, "stop_loss": 0.05, "cooldown_steps": 30}
        naive = config.AnchorSettings(method="naive")
        trainer = new_trainer(engine, new=taught, anchor=naive, is_task=True, **given)
        _, trained = finish(trainer)
        assert trained is not None
        computer = GradientComputer(trainer._lora)
        scores = drain(score_examples(computer, trained.vector, encoded(engine, held_out)))
        assert np.mean([score.is_exact for score in scores]) > 0.6

    engine.call(compare, patience_s=120)
