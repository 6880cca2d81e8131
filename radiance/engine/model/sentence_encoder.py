"""Sentences as vectors: the forward pass of a small BERT, and its mean over tokens, unit length.

all-MiniLM-L6-v2 and what is built like it. Weights are read when they are first needed, on the
engine's thread, where all of this belongs: a block of a few sentences is one piece of work, between
two of which waiting requests are decoded.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
import numpy as np
from tokenizers import Tokenizer

from radiance.engine.tasks import Pieces

MOST_TOKENS = 128
"""Of a text; the rest of it is left out, as the model's own tokenizer does."""
_TOKENS_PER_PIECE = 128  # with padding: what a block is computed for at once
_UNSEEN = -1e9  # is added to a score of attention to padding
_LEAST_LENGTH = 1e-9


class SentenceEncoder:
    """Makes vectors. Belongs to one thread.

    Args:
        folder: Has config.json, model.safetensors and tokenizer.json.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.dimensions: int = config["hidden_size"]
        self._blocks: int = config["num_hidden_layers"]
        self._heads: int = config["num_attention_heads"]
        self._eps: float = config["layer_norm_eps"]
        self._padding: int = config["pad_token_id"]
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(MOST_TOKENS)
        self._weights: dict[str, mx.array] = {}

    def pieces(self, texts: Sequence[str]) -> Pieces[np.ndarray]:
        """Unit vectors of texts, (texts, dimensions) float32; yields None between pieces."""
        read = yield from self._read(texts)
        means = [hidden.mean(axis=0) for _, hidden in read]
        return _unit(np.stack(means)) if means else np.zeros((0, self.dimensions), np.float32)

    def token_pieces(self, texts: Sequence[str]) -> Pieces[list[tuple[list[int], np.ndarray]]]:
        """Ids of the tokens of each text, and their unit vectors, (tokens, dimensions) float32.

        Those that frame a text are left out. Yields None between pieces.
        """
        read = yield from self._read(texts)
        return [(ids[1:-1], _unit(hidden[1:-1])) for ids, hidden in read]

    def _read(self, texts: Sequence[str]) -> Pieces[list[tuple[list[int], np.ndarray]]]:
        """Tokens of texts, and the last hidden state of each, (tokens, dimensions)."""
        if not self._weights:
            loaded = mx.load(str(self._folder / "model.safetensors"))
            assert isinstance(loaded, dict)
            mx.eval(loaded)
            self._weights = loaded
            yield None
        states: dict[int, np.ndarray] = {}
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        order = sorted(range(len(texts)), key=lambda index: len(tokens[index]))
        while order:
            # Texts of like length are computed together.
            count = max(1, _TOKENS_PER_PIECE // len(tokens[order[-1]]))
            batch, order = order[-count:], order[:-count]
            hidden = yield from self._batch([tokens[index] for index in batch])
            for index, rows in zip(batch, hidden, strict=True):
                states[index] = rows[: len(tokens[index])]
        return [(ids, states[index]) for index, ids in enumerate(tokens)]

    def _batch(self, rows: Sequence[Sequence[int]]) -> Pieces[np.ndarray]:
        width = max(map(len, rows))
        ids = mx.array([[*row, *[self._padding] * (width - len(row))] for row in rows])
        lengths = mx.array([[len(row)] for row in rows])
        seen = (mx.arange(width)[None] < lengths).astype(mx.float32)
        mask = ((1 - seen) * _UNSEEN)[:, None, None, :]
        hidden = self._embed(ids)
        for block in range(self._blocks):
            hidden = self._block(f"encoder.layer.{block}.", hidden, mask)
            mx.eval(hidden)
            yield None
        return np.array(hidden)

    def _embed(self, ids: mx.array) -> mx.array:
        """Tokens, their places, and that all are of a first sentence."""
        weights, name = self._weights, "embeddings."
        hidden = (
            weights[name + "word_embeddings.weight"][ids]
            + weights[name + "position_embeddings.weight"][: ids.shape[1]]
            + weights[name + "token_type_embeddings.weight"][0]
        )
        return self._norm(name + "LayerNorm", hidden)

    def _block(self, name: str, hidden: mx.array, mask: mx.array) -> mx.array:
        rows, width, size = hidden.shape
        attention = name + "attention."
        queries, keys, values = (
            self._linear(f"{attention}self.{part}", hidden)
            .reshape(rows, width, self._heads, -1)
            .transpose(0, 2, 1, 3)
            for part in ("query", "key", "value")
        )
        scale = (size // self._heads) ** -0.5
        mixed = mx.fast.scaled_dot_product_attention(queries, keys, values, scale=scale, mask=mask)
        mixed = mixed.transpose(0, 2, 1, 3).reshape(rows, width, size)
        mixed = self._linear(attention + "output.dense", mixed)
        hidden = self._norm(attention + "output.LayerNorm", hidden + mixed)
        inner = nn.gelu(self._linear(name + "intermediate.dense", hidden))
        outer = self._linear(name + "output.dense", inner)
        return self._norm(name + "output.LayerNorm", hidden + outer)

    def _linear(self, name: str, x: mx.array) -> mx.array:
        flat = x.reshape(-1, x.shape[-1])  # one product for all rows
        weight, bias = self._weights[name + ".weight"], self._weights[name + ".bias"]
        return mx.addmm(bias, flat, weight.T).reshape(*x.shape[:-1], -1)

    def _norm(self, name: str, x: mx.array) -> mx.array:
        weight, bias = self._weights[name + ".weight"], self._weights[name + ".bias"]
        return mx.fast.layer_norm(x, weight, bias, self._eps)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), _LEAST_LENGTH)
