"""A base model that knows nothing: two narrow layers of random weights, a token a byte.

It is a directory as the engine opens any other, made in a moment, and answers with some fifty
random bytes. Tests use it wherever it does not matter what the model says.
"""

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from radiance.platform import load_fast_blas

load_fast_blas()  # before MLX is first imported

import mlx.core as mx  # noqa: E402
from mlx.utils import tree_flatten  # noqa: E402
from mlx_lm.models import llama  # noqa: E402

SPECIAL = ("<|pad|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>")
END = SPECIAL.index("<|end|>")
END_WEIGHT = 1.4
CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": len(SPECIAL) + 256,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 16,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "max_position_embeddings": 1024,
    "tie_word_embeddings": False,
    "eos_token_id": END,
    "pad_token_id": 0,
}
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|' + message['role'] + '|>' + message['content'] + '<|end|>' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)


def write_tiny_base(folder: Path, seed: int = 0, **changed: Any) -> Path:
    """Write config, weights and tokenizer into ``folder``; the same bytes for the same seed.

    Args:
        changed: What its configuration has otherwise than ``CONFIG``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    settings = CONFIG | changed
    (folder / "config.json").write_text(json.dumps(settings))
    _write_weights(folder / "model.safetensors", settings, seed)
    _write_tokenizer(folder)
    return folder


def _write_weights(path: Path, settings: dict[str, Any], seed: int) -> None:
    """Random weights, made on the CPU, which draws the same ones anywhere.

    One channel is the same for every token, and only the end token's output looks at it: so the
    end is as likely anywhere, and texts stay short.
    """
    model = llama.Model(llama.ModelArgs.from_dict(settings))
    key = mx.random.key(seed)
    weights: dict[str, mx.array] = {}
    leaves: Any = tree_flatten(model.parameters())
    with mx.stream(mx.cpu):
        for name, leaf in sorted(leaves):
            key, own = mx.random.split(key)
            drawn = 0.2 * mx.random.normal(leaf.shape, key=own)
            weights[name] = mx.ones(leaf.shape) if leaf.ndim == 1 else drawn  # norms keep the scale
        weights["model.embed_tokens.weight"][:, 0] = 1.0
        weights["lm_head.weight"][:, 0] = 0.0
        weights["lm_head.weight"][END, 0] = END_WEIGHT
        mx.save_safetensors(str(path), weights, {"format": "mlx"})


def _write_tokenizer(folder: Path) -> None:
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())  # a printable letter stands for each byte
    vocabulary = {token: id for id, token in enumerate([*SPECIAL, *letters])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIAL])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "<|end|>",
        "pad_token": "<|pad|>",
        "additional_special_tokens": list(SPECIAL[1:4]),
        "model_max_length": CONFIG["max_position_embeddings"],
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
