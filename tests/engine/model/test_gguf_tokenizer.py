"""Tokenizers made from GGUF heads cut text as the models' own tokenizers do."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers.integrations.gguf.gguf_tokenizer_mapping import convert_gguf_tokenizer

from radiance import ember
from radiance.engine.model.gguf import tokenizer
from radiance.engine.model.gguf.head import Head
from tests.gguf_files import tokenizer_metadata
from tests.shared_data import STORIES, needs

_PIECES = st.sampled_from(
    ["I'LL", "don't", "we're ", " 2025", "3.14159", "naïve", "Ünïcode", "東京", "🙂", "\n\n", "\t",
     "   ", " ", "x=y+1;", "<|user|>", "<|end|>", "½", "٣٤", "e\u0301", "CamelCaseXML", "…", "--"]
)  # fmt: skip
TEXTS = st.lists(st.one_of(_PIECES, st.text(max_size=6)), max_size=8).map("".join)


def made(folder: Path, directory: Path, architecture: str = "llama", **more: Any) -> Tokenizer:
    """The tokenizer that is made from a directory's, in llama.cpp's terms."""
    metadata = {"general.architecture": architecture, **tokenizer_metadata(directory)}
    metadata |= {f"tokenizer.ggml.{key}": value for key, value in more.items()}
    tokenizer.write(Head(folder, metadata, {}, 0), "m.gguf", folder)
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def transformers_own(directory: Path, architecture: str = "llama", pre: str = "") -> Tokenizer:
    """The one that transformers makes of the same head."""
    known = tokenizer_metadata(directory)
    names = ("tokens", "merges", "token_type", "scores")
    found = {
        name: known[f"tokenizer.ggml.{name}"] for name in names if f"tokenizer.ggml.{name}" in known
    }
    kind = known["tokenizer.ggml.model"]
    found |= {"tokenizer_type": kind, "pre_tokenizer_type": pre}
    return convert_gguf_tokenizer(architecture, found)[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tokenizer")


@pytest.fixture(scope="module")
def byte_level(folder: Path) -> dict[str, tuple[Tokenizer, Tokenizer]]:
    """Ember's vocabulary, cut by each rule; Ember itself cuts as SmolLM2 does."""
    own = Tokenizer.from_file(str(ember.MODEL_PATH / "tokenizer.json"))
    pairs = {"smollm": (made(folder, ember.MODEL_PATH), own)}
    for pre in ("gpt-2", "llama-bpe", "qwen2", "tekken"):
        theirs = transformers_own(ember.MODEL_PATH, pre=pre)
        pairs[pre] = (made(folder, ember.MODEL_PATH, pre=pre), theirs)
    return pairs


@given(TEXTS)
@example("The year 1234567 wasn't  ordinary.\n\n  Was it?")
def test_bytes_are_cut_alike(byte_level: dict[str, tuple[Tokenizer, Tokenizer]], text: str) -> None:
    for pre, (ours, theirs) in byte_level.items():
        expected = unicodedata.normalize("NFC", text) if pre == "qwen2" else text
        tokens = ours.encode(text, add_special_tokens=False).ids
        assert tokens == theirs.encode(expected, add_special_tokens=False).ids, pre
        assert ours.decode(tokens, skip_special_tokens=False) == expected


@pytest.fixture(scope="module")
def spoken(folder: Path) -> list[tuple[Tokenizer, Tokenizer]]:
    own = Tokenizer.from_file(str(STORIES / "tokenizer.json"))
    gemma = made(folder, STORIES, "gemma", add_space_prefix=False)
    return [(made(folder, STORIES), own), (gemma, transformers_own(STORIES, "gemma"))]


@needs(STORIES)
@given(TEXTS)
def test_sentence_pieces_are_cut_alike(
    spoken: list[tuple[Tokenizer, Tokenizer]], text: str
) -> None:
    for ours, theirs in spoken:
        tokens = ours.encode(text, add_special_tokens=False).ids
        assert tokens == theirs.encode(text, add_special_tokens=False).ids


def test_beginning_and_end_are_as_the_head_says(tmp_path: Path) -> None:
    tokens = made(tmp_path, ember.MODEL_PATH, bos_token_id=2, add_bos_token=True).encode("a").ids
    assert tokens[0] == 2
    both = {"bos_token_id": 2, "add_bos_token": True, "add_eos_token": True}
    tokens = made(tmp_path, ember.MODEL_PATH, **both).encode("a").ids
    assert (tokens[0], tokens[-1]) == (2, 4)
    assert made(tmp_path, ember.MODEL_PATH).encode("a").ids[0] not in (2, 4)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    own = json.loads((ember.MODEL_PATH / "tokenizer_config.json").read_text())
    for key in ("eos_token", "pad_token", "chat_template"):
        assert settings[key] == own[key]


def test_ends_are_those_named_and_those_known(tmp_path: Path) -> None:
    metadata = {
        "tokenizer.ggml.tokens": ["<|end_of_text|>", "a", "<|eot_id|>", "<|im_end|>"],
        "tokenizer.ggml.token_type": [3, 1, 3, 1],
        "tokenizer.ggml.eos_token_id": 2,
    }
    assert tokenizer.end_tokens(Head(tmp_path, metadata, {}, 0)) == [2, 0]
