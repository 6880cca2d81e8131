"""The tokenizer of a GGUF file as the files that transformers and mlx-lm open.

A GGUF file names its tokenizer ("gpt2": byte-level BPE; "llama": SentencePiece's BPE) and the rule
by which text is cut before merging ("smollm", "llama-bpe", …); the rules themselves stand in
llama.cpp (llama-vocab.cpp). Here they are again, for the names that we take.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import PreTokenizer
from tokenizers.processors import TemplateProcessing

from radiance.engine.model.gguf.head import Head
from radiance.errors import ConfigError

UNKNOWN, CONTROL, USER_DEFINED = 2, 3, 4  # of tokenizer.ggml.token_type

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_SUFFIXES = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_LLAMA3 = _SUFFIXES + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + _REST
_QWEN2 = _SUFFIXES + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + _REST
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_DIGIT = r"\p{N}"

# By tokenizer.ggml.pre: the cuts, one after another, each within the pieces of the one before.
CUTS = {
    "default": (r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"),
    "gpt-2": (_GPT2,),
    "olmo": (_GPT2,),
    "smollm": (_DIGIT, _GPT2),
    "starcoder": (_DIGIT, _GPT2),
    "refact": (_DIGIT, _GPT2),
    "codeshell": (_DIGIT, _GPT2),
    "llama3": (_LLAMA3,),
    "llama-v3": (_LLAMA3,),
    "llama-bpe": (_LLAMA3,),
    "falcon3": (_LLAMA3,),
    "dbrx": (_LLAMA3,),
    "smaug-bpe": (_LLAMA3,),
    "qwen2": (_QWEN2,),
    "deepseek-r1-qwen": (_QWEN2,),
    "megrez": (_QWEN2,),
    "tekken": (_TEKKEN,),
}

# Texts that end a turn or a text, whatever the file calls its end token (llama-vocab.cpp).
_ENDS = frozenset(
    (
        "<|eot_id|>",
        "<|im_end|>",
        "<|end|>",
        "<|eom_id|>",
        "<end_of_turn>",
        "<|endoftext|>",
        "<|end_of_text|>",
        "<|return|>",
        "<EOT>",
    )
)
NAMES = {
    "bos_token": "bos_token_id",
    "eos_token": "eos_token_id",
    "unk_token": "unknown_token_id",
    "pad_token": "padding_token_id",
}


def write(head: Head, name: str, folder: Path) -> None:
    """Write ``tokenizer.json`` and ``tokenizer_config.json``, which transformers opens.

    Args:
        head: Of the GGUF file.
        name: What to call the file in an error.
        folder: Where to; it exists.

    Raises:
        ConfigError: The tokenizer is of a kind that we do not build.
    """
    tokenizer, tokens = build(head, name)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(_settings(head, tokens), indent=2))


def build(head: Head, name: str) -> tuple[Tokenizer, list[str]]:
    """The tokenizer that a head describes, and the texts of its tokens in order.

    Raises:
        ConfigError: It is of a kind that we do not build.
    """
    tokens = list(_list(head, "tokens", name))
    kind = head.metadata.get("tokenizer.ggml.model")
    if kind == "gpt2":
        tokenizer = _byte_level(head, tokens, name)
    elif kind == "llama":
        tokenizer = _sentencepiece(head, tokens, name)
    else:
        raise _refusal(name, f'its tokenizer is of the kind "{kind}"', "gpt2, llama")
    _add_marked(tokenizer, tokens, head.metadata.get("tokenizer.ggml.token_type", []))
    _add_begin_and_end(tokenizer, head, tokens)
    return tokenizer, tokens


def end_tokens(head: Head) -> list[int]:
    """The tokens that end an answer: those the file names, and those known by their text."""
    named = [
        head.metadata.get(f"tokenizer.ggml.{which}_token_id") for which in ("eos", "eot", "eom")
    ]
    kinds = head.metadata.get("tokenizer.ggml.token_type", [])
    known = [
        number
        for number, (text, kind) in enumerate(
            zip(head.metadata.get("tokenizer.ggml.tokens", []), kinds, strict=False)
        )
        if kind == CONTROL and text in _ENDS
    ]
    return list(dict.fromkeys(token for token in (*named, *known) if token is not None))


def _byte_level(head: Head, tokens: list[str], name: str) -> Tokenizer:
    cut_name = head.metadata.get("tokenizer.ggml.pre", "default")
    cuts = CUTS.get(cut_name)
    if cuts is None:
        raise _refusal(name, f'its text is cut by the rule "{cut_name}"', ", ".join(CUTS))
    merges = [_pair(merge) for merge in _list(head, "merges", name)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    whole_words = cuts == (_LLAMA3,)  # a word that is a token is not merged from smaller ones
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=merges, ignore_merges=whole_words))
    if cuts == (_QWEN2,):
        tokenizer.normalizer = normalizers.NFC()
    steps: list[PreTokenizer] = [
        pre_tokenizers.Split(Regex(cut), behavior="isolated") for cut in cuts
    ]
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _pair(merge: str) -> tuple[str, str]:
    left, _, right = merge.partition(" ")
    return left, right


def _sentencepiece(head: Head, tokens: list[str], name: str) -> Tokenizer:
    gemma = head.architecture.startswith("gemma")
    if gemma:  # runs of spaces are spelled with spaces in the file
        tokens[:] = [token.replace(" ", "▁") if not token.strip() else token for token in tokens]
    # Gemma's tokens stand in the order in which they were merged; its scores say nothing.
    scores = [-number for number in range(len(tokens))] if gemma else _list(head, "scores", name)
    vocabulary = {token: number for number, token in enumerate(tokens)}
    unknown = head.metadata.get("tokenizer.ggml.unknown_token_id", 0)
    tokenizer = Tokenizer(
        BPE(
            vocab=vocabulary,
            merges=_merges(vocabulary, scores),
            unk_token=tokens[unknown],
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    spaced = head.metadata.get("tokenizer.ggml.add_space_prefix", not gemma)
    spaces = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = (
        normalizers.Sequence([normalizers.Prepend("▁"), spaces]) if spaced else spaces
    )
    leading = [decoders.Strip(content=" ", left=1, right=0)] if spaced else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *leading]
    )
    return tokenizer


def _merges(vocabulary: dict[str, int], scores: Sequence[float]) -> list[tuple[str, str]]:
    """The merges that a SentencePiece vocabulary implies: every token's halves, best score first.

    SentencePiece merges whatever neighbours make the token of the highest score; a list of pairs
    in that order does the same.
    """
    found: list[tuple[float, int, int, str, str]] = []
    for token, number in vocabulary.items():
        for cut in range(1, len(token)):
            left, right = vocabulary.get(token[:cut]), vocabulary.get(token[cut:])
            if left is not None and right is not None:
                found.append((-scores[number], left, right, token[:cut], token[cut:]))
    return [(left, right) for *_, left, right in sorted(found)]


def _add_marked(tokenizer: Tokenizer, tokens: list[str], kinds: list[int]) -> None:
    """Tokens that are found whole in text: control tokens, and those the user has defined."""
    marked = [
        AddedToken(token, normalized=False, special=kind != USER_DEFINED)
        for token, kind in zip(tokens, kinds, strict=False)
        if kind in (CONTROL, USER_DEFINED, UNKNOWN)
    ]
    tokenizer.add_tokens(marked)


def _add_begin_and_end(tokenizer: Tokenizer, head: Head, tokens: list[str]) -> None:
    spoken = head.metadata.get("tokenizer.ggml.model") == "llama"  # adds a beginning unless told
    pieces, used = ["$A"], []
    for which, wanted in (("bos", spoken), ("eos", False)):
        number = head.metadata.get(f"tokenizer.ggml.{which}_token_id")
        if number is not None and head.metadata.get(f"tokenizer.ggml.add_{which}_token", wanted):
            pieces.insert(0 if which == "bos" else len(pieces), tokens[number])
            used.append((tokens[number], number))
    if used:
        pair = [*pieces, *(piece.replace("$A", "$B") + ":1" for piece in pieces)]
        tokenizer.post_processor = TemplateProcessing(single=pieces, pair=pair, special_tokens=used)


def _settings(head: Head, tokens: list[str]) -> Mapping[str, Any]:
    settings: dict[str, Any] = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "model_max_length": head.of("context_length"),
    }
    for setting, key in NAMES.items():
        number = head.metadata.get(f"tokenizer.ggml.{key}")
        if number is not None:
            settings[setting] = tokens[number]
    template = head.metadata.get("tokenizer.chat_template")
    if template:
        settings["chat_template"] = template
    return settings


def _list(head: Head, key: str, name: str) -> list[Any]:
    values = head.metadata.get(f"tokenizer.ggml.{key}")
    if not isinstance(values, list) or not values:
        raise _refusal(name, f"it has no tokenizer.ggml.{key}", "files with their tokenizer inside")
    return values


def _refusal(name: str, what: str, known: str) -> ConfigError:
    return ConfigError(
        f'base_model (is "{name}"): {what}; we read {known}. Use the model\'s directory '
        "(config.json, *.safetensors, tokenizer.json) or its Hub id."
    )
