"""The frozen base model: found, loaded once, and the source of every further module tree.

All trees share the very same weight arrays; a second tree costs only what is added to it.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError
from mlx.utils import tree_map
from mlx_lm.tokenizer_utils import TokenizerWrapper
from mlx_lm.utils import load_model, load_tokenizer

from radiance import config
from radiance.engine.model.device import Device
from radiance.engine.sharding.partition import Partition, shard
from radiance.engine.sharding.ranks import Ranks
from radiance.errors import ConfigError

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_HUB_FILES = ("*.json", "model*.safetensors", "tokenizer.model", "*.tiktoken", "*.txt", "*.jinja")
_WIDTHS, _DEFAULT_WIDTH = ("hidden_size", "n_embd", "d_model", "dim"), 2048
_DEFAULT_CONTEXT_TOKENS = 4096
_HASH_SAMPLE_BYTES = 1 << 20
_SAME_ROW_RATIO = 0.01  # of a row's norm: rows nearer than this count as the same


@dataclass(frozen=True)
class BaseModel:
    """A loaded base model. It belongs to the thread that loaded it.

    Attributes:
        name: As configured: "ember", a path or a Hub id.
        path: The local directory.
        model: mlx-lm's module, frozen, in inference mode.
        parameters: Its weights as a tree, kept apart because serving wraps the model's layers.
        config: Its ``config.json``.
        vocab_size: Width of its logits; the tokenizer may know fewer tokens.
        context_tokens: Longest sequence it takes, prompt and answer together.
        end_token: The end-of-sequence token that answers are taught to end with.
        content_hash: Identity of its configuration and weights.
        parts: Which part of it this process has; None: all of it.
    """

    name: str
    path: Path
    model: Any  # nn.Module's stubs know no attribute of a model
    parameters: dict[str, Any]
    tokenizer: TokenizerWrapper
    config: dict[str, Any]
    vocab_size: int
    context_tokens: int
    end_token: int
    content_hash: str
    parts: Partition | None = None

    @property
    def hidden_size(self) -> int:
        """Width of the hidden states."""
        settings = self.config.get("text_config") or self.config
        return int(next((settings[name] for name in _WIDTHS if name in settings), _DEFAULT_WIDTH))

    def skeleton(self) -> Any:
        """A second module tree whose weights are not read: for its shapes, those of the whole."""
        model, _ = load_model(self.path, lazy=True)
        return model

    def twin(self) -> Any:
        """A second module tree over the same arrays: nothing of the base is copied."""
        assert self.parts is None, "a part of a model has no twin"
        model = self.skeleton()
        model.update(self.parameters)
        model.freeze()
        model.train(False)
        return model


def find_base(name: str, ember_path: Path) -> Path:
    """The local directory of a base model, downloaded first where it is a Hub id.

    Args:
        name: "ember", a local directory or a Hugging Face Hub id.
        ember_path: Where the embedded model lies.

    Raises:
        ConfigError: There is no such model, or it cannot be had offline.
    """
    path = ember_path if name == "ember" else Path(name).expanduser()
    if name and path.is_dir():
        _check_directory(name, path)
        return path
    if not _HUB_ID.fullmatch(name) or path.is_absolute():
        raise ConfigError(
            f'base_model (is "{name}"): no such directory, and not a Hub id. Use "ember", a '
            "directory with config.json and *.safetensors, or an id like "
            '"mlx-community/Llama-3.2-1B-Instruct-4bit".'
        )
    try:
        path = Path(snapshot_download(name, allow_patterns=list(_HUB_FILES)))
    except (OSError, HFValidationError) as error:  # the Hub's own are OSErrors, too
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            f'base_model (is "{name}"): not a local directory and not to be had from the Hub '
            f"({reason}). Check the id and the connection, or download it beforehand with "
            f'"hf download {name}"; base_model = "ember" needs no download.'
        ) from None
    _check_directory(name, path)
    return path


def _check_directory(name: str, path: Path) -> None:
    missing = [
        pattern for pattern in ("config.json", "*.safetensors") if not any(path.glob(pattern))
    ]
    if missing:
        raise ConfigError(
            f'base_model (is "{name}"): {path} has no {" and no ".join(missing)}. Point it at a '
            "model directory that mlx_lm.load opens."
        )


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
        path: Its directory.
        device: What computes.
        ranks: The processes it is divided among, unless ``how`` is "none".
        how: In which way.

    Raises:
        ConfigError: mlx-lm cannot open the directory, or not divide the model so.
    """
    try:
        model, settings = load_model(path, lazy=True)
        tokenizer = load_tokenizer(path, eos_token_ids=settings.get("eos_token_id"))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ConfigError(
            f'base_model (is "{name}"): mlx-lm cannot load {path} ({error}). Use a model that '
            '"mlx_lm.generate --model" opens.'
        ) from None
    if device.compute_dtype is not None:
        model.update(tree_map(lambda leaf: _cast(leaf, device.compute_dtype), model.parameters()))
    parts = None if ranks is None or how == "none" else shard(model, ranks, how, name)
    model.freeze()
    model.train(False)
    mx.eval(model.parameters(), list(_private_arrays(model)))
    return BaseModel(
        name=name,
        path=path,
        model=model,
        parameters=model.parameters(),
        tokenizer=tokenizer,
        config=settings,
        vocab_size=model(mx.array([[0]])).shape[-1],  # lazy: nothing is computed
        context_tokens=_context_tokens(settings),
        end_token=_end_token(model, tokenizer),
        content_hash=_hash_directory(path),
        parts=parts,
    )


def _cast(leaf: mx.array, dtype: mx.Dtype | None) -> mx.array:
    """Floating-point leaves (of a quantized layer: its scales and biases) in the compute dtype."""
    if dtype is not None and mx.issubdtype(leaf.dtype, mx.floating):
        return leaf.astype(dtype)
    return leaf


def _private_arrays(model: nn.Module) -> Iterator[mx.array]:
    """Buffers that are not parameters (rope frequencies): lazy ones would tie us to a thread."""
    for module in model.modules():
        for value in vars(module).values():
            if isinstance(value, mx.array):
                yield value


def _context_tokens(config: dict[str, Any]) -> int:
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


def _hash_directory(path: Path) -> str:
    """Identity of a model: its config whole; of each weight file size, header, start and end.

    Whole weights are not read: that takes tens of seconds for a large model, at every start.
    """
    digest = hashlib.sha256((path / "config.json").read_bytes())
    for file in sorted(path.glob("model*.safetensors")):
        size = file.stat().st_size
        digest.update(f"{file.name}:{size}:".encode())
        with file.open("rb") as stream:
            digest.update(stream.read(_HASH_SAMPLE_BYTES))
            stream.seek(max(0, size - _HASH_SAMPLE_BYTES))
            digest.update(stream.read())
    return digest.hexdigest()
