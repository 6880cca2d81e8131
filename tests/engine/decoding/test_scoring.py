"""The loss that is read off the served weights is the loss of the weights that serve."""

import threading
from collections.abc import Iterator

import mlx.core as mx
import numpy as np
import pytest
from mlx.utils import tree_unflatten
from mlx_lm.utils import load

from radiance import config, ember
from radiance.engine.decoding.scoring import losses_of
from radiance.engine.model.encoding import EncodedExample
from radiance.engine.requests import BASE
from radiance.engine.worker import Engine
from radiance.records import CheckpointStatus
from radiance.training.lora import LoraModel
from tests.engine.adapters.test_slots import random_adapter
from tests.support import FACTS, example


@pytest.fixture
def texts(engine: Engine) -> list[EncodedExample]:
    return [engine.encoder.example(example(n, *fact)) for n, fact in enumerate(FACTS)]


def reference(logits: mx.array, text: EncodedExample) -> float:
    """Cross-entropy per learned token, in float64; logits (tokens, vocab)."""
    scores = np.array(logits.astype(mx.float32), dtype=np.float64)[:-1]
    scores -= scores.max(axis=1, keepdims=True)
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    learned = np.array(text.is_completion[1:])
    return float(-logs[np.arange(len(logs)), list(text.tokens[1:])][learned].mean())


def test_of_the_base_as_mlx_lm_computes_it(engine: Engine, texts: list[EncodedExample]) -> None:
    model = load(str(ember.MODEL_PATH))[0]
    reading = engine.read_losses(texts).result
    assert reading.checkpoint_id is None
    for text, loss in zip(texts, reading.losses, strict=True):
        assert loss == pytest.approx(reference(model(mx.array([text.tokens]))[0], text), abs=1e-4)


def test_of_an_adapter_as_the_training_tree_computes_it(
    engine: Engine, texts: list[EncodedExample]
) -> None:
    adapter = random_adapter(engine, 21)
    engine.swap(adapter, "A_21", CheckpointStatus.STABLE)
    reading = engine.read_losses(texts).result
    engine.swap(None, None, CheckpointStatus.BASE)
    assert reading.checkpoint_id == "A_21"

    def expected() -> list[float]:
        lora = LoraModel(engine.base, config.TrainingSettings(r=4, alpha=8))
        lora.model.update(tree_unflatten(list(lora.unflatten(lora.initial(adapter)).items())))
        return [reference(lora.model(mx.array([text.tokens]))[0], text) for text in texts]

    assert reading.losses == pytest.approx(engine.call(expected), abs=1e-3)


def test_long_texts_are_read_in_chunks(engine: Engine, texts: list[EncodedExample]) -> None:
    def read(chunk_tokens: int) -> tuple[int, tuple[float, ...]]:
        pieces, count = losses_of(engine._model, 0, texts, chunk_tokens), 0
        while True:
            try:
                next(pieces)
                count += 1
            except StopIteration as stop:
                return count, stop.value

    whole, chunked = engine.call(lambda: read(512)), engine.call(lambda: read(5))
    assert whole[0] == 2, "texts of like length are read together, after a short first piece"
    assert chunked[0] == -(-(max(len(text.tokens) for text in texts) - 1) // 5)
    assert chunked[1] == pytest.approx(whole[1], abs=1e-4)


def test_reading_does_not_wait_for_training(engine: Engine, texts: list[EncodedExample]) -> None:
    done = threading.Event()

    def training() -> Iterator[None]:
        while not done.is_set():
            yield None

    task = engine.run(training)  # type: ignore[arg-type]
    assert len(engine.read_losses(texts).result.losses) == len(texts)
    done.set()
    assert task.result is None


def test_a_reading_holds_its_slot(engine: Engine, texts: list[EncodedExample]) -> None:
    """The swap comes between two pieces; the reading is of one checkpoint all the same."""
    engine.swap(random_adapter(engine, 22), "A_22", CheckpointStatus.STABLE)
    before = engine.read_losses(texts).result

    def start() -> object:
        task = engine.read_losses(texts)
        engine._take_in(wait=False)
        task.advance()
        engine._sources.serve(BASE)
        return task

    after = engine.call(start).result  # type: ignore[attr-defined]
    assert after == before
    assert engine.call(lambda: engine._adapter_cache.in_use) == 0
