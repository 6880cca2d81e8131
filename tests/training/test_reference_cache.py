"""Own samples and reference outputs: right, the same every time, and kept on disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import mlx.core as mx
import numpy as np
import pytest

from radiance import config, ember
from radiance.anchors import provider
from radiance.anchors.sets import Anchor, AnchorSet
from radiance.engine.worker import Engine
from radiance.training.batches import Reference, make_batch
from radiance.training.gradient import GradientComputer
from radiance.training.held_texts import HeldText
from radiance.training.lora import LoraModel
from radiance.training.reference_cache import SAMPLES_PER_FILE, ReferenceCache
from radiance.training.self_samples import SELF_GENERATED, SelfSampler
from radiance.training.training_set import (
    Selection,
    TrainingSet,
    TrainingSetBuilder,
)
from tests.engine.adapters.test_slots import ask
from tests.support import FACTS, drain, example

ANCHORS = AnchorSet(
    tuple(
        Anchor(example(n, f"What is {n} plus 2?", f"{n} plus 2 is {n + 2}."), "sums")
        for n in range(1, 9)
    )
)

_PARTS = (range(30), range(30, 50))


def number(array: mx.array) -> float:
    return cast(float, array.item())


def parts(engine: Engine, path: Path) -> tuple[LoraModel, GradientComputer, ReferenceCache]:
    lora = LoraModel(engine.base, config.TrainingSettings(r=4))
    gradient_computer = GradientComputer(lora)
    sampler = SelfSampler(lora, engine.encoder, engine.base)
    return lora, gradient_computer, ReferenceCache(gradient_computer, sampler, path, k=16)


def same(some: Sequence[Reference], others: Sequence[Reference]) -> None:
    for one, two in zip(some, others, strict=True):
        assert np.array_equal(one.tokens, two.tokens)
        assert np.array_equal(one.log_probs, two.log_probs)
        assert np.array_equal(one.tail, two.tail)


def gather(engine: Engine, path: Path, selection: Selection, **settings: object) -> TrainingSet:
    lora, gradient_computer, _ = parts(engine, path)
    anchor = config.AnchorSettings(**{"own_samples": 16, **settings})  # type: ignore[arg-type]
    training = config.TrainingSettings(r=4)
    training_set_builder = TrainingSetBuilder(
        lora, gradient_computer, engine.encoder, engine.base, training, anchor, path
    )
    return drain(training_set_builder.gather(selection, lora.initial(None), ""))


def test_samples_do_not_depend_on_what_is_decoded_in_between(
    tiny_engine: Engine, tmp_path: Path
) -> None:
    def samples(name: str):
        lora, _, cache = tiny_engine.call(lambda: parts(tiny_engine, tmp_path / name))
        beginnings = [tiny_engine.encoder.plain("What is the capital of France?")]
        vector = tiny_engine.call(lambda: lora.initial(None))
        return tiny_engine.run(lambda: cache.samples(vector, "base", beginnings, 12, 5))

    quiet = samples("quiet").result
    busy = samples("busy")
    futures = [ask(tiny_engine, "Tell me about the sea.", 30) for _ in range(3)]
    assert busy.result == quiet
    assert all(future.result().tokens for future in futures)
    assert len({sample.tokens for sample in quiet}) == len(quiet) > 6
    head, _ = tiny_engine.encoder.user_turn
    assert all(sample.tokens[: len(head)] == tuple(head) for sample in quiet)
    assert all(sample.tokens[-1] == tiny_engine.base.end_token for sample in quiet)


def test_what_was_made_is_read_again_and_what_is_damaged_is_made_again(
    tiny_engine: Engine, tmp_path: Path
) -> None:
    def compare() -> None:
        lora, _, cache = parts(tiny_engine, tmp_path)
        vector = lora.initial(None)
        first = drain(cache.samples(vector, "base", [], 6, 1))
        outputs = drain(cache.references(vector, "base", first))
        _, _, other = parts(tiny_engine, tmp_path)
        other._sampler = other._gradient_computer = None  # type: ignore[assignment]
        assert drain(other.samples(vector, "base", [], 6, 1)) == first
        same(outputs, drain(other.references(vector, "base", first)))
        for path in tmp_path.rglob("*.npz"):
            path.write_bytes(path.read_bytes()[:50])
        same(outputs, drain(cache.references(vector, "base", first)))
        assert drain(cache.samples(vector, "base", [], 6, 1)) == first

    tiny_engine.call(compare)


def test_ember_brings_what_it_writes_with_its_own_anchors(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config.load(tmp_path, {})
    anchors = provider.load(settings, ember.MODEL_PATH / ember.ANCHORS_FILE)
    asked = []
    monkeypatch.setattr(SelfSampler, "write", lambda *_: asked.append(1) or iter(()))

    def samples(settings: config.Config) -> list[HeldText]:
        lora = LoraModel(engine.base, settings.training)
        parts = (lora, GradientComputer(lora), engine.encoder, engine.base)
        training_set_builder = TrainingSetBuilder(
            *parts, settings.training, settings.anchor, tmp_path / "cache"
        )
        drain(training_set_builder.texts_of_base(anchors))
        selection = Selection((), anchors=anchors)
        held = drain(training_set_builder.gather(selection, lora.initial(None), "")).held
        return [text for text in held.texts if text.context == SELF_GENERATED]

    brought = engine.call(lambda: samples(settings))
    assert len(brought) > 768 / 2
    assert all(text.example.tokens[-1] == engine.base.end_token for text in brought)
    assert not asked
    assert not list((tmp_path / "cache").rglob("*.npz"))
    # Another seed's were not brought, and would have been written.
    other = config.load(tmp_path, {"training.seed": settings.training.seed + 1})
    with pytest.raises(TypeError):
        engine.call(lambda: samples(other))
    assert asked


def test_reference_outputs_do_not_depend_on_what_was_there(
    tiny_engine: Engine, tmp_path: Path
) -> None:
    """Bit for bit: a training is made again on another root, or after its cache was deleted."""

    def compare() -> None:
        lora, _, cache = parts(tiny_engine, tmp_path / "used")
        vector = lora.initial(None)
        facts = [
            (f"What is {n} times 7?", f"{n} times 7 is {n * 7}. " * (n % 5)) for n in range(12)
        ]
        texts = [tiny_engine.encoder.example(example(i, *f)) for i, f in enumerate(facts)]
        for some in (texts[1::3], texts[:7], texts):
            used = drain(cache.references(vector, "base", some))
        fresh = drain(parts(tiny_engine, tmp_path / "fresh")[2].references(vector, "base", texts))
        same(used, fresh)

    tiny_engine.call(compare)


def test_an_update_takes_the_own_samples_that_are_there(
    tiny_engine: Engine, tmp_path: Path
) -> None:
    """None are written for it; a training that is made again has as many as it had."""

    def compare() -> None:
        selection = Selection(new=[example(0, *FACTS[0])], anchors=ANCHORS)
        first = gather(tiny_engine, tmp_path, selection, own_samples="auto")
        assert first.own_samples == 0
        assert all(text.context != SELF_GENERATED for text in first.held.texts)
        assert not list(tmp_path.rglob("samples-*"))
        some = gather(tiny_engine, tmp_path, selection, own_samples=SAMPLES_PER_FILE)
        then = gather(tiny_engine, tmp_path, selection, own_samples="auto")
        assert then.own_samples == SAMPLES_PER_FILE
        assert then.held.texts == some.held.texts

    tiny_engine.call(compare)


def test_reference_outputs_are_the_models_own(tiny_engine: Engine, tmp_path: Path) -> None:
    """With the whole vocabulary kept, the divergence from them is nothing; moved away, it is KL."""

    def compare() -> None:
        lora, gradient_computer, _ = parts(tiny_engine, tmp_path)
        cache = ReferenceCache(gradient_computer, None, tmp_path, k=10**6)  # type: ignore[arg-type]
        examples = [tiny_engine.encoder.example(example(i, *fact)) for i, fact in enumerate(FACTS)]
        vector = lora.initial(None)
        outputs = drain(cache.outputs(vector, examples))
        batch = make_batch(examples, outputs, [0.0] * len(examples))
        away, gradient = drain(gradient_computer.gradient(vector, batch))
        assert number(away) == pytest.approx(0, abs=1e-3)
        assert number(mx.abs(gradient).max()) < 1e-3

        moved = vector + 0.02 * mx.random.normal(vector.shape, key=mx.random.key(0))
        away, _ = drain(gradient_computer.gradient(moved, batch))
        rows = [drain(gradient_computer.target_rows(v, batch)) for v in (vector, moved)]
        before, after = (
            np.array(gradient_computer.log_probs(row)[: batch.target_count], dtype=np.float64)
            for row in rows
        )
        full = (np.exp(before) * (before - after)).sum()
        assert full > 0.01
        assert number(away) == pytest.approx(full, rel=1e-2)
        few = ReferenceCache(gradient_computer, None, tmp_path, k=8)  # type: ignore[arg-type]
        batch = make_batch(examples, drain(few.outputs(vector, examples)), [0.0] * len(examples))
        merged, _ = drain(gradient_computer.gradient(moved, batch))
        assert 0 < number(merged) <= full * 1.001

    tiny_engine.call(compare)


def test_own_samples_that_ask_what_is_learned_are_not_held(
    tiny_engine: Engine, tmp_path: Path
) -> None:
    def compare() -> None:
        material = gather(
            tiny_engine, tmp_path, Selection(new=[example(0, *FACTS[0])], anchors=ANCHORS)
        )
        own = [held for held in material.held.valid if held.context == SELF_GENERATED]
        asked = tiny_engine.encoder.user_words(own[0].example.tokens)
        corrected = Selection(new=[example(0, asked, "Something else.")], anchors=ANCHORS)
        fewer = gather(tiny_engine, tmp_path, corrected)
        left = [tiny_engine.encoder.user_words(h.example.tokens) for h in fewer.held.valid]
        assert asked not in left
        assert len(left) < len(own) + 1

    tiny_engine.call(compare)


def test_superseded_anchors_are_not_held(tiny_engine: Engine, tmp_path: Path) -> None:
    def compare() -> None:
        wrong = example(0, "What is 3 plus 2?", "3 plus 2 is 9.")
        valid = ANCHORS.without(ANCHORS.contradicted_by([wrong]))
        selection = Selection(new=[wrong], anchors=ANCHORS, valid_anchors=valid)
        material = gather(tiny_engine, tmp_path, selection, own_samples=0)
        asked = [
            tiny_engine.encoder.user_words(held.example.tokens) for held in material.held.valid
        ]
        assert len(asked) == len(ANCHORS) - 1
        assert "What is 3 plus 2?" not in asked

    tiny_engine.call(compare)


def test_naive_holds_nothing_and_asks_in_the_taught_words_alone_if_told(
    tiny_engine: Engine, tmp_path: Path
) -> None:
    material = tiny_engine.call(
        lambda: gather(
            tiny_engine,
            tmp_path,
            Selection(new=[example(0, *FACTS[0])], anchors=ANCHORS),
            method="naive",
        )
    )
    assert not material.held.texts
    assert list(tmp_path.rglob("*.npz")) == []


@pytest.mark.parametrize("reworded_ratio", [0.0, 0.5])
def test_thousands_of_examples_are_encoded_in_pieces(
    tiny_engine: Engine, tmp_path: Path, reworded_ratio: float
) -> None:
    def pieces() -> int:
        lora, gradient_computer, _ = parts(tiny_engine, tmp_path)
        training = config.TrainingSettings(r=4, reworded_ratio=reworded_ratio)
        anchor = config.AnchorSettings(method="naive")
        training_set_builder = TrainingSetBuilder(
            lora,
            gradient_computer,
            tiny_engine.encoder,
            tiny_engine.base,
            training,
            anchor,
            tmp_path,
        )
        new, held_back = ([example(n, f"What is {n}?", "A number.") for n in r] for r in _PARTS)
        selection = Selection(new=new, held_back=held_back)
        return sum(1 for _ in training_set_builder.gather(selection, lora.initial(None), ""))

    assert tiny_engine.call(pieces) >= sum(map(len, _PARTS))
