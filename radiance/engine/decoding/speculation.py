"""Several tokens of a row in one forward pass, with exactly the answers that one at a time gives.

The tokens of a draft are computed together with the row's newest one; at each place the row's own
sampler chooses, and the draft is taken as far as it says the same. For a draft without
probabilities of its own that is rejection sampling (Leviathan et al. 2023, "Fast Inference from
Transformers via Speculative Decoding"): the distribution is the model's. A seed's random numbers
are used one a token, as ever, so that seeded answers are the same too. Rows whose logits are
changed (penalties, biases, constraints) are not drafted for.
"""

import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Self

import mlx.core as mx
from mlx_lm.generate import GenerationBatch

from radiance.engine.decoding.drafting import (
    MOST_DRAFTED,
    PADDING,
    Draft,
    Drafter,
    Odds,
    PassCost,
    worth_checking,
)
from radiance.engine.decoding.known_texts import KnownTexts
from radiance.engine.decoding.sampling import Seeded
from radiance.engine.model import elementwise
from radiance.engine.model.ragged_cache import RaggedCache
from radiance.engine.stats import DraftingStats


class Speculation:
    """What speculative decoding knows, of all rows. Belongs to the engine thread.

    Attributes:
        known: Texts that may be said again.
        cost: Of a pass.
        stats: What was drafted, and what of it was right.
    """

    def __init__(self) -> None:
        self.known, self.odds, self.cost = KnownTexts(), Odds(), PassCost()
        self.stats = DraftingStats()
        self._drafters: dict[int, Drafter] = {}

    def enter(self, uid: int, prompt: Sequence[int]) -> None:
        """A row for which may be drafted joins the batch."""
        self._drafters[uid] = Drafter(prompt, self.known, self.odds)

    def leave(self, uid: int, tokens: Sequence[int] | None = None) -> None:
        """A row has left; ``tokens`` are all of it where its answer is whole."""
        drafter = self._drafters.pop(uid, None)
        if drafter is not None and tokens is not None:
            drafter.follow(tokens)
            drafter.remember()

    def drafter(self, uid: int) -> Drafter | None:
        """Of a row; None where nothing may be drafted."""
        return self._drafters.get(uid)

    def clear(self) -> None:
        """All rows have left."""
        self._drafters.clear()


@dataclass(frozen=True)
class _Checked:
    """A pass with drafts, perhaps still being computed.

    Attributes:
        drafts: Of each row; empty for those without.
        chosen: What the samplers say at each place, (rows, 1 + width).
        logprobs: (rows, 1 + width, vocabulary).
    """

    drafts: Sequence[Sequence[int]]
    chosen: mx.array
    logprobs: mx.array


class Rows(GenerationBatch):
    """mlx-lm's rows being decoded, which may stand still while prompts are read.

    Attributes:
        is_held: Whether ``next`` leaves them as they are.
    """

    is_held = False

    def next(self) -> list[Any]:
        return [] if self.is_held else super().next()


class SpeculativeRows(Rows):
    """Rows whose passes take drafts along where that pays.

    ``tokens`` and caches of a row always agree; what was drafted counts from when it is checked.
    """

    _speculation: Speculation
    _is_pipelined: bool
    _is_told = False  # whether each row's newest token was told of, so that a pass comes next
    _clock: "_PassClock"
    _under_way: "_Checked | None"
    _taken: list[list[tuple[int, mx.array, str | None]]]  # tokens of drafts not told of yet
    _texts: list[list[int]]

    @classmethod
    def begin(cls, model: Any, sampler: Any, speculation: Speculation, is_pipelined: bool) -> Self:
        """Without any rows.

        Args:
            model: What computes.
            sampler: Of rows that bring none.
            speculation: What is known of drafts.
            is_pipelined: Whether a pass is started before the tokens of the one before it are told
                of. On a GPU it runs meanwhile; on the CPU, where starting a pass takes as long as
                the pass, tokens would only come later.
        """
        rows = cls.empty(model, sampler)
        rows._speculation, rows._is_pipelined = speculation, is_pipelined
        rows._under_way, rows._taken = None, []
        rows._clock = _PassClock(speculation.cost)
        return rows

    def next(self) -> list[Any]:
        """One response for each token, several for a row whose draft was right."""
        if self.is_held:
            return []
        self._clock.come_back()
        self._catch_up()
        responses, going_on = [], []
        for row, taken in enumerate(self._taken):
            reason = None
            for token, logprobs, reason in taken:
                cache, tokens = (
                    (self.extract_cache(row), self.tokens[row]) if reason else (None, None)
                )
                response = self.Response(self.uids[row], token, logprobs, reason, cache, tokens)
                responses.append(response)
            if reason is None:
                going_on.append(row)
        if len(going_on) < len(self.uids):
            self.filter(going_on)
        self._taken = [[] for _ in self.uids]
        found = super().next()
        if self._is_told:
            self._follow_last(found)
        self._clock.leave()
        return responses + found

    def _follow_last(self, responses: Sequence[Any]) -> None:
        """Answers end with a token that no pass takes in; what is remembered of them has it."""
        for response in responses:
            drafter = self._speculation.drafter(response.uid)
            if response.finish_reason is not None and drafter is not None:
                drafter.follow([*response.all_tokens, response.token])

    def extend(self, batch: Any) -> None:
        self._catch_up()
        # Only mlx-lm's own step replaces these; a lazy sum of all batches would grow for good.
        self._current_tokens, self._current_logprobs = None, []
        super().extend(batch)
        self._taken += [[] for _ in batch.uids]

    def filter(self, keep: list[int]) -> None:
        self._settle(set(keep))
        super().filter(keep)
        self._taken = [self._taken[row] for row in keep]

    def _step(self) -> tuple[list[int], list[mx.array]]:
        if self.uids and self._layers and not self._is_pipelined:
            self._is_told = True
            newest: Any = self._next_tokens
            return newest.tolist(), self._next_logprobs
        drafts = self._worth_checking() if self.uids and self._layers else []
        if any(drafts):
            of_newest: Any = self._next_logprobs
            mx.eval(of_newest)  # now: behind the pass, they would wait for it
            self._check(drafts)
            return [tokens[-1] for tokens in self.tokens], of_newest
        self._clock.ask(len(self.uids))
        found = super()._step()
        self._clock.ended(under_way=1)
        return found

    # ── Before a pass ───────────────────────────────────────────────────────────────────────────

    @property
    def _layers(self) -> list[RaggedCache]:
        """The caches; none where rows cannot be taken back token by token."""
        layers = self.prompt_cache[:-1]
        return layers if layers and isinstance(layers[0], RaggedCache) else []

    def _catch_up(self) -> None:
        """Have each row's newest token be one that was not told of yet."""
        if self._is_told and self.uids:
            newest: Any = self._next_tokens
            self._texts = [
                [*tokens, new] for tokens, new in zip(self.tokens, newest.tolist(), strict=True)
            ]
            drafts = self._drafts(MOST_DRAFTED, self._texts)
            self._check(_parts(drafts, self._speculation.cost))
        self._is_told = False
        self._settle()

    def _worth_checking(self) -> list[Sequence[int]]:
        """The drafts of all rows to check in the next pass; none at all where none pays.

        Which token comes now is often still being computed. It is waited for only where drafts
        would pay if it were the expected one; else passes go on following each other unlooked at.
        """
        cost = self._speculation.cost
        expected = [draft.without_first() for draft in self._drafts(MOST_DRAFTED + 1, self.tokens)]
        if not any(worth_checking(expected, cost)):
            return []
        assert self._next_tokens is not None
        newest: Any = self._next_tokens.tolist()
        self._clock.ended(under_way=0)
        self._texts = [[*tokens, new] for tokens, new in zip(self.tokens, newest, strict=True)]
        return _parts(self._drafts(MOST_DRAFTED, self._texts), cost)

    def _drafts(self, most: int, texts: Sequence[Sequence[int]]) -> list[Draft]:
        drafts = []
        for row, uid in enumerate(self.uids):
            drafter = self._speculation.drafter(uid)
            if drafter is None:
                drafts.append(Draft())
                continue
            drafter.follow(texts[row])
            left = self.max_tokens[row] - self._num_tokens[row] - (not self._is_told)
            drafts.append(drafter.draft(min(most, left)))
        return drafts

    # ── A pass with drafts ──────────────────────────────────────────────────────────────────────

    def _check(self, drafts: list[Sequence[int]]) -> None:
        """Start a pass over the newest token and the draft of each row."""
        newest = [text[-1] for text in self._texts]
        width = max(map(len, drafts))
        inputs = mx.array(
            [
                [token, *draft, *[0] * (width - len(draft))]
                for token, draft in zip(newest, drafts, strict=True)
            ]
        )
        layers = self._layers
        lengths = [length + 1 for length in layers[0].lengths]
        real = [1 + len(draft) for draft in drafts]
        self._clock.ask(sum(real) + PADDING * (inputs.size - sum(real)))
        logits = self.model(inputs, cache=self.prompt_cache, real=real)
        for layer in layers:
            layer.set_lengths(lengths)
        logits = self._processed(logits, inputs[:, 0])
        logprobs = elementwise.log_softmax(logits)
        chosen = self._choose(logprobs, drafts)
        mx.async_eval(chosen, logprobs)
        self._under_way = _Checked(drafts, chosen, logprobs)
        for tokens, token in zip(self.tokens, newest, strict=True):
            tokens.append(token)

    def _processed(self, logits: mx.array, newest: mx.array) -> mx.array:
        """Logits (rows, places, vocabulary) with the first place of rows that change theirs."""
        changes = self.logits_processors or ()
        if not any(changes):
            return logits
        found = []
        for row, processors in enumerate(changes):
            own = logits[row : row + 1]
            if processors:
                context = self._token_context[row].update_and_fetch(newest[row : row + 1])
                first = own[:, 0]
                for processor in processors:
                    first = processor(context, first)
                own = mx.concatenate([first[:, None], own[:, 1:]], axis=1)
            found.append(own)
        return mx.concatenate(found)

    def _choose(self, logprobs: mx.array, drafts: Sequence[Sequence[int]]) -> mx.array:
        rows, places, vocabulary = logprobs.shape
        samplers = self._samplers
        first = samplers[0]
        if not isinstance(first, Seeded) and all(sampler is first for sampler in samplers):
            return first(logprobs.reshape(-1, vocabulary)).reshape(rows, places)
        found = []
        for sampler, of_row, draft in zip(samplers, logprobs, drafts, strict=True):
            is_seeded = isinstance(sampler, Seeded)
            own = sampler.ahead(of_row, len(draft)) if is_seeded else sampler(of_row)
            found.append(mx.pad(own, (0, places - len(own))))
        return mx.stack(found)

    @property
    def _samplers(self) -> list[Any]:
        return [self.fallback_sampler if own is None else own for own in self.samplers or ()]

    def _settle(self, staying: Collection[int] | None = None) -> None:
        """Wait for a pass with drafts, and take what of them is right.

        Args:
            staying: The rows that are not about to leave; None: all of them.
        """
        checked, self._under_way = self._under_way, None
        if checked is None:
            return
        chosen: Any = checked.chosen.tolist()
        self._clock.ended(under_way=0)
        stats, samplers = self._speculation.stats, self._samplers
        lengths, nexts = list(self._layers[0].lengths), []
        for row, (draft, own) in enumerate(zip(checked.drafts, chosen, strict=True)):
            count = 0
            if staying is not None and row not in staying:
                draft = list[int]()  # its tokens have been given away as they are
            while count < len(draft) and own[count] == draft[count]:
                self.tokens[row].append(draft[count])
                reason = self._advance(row, draft[count])
                self._taken[row].append((draft[count], checked.logprobs[row, count], reason))
                count += 1
                if reason is not None:
                    break
            nexts.append((own[count], checked.logprobs[row, count]))
            lengths[row] += count
            stats.drafted += len(draft)
            stats.accepted += count
            if isinstance(sampler := samplers[row], Seeded):
                sampler.keep(count + 1)
        for layer in self._layers:
            layer.set_lengths(lengths)
        self._next_tokens = mx.array([token for token, _ in nexts])
        self._next_logprobs = [logprobs for _, logprobs in nexts]

    def _advance(self, row: int, token: int) -> str | None:
        """Count a token that a row has come to; why it ends there, if it does."""
        self._num_tokens[row] += 1
        if self._matchers[row].advance(token):
            return "stop"
        return "length" if self._num_tokens[row] >= self.max_tokens[row] else None


def _parts(drafts: Sequence[Draft], cost: PassCost) -> list[Sequence[int]]:
    """Of each draft as much as is worth checking."""
    counts = worth_checking(drafts, cost)
    return [draft.tokens[:count] for draft, count in zip(drafts, counts, strict=True)]


class _PassClock:
    """Tells ``PassCost`` what passes take, those during which nothing else was done.

    A pass begins when it is asked for and the one before it has ended.
    """

    def __init__(self, cost: PassCost) -> None:
        self._cost = cost
        self._left_at = self._ended_at = self._last_s = 0.0
        self._asked: deque[tuple[float, float]] = deque()

    def come_back(self) -> None:
        """A turn begins. If something else took its time since the last, nothing is measured."""
        if time.perf_counter() - self._left_at > max(0.002, 0.1 * self._last_s):
            self._asked = deque((0.0, tokens) for _, tokens in self._asked)

    def leave(self) -> None:
        """A turn ends."""
        self._left_at = time.perf_counter()

    def ask(self, tokens: float) -> None:
        """A pass over so many tokens is asked for."""
        self._asked.append((time.perf_counter(), tokens))

    def ended(self, under_way: int) -> None:
        """All passes but so many have ended."""
        while len(self._asked) > under_way:
            now = time.perf_counter()
            asked_at, tokens = self._asked.popleft()
            if asked_at:
                self._last_s = now - max(asked_at, self._ended_at)
                self._cost.observe(tokens, self._last_s)
            self._ended_at = now
