"""Decoding: requests in, rows of one continuously batched generator, deltas and answers out.

Runs on the engine thread. Requests wait here in the order they came until the batch and the memory
for keys and values have room; then a row gets its weights, which never change while it lives.
"""

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any, cast

from radiance.engine.adapters.cache import LoadedWeights
from radiance.engine.adapters.sources import Sources
from radiance.engine.decoding.batch import BatchEntry, DecodeBatch
from radiance.engine.decoding.constraints import ConstraintState
from radiance.engine.decoding.kv_budget import KvBudget
from radiance.engine.decoding.logprobs import token_logprob
from radiance.engine.decoding.row_text import RowText
from radiance.engine.decoding.sampling import processors_of, sampler_of
from radiance.engine.requests import (
    Answer,
    Delta,
    FinishReason,
    OnEvent,
    Request,
    Started,
    TokenLogprob,
)
from radiance.engine.stats import DecodingStats
from radiance.errors import Cancelled, EngineFailed, RadianceError, RequestError, TimedOut
from radiance.records import CheckpointStatus
from radiance.telemetry import get_logger

OnEnd = Callable[[str | None, Request, Answer | BaseException], None]
"""The checkpoint that a request was given to, the request, and its answer or error."""

_log = get_logger(__name__)


@dataclass(eq=False)
class DecodeRow:
    """One request, waiting or in the batch.

    Attributes:
        submitted_at: ``time.perf_counter()`` of the submission.
        deadline: Of the same clock, when it is given up.
        source: Its weights while it holds any.
        cached_tokens: How much of the prompt was known.
        first_at: When its first token came.
        last_at: When its newest token came.
        form: What holds it to a constraint; compiled before it is added.
        goes_first: Whether it is let in before all others, and beyond the number of rows.
    """

    request: Request
    future: Future[Answer]
    on_event: OnEvent | None
    submitted_at: float
    deadline: float
    text: RowText
    source: LoadedWeights | None = None
    cached_tokens: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    form: ConstraintState | None = None
    goes_first: bool = False
    tokens: list[int] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)

    @property
    def longest(self) -> int:
        """Tokens of prompt and answer at most."""
        return len(self.request.tokens) + self.request.max_tokens


class Decoder:
    """The rows being decoded and those that wait for a place.

    Args:
        batch: The rows being decoded.
        vocab_size: Width of the logits.
        budget: How many rows there is memory for.
        rows: Most rows decoded together.
        sources: Where a row that starts gets its weights, and gives them back when it leaves.
        on_end: Told how a row with weights ends, before whoever waits for it; not of live weights.
    """

    def __init__(
        self,
        batch: DecodeBatch,
        vocab_size: int,
        budget: KvBudget,
        rows: int,
        sources: Sources,
        on_end: OnEnd,
    ) -> None:
        self._batch, self._vocab_size = batch, vocab_size
        self._budget = budget
        self._most_rows = rows
        self._sources, self._on_end = sources, on_end
        self._waiting: deque[DecodeRow] = deque()
        self._rows: dict[int, DecodeRow] = {}
        self._next_deadline = float("inf")
        self._peak_rows = self._last_peak_rows = 0
        self.stats = DecodingStats()

    def __len__(self) -> int:
        """Rows that need decode steps, waiting ones included."""
        return len(self._rows) + len(self._waiting)

    @property
    def waiting(self) -> int:
        """Requests that wait for a place."""
        return len(self._waiting)

    @property
    def unread_tokens(self) -> int:
        """Tokens of the prompts that wait or are being read; 0: the next step decodes alone."""
        reading = (row for row in self._rows.values() if not row.first_at)
        return sum(len(row.request.tokens) for row in (*self._waiting, *reading))

    @property
    def comes_in_waves(self) -> bool:
        """Whether rows were decoded together the last time that there were any."""
        return self._last_peak_rows > 1

    def add(self, row: DecodeRow) -> None:
        """Queue a row; its first token comes with a later ``step``.

        It has what serves now, whatever serves when its turn comes. A checkpoint that it names is
        brought to memory only then.
        """
        if row.request.weights.kind != "checkpoint":
            row.source = self._sources.take(row.request.weights)
        if row.goes_first:
            self._waiting.appendleft(row)
        else:
            self._waiting.append(row)
        self._next_deadline = min(self._next_deadline, row.deadline)

    def step(self) -> bool:
        """Let rows in, decode for each, process one chunk of waiting prompts.

        Returns:
            Whether anything moved: a token came or a prompt was processed.
        """
        if time.perf_counter() >= self._next_deadline:
            self._give_up_late_ones()
        self._let_in()
        self._peak_rows = max(self._peak_rows, len(self._rows))
        if not self._rows:
            return True
        has_moved, responses = self._batch.step()
        now = time.perf_counter()
        for response in responses:
            row = self._rows.get(response.uid)
            if row is not None:
                self._advance(row, response, now)
        if responses:
            self.stats.batch_rows.observe(len({response.uid for response in responses}))
        if not self._rows:
            self._last_peak_rows, self._peak_rows = self._peak_rows, 0
        return has_moved

    def refuse(self, row: DecodeRow, error: BaseException) -> None:
        """End a row that was never added."""
        if not row.future.done():
            self._fail(row, error)

    def cancel(self, future: Future[Answer], error: BaseException | None = None) -> bool:
        """Take a row out, waiting or in the batch; False if it is not here."""
        for row in self._waiting:
            if row.future is future:
                self._waiting.remove(row)
                self._fail(row, error or Cancelled("the request was given up"))
                return True
        for uid, row in self._rows.items():
            if row.future is future:
                self._end_early(uid, error or Cancelled("the request was given up"))
                return True
        return False

    def fail_all(self, error: BaseException) -> None:
        """End every row with an error and start with an empty batch."""
        self._batch.clear()
        rows = [*self._waiting, *self._rows.values()]
        self._waiting.clear()
        self._rows.clear()
        self._budget.reserve([])
        for row in rows:
            self._fail(row, error)

    def close(self) -> None:
        self._batch.close()

    # ── Coming in ───────────────────────────────────────────────────────────────────────────────

    def _let_in(self) -> None:
        entries: dict[DecodeRow, BatchEntry] = {}
        while self._waiting:
            row = self._waiting[0]
            is_full = len(self._rows) + len(entries) >= self._most_rows
            if is_full and not row.goes_first:
                break
            if row.future.done():  # given up by whoever watches over the engine
                self._give_back(self._waiting.popleft())
                continue
            others = [other.longest for other in (*self._rows.values(), *entries)]
            if not row.goes_first and not self._budget.has_room(others, row.longest):
                break
            self._waiting.popleft()
            with self._failing(row):
                entries[row] = self._entry_of(row)
        if len(entries) > 1:
            try:
                self._batch.share_beginnings(list(entries.values()))
            except Exception:  # noqa: BLE001 - each computes its own
                _log.exception("beginning_not_shared")
        for row, entry in entries.items():
            with self._failing(row):
                self._start(row, entry)

    @contextlib.contextmanager
    def _failing(self, row: DecodeRow) -> Iterator[None]:
        """Whatever goes wrong in the block is this request's error, not the engine's."""
        try:
            yield
        except RadianceError as error:
            self._fail(row, error)
        except Exception as error:  # noqa: BLE001 - nor that of other requests
            _log.exception("request_not_admitted")
            self._fail(row, EngineFailed(f"the request could not be started: {error}"))

    def _entry_of(self, row: DecodeRow) -> BatchEntry:
        """What joins the batch for a row, which has its weights from here on."""
        request, vocab_size = row.request, self._vocab_size
        if row.form is not None:
            row.form.prompt_tokens = len(request.tokens)
        source = row.source = row.source or self._sources.take(request.weights)
        processors = processors_of(request.sampling, len(request.tokens), vocab_size)
        return BatchEntry(
            request.tokens,
            # One more than asked for: the last is the end token, or shows there was none.
            request.max_tokens + 1,
            source.slot,
            source.cache_key,
            request.ignore_end,
            sampler_of(request.sampling, vocab_size),
            [*processors, *([row.form] if row.form else [])],
        )

    def _start(self, row: DecodeRow, entry: BatchEntry) -> None:
        uid, count = self._batch.insert(entry)
        row.cached_tokens = count
        self._rows[uid] = row
        self._budget.reserve([other.longest for other in self._rows.values()])
        source = row.source
        assert source is not None
        if row.on_event is not None:
            row.on_event(Started(source.checkpoint_id, source.status, source.adapter_hash, count))

    # ── One token further ───────────────────────────────────────────────────────────────────────

    def _advance(self, row: DecodeRow, response: Any, now: float) -> None:
        if row.future.done():  # failed from outside: nobody waits any more
            self._end_early(response.uid, EngineFailed("it was given up while the engine hung"))
        elif row.form is not None and row.form.error is not None:
            _log.warning("form_lost", error=row.form.error)
            self._end_early(
                response.uid,
                RequestError.of(
                    "response_format",
                    "nothing that fits it can follow what was written so far",
                    None,
                    "Simplify the form; what is left out of it can be checked afterwards.",
                ),
            )
        elif response.finish_reason is None:
            self._add_token(row, response, now)
            if row.text.stop_string is not None:
                self._batch.remove(response.uid, keep=True)
                self._finish(response.uid, "stop", now)
        else:
            self._finish(response.uid, cast(FinishReason, response.finish_reason), now)

    def _add_token(self, row: DecodeRow, response: Any, now: float) -> None:
        stats, token = self.stats, response.token
        if row.first_at:
            stats.inter_token_s.observe(now - row.last_at)
        else:
            row.first_at = now
            stats.first_token_s.observe(now - row.submitted_at)
        row.last_at = now
        stats.generated_tokens += 1
        row.tokens.append(token)
        told: tuple[TokenLogprob, ...] = ()
        if row.request.top_logprobs is not None:
            told = (token_logprob(response.logprobs, token, row.request.top_logprobs),)
            row.logprobs += told
        text = row.text.add(token)
        if row.on_event is not None:
            row.on_event(Delta(text, (token,), told))

    # ── Leaving ─────────────────────────────────────────────────────────────────────────────────

    def _finish(self, uid: int, reason: FinishReason, now: float) -> None:
        row = self._rows.pop(uid)
        self._budget.reserve([other.longest for other in self._rows.values()])
        source, request = row.source, row.request
        assert source is not None
        rest = row.text.end()
        if rest and row.on_event is not None:
            row.on_event(Delta(rest, ()))
        if row.text.stop_string is not None:
            reason = "stop"
        answer = Answer(
            text=row.text.whole,
            tokens=tuple(row.tokens),
            logprobs=tuple(row.logprobs),
            finish_reason=reason,
            stop_string=row.text.stop_string,
            checkpoint_id=source.checkpoint_id,
            checkpoint_status=source.status,
            adapter_hash=source.adapter_hash,
            prompt_tokens=len(request.tokens),
            cached_tokens=row.cached_tokens,
            latency_s=now - row.submitted_at,
            first_token_s=(row.first_at or now) - row.submitted_at,
        )
        self.stats.prompt_tokens += answer.prompt_tokens
        self.stats.cached_tokens += answer.cached_tokens
        self.stats.count(reason)
        self._tell(source, request, answer)
        self._give_back(row)
        with contextlib.suppress(InvalidStateError):  # failed from outside just now
            row.future.set_result(answer)

    def _end_early(self, uid: int, error: BaseException) -> None:
        row = self._rows.pop(uid)
        self._batch.remove(uid)
        self._budget.reserve([other.longest for other in self._rows.values()])
        self._fail(row, error)

    def _give_back(self, row: DecodeRow) -> None:
        if row.source is not None:
            self._sources.give_back(row.source)
            row.source = None

    def _fail(self, row: DecodeRow, error: BaseException) -> None:
        if row.source is not None:
            self._tell(row.source, row.request, error)
        self._give_back(row)
        self.stats.count(type(error).__name__)
        with contextlib.suppress(InvalidStateError):
            row.future.set_exception(error)

    def _tell(
        self, source: LoadedWeights, request: Request, outcome: Answer | BaseException
    ) -> None:
        if source.status != CheckpointStatus.TRAINING:
            self._on_end(source.checkpoint_id, request, outcome)

    def _give_up_late_ones(self) -> None:
        now = time.perf_counter()
        for row in [*self._waiting, *self._rows.values()]:
            if row.deadline <= now:
                seconds = now - row.submitted_at
                self.cancel(row.future, TimedOut(f"no complete answer within {seconds:.0f} s"))
        left = [row.deadline for row in (*self._waiting, *self._rows.values())]
        self._next_deadline = min(left, default=float("inf"))
