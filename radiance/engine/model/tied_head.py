"""The output head of a model whose head is its embedding: a linear layer in use, and none by name.

Others' LoRA adapters name it as they name any head: ``lm_head``.
"""

from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_unflatten

HEAD = "lm_head"
_EMBEDDING = "model.embed_tokens"


def tied_embedding(model: Any) -> tuple[str, Any] | None:
    """The module path of the embedding that is the head too, and the embedding.

    None where the head is a layer of its own, or computed in a way that nothing can be added to. It
    is seen, not guessed: the model is run, without computing anything, and asks the embedding for
    logits or does not.
    """
    found = [
        (path, module)
        for path, module in model.named_modules()
        if isinstance(module, nn.Embedding | nn.QuantizedEmbedding)
        and f".{path}".endswith(f".{_EMBEDDING}")
    ]
    for path, embedding in found:
        seen = _Seen(embedding)
        model.update_modules(tree_unflatten([(path, seen)]))
        try:
            model(mx.array([[0]]))  # lazy: nothing is computed
        finally:
            model.update_modules(tree_unflatten([(path, embedding)]))
        if seen.is_head:
            return path, embedding
    return None


def head_of(embedding: str) -> str:
    """What the head is called that the embedding at a module path is."""
    return embedding.removesuffix(_EMBEDDING) + HEAD


class EmbeddingLike(nn.Module):
    """Stands where an embedding stood, and is used like it."""

    def __init__(self, embedding: Any) -> None:
        super().__init__()
        self.embedding = embedding

    @property
    def weight(self) -> mx.array:
        """Its rows, for models that read them by themselves."""
        return self.embedding.weight

    def __call__(self, tokens: mx.array) -> mx.array:
        return self.embedding(tokens)

    def as_linear(self, x: mx.array) -> mx.array:
        """Logits of what enters the head, (…, width) to (…, vocab)."""
        return self.embedding.as_linear(x)


class _Seen(EmbeddingLike):
    """Notes whether it is asked for logits."""

    is_head = False

    def as_linear(self, x: mx.array) -> mx.array:
        self.is_head = True
        return super().as_linear(x)
