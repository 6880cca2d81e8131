"""Base models: found or refused by name; shared, never copied; quantized ones too."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest
from huggingface_hub.errors import HTTPError
from mlx.utils import tree_flatten
from mlx_lm.utils import load_model, load_tokenizer, quantize_model, save

from radiance import config, ember, platform
from radiance.engine.model.base import load_base
from radiance.engine.model.device import select_device
from radiance.engine.model.finding import find_base
from radiance.engine.worker import Engine
from radiance.errors import ConfigError
from radiance.training.lora import LoraModel
from radiance.training.steps import StepTaken
from tests.shared_data import STORIES, needs
from tests.training.test_trainer import finish, new_trainer


def test_ember_needs_no_path() -> None:
    assert find_base("ember", ember.MODEL_PATH) == ember.MODEL_PATH


@pytest.mark.parametrize("name", ["no/such/place", "/nowhere/at/all", "just-a-name", "", "a b/c"])
def test_what_is_neither_directory_nor_hub_id_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="no such directory, and not a Hub id") as caught:
        find_base(name, ember.MODEL_PATH)
    assert f'base_model (is "{name}")' in str(caught.value)


def test_hub_id_that_is_not_to_be_had_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match=r"not to be had from the Hub .*hf download nobody/none"):
        find_base("nobody/none", ember.MODEL_PATH)


def test_a_download_that_breaks_off_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Hub's client tries again a few times, and then raises what its library does."""

    def break_off(name: str, **_: Any) -> None:
        raise HTTPError("peer closed connection without sending complete message body")

    monkeypatch.setattr("radiance.engine.model.finding.snapshot_download", break_off)
    with pytest.raises(ConfigError, match=r"peer closed connection .*hf download nobody/none"):
        find_base("nobody/none", ember.MODEL_PATH)


def test_gguf_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    name = str(tmp_path / "model.gguf")
    with pytest.raises(ConfigError, match="there is no such file"):
        find_base(name, ember.MODEL_PATH)
    Path(name).touch()
    assert find_base(name, ember.MODEL_PATH) == Path(name)


def test_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"has no config\.json and no \*\.safetensors"):
        find_base(str(tmp_path), ember.MODEL_PATH)


@pytest.mark.parametrize("damage", ["config", "weights", "type"])
def test_damaged_model_is_refused_with_its_reason(tmp_path: Path, damage: str) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(ember.MODEL_PATH, broken)
    if damage == "config":
        (broken / "config.json").write_text("{")
    elif damage == "weights":
        (broken / "model.safetensors").write_bytes(b"\x00" * 100)
    else:
        settings = json.loads((broken / "config.json").read_text())
        (broken / "config.json").write_text(json.dumps({**settings, "model_type": "abacus"}))
    engine = Engine("broken", broken, "cpu", config.EngineSettings(), max_waiting=2)
    with pytest.raises(ConfigError, match=r'base_model \(is "broken"\): mlx-lm cannot load'):
        engine.start()


def test_second_tree_costs_only_its_adapter(engine: Engine) -> None:
    def cost() -> tuple[int, int]:
        before = mx.get_active_memory()
        lora = LoraModel(engine.base, config.TrainingSettings())
        mx.eval(lora.model.parameters())
        return mx.get_active_memory() - before, lora.size * 4

    spent, adapter = engine.call(cost)
    leaves: Any = tree_flatten(engine.base.parameters)
    base = sum(leaf.nbytes for _, leaf in leaves)
    assert spent < 1.5 * adapter + 100_000
    assert spent < base / 5


@pytest.fixture(scope="module")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ember in 4 bits, as `mlx_lm.convert -q` makes it."""
    path = tmp_path_factory.mktemp("models") / "ember-4bit"
    mx.set_default_device(mx.cpu)
    model, settings = load_model(ember.MODEL_PATH)
    model, settings = quantize_model(model, settings, group_size=64, bits=4)
    shutil.copytree(ember.MODEL_PATH, path)
    (path / "model.safetensors").unlink()
    save(path, ember.MODEL_PATH, model, load_tokenizer(ember.MODEL_PATH), settings)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("memory_bytes", [1 << 24, 1 << 34])
def test_quantized_base_trains_as_qlora(
    quantized: Path, memory_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Metal and CUDA where float32 does not fit; else its numbers as plain layers."""
    monkeypatch.setattr(platform, "memory_bytes", lambda: memory_bytes)
    engine = Engine("ember-4bit", quantized, "cpu", config.EngineSettings(), max_waiting=10)
    engine.start()

    def train() -> tuple[list[float], type]:
        trainer = new_trainer(engine, r=8, max_steps=6, lr=1.2e-2)
        layer = trainer._lora.model.model.layers[0].self_attn.q_proj.linear
        events, _ = finish(trainer)
        losses = [event.finetune_loss for event in events if isinstance(event, StepTaken)]
        return losses, type(layer)

    losses, layer = engine.call(train)
    engine.stop()
    is_scarce = memory_bytes < 1 << 30
    assert layer is (nn.QuantizedLinear if is_scarce else nn.Linear)
    assert engine.base.computed_as == ("4-bit" if is_scarce else "float32")
    assert engine.base.stored.precision == "4-bit"
    assert losses[-1] < losses[0] / 2


def test_adapter_sees_the_same_weights_either_way(quantized: Path) -> None:
    device = select_device("cpu")
    plain = load_base("plain", quantized, device)
    packed = load_base("packed", quantized, replace(device, memory_bytes=1 << 20))
    assert (plain.is_dequantized, packed.is_dequantized) == (True, False)
    assert plain.content_hash == packed.content_hash
    ours, theirs = (base.model(mx.arange(5, 60)[None]) for base in (plain, packed))
    assert mx.allclose(ours, theirs, rtol=1e-3, atol=1e-3)
    assert {type(m) for m in plain.skeleton().modules()} & {nn.QuantizedLinear} == set()
    stored = plain.as_stored()
    assert isinstance(stored.model.layers[0].mlp.up_proj, nn.QuantizedLinear)


@needs(STORIES)
def test_end_token_that_cannot_be_taught_is_passed_over() -> None:
    """stories260K never saw </s> (2): its output row is one of many equal ones."""
    engine = Engine("stories", STORIES, "cpu", config.EngineSettings(), max_waiting=2)
    engine.start()
    assert engine.base.tokenizer.eos_token_id == 2
    assert engine.base.end_token == 1
    engine.stop()
