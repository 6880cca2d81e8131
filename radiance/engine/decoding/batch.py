"""The rows decoded together: mlx-lm's ``BatchGenerator`` and the prompts that rows leave behind.

Knows nothing of requests. ``generation`` decides what joins and leaves; where the base model is in
parts, the other ranks have a batch of their own to which the same is done (``Primary``).
"""

import dataclasses
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import mlx.core as mx
from mlx_lm.generate import BatchGenerator, StopSequences

from radiance.engine.adapters.slot_model import SlotModel
from radiance.engine.decoding.prefix_cache import PrefixCache
from radiance.engine.decoding.sampling import Processor, Sampler
from radiance.engine.decoding.speculation import Rows, Speculation, SpeculativeRows
from radiance.engine.model.ragged_cache import RowCache
from radiance.engine.sharding.primary import Clear, DecodeStep, Insert, Primary, Remove
from radiance.errors import LostRank

_LEAST_SHARED = 16  # tokens that prompts begin with in common, for them to be computed once
_LEAST_SAVED = 32  # tokens not computed again, for a pass of its own or a copy to pay
_NEVER_ENDS = StopSequences()


@dataclass(frozen=True)
class BatchEntry:
    """What joins the batch.

    Attributes:
        tokens: The prompt.
        max_tokens: Most tokens to decode, the last of which need not be an end token.
        slot: Its adapter's.
        cache_key: Under what its prompt is looked up and kept; "" keeps nothing.
        ignore_end: Go on at end tokens.
        ticket: Names the row in ``SlotModel.tickets``.
    """

    tokens: Sequence[int]
    max_tokens: int
    slot: int
    cache_key: str
    ignore_end: bool = False
    sampler: Sampler | None = None
    processors: Sequence[Processor] = ()
    ticket: int = 0


class DecodeBatch:
    """Rows by number.

    Args:
        model: The served module tree.
        stops: Which tokens end an answer.
        prompt_cache: Keys and values of earlier prompts.
        rows: Most rows decoded together.
        prefill_tokens: Prompt tokens processed between two decode steps.
        speculation: Has passes take drafts along; None: one token of each row a pass.
        is_pipelined: Whether passes are started ahead; see ``SpeculativeRows.begin``.
        is_whole: Whether this process has all of the model, so that no other follows.
    """

    def __init__(
        self,
        model: SlotModel,
        stops: StopSequences,
        prompt_cache: PrefixCache,
        rows: int,
        prefill_tokens: int,
        speculation: Speculation | None = None,
        is_pipelined: bool = True,
        is_whole: bool = True,
    ) -> None:
        self._is_pipelined, self._is_whole = is_pipelined, is_whole
        self._model, self._stops, self._prompt_cache = model, stops, prompt_cache
        self._speculation = speculation
        self._most_rows, self._prefill_tokens = rows, prefill_tokens
        self._keys: dict[int, str] = {}
        self._new_prompts: set[int] = set()  # rows whose prompts are yet to be remembered
        self._unread: dict[int, int] = {}  # tokens to read of rows that have not said anything yet
        self._has_read = False  # whether prompts had the last turn
        self._generator = self._new_generator()

    def share_beginnings(self, entries: Sequence[BatchEntry]) -> None:
        """Before they join: compute once what prompts of one adapter begin with in common."""
        if not self._is_whole or not self._prompt_cache.is_on:
            return
        left = [entry for entry in entries if entry.cache_key]
        while len(left) > 1:
            first, *others = left
            shared = {id(other): _common(first, other) for other in others}
            alike = [other for other in others if shared[id(other)] >= _LEAST_SHARED]
            left = [other for other in others if shared[id(other)] < _LEAST_SHARED]
            if alike:
                length = min(shared[id(other)] for other in alike)
                self._compute_beginning(first, length, len(alike))

    def insert(self, entry: BatchEntry) -> tuple[int, int]:
        """Add a row; its number, and how many tokens of its prompt were known."""
        known, count = self._prompt_cache.fetch(entry.cache_key, entry.tokens)
        (uid,) = self._generator.insert(
            [list(entry.tokens[count:])],
            max_tokens=[entry.max_tokens],
            caches=[self._cache_of(entry, known)],
            all_tokens=[list(entry.tokens[:count])],
            samplers=[cast(Sampler, entry.sampler)],
            logits_processors=[list(entry.processors)],
            stop_sequences=[_NEVER_ENDS if entry.ignore_end else self._stops],
        )
        self._keys[uid] = entry.cache_key
        self._unread[uid] = len(entry.tokens) - count
        if self._is_whole and entry.cache_key and len(entry.tokens) - count >= _LEAST_SAVED:
            self._new_prompts.add(uid)
        if self._speculation is not None and not entry.processors:
            self._speculation.enter(uid, entry.tokens)
        return uid, count

    def step(self) -> tuple[bool, Sequence[Any]]:
        """Decode for each row, or process one chunk of waiting prompts: by turns.

        In one turn, tokens would be told of only once prompts were read, seconds later.

        Returns:
            Whether anything moved; mlx-lm's responses, one a token, in order. A row whose response
            has a reason to finish has left.
        """
        generator = self._generator
        is_reading = bool(self._unread) and not (self._has_read and len(self._rows))
        self._rows.is_held = self._has_read = is_reading
        generator.prefill_batch_size = self._rows_to_read() if is_reading else 0
        generator.completion_batch_size = self._most_rows + 1 if is_reading else 0
        prompts, responses = generator.next()
        if is_reading and all(self._are_read()):  # their last token is a decode step's: at once
            generator.prefill_batch_size = 0
            generator.next()
        for response in responses:
            self._unread.pop(response.uid, None)
            if response.finish_reason is not None:
                self._keep(response.uid, response.all_tokens, response.prompt_cache)
            elif response.uid in self._new_prompts:
                self._remember_prompt(response.uid)
        return bool(prompts or responses), responses

    def remove(self, uid: int, *, keep: bool = False) -> None:
        """Take a row out before its end; nothing happens if it has left.

        Args:
            uid: Which row.
            keep: Remember what it processed.
        """
        caches = self._generator.remove([uid], return_prompt_caches=keep)
        if keep and uid in caches:
            cache, tokens = caches[uid]
            self._keep(uid, tokens, cache)
        elif self._speculation is not None:
            self._speculation.leave(uid)
        self._keys.pop(uid, None)
        self._unread.pop(uid, None)
        self._new_prompts.discard(uid)

    def clear(self) -> None:
        """Start anew, without rows."""
        self._generator.close()
        self._generator = self._new_generator()
        self._keys.clear()
        self._unread.clear()
        self._new_prompts.clear()
        if self._speculation is not None:
            self._speculation.clear()

    def close(self) -> None:
        self._generator.close()

    def _keep(self, uid: int, tokens: Any, cache: Any) -> None:
        """Remember what was computed, for requests that begin the same way."""
        key = self._keys.pop(uid, "")
        self._new_prompts.discard(uid)
        if self._speculation is not None:
            self._speculation.leave(uid, tokens)
        if key and cache:
            self._prompt_cache.store(key, tokens, cache[:-1])

    def _remember_prompt(self, uid: int) -> None:
        """Remember what a row has processed, so that whoever comes meanwhile need not."""
        self._new_prompts.discard(uid)
        for cache, tokens in self._generator.extract_cache([uid]).values():
            self._prompt_cache.store(self._keys[uid], tokens, cache[:-1])

    def _compute_beginning(self, entry: BatchEntry, length: int, others: int) -> None:
        """Put the first ``length`` tokens of a prompt into the prefix cache, or a chunk of them."""
        known, count = self._prompt_cache.find(entry.cache_key, entry.tokens[: length + 1])
        end = min(length, count + self._prefill_tokens)
        if (end - count) * others < _LEAST_SAVED:
            return
        cache = self._model.make_row_cache(entry.slot, known)
        self._model(mx.array([list(entry.tokens[count:end])]), cache)
        self._prompt_cache.store(entry.cache_key, entry.tokens[:end], cache[:-1])

    def _cache_of(self, entry: BatchEntry, known: Sequence[Any] | None) -> list[Any]:
        cache = self._model.make_row_cache(entry.slot, known, ticket=entry.ticket)
        plain = RowCache.of(cache[:-1]) if self._speculation is not None else None
        return cache if plain is None else [*plain, cache[-1]]

    def _are_read(self) -> list[bool]:
        """Of each prompt that was begun, whether all but the last token of it was read."""
        begun: Any = self._generator._currently_processing
        return [sum(map(len, segments)) == 1 for segments, *_ in begun]

    def _rows_to_read(self) -> int:
        """How many prompts to read together: a chunk has so many tokens in all of them.

        mlx-lm counts those among them that were read but for their last token. Beside them no
        others begin: there would be too few of them, and what the first ones say would wait.
        """
        if any(self._are_read()):
            return 0
        widest, most = 1, self._prefill_tokens
        for rows, length in enumerate(self._unread.values()):
            widest = max(widest, min(length, most))
            if (rows + 1) * widest > most:
                return max(1, rows)
        return self._most_rows

    def _new_generator(self) -> BatchGenerator:
        generator = BatchGenerator(
            cast(Any, self._model),
            completion_batch_size=self._most_rows + 1,  # a question that goes first
            prefill_batch_size=1,  # and by the lengths of what waits
            prefill_step_size=self._prefill_tokens,
        )
        model, sampler = self._model, generator.sampler
        self._rows = (
            Rows.empty(model, sampler)
            if self._speculation is None
            else SpeculativeRows.begin(model, sampler, self._speculation, self._is_pipelined)
        )
        generator._generation_batch = self._rows
        return generator


def _common(one: BatchEntry, other: BatchEntry) -> int:
    """How many tokens two prompts begin with in common; each keeps one of its own."""
    if one.cache_key != other.cache_key:
        return 0
    most = min(len(one.tokens), len(other.tokens)) - 1
    pairs = enumerate(zip(one.tokens[:most], other.tokens[:most], strict=True))
    return next((place for place, (a, b) in pairs if a != b), max(0, most))


class PrimaryBatch(DecodeBatch):
    """Rank 0's, which the other ranks' batches follow.

    Args:
        leader: Tells them.
        arguments: Those of ``DecodeBatch``.
    """

    def __init__(self, leader: Primary, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._leader = leader
        self._tickets = itertools.count(1)
        self._sampler_of: dict[int, tuple[int, Sampler]] = {}  # by row: its ticket, its sampler

    def insert(self, entry: BatchEntry) -> tuple[int, int]:
        """See ``DecodeBatch.insert``; the row's own sampler is called by a common one."""
        assert entry.sampler is not None
        ticket = next(self._tickets)
        common = dataclasses.replace(entry, sampler=self._sample, ticket=ticket)
        uid, known = super().insert(common)
        self._sampler_of[uid] = (ticket, entry.sampler)
        self._leader.tell(
            Insert(
                uid,
                known,
                list(entry.tokens),
                entry.max_tokens,
                entry.slot,
                entry.cache_key,
                entry.ignore_end,
            )
        )
        return uid, known

    def step(self) -> tuple[bool, Sequence[Any]]:
        """See ``DecodeBatch.step``.

        Raises:
            LostRank: A rank is gone, or this one failed in the middle of a step: the others wait
                for sums that do not come. Nothing can be computed any more.
        """
        self._leader.send(DecodeStep())
        try:
            moved, responses = super().step()
        except Exception as error:
            raise LostRank(f"the step failed, which parts the ranks ({error})") from error
        for response in responses:
            if response.finish_reason is not None:
                del self._sampler_of[response.uid]
        return moved, responses

    def remove(self, uid: int, *, keep: bool = False) -> None:
        """See ``DecodeBatch.remove``."""
        self._leader.tell(Remove(uid, keep))
        super().remove(uid, keep=keep)
        self._sampler_of.pop(uid, None)

    def clear(self) -> None:
        """See ``DecodeBatch.clear``."""
        self._leader.tell(Clear())
        super().clear()
        self._sampler_of.clear()

    def _sample(self, logprobs: mx.array) -> mx.array:
        """Tokens (rows,) of log-probabilities (rows, vocabulary), the same on all ranks."""
        by_ticket = dict(self._sampler_of.values())
        samplers = [by_ticket[ticket] for ticket in self._model.tickets]
        if all(sampler is samplers[0] for sampler in samplers):
            return self._leader.share(samplers[0](logprobs))
        chosen = [sampler(logprobs[row : row + 1]) for row, sampler in enumerate(samplers)]
        return self._leader.share(mx.concatenate(chosen))
