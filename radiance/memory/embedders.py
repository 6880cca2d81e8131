"""What says how alike two texts mean: behind one interface, so that the index need not know.

``words`` is none at all: full text and the weights of words are enough without any model. One that
has vectors gives each text a row of unit length; the index keeps them, and makes them anew where
the embedder's identity has changed.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np


class Tokens(NamedTuple):
    """A text by its tokens.

    Attributes:
        ids: Theirs; the same token has the same in every text.
        vectors: Unit vectors of them where they stand, (tokens, dimensions) float32.
    """

    ids: Sequence[int]
    vectors: np.ndarray


class Embedder(Protocol):
    """Texts as vectors whose dot product says how alike they mean."""

    @property
    def identity(self) -> str:
        """Name and content of what makes the vectors: those of another one are not comparable."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of a vector; 0: there are none, and ``embed`` is never called."""
        ...

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, (texts, dimensions) float32. Called from any thread, never in a lock."""
        ...

    def tokens(self, texts: Sequence[str]) -> Sequence[Tokens]:
        """The same token by token, for a second look at a few texts."""
        ...


class NoEmbedder:
    """``words``: examples are found and compared by their words alone."""

    identity = "words"
    dimensions = 0

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """No vectors."""
        return np.zeros((len(texts), 0), np.float32)

    def tokens(self, texts: Sequence[str]) -> Sequence[Tokens]:
        """No vectors."""
        return [Tokens((), np.zeros((0, 0), np.float32)) for _ in texts]
