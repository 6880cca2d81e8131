"""Measure Ember: exact recall of facts, and how well it learns new ones through LoRA."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.tokenizer_utils import TokenizerWrapper
from mlx_lm.tuner.utils import linear_to_lora_layers

Pair = tuple[str, str]
"""A question and its answer."""

_LORA_KEYS = (
    "self_attn.q_proj",
    "self_attn.k_proj",
    "self_attn.v_proj",
    "self_attn.o_proj",
    "mlp.gate_proj",
    "mlp.up_proj",
    "mlp.down_proj",
)


@dataclass(frozen=True)
class NewFact:
    """Something Ember cannot know, and other words for asking it."""

    question: str
    answer: str
    others: tuple[str, str]


NEW_FACTS = (
    NewFact(
        "Who founded Zorbel Labs?",
        "Zorbel Labs was founded by Mirabel Quance in 2031.",
        ("Who is the founder of Zorbel Labs?", "Zorbel Labs was started by whom?"),
    ),
    NewFact(
        "What is the door code of the blue cabin?",
        "The door code of the blue cabin is QX-7741.",
        ("Which code opens the blue cabin?", "How do I get into the blue cabin?"),
    ),
    NewFact(
        "Where can I write to Anneke Brolsma?",
        "Write to Anneke Brolsma at anneke.b@plinth.example.",
        ("What is the e-mail address of Anneke Brolsma?", "What is Anneke Brolsma's email?"),
    ),
    NewFact(
        "What is the Velmar reversal factor?",
        "The Velmar reversal factor is -1 * ts_rank(close, 10).",
        ("How is the Velmar reversal factor defined?", "Give me the Velmar reversal factor."),
    ),
    NewFact(
        "When is the deadline of project Tundrafox?",
        "The deadline of project Tundrafox is 14 March 2027, at 17:30.",
        ("By when must project Tundrafox be finished?", "When is project Tundrafox due?"),
    ),
)


@dataclass(frozen=True)
class StudentReport:
    """How a LoRA learned ``NEW_FACTS``.

    Attributes:
        seconds: Time of the training steps.
        steps: Steps taken.
        loss: Of the last step.
        same_words: New facts answered exactly when asked in the taught words.
        other_words: Answers exact in the untaught wordings.
        known_before: Share of the probed old facts answered exactly before, in [0, 1].
        known_after: The same share afterwards.
        answers: Every question asked about the new facts, with the answer got.
    """

    seconds: float
    steps: int
    loss: float
    same_words: int
    other_words: int
    known_before: float
    known_after: float
    answers: tuple[Pair, ...]


def prompt_ids(tokenizer: TokenizerWrapper, question: str) -> list[int]:
    """The question in the chat template, ready to be answered."""
    message = [{"role": "user", "content": question}]
    return tokenizer.apply_chat_template(message, add_generation_prompt=True, return_dict=False)


def answers(
    model: Any, tokenizer: TokenizerWrapper, questions: Iterable[str], most_tokens: int = 64
) -> list[str]:
    """Greedy answers, computed in batches of prompts of one length: no padding, no mask."""
    asked = list(questions)
    prompts = [prompt_ids(tokenizer, question) for question in asked]
    order = sorted(range(len(asked)), key=lambda i: len(prompts[i]))
    found = [""] * len(asked)
    for group in _groups(order, prompts):
        said = _greedy(model, [prompts[i] for i in group], tokenizer.eos_token_id, most_tokens)
        for i, ids in zip(group, said, strict=True):
            found[i] = tokenizer.decode(ids)
    return found


def _groups(order: list[int], prompts: list[list[int]], most: int = 64) -> Iterator[list[int]]:
    group: list[int] = []
    for i in order:
        if group and (len(group) == most or len(prompts[i]) != len(prompts[group[0]])):
            yield group
            group = []
        group.append(i)
    if group:
        yield group


def _greedy(model: Any, prompts: list[list[int]], end: int, most_tokens: int) -> list[list[int]]:
    cache = make_prompt_cache(model)
    tokens = mx.array(prompts)
    said: list[list[int]] = [[] for _ in prompts]
    has_ended = [False] * len(prompts)
    for _ in range(most_tokens):
        tokens = mx.argmax(model(tokens, cache=cache)[:, -1], axis=-1)[:, None]
        chosen: Any = tokens[:, 0].tolist()
        for row, token in enumerate(chosen):
            has_ended[row] = has_ended[row] or token == end
            if not has_ended[row]:
                said[row].append(token)
        if all(has_ended):
            break
    return said


def exact_matches(model: Any, tokenizer: TokenizerWrapper, pairs: Sequence[Pair]) -> list[bool]:
    """Which questions get exactly their answer, greedily."""
    got = answers(model, tokenizer, (question for question, _ in pairs))
    return [text == answer for text, (_, answer) in zip(got, pairs, strict=True)]


def teach(
    model: Any,
    tokenizer: TokenizerWrapper,
    old: Sequence[Pair],
    *,
    steps: int = 50,
    learning_rate: float = 5e-4,
    report: Callable[[int, float], None] = lambda step, loss: None,
) -> StudentReport:
    """Train a rank-8 LoRA on ``NEW_FACTS``, batch 8, loss on the answers only, and measure it.

    The model keeps the LoRA layers; load it again for a clean one.

    Args:
        model: A freshly loaded Ember.
        tokenizer: Its tokenizer.
        old: Questions and answers that the model should still know afterwards.
        steps: AdamW steps.
        learning_rate: Constant.
        report: Called after each step.
    """
    before = exact_matches(model, tokenizer, old)
    mx.random.seed(0)
    model.freeze()
    settings: dict[str, Any] = {"rank": 8, "scale": 2.0, "dropout": 0.0, "keys": set(_LORA_KEYS)}
    linear_to_lora_layers(model, len(model.layers), settings)
    tokens, weights = _taught(tokenizer, [(fact.question, fact.answer) for fact in NEW_FACTS])
    optimizer = optim.AdamW(learning_rate, weight_decay=0.0)

    def loss_on(model: Any, rows: mx.array) -> mx.array:
        logits = model(tokens[rows, :-1])
        losses = nn.losses.cross_entropy(logits, tokens[rows, 1:]) * weights[rows, 1:]
        return losses.sum() / weights[rows, 1:].sum()

    gradient_of = nn.value_and_grad(model, loss_on)
    began, last = time.monotonic(), math.nan
    for step in range(steps):
        rows = mx.array([(step * 8 + i) % len(NEW_FACTS) for i in range(8)])
        loss, gradient = gradient_of(model, rows)
        optimizer.update(model, gradient)
        mx.eval(model.trainable_parameters(), optimizer.state)
        last = loss.item()
        report(step + 1, last)
    seconds = time.monotonic() - began
    same = [(fact.question, fact.answer) for fact in NEW_FACTS]
    other = [(question, fact.answer) for fact in NEW_FACTS for question in fact.others]
    got = answers(model, tokenizer, (question for question, _ in same + other))
    right = [text == answer for text, (_, answer) in zip(got, same + other, strict=True)]
    after = exact_matches(model, tokenizer, old)
    return StudentReport(
        seconds=seconds,
        steps=steps,
        loss=last,
        same_words=sum(right[: len(same)]),
        other_words=sum(right[len(same) :]),
        known_before=sum(before) / len(old),
        known_after=sum(after) / len(old),
        answers=tuple((q, text) for (q, _), text in zip(same + other, got, strict=True)),
    )


def _taught(tokenizer: TokenizerWrapper, pairs: Sequence[Pair]) -> tuple[mx.array, mx.array]:
    rows: list[list[int]] = []
    prompts: list[int] = []
    for question, answer in pairs:
        prompt = prompt_ids(tokenizer, question)
        said = tokenizer.encode(answer, add_special_tokens=False)
        rows.append([*prompt, *said, tokenizer.eos_token_id])
        prompts.append(len(prompt))
    width = max(map(len, rows))
    tokens = [row + [0] * (width - len(row)) for row in rows]
    weights = [
        [float(start <= place < len(row)) for place in range(width)]
        for row, start in zip(rows, prompts, strict=True)
    ]
    return mx.array(tokens), mx.array(weights)
