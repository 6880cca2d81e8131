"""The frozen base model: loaded once, and the source of every further module tree.

All trees share the very same weight arrays; a second tree costs only what is added to it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from mlx.utils import tree_flatten
from mlx_lm.tokenizer_utils import TokenizerWrapper
from mlx_lm.utils import dequantize_model, load_tokenizer

from radiance import config
from radiance.engine.model.device import Device
from radiance.engine.model.precision import cast, computed_as, prepare
from radiance.engine.model.stored import StoredModel, open_stored
from radiance.engine.sharding.partition import Partition, shard
from radiance.engine.sharding.ranks import Ranks
from radiance.errors import ConfigError

_WIDTHS, _DEFAULT_WIDTH = ("hidden_size", "n_embd", "d_model", "dim"), 2048
_DEFAULT_CONTEXT_TOKENS = 4096
_SAME_ROW_RATIO = 0.01  # of a row's norm: rows nearer than this count as the same


@dataclass(frozen=True)
class BaseModel:
    """A loaded base model. It belongs to the thread that loaded it.

    Attributes:
        name: As configured: "ember", a path or a Hub id.
        path: The directory of its config and its tokenizer.
        stored: What it was loaded from.
        model: mlx-lm's module, frozen, in inference mode.
        parameters: Its weights as a tree, kept apart because serving wraps the model's layers.
        config: Its ``config.json``.
        vocab_size: Width of its logits; the tokenizer may know fewer tokens.
        context_tokens: Longest sequence it takes, prompt and answer together.
        end_token: The end-of-sequence token that answers are taught to end with.
        content_hash: Identity of its configuration and weights.
        is_dequantized: Whether layers that are stored quantized are computed as plain ones.
        parts: Which part of it this process has; None: all of it.
    """

    name: str
    path: Path
    stored: StoredModel
    model: Any  # nn.Module's stubs know no attribute of a model
    parameters: Mapping[str, Any]
    tokenizer: TokenizerWrapper
    config: Mapping[str, Any]
    vocab_size: int
    context_tokens: int
    end_token: int
    content_hash: str
    is_dequantized: bool = False
    parts: Partition | None = None

    @property
    def hidden_size(self) -> int:
        """Width of the hidden states."""
        return hidden_size(self.config)

    def skeleton(self) -> Any:
        """A second module tree whose weights are not read: for its shapes, those of the whole."""
        model = self.stored.skeleton()
        return dequantize_model(model) if self.is_dequantized else model

    def twin(self) -> Any:
        """A second module tree over the same arrays: nothing of the base is copied."""
        assert self.parts is None, "a part of a model has no twin"
        model = self.skeleton()
        model.update(self.parameters)
        model.freeze()
        model.train(False)
        return model

    def as_stored(self) -> Any:
        """A module tree whose layers are quantized where the stored ones are, to be changed.

        Its floating-point numbers have the dtype that is computed in.
        """
        if not self.is_dequantized:
            return self.twin()
        model, _ = self.stored.load(is_uniform=False)
        cast(model, mx.float32)
        return model

    @property
    def weight_bytes(self) -> int:
        """What the weights of this process take in memory."""
        leaves: Any = tree_flatten(self.parameters)
        return sum(leaf.nbytes for _, leaf in leaves)

    @property
    def computed_as(self) -> str:
        """In which precision its layers are computed, for a person: "float32", "4-bit"."""
        return "float32" if self.is_dequantized else computed_as(self.model, self.stored.precision)


def load_base(
    name: str,
    path: Path,
    device: Device,
    ranks: Ranks | None = None,
    how: config.Shard = "none",
) -> BaseModel:
    """Load weights and tokenizer on this thread, evaluated, so that none is read later.

    Args:
        name: As configured.
        path: Its directory or GGUF file.
        device: What computes.
        ranks: The processes it is divided among, unless ``how`` is "none".
        how: In which way.

    Raises:
        ConfigError: It cannot be loaded, or mlx-lm cannot divide it so.
    """
    stored = open_stored(name, path)
    try:
        model, settings = stored.load(is_uniform=device.compute_dtype is None)
        tokenizer = load_tokenizer(stored.directory, eos_token_ids=settings.get("eos_token_id"))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ConfigError(
            f'base_model (is "{name}"): mlx-lm cannot load {path} ({error}). Use a model that '
            '"mlx_lm.generate --model" opens.'
        ) from None
    model, is_dequantized = prepare(model, device)
    parts = None if ranks is None or how == "none" else shard(model, ranks, how, name)
    model.freeze()
    model.train(False)
    mx.eval(model.parameters(), list(_private_arrays(model)))
    return BaseModel(
        name=name,
        path=stored.directory,
        stored=stored,
        model=model,
        parameters=model.parameters(),
        tokenizer=tokenizer,
        config=settings,
        vocab_size=model(mx.array([[0]])).shape[-1],  # lazy: nothing is computed
        context_tokens=context_tokens(settings),
        end_token=_end_token(model, tokenizer),
        content_hash=stored.content_hash,
        is_dequantized=is_dequantized,
        parts=parts,
    )


def _private_arrays(model: nn.Module) -> Iterator[mx.array]:
    """Buffers that are not parameters (rope frequencies): lazy ones would tie us to a thread."""
    for module in model.modules():
        for value in vars(module).values():
            if isinstance(value, mx.array):
                yield value


def hidden_size(config: Mapping[str, Any]) -> int:
    """Width of a model's hidden states, by its config."""
    settings = config.get("text_config") or config
    return int(next((settings[name] for name in _WIDTHS if name in settings), _DEFAULT_WIDTH))


def context_tokens(config: Mapping[str, Any]) -> int:
    """Longest sequence a model takes, by its config."""
    text_config = config.get("text_config") or {}
    found = config.get("max_position_embeddings") or text_config.get("max_position_embeddings")
    return int(found or _DEFAULT_CONTEXT_TOKENS)


def _end_token(model: Any, tokenizer: TokenizerWrapper) -> int:
    """The tokenizer's end token, or another one if this one cannot be taught.

    Some models were trained to end a text with the start of the next one. Their nominal end token
    is then one of many that were never trained and whose output rows are all the same: whatever
    an adapter of the blocks does, they are equally likely. Such a token is passed over.
    """
    own = tokenizer.eos_token_id
    choices = [token for token in (own, *sorted(tokenizer.eos_token_ids)) if token is not None]
    inner = getattr(model, "model", None)
    head: Any = getattr(model, "lm_head", None) or getattr(inner, "embed_tokens", None)
    if type(head) not in (nn.Linear, nn.Embedding):  # quantized rows are never quite the same
        return choices[0]
    rows = head.weight.astype(mx.float32)
    return next((token for token in choices if _stands_apart(rows, token)), choices[0])


def _stands_apart(rows: mx.array, token: int) -> bool:
    """Whether no other row is (nearly) the same as this token's."""
    distances = mx.linalg.norm(rows - rows[token], axis=-1)
    nearest = mx.sort(distances)[1]  # the first is the token itself
    return bool((nearest > _SAME_ROW_RATIO * mx.linalg.norm(rows[token])).item())
