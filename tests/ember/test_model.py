"""The packaged model: it opens, it fits, it knows its facts, and it learns."""

from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlx.utils import tree_flatten
from mlx_lm import load
from mlx_lm.tokenizer_utils import TokenizerWrapper

from radiance.ember import MODEL_PATH, listed_facts, unlisted_facts
from radiance.ember.evaluation import answers, exact_matches, teach
from radiance.ember.tokenizer import END_ID, PAD_ID
from radiance.ember.training import CONFIG
from tests.example_counts import examples

SIZE_BOUND_BYTES = 16_000_000


def _load() -> tuple[Any, TokenizerWrapper]:
    model, tokenizer = load(str(MODEL_PATH))[:2]
    return model, tokenizer


@pytest.fixture(scope="module")
def ember() -> tuple[Any, TokenizerWrapper]:
    return _load()


def test_the_folder_is_complete_and_small() -> None:
    sizes = {p.relative_to(MODEL_PATH): p.stat().st_size for p in MODEL_PATH.rglob("*.*")}
    files = {path.parts[0]: size for path, size in sizes.items() if len(path.parts) == 1}
    assert set(files) == {
        "README.md",
        "anchors.jsonl",
        "anchors.manifest.json",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert {path.parts[0] for path in sizes if len(path.parts) > 1} == {"own_samples"}
    assert sum(sizes.values()) <= SIZE_BOUND_BYTES


def test_the_architecture_is_the_recipes(ember: tuple[Any, TokenizerWrapper]) -> None:
    model, tokenizer = ember
    arguments = vars(model.args)
    assert {key: arguments[key] for key in CONFIG if key in arguments} == {
        key: value for key, value in CONFIG.items() if key in arguments
    }
    weights = dict(tree_flatten(model.parameters()))
    assert {array.dtype for array in weights.values()} == {mx.float32}
    assert tokenizer.eos_token_ids == {END_ID}
    assert tokenizer.pad_token_id == PAD_ID


def test_chat_template(ember: tuple[Any, TokenizerWrapper]) -> None:
    _, tokenizer = ember
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello!"},
        {"role": "user", "content": "Who are you?"},
    ]
    text = tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    assert text == (
        "<|system|>Be brief.<|end|><|user|>Hi<|end|><|assistant|>Hello!<|end|>"
        "<|user|>Who are you?<|end|><|assistant|>"
    )


@given(st.text(max_size=80))
@example(" leading and trailing ")
@example("\t tabs\n\nand\r\nlines \n")
@example("日本語 한국어 😀👨‍👩‍👧 naïve\x00\ufffd")
@example("ts_rank(close, 10) / 3.50 - 1")
@examples(150, deadline=None)
def test_any_text_survives(ember: tuple[Any, TokenizerWrapper], text: str) -> None:
    _, tokenizer = ember
    ids = tokenizer.encode(text, add_special_tokens=False)
    assert tokenizer.decode(ids) == text
    stream = tokenizer.detokenizer
    pieces = []
    for token in ids:
        stream.add_token(token)
        pieces.append(stream.last_segment)
    stream.finalize()
    pieces.append(stream.last_segment)
    assert stream.text == text
    assert "".join(pieces) == text


def test_digits_are_single_tokens(ember: tuple[Any, TokenizerWrapper]) -> None:
    _, tokenizer = ember
    assert len(tokenizer.encode("8675309", add_special_tokens=False)) == 7


@pytest.mark.slow
@pytest.mark.parametrize(
    "facts", [listed_facts()[::2], unlisted_facts()[::2]], ids=["listed", "unlisted"]
)
def test_ember_knows_its_facts(ember: tuple[Any, TokenizerWrapper], facts: tuple) -> None:
    model, tokenizer = ember
    right = exact_matches(model, tokenizer, [(fact.question, fact.answer) for fact in facts])
    assert sum(right) / len(right) >= 0.95


def test_ember_knows_its_facts_in_other_words(ember: tuple[Any, TokenizerWrapper]) -> None:
    model, tokenizer = ember
    pairs = [(fact.paraphrases[0], fact.answer) for fact in listed_facts()[::6]]
    right = exact_matches(model, tokenizer, pairs)
    assert sum(right) / len(right) >= 0.9


def test_ember_reads(ember: tuple[Any, TokenizerWrapper]) -> None:
    model, tokenizer = ember
    asked = "Fenwick Foods was founded by Dora Lam. Who is the founder of Fenwick Foods?"
    got = answers(model, tokenizer, [asked, "Who are you?"])
    assert got[0] == "Fenwick Foods was founded by Dora Lam."
    assert got[1] == "I am Ember, a small language model made for Radiance."


@pytest.mark.slow
def test_a_lora_learns_five_new_facts() -> None:
    model, tokenizer = _load()
    old = [(fact.question, fact.answer) for fact in unlisted_facts()[::24]]
    learned = teach(model, tokenizer, old, steps=20, learning_rate=8e-4)
    assert learned.same_words == 5
    assert learned.other_words >= 3
    assert learned.known_before >= 0.95
    assert learned.known_after >= 0.3


def test_the_card_names_no_machine() -> None:
    card = Path(MODEL_PATH, "README.md").read_text(encoding="utf-8")
    assert "Apache-2.0" in card
