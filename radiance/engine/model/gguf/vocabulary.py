"""A model's tokenizer as a GGUF file has it: the way back of ``tokenizer``.

llama.cpp knows the rules by which a text is cut by name. The name is found by trying: a tokenizer
that is read from the file must make of a text of all kinds what the model's own makes of it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mlx_lm.tokenizer_utils import TokenizerWrapper
from tokenizers import Tokenizer

from radiance.engine.model.gguf.description import unwritable
from radiance.engine.model.gguf.head import Head
from radiance.engine.model.gguf.tokenizer import (
    CONTROL,
    CUTS,
    NAMES,
    UNKNOWN,
    USER_DEFINED,
    build,
)
from radiance.errors import ConfigError

_NORMAL, _UNUSED, _BYTE = 1, 5, 6  # of tokenizer.ggml.token_type
_BYTE_NAME = re.compile(r"<0x[0-9A-F]{2}>")
_PROBES = (
    "Hello world!  It's 3.14159 o'clock; they'LL pay $1,234,567.89 (50 %).\n\n\tdef f(x):\n"
    "        return x ** 2  # a comment\r\n   trailing   \n\n\n \t\n",
    "Ünïcödé naïve façade; ΑΒΓ αβγ; Привет, мир! 東京は日本の首都です。 안녕하세요",
    "مرحبا ١٢٣ नमस्ते ½ ² Ⅷ (normal) — “quotes” ‘n’ <q>html</q> https://a.example/b?c=d&e=f#g [x](y)",
    "🙂 🚀 ✅ …  CamelCaseXMLParser snake_case kebab-case 1e-5 ''''`````......!!!!! __init__",
    " leading", "  two", "", " ", "\n", "1", "12", "123", "1234", "12345678",
)  # fmt: skip


def metadata_of(tokenizer: TokenizerWrapper, vocab_size: int, name: str) -> Mapping[str, Any]:
    """The section of a file's metadata that says what the tokenizer is, chat template included.

    Args:
        tokenizer: The model's.
        vocab_size: Rows of its embedding; tokens that are no text fill it up.
        name: Of the model, for the error.

    Raises:
        ConfigError: llama.cpp has no such tokenizer.
    """
    own: Tokenizer | None = getattr(tokenizer._tokenizer, "backend_tokenizer", None)
    content = json.loads(own.to_str()) if own is not None else {}
    if own is None or content["model"]["type"] != "BPE" or not content["model"]["merges"]:
        raise unwritable(name, "its tokenizer is none of byte-level BPE and SentencePiece's BPE")
    said = {**_tokens(content, vocab_size), **_marked(tokenizer, own)}
    if (template := _template(tokenizer)) is not None:
        said["chat_template"] = template
    for more in _ways(content):
        metadata = {f"tokenizer.{'' if k == 'chat_template' else 'ggml.'}{k}": v
                    for k, v in {**said, **more}.items()}  # fmt: skip
        if _is_same(own, metadata, name):
            return metadata
    raise unwritable(name, "its text is cut by a rule that llama.cpp does not have")


def _tokens(content: Mapping[str, Any], vocab_size: int) -> Mapping[str, Any]:
    """Texts, kinds, and merges or scores."""
    model = content["model"]
    added = {token["content"]: token for token in content["added_tokens"]}
    numbers = model["vocab"] | {text: token["id"] for text, token in added.items()}
    texts = {number: text for text, number in numbers.items()}
    spoken = bool(model.get("byte_fallback"))
    tokens, kinds = [], []
    for number in range(max(vocab_size, max(texts) + 1)):
        text = texts.get(number)
        tokens.append(f"[PAD{number}]" if text is None else text)
        if text is None:
            kinds.append(_UNUSED)
        elif text == model.get("unk_token") and spoken:
            kinds.append(UNKNOWN)
        elif text in added:
            kinds.append(CONTROL if added[text]["special"] else USER_DEFINED)
        else:
            kinds.append(_BYTE if spoken and _BYTE_NAME.fullmatch(text) else _NORMAL)
    merges = [pair if isinstance(pair, list) else pair.split(" ", 1) for pair in model["merges"]]
    said: dict[str, Any] = {"tokens": tokens, "token_type": kinds}
    if not spoken:
        return {**said, "model": "gpt2", "merges": [" ".join(pair) for pair in merges]}
    ranks: dict[str, int] = {}
    for rank, (left, right) in enumerate(merges):
        ranks.setdefault(left + right, rank)
    scores = [-float(ranks.get(token, 0)) for token in tokens]
    return {**said, "model": "llama", "scores": scores}


def _marked(tokenizer: TokenizerWrapper, own: Tokenizer) -> Mapping[str, Any]:
    """The tokens with a part to play, and whether a text is begun and ended with them."""
    said: dict[str, Any] = {}
    for setting, key in NAMES.items():
        number = own.token_to_id(text) if (text := getattr(tokenizer, setting, None)) else None
        if number is not None:
            said[key] = number
    plain, whole = own.encode("a", add_special_tokens=False).ids, own.encode("a").ids
    extra = len(whole) - len(plain)
    said["add_bos_token"] = extra > 0 and whole[0] == said.get("bos_token_id")
    said["add_eos_token"] = extra > 0 and whole[-1] == said.get("eos_token_id")
    return said


def _template(tokenizer: TokenizerWrapper) -> str | None:
    found = getattr(tokenizer, "chat_template", None)
    return found if isinstance(found, str) else None


def _ways(content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What is left to be found out: the rule of cutting, or whether a space is put before."""
    if content["model"].get("byte_fallback"):
        yield from ({"add_space_prefix": spaced} for spaced in (True, False))
    else:
        yield from ({"pre": pre} for pre in CUTS)


def _is_same(own: Tokenizer, metadata: Mapping[str, Any], name: str) -> bool:
    try:
        read, _ = build(Head(Path(), metadata, {}, 0), name)
    except ConfigError:
        return False
    return all(read.encode(text).ids == own.encode(text).ids for text in _PROBES)
