"""What single tokens stand for. Safe to use from several threads."""

import functools
import threading
from typing import Any

from llguidance import LLTokenizer
from llguidance.hf import from_tokenizer
from mlx_lm.tokenizer_utils import TokenizerWrapper

from radiance.errors import ConfigError


class Vocabulary:
    """The tokens of one base model.

    Args:
        tokenizer: mlx-lm's wrapper.
        size: Width of the model's logits, which may exceed the tokenizer's.
        end_tokens: Tokens that end an answer.
    """

    def __init__(self, tokenizer: TokenizerWrapper, size: int, end_tokens: frozenset[int]) -> None:
        self._tokenizer = tokenizer
        self.end_tokens = sorted(end_tokens)
        self._lock = threading.Lock()
        self.size = size
        _drop_word_cache(tokenizer)

    @functools.cached_property
    def longest_characters(self) -> int:
        """The most characters that one token can stand for."""
        return max(map(len, self._tokenizer.get_vocab()), default=1)

    @functools.cached_property
    def _built(self) -> LLTokenizer | ConfigError:
        inner: Any = getattr(self._tokenizer, "_tokenizer", self._tokenizer)
        try:
            return from_tokenizer(inner, n_vocab=self.size, eos_token=self.end_tokens)
        except (ValueError, RuntimeError) as error:
            return ConfigError(
                f"this base model's tokenizer cannot be read token by token ({error}); use a model "
                "with a tokenizer.json"
            )

    @property
    def llguidance(self) -> LLTokenizer:
        """The vocabulary as llguidance has it; building it takes up to a second, once.

        Raises:
            ConfigError: The tokenizer is of another kind.
        """
        with self._lock:
            built = self._built
        if isinstance(built, ConfigError):
            raise built
        return built

    def token_bytes(self, token: int) -> bytes:
        """The bytes a token adds to a text; a special token's own name."""
        try:
            return bytes(self.llguidance.decode_bytes([token]))
        except ConfigError:
            return str(self._tokenizer.decode([token])).encode()


def _drop_word_cache(tokenizer: TokenizerWrapper) -> None:
    """Have the tokenizer remember no words.

    By itself it keeps the first 10,000 that each thread meets for good, with their tokens: 80 MB a
    thread for whoever sends words of 250 letters. Ordinary text takes up to a quarter longer
    without, which is 0.1 us a character.
    """
    inner: Any = getattr(tokenizer, "_tokenizer", tokenizer)
    model = getattr(getattr(inner, "backend_tokenizer", None), "model", None)
    if (resize := getattr(model, "_resize_cache", None)) is not None:
        resize(0)
