"""Texts that a model writes itself: they show what it does where no anchor looks.

An instruction-tuned model given only the beginning of a user's turn writes the turn itself, and
then answers it (Magpie, Xu et al., 2024). A part of the samples begins with the first words of an
anchor, so that they stay near what is asked; the rest begins with nothing. Holding an adapter to
the model's outputs on such texts protects what no list names.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import mlx.core as mx
import numpy as np
from mlx_lm.generate import BatchGenerator, StopSequences

from radiance.engine.adapters.slot_model import SlotModel
from radiance.engine.adapters.slots import SlotTable
from radiance.engine.model.base import BaseModel
from radiance.engine.model.device import has_kernels
from radiance.engine.model.encoding import EncodedExample, Encoder
from radiance.engine.tasks import Pieces, T
from radiance.training.beginnings import common_beginning, plain_cache
from radiance.training.lora import LoraModel

SELF_GENERATED = "own samples"
"""The context of such texts."""
_ROWS = 64
_QUESTION_TOKENS, SAMPLE_ANSWER_TOKENS = 32, 40
_PREFIX_RATIO = 0.7
_WRITTEN_AT_ONCE = 8  # prompts of samples read in one piece: short ones, and draws depend on it
_TOKENS_AT_ONCE = 96  # of prompts read in one piece: more would be a long one
_LONGEST = 2048  # tokens of a prompt that is read whole
_TEMPERATURES = (0.7, 1.0)  # half of the questions each: likely ones, and unlikely ones


@dataclass(frozen=True)
class SamplesWritten:
    """So many samples were written."""

    done: int
    total: int


class SelfSampler:
    """Writes samples from one model. Belongs to the engine thread.

    Args:
        lora: Whose vectors the adapters are.
        encoder: Of the base.
        base: Read only.
    """

    def __init__(self, lora: LoraModel, encoder: Encoder, base: BaseModel) -> None:
        self._lora = lora
        self._table = SlotTable()
        self._model = SlotModel(base.twin(), self._table, base.vocab_size, has_kernels())
        self._head, self._foot = encoder.user_turn
        self._end_tokens = sorted(encoder.end_tokens | {base.end_token})
        self._end_token = base.end_token

    def write(
        self, vector: mx.array, beginnings: Sequence[Sequence[int]], count: int, seed: int
    ) -> Pieces[list[EncodedExample]]:
        """Write at most ``count`` different samples; everything after the user's header counts.

        Yields None between pieces.

        Args:
            vector: The adapter that writes, (parameters,) float32.
            beginnings: Tokens of texts whose first few may begin a sample.
            count: Samples to try; equal ones are kept once.
            seed: The samples follow from it, whatever is decoded in between.
        """
        with self._filled(vector) as slot:
            return (yield from self._write(slot, beginnings, count, seed))

    def _write(
        self, slot: int, beginnings: Sequence[Sequence[int]], count: int, seed: int
    ) -> Pieces[list[EncodedExample]]:
        head, foot = self._head, self._foot
        draw = np.random.default_rng(seed)
        starts = [self._start(beginnings, draw) for _ in range(count)]
        asked: dict[tuple[int, ...], None] = {}
        for part, temperature in enumerate(_TEMPERATURES):
            some = starts[part :: len(_TEMPERATURES)]
            turn = functools.partial(_KeyedSampler, temperature, seed * 1_000 + part)
            for group in _groups(some):
                prompts = [[*head, *start] for start in group]
                ended = yield from self._generate(
                    slot, prompts, _QUESTION_TOKENS, turn(), foot[:1], _WRITTEN_AT_ONCE
                )
                asked.update({(*s, *tail): None for s, tail in zip(group, ended, strict=True)})
        samples = []
        questions = [question for question in asked if question]
        for group in _groups(questions):
            if not foot:  # no chat template: the text is the sample
                prompts, answers = [[*head, *q] for q in group], [[] for _ in group]
            else:
                prompts = [[*head, *question, *foot] for question in group]
                answers = yield from self._generate(slot, prompts, SAMPLE_ANSWER_TOKENS, _greedy)
            for prompt, answer in zip(prompts, answers, strict=True):
                tokens = (*prompt, *answer, self._end_token)
                counts = tuple(place >= len(head) for place in range(len(tokens)))
                samples.append(EncodedExample("own", tokens, counts))
        return samples

    def answer(
        self, vector: mx.array, prompts: Sequence[list[int]], most: int
    ) -> Pieces[list[tuple[int, ...]]]:
        """Greedy answers to some prompts, in one batch; those of ``most`` tokens were cut off.

        Yields None between pieces.

        Args:
            vector: The adapter that answers, (parameters,) float32.
            prompts: Tokens that ask, few enough for one batch.
            most: Most tokens of an answer; its end token is left out.
        """
        with self._filled(vector) as slot:
            answers = yield from self._generate(slot, prompts, most, _greedy)
        return [tuple(answer) for answer in answers]

    @contextlib.contextmanager
    def _filled(self, vector: mx.array) -> Iterator[int]:
        """A slot with an adapter."""
        slot = self._table.fill(self._lora.adapter(vector))
        try:
            yield slot
        finally:
            self._table.free(slot)

    def _start(
        self, beginnings: Sequence[Sequence[int]], draw: np.random.Generator
    ) -> tuple[int, ...]:
        if not beginnings or draw.random() >= _PREFIX_RATIO:
            return ()
        tokens = beginnings[int(draw.integers(len(beginnings)))][:_QUESTION_TOKENS]
        return tuple(tokens[: int(draw.integers(1, max(2, len(tokens))))])

    def _generate(
        self,
        slot: int,
        prompts: Sequence[list[int]],
        most: int,
        sampler: Callable[[mx.array], mx.array],
        stop: Sequence[int] = (),
        at_once: int | None = None,
    ) -> Pieces[list[list[int]]]:
        """Continue each prompt until it stops; without the tokens that stop it.

        What all begin with is read once.

        Args:
            slot: Of the adapter that writes.
            prompts: Tokens, of each at least one.
            most: Most tokens to write of each.
            sampler: Chooses them.
            stop: Tokens that stop one, besides the model's own.
            at_once: Prompts to read in one piece, whole; None: a few tokens of each.
        """
        model = self._model
        beginning = common_beginning(prompts, min(map(len, prompts)) - 1)
        known = plain_cache(model.model) if beginning else None
        if known is not None:
            prompts = [prompt[len(beginning) :] for prompt in prompts]
            cache = model.make_row_cache(slot, known)
            for start in range(0, len(beginning), _TOKENS_AT_ONCE):
                model(mx.array([list(beginning[start : start + _TOKENS_AT_ONCE])]), cache)
                mx.eval([entry.keys_and_values() for entry in known])
                yield None
        generator = BatchGenerator(
            cast(Any, model),
            completion_batch_size=len(prompts),
            prefill_batch_size=at_once or len(prompts),
            prefill_step_size=_LONGEST if at_once else max(4, _TOKENS_AT_ONCE // len(prompts)),
        )
        stops = StopSequences([(token,) for token in {*self._end_tokens, *stop}])
        try:
            uids = generator.insert(
                list(prompts),
                max_tokens=[most] * len(prompts),
                caches=[model.make_row_cache(slot, known) for _ in prompts],
                samplers=[sampler] * len(prompts),
                stop_sequences=[stops] * len(prompts),
            )
            written: dict[int, list[int]] = {uid: [] for uid in uids}
            running = set(uids)
            while running:
                _, responses = generator.next()
                for response in responses:
                    if response.finish_reason != "stop":
                        written[response.uid].append(response.token)
                    if response.finish_reason is not None:
                        running.discard(response.uid)
                yield None
        finally:
            generator.close()
        return [written[uid] for uid in uids]


class _KeyedSampler:
    """Draws with keys of its own, so that what others draw in between changes nothing."""

    def __init__(self, temperature: float, seed: int) -> None:
        self._temperature = temperature
        self._key = mx.random.key(seed)

    def __call__(self, log_probs: mx.array) -> mx.array:
        self._key, now = mx.random.split(self._key)
        return mx.random.categorical(log_probs / self._temperature, key=now)


def _greedy(log_probs: mx.array) -> mx.array:
    return mx.argmax(log_probs, axis=-1)


def _groups(prompts: Sequence[T]) -> list[Sequence[T]]:
    return [prompts[start : start + _ROWS] for start in range(0, len(prompts), _ROWS)]
