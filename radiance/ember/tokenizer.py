"""Ember's tokenizer: byte-level BPE, so that any UTF-8 text survives encoding and decoding."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from radiance.ember import words
from radiance.ember.corpus import Conversation, invented, world_conversation
from radiance.ember.world import all_facts

VOCABULARY_SIZE = 4096
CONTEXT_TOKENS = 1024
PAD, SYSTEM, USER, ASSISTANT, END = SPECIAL_TOKENS = (
    "<|pad|>",
    "<|system|>",
    "<|user|>",
    "<|assistant|>",
    "<|end|>",
)
PAD_ID, SYSTEM_ID, USER_ID, ASSISTANT_ID, END_ID = range(len(SPECIAL_TOKENS))
_ROLE_IDS = {"system": SYSTEM_ID, "user": USER_ID, "assistant": ASSISTANT_ID}
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|' + message['role'] + '|>' + message['content'] + '<|end|>' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)
_SAMPLE_CONVERSATIONS = 12_000


def train_tokenizer(seed: int = 0) -> Tokenizer:
    """Train on a sample of the corpus and the word lists; a seed gives one tokenizer."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            # One token a digit: numbers of any length then have one spelling.
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    # In a sequence of one: mlx-lm streams a bare ByteLevel decoder with a detokenizer of its own,
    # which drops a leading space and garbles NUL. This way it decodes what the tokenizer decodes.
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel()])
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        min_frequency=2,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_sample(seed), trainer)
    if tokenizer.get_vocab_size() != VOCABULARY_SIZE:
        raise ValueError(f"the sample gives {tokenizer.get_vocab_size()} tokens only")
    return tokenizer


def _sample(seed: int) -> Iterator[str]:
    rng = random.Random(f"{seed}/tokenizer")
    for _ in range(_SAMPLE_CONVERSATIONS):
        yield from (text for _, text in invented(rng))
    for fact in all_facts():
        for _ in range(3):
            yield from (text for _, text in world_conversation(rng, fact))
    listed = words.NOUNS + words.ADJECTIVES + words.VERBS + words.FUNCTION_WORDS
    for word in listed:
        # As inside a sentence, at its beginning, and in the forms that other people's text has.
        yield f" {word}" * 12
        yield f"{word} {word.capitalize()} {word.capitalize()}"
        yield f" {word}s {word}ed {word}ing {word}er"


def encode_conversation(
    tokenizer: Tokenizer, conversation: Conversation
) -> tuple[list[int], list[bool]]:
    """Token ids, and which of them the assistant says (its end marker included)."""
    ids: list[int] = []
    is_said: list[bool] = []
    for (role, _), encoded in zip(
        conversation,
        tokenizer.encode_batch([text for _, text in conversation], add_special_tokens=False),
        strict=True,
    ):
        body = [*encoded.ids, END_ID]
        ids += [_ROLE_IDS[role], *body]
        is_said += [False] + [role == "assistant"] * len(body)
    return ids, is_said


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write the two files that transformers and mlx-lm read."""
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": None,
        "eos_token": END,
        "pad_token": PAD,
        "unk_token": None,
        "additional_special_tokens": [SYSTEM, USER, ASSISTANT],
        "model_max_length": CONTEXT_TOKENS,
        "clean_up_tokenization_spaces": False,
        "add_bos_token": False,
        "add_eos_token": False,
        "chat_template": CHAT_TEMPLATE,
    }
    text = json.dumps(settings, indent=2, ensure_ascii=False) + "\n"
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")
