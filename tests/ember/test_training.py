"""The recipe: an interrupted run ends like a straight one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest
from click.testing import CliRunner
from mlx.utils import tree_flatten
from tokenizers import Tokenizer

from radiance.ember import MODEL_PATH
from radiance.ember.__main__ import main
from radiance.ember.batches import Phase, Stage
from radiance.ember.training import CONFIG, EmberRecipe, Training, new_model

TINY = tuple(
    (
        CONFIG
        | {
            "hidden_size": 16,
            "intermediate_size": 24,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "head_dim": 8,
        }
    ).items()
)
SMALL = Phase(share=1.0, rows=2, length=64, world=2, targets=40)
STAGES = (
    Stage(steps=2, learning_rate=3e-3, phases=(SMALL,)),
    Stage(steps=2, learning_rate=1e-3, phases=(SMALL,), rehearsed=("sums",)),
)
RECIPE = EmberRecipe(stages=STAGES, seed=5, with_copying=False, config=TINY)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(MODEL_PATH / "tokenizer.json"))


def _bytes(training: Training) -> dict[str, bytes]:
    parameters: Any = tree_flatten(training.model.parameters())
    return {name: bytes(array) for name, array in parameters}


def test_a_resumed_run_ends_in_the_same_bytes(tokenizer: Tokenizer, tmp_path: Path) -> None:
    losses: list[float] = []
    straight = Training(RECIPE, tokenizer)
    straight.run(lambda step, loss, seconds: losses.append(loss))
    checkpoint = tmp_path / "state.safetensors"
    resumed_losses: list[float] = []
    # Within a stage, and where one ends.
    for stop in (1, 2, 3, None):
        part = Training(RECIPE, tokenizer, checkpoint)
        part.run(lambda step, loss, seconds: resumed_losses.append(loss), stop=stop)
    assert part.step == straight.step == 4
    assert resumed_losses == losses
    assert _bytes(part) == _bytes(straight)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state.safetensors"]


def test_a_checkpoint_of_another_recipe_is_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    checkpoint = tmp_path / "state.safetensors"
    Training(RECIPE, tokenizer, checkpoint).run(lambda *_: None, stop=1)
    with pytest.raises(ValueError, match="belongs to another recipe"):
        Training(replace(RECIPE, seed=6), tokenizer, checkpoint)


def test_the_learning_rate_rises_and_falls_in_each_stage() -> None:
    stages = tuple(Stage(steps=100, learning_rate=rate, phases=(SMALL,)) for rate in (1.0, 0.5))
    recipe = EmberRecipe(stages=stages, warmup_ratio=0.1)
    rates = [recipe.learning_rate_at(step) for step in range(recipe.steps)]
    assert rates[9] == max(rates) == 1.0
    assert rates[:10] == sorted(rates[:10])
    assert rates[10:100] == sorted(rates[10:100], reverse=True)
    assert rates[99] < 0.06
    assert rates[109] == max(rates[100:]) == 0.5


def test_the_seed_decides_the_first_weights() -> None:
    first, again, other = (new_model(EmberRecipe(seed=seed)) for seed in (1, 1, 2))
    weight = first.model.embed_tokens.weight
    assert mx.array_equal(weight, again.model.embed_tokens.weight)
    assert not mx.array_equal(weight, other.model.embed_tokens.weight)


def test_the_first_weights_copy() -> None:
    """Twice the same random tokens: the second time they are easier to predict."""
    model = new_model(EmberRecipe())
    mx.random.seed(0)
    once = mx.random.randint(5, 4096, (1, 30))
    tokens = mx.concatenate([once, once], axis=1)
    losses = nn.losses.cross_entropy(model(tokens)[:, :-1], tokens[:, 1:])[0]
    assert mx.mean(losses[30:]) < mx.mean(losses[:29]) - 0.5


def test_the_commands_explain_themselves() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    assert "make" in result.output
    assert "check" in result.output
