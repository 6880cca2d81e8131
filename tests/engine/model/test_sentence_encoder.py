"""Sentences as vectors: known properties, of the real weights and of a small random model."""

import json
import math
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from radiance.engine.model.sentence_encoder import MOST_TOKENS, SentenceEncoder
from tests.minilm import MINILM, needs_minilm

_WORDS = "[PAD] [CLS] [SEP] [UNK] the house of code door is what who red old".split()  # noqa: SIM905


def write_tiny(folder: Path, size: int = 16, blocks: int = 2) -> Path:
    """A BERT of random weights that knows a few words."""
    config = {
        "hidden_size": size,
        "num_hidden_layers": blocks,
        "num_attention_heads": 4,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    }
    (folder / "config.json").write_text(json.dumps(config))
    vocabulary = {word: number for number, word in enumerate(_WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.enable_padding(length=MOST_TOKENS)
    tokenizer.save(str(folder / "tokenizer.json"))
    shapes = {
        "embeddings.word_embeddings.weight": (len(_WORDS), size),
        "embeddings.position_embeddings.weight": (MOST_TOKENS, size),
        "embeddings.token_type_embeddings.weight": (2, size),
    }
    norms = ["embeddings.LayerNorm"]
    for block in range(blocks):
        name = f"encoder.layer.{block}."
        norms += [f"{name}attention.output.LayerNorm", f"{name}output.LayerNorm"]
        parts = [f"attention.self.{part}" for part in ("query", "key", "value")]
        for part in (*parts, "attention.output.dense"):
            shapes |= {f"{name}{part}.weight": (size, size), f"{name}{part}.bias": (size,)}
        inner, outer = f"{name}intermediate.dense", f"{name}output.dense"
        shapes |= {f"{inner}.weight": (4 * size, size), f"{inner}.bias": (4 * size,)}
        shapes |= {f"{outer}.weight": (size, 4 * size), f"{outer}.bias": (size,)}
    key = mx.random.key(0)
    keys = mx.random.split(key, len(shapes))
    weights = {
        name: 0.5 * mx.random.normal(shape, key=keys[place])
        for place, (name, shape) in enumerate(shapes.items())
    }
    for name in norms:
        weights |= {f"{name}.weight": mx.ones((size,)), f"{name}.bias": mx.zeros((size,))}
    mx.save_safetensors(str(folder / "model.safetensors"), weights)
    return folder


def encode(encoder: SentenceEncoder, *texts: str) -> np.ndarray:
    pieces = encoder.pieces(texts)
    while True:
        try:
            next(pieces)
        except StopIteration as stop:
            return stop.value


def reference(folder: Path, tokens: list[int], heads: int = 4) -> np.ndarray:
    """The forward pass of one text, written in numpy as the architecture is described."""
    w = {name: np.array(value, np.float64) for name, value in _load(folder).items()}

    def norm(name: str, x: np.ndarray) -> np.ndarray:
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-12)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(name: str, x: np.ndarray) -> np.ndarray:
        return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    e = "embeddings."
    x = w[e + "word_embeddings.weight"][tokens] + w[e + "token_type_embeddings.weight"][0]
    x = norm(e + "LayerNorm", x + w[e + "position_embeddings.weight"][: len(tokens)])
    blocks = 1 + max(int(name.split(".")[2]) for name in w if name.startswith("encoder"))
    for block in range(blocks):
        name = f"encoder.layer.{block}."
        q, k, v = (linear(f"{name}attention.self.{p}", x) for p in ("query", "key", "value"))
        wide = x.shape[1] // heads
        mixed = []
        for head in range(heads):
            part = slice(head * wide, (head + 1) * wide)
            scores = np.exp(q[:, part] @ k[:, part].T / math.sqrt(wide))
            mixed.append(scores / scores.sum(-1, keepdims=True) @ v[:, part])
        mixed = linear(f"{name}attention.output.dense", np.concatenate(mixed, axis=1))
        x = norm(f"{name}attention.output.LayerNorm", x + mixed)
        inner = linear(f"{name}intermediate.dense", x)
        inner = inner * 0.5 * (1 + np.vectorize(math.erf)(inner / math.sqrt(2)))
        x = norm(f"{name}output.LayerNorm", x + linear(f"{name}output.dense", inner))
    mean = x.mean(0)
    return mean / np.linalg.norm(mean)


def _load(folder: Path) -> dict[str, mx.array]:
    loaded = mx.load(str(folder / "model.safetensors"))
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture(scope="module")
def minilm() -> SentenceEncoder:
    return SentenceEncoder(MINILM)


def test_the_forward_pass_is_bert(tmp_path: Path) -> None:
    encoder = SentenceEncoder(write_tiny(tmp_path))
    (found,) = encode(encoder, "what is the door code of the old house")
    tokens = [1, 10, 9, 4, 8, 7, 6, 4, 13, 5, 2]
    np.testing.assert_allclose(found, reference(tmp_path, tokens), atol=2e-5)


def test_padding_and_company_change_no_vector(tmp_path: Path) -> None:
    encoder = SentenceEncoder(write_tiny(tmp_path))
    texts = ["the red house", "what is the door code of the old house " * 9, "", "who"]
    together = encode(encoder, *texts)
    for text, vector in zip(texts, together, strict=True):
        np.testing.assert_allclose(encode(encoder, text)[0], vector, atol=2e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert encode(encoder).shape == (0, 16)


def test_work_comes_in_pieces(tmp_path: Path) -> None:
    encoder = SentenceEncoder(write_tiny(tmp_path, blocks=3))
    assert sum(1 for _ in encoder.pieces(["the house"])) == 1 + 3  # weights, then blocks
    assert sum(1 for _ in encoder.pieces(["the house"])) == 3
    assert sum(1 for _ in encoder.pieces(["the old red house " * 40] * 2)) == 6


def test_a_text_is_cut_at_the_most_tokens(tmp_path: Path) -> None:
    encoder = SentenceEncoder(write_tiny(tmp_path))
    long = "the house " * MOST_TOKENS
    np.testing.assert_array_equal(encode(encoder, long), encode(encoder, long + "who"))


@needs_minilm
def test_paraphrases_are_nearer_than_foreign_sentences(minilm: SentenceEncoder) -> None:
    pairs = [
        ("Who founded Zorbel Labs?", "Which person started the company Zorbel Labs?"),
        ("When does the library close?", "What is the closing time of the library?"),
        ("How much is the rent?", "What does the flat cost each month?"),
        ("A man is eating food.", "Somebody has a meal."),
    ]
    vectors = encode(minilm, *(text for pair in pairs for text in pair)).reshape(4, 2, -1)
    alike = vectors[:, 0] @ vectors[:, 1].T
    assert (alike.argmax(axis=1) == np.arange(4)).all()
    own = np.diag(alike)
    assert own.min() > (alike - np.diag(own)).max()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=2), 1, atol=1e-5)


@needs_minilm
def test_padding_changes_no_real_vector(minilm: SentenceEncoder) -> None:
    texts = ["Hello!", "Who founded Zorbel Labs, and when, and why, and with whose money was it?"]
    for text, vector in zip(texts, encode(minilm, *texts), strict=True):
        np.testing.assert_allclose(encode(minilm, text)[0], vector, atol=1e-5)


@needs_minilm
def test_known_similarity_of_the_published_model(minilm: SentenceEncoder) -> None:
    tokens = Tokenizer.from_file(str(MINILM / "tokenizer.json"))
    tokens.no_padding()
    text = "A man is eating food."
    expected = reference(MINILM, tokens.encode(text).ids, heads=12)
    np.testing.assert_allclose(encode(minilm, text)[0], expected, atol=1e-5)
