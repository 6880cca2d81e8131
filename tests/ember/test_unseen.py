"""Tokens that the corpus hardly holds can be told apart and learned like others."""

from typing import Any

import mlx.core as mx
import numpy as np
import pytest
from mlx_lm import load
from mlx_lm.models import llama
from tokenizers import Tokenizer

from radiance.ember import MODEL_PATH
from radiance.ember.batches import Phase, Stage, batch_at
from radiance.ember.training import EmberRecipe, new_model
from radiance.ember.unseen import spread, target_counts

SMALL = Phase(share=1.0, rows=2, length=64, world=2, targets=40)
STAGES = (Stage(steps=3, learning_rate=1e-3, phases=(SMALL,)),)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(MODEL_PATH / "tokenizer.json"))


@pytest.fixture
def model() -> llama.Model:
    return new_model(EmberRecipe())


def _embeddings(model: llama.Model) -> np.ndarray:
    return np.array(model.model.embed_tokens.weight, dtype=np.float64)


def test_targets_are_counted_over_all_steps(tokenizer: Tokenizer) -> None:
    counts = target_counts(tokenizer, 3, STAGES)
    batches = [batch_at(tokenizer, 3, STAGES, step) for step in range(3)]
    assert counts.sum() == sum((batch.weights > 0).sum() for batch in batches)
    assert len(counts) == tokenizer.get_vocab_size()


def test_rare_targets_move_to_the_others_and_those_stay(model: llama.Model) -> None:
    counts = np.full(4096, 50)
    rare = np.arange(100, 400)
    counts[rare] = np.arange(300) % 10
    drawn = np.random.default_rng(0).normal(size=(300, 256))
    before = _embeddings(model)
    before[rare] = before[:100].mean(axis=0) * -3 + 0.01 * drawn
    model.model.embed_tokens.weight = mx.array(before.astype(np.float32))
    before = _embeddings(model)
    spread(model, counts)
    after = _embeddings(model)
    others = np.delete(np.arange(4096), rare)
    assert np.array_equal(after[others], before[others])
    center = before[others].mean(axis=0)
    lengths = np.linalg.norm(after - center, axis=1)
    assert np.allclose(lengths[rare], np.median(lengths[others]), rtol=1e-5)
    way = (after[rare] - center) / lengths[rare][:, None]
    was = before[rare] - before[rare].mean(axis=0)
    was /= np.linalg.norm(was, axis=1)[:, None]
    assert np.allclose(way, was, atol=1e-4)


@pytest.mark.parametrize("count", [0, 10])
def test_without_two_kinds_nothing_changes(model: llama.Model, count: int) -> None:
    before = _embeddings(model)
    spread(model, np.full(4096, count))
    assert np.array_equal(_embeddings(model), before)


def test_no_two_tokens_of_the_packaged_model_are_nearly_alike() -> None:
    """Without the recipe's last touch each of these had another at a cosine of 0.87 or more."""
    loaded: Any = load(str(MODEL_PATH))
    model, tokenizer = loaded[:2]
    rows = _embeddings(model)
    rows -= rows.mean(axis=0)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    likeness = rows @ rows.T - np.eye(len(rows))
    tokens = tokenizer.encode("’—…½×Ä", add_special_tokens=False)
    assert likeness[tokens].max() < 0.7
