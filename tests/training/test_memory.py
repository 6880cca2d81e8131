"""What a step takes is estimated before it runs; what would not fit is refused with numbers."""

import gc

import mlx.core as mx
import numpy as np
import pytest

from radiance import config
from radiance.engine.model.encoding import EncodedExample
from radiance.errors import TrainingError
from radiance.training import memory
from radiance.training.batches import make_batch
from radiance.training.gradient import GradientComputer
from radiance.training.held_texts import HeldText, HeldTexts
from radiance.training.lora import LoraModel
from radiance.training.memory import StepMemory, free_bytes, require
from radiance.training.trainer import Trainer
from radiance.training.training_set import TrainingSet, largest_batch
from radiance.training.wordings import AugmentedExample
from tests.support import drain


def text(tokens: int, seed: int = 0) -> EncodedExample:
    drawn = np.random.default_rng(seed).integers(5, 4000, tokens)
    return EncodedExample("x", tuple(int(t) for t in drawn), (True,) * tokens)


@pytest.mark.parametrize(
    ("rows", "tokens"),
    [
        (2, 33),
        (8, 65),
        pytest.param(6, 257, marks=pytest.mark.slow),
        pytest.param(2, 700, marks=pytest.mark.slow),
    ],
)
def test_the_estimate_is_above_the_peak_and_not_far(engine, rows, tokens):
    def measure() -> tuple[int, int]:
        lora = LoraModel(engine.base, config.TrainingSettings(r=8))
        gradient_computer = GradientComputer(lora)
        batch = make_batch([text(tokens, seed) for seed in range(rows)])
        vector = lora.initial(None)
        mx.eval(vector, batch.tokens)
        gc.collect()  # what earlier tests left must not be freed while it is measured
        mx.clear_cache()
        before = mx.get_active_memory()
        mx.reset_peak_memory()
        gradient = drain(gradient_computer.gradient(vector, batch))
        mx.eval(gradient)
        step = gradient_computer.step_memory(*batch.tokens.shape)
        assert step is not None
        return step.total, mx.get_peak_memory() - before

    estimated, peak = engine.call(measure)
    assert peak <= estimated <= 6 * peak, (estimated / peak, estimated, peak)


def test_the_largest_batch_is_the_longest_text_in_full_rows():
    new = [AugmentedExample(text(30), (text(40),)), AugmentedExample(text(20))]
    held = HeldTexts([HeldText(text(200), "own")] * 3)
    settings, anchor = config.TrainingSettings(batch_size=8), config.AnchorSettings(batch_size=8)
    assert largest_batch(TrainingSet(new=new), settings, anchor) == (2, 40)
    assert largest_batch(TrainingSet(new=new, replay=new), settings, anchor) == (4, 40)
    assert largest_batch(TrainingSet(new=new, held=held), settings, anchor) == (3, 208)
    naive = config.AnchorSettings(method="naive")
    assert largest_batch(TrainingSet(new=new, held=held), settings, naive) == (2, 40)


def test_what_would_not_fit_is_refused_with_the_numbers():
    step = StepMemory(3 << 30, 1 << 30, 1 << 29, rows=8, tokens=4096)
    with pytest.raises(TrainingError) as caught:
        require(step, 4 << 30, config.TrainingSettings(batch_size=8, r=16))
    for told in ("4.50 GiB", "8 x 4096", "4.00 GiB are free", "training.batch_size (is 8)"):
        assert told in str(caught.value)
    require(step, 6 << 30, config.TrainingSettings())
    require(step, None, config.TrainingSettings())
    require(None, 1, config.TrainingSettings())


def test_a_training_that_would_not_fit_does_not_begin(engine, monkeypatch):
    monkeypatch.setattr("radiance.training.trainer.free_bytes", lambda: 1 << 20)

    def begin() -> None:
        lora = LoraModel(engine.base, config.TrainingSettings())
        material = TrainingSet(new=[AugmentedExample(text(50))])
        Trainer(
            lora,
            GradientComputer(lora),
            config.TrainingSettings(),
            config.AnchorSettings(),
            material,
            None,
        )

    with pytest.raises(TrainingError, match="a training step needs about"):
        engine.call(begin)


def test_a_model_of_unknown_dimensions_is_not_judged():
    assert memory.estimate(object(), 4, 10, 1, 1, most_kept=0, most_logits=1) is None


def test_this_machine_says_what_is_free(engine):
    found = engine.call(free_bytes)
    assert found is None or found > 1 << 20
