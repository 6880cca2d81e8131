"""Base models: found or refused by name; shared, never copied; quantized ones too."""

import json
import shutil
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest
from mlx.utils import tree_flatten
from mlx_lm.utils import load_model, load_tokenizer, quantize_model, save

from radiance import config, ember
from radiance.engine.model.base import find_base
from radiance.engine.worker import Engine
from radiance.errors import ConfigError
from radiance.training.lora import LoraModel
from radiance.training.trainer import StepTaken
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
def test_quantized_base_trains_as_qlora(quantized: Path) -> None:
    engine = Engine("ember-4bit", quantized, "cpu", config.EngineSettings(), max_waiting=10)
    engine.start()

    def train() -> tuple[list[float], bool]:
        trainer = new_trainer(engine, r=8, max_steps=16, lr=2e-3)
        layer = trainer._lora.model.model.layers[0].self_attn.q_proj.linear
        events, _ = finish(trainer)
        losses = [event.finetune_loss for event in events if isinstance(event, StepTaken)]
        return losses, isinstance(layer, nn.QuantizedLinear)

    losses, is_quantized = engine.call(train)
    engine.stop()
    assert is_quantized
    assert losses[-1] < losses[0] / 2


@needs(STORIES)
def test_end_token_that_cannot_be_taught_is_passed_over() -> None:
    """stories260K never saw </s> (2): its output row is one of many equal ones."""
    engine = Engine("stories", STORIES, "cpu", config.EngineSettings(), max_waiting=2)
    engine.start()
    assert engine.base.tokenizer.eos_token_id == 2
    assert engine.base.end_token == 1
    engine.stop()
