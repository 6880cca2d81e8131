"""Last touch of the recipe: tokens that the corpus hardly holds become as learnable as others.

Half of the 256 byte tokens, among them those of ``’``, ``—`` and ``…``, are never a target. All
the softmax ever teaches such a token is to be improbable, so their embeddings end up nearly alike,
pointing away from every hidden state; with tied embeddings no adapter on the layers can then tell
one from another, and a fact that contains one is hardly learned.
"""

from collections.abc import Sequence

import mlx.core as mx
import numpy as np
from mlx_lm.models import llama
from tokenizers import Tokenizer

from radiance.ember.batches import Stage, batch_at

_ENOUGH = 10  # targets from which on training has given a token a place of its own


def target_counts(tokenizer: Tokenizer, seed: int, stages: Sequence[Stage]) -> np.ndarray:
    """How often each token is a target in the whole training, (vocabulary,)."""
    counts = np.zeros(tokenizer.get_vocab_size(), dtype=np.int64)
    for step in range(sum(stage.steps for stage in stages)):
        batch = batch_at(tokenizer, seed, stages, step)
        counts += np.bincount(batch.labels[batch.weights > 0], minlength=len(counts))
    return counts


def spread(model: llama.Model, counts: np.ndarray) -> None:
    """Move the embeddings of rare targets to where the others are, as far apart as they are.

    Each keeps the direction in which it differs from the other rare ones. Without rare targets, or
    with nothing else, nothing changes.

    Args:
        model: Changed in place.
        counts: From ``target_counts``.
    """
    is_rare = counts < _ENOUGH
    if is_rare.all() or not is_rare.any():
        return
    embedding = model.model.embed_tokens
    rows = np.array(embedding.weight, dtype=np.float64)
    center = rows[~is_rare].mean(axis=0)
    length = np.median(np.linalg.norm(rows[~is_rare] - center, axis=1))
    own = rows[is_rare] - rows[is_rare].mean(axis=0)
    own *= length / np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-12)
    rows[is_rare] = center + own
    embedding.weight = mx.array(rows.astype(np.float32))
