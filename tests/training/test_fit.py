"""What is said of a model before a run is what the run then takes."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from radiance import config, ember
from radiance.config.derived import derive_training
from radiance.engine.decoding.kv_budget import kv_bytes_per_token
from radiance.engine.model.base import load_base
from radiance.engine.model.device import select_device
from radiance.engine.model.named import NAMED
from radiance.engine.model.stored import DescribedModel, open_stored
from radiance.training.fit import reckon
from radiance.training.gradient import GradientComputer
from radiance.training.lora import LoraModel
from radiance.training.memory import kept_part
from radiance.training.subspaces import most_bytes
from tests.gguf_files import write_model
from tests.smollm2 import SMOLLM2, needs_smollm2

_MANY = 1 << 36
_LITTLE = 1 << 22


@pytest.mark.parametrize("kind", ["directory", "F16", "Q4_1"])
@pytest.mark.parametrize("memory_bytes", [_MANY, _LITTLE])
def test_reckoned_is_what_is_loaded(
    kind: str, memory_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RADIANCE_CACHE", str(tmp_path / "cache"))
    path = ember.MODEL_PATH
    if kind != "directory":
        path = write_model(tmp_path / "m.gguf", ember.MODEL_PATH, kind)
    device = replace(select_device("cpu"), memory_bytes=memory_bytes)
    settings = config.Config()
    fit = reckon(open_stored("m", path), device, settings)
    base = load_base("m", path, device)
    training = derive_training(settings.training, base.hidden_size)
    assert fit.weight_bytes == base.weight_bytes
    assert fit.computed == base.computed_as
    assert fit.kv_bytes_per_token == kv_bytes_per_token(base.model)
    assert fit.context_tokens == base.context_tokens
    lora = LoraModel(base, training)
    assert fit.adapter_parameters == lora.size
    widths = [shape[0] for name, shape in lora.shapes.items() if name.endswith(".lora_a")]
    anchor = msgspec.structs.replace(settings.anchor, null_space=True)
    both = msgspec.structs.replace(settings, anchor=anchor)
    apart = reckon(open_stored("m", path), device, both)
    adamw = msgspec.structs.replace(settings.training, optimizer="adamw")
    around = reckon(open_stored("m", path), device, msgspec.structs.replace(both, training=adamw))
    for step, wider, longer in zip(fit.training, around.training, apart.training, strict=True):
        assert longer.rows > wider.rows == step.rows
        assert (wider.least_bytes or 0) - (step.least_bytes or 0) == most_bytes(widths)
    assert fit.fits == (memory_bytes == _MANY)
    assert {step.fits for step in fit.training} == {memory_bytes == _MANY}


@needs_smollm2
def test_named_model_is_described_as_it_is() -> None:
    device, settings = select_device("cpu"), config.Config()
    described = DescribedModel("smollm2", dict(NAMED["smollm2"].config))
    for memory in (_MANY, _LITTLE):
        there = replace(device, memory_bytes=memory)
        ours = reckon(described, there, settings)
        theirs = reckon(open_stored("smollm2", SMOLLM2), there, settings)
        assert replace(ours, computed="") == replace(theirs, computed="")


def test_step_is_reckoned_as_the_service_does(monkeypatch: pytest.MonkeyPatch) -> None:
    device = select_device("cpu")
    settings = config.Config()
    fit = reckon(open_stored("ember", ember.MODEL_PATH), device, settings)
    base = load_base("ember", ember.MODEL_PATH, device)
    computer = GradientComputer(LoraModel(base, derive_training(settings.training, 256)))
    left = int(0.9 * device.memory_bytes) - fit.weight_bytes
    monkeypatch.setattr("radiance.training.gradient.most_kept_bytes", lambda: kept_part(left))
    for reckoned in fit.training:
        step = computer.step_memory(reckoned.rows, reckoned.tokens)
        assert step is not None
        assert reckoned.step_bytes == step.total
