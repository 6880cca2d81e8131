"""Decoding: requests in, rows of one continuously batched generator, answers out.

Runs on the engine thread. It knows slots by number only; which checkpoint a slot holds is the
worker's business.
"""

import functools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import mlx.core as mx
from mlx_lm.generate import BatchGenerator, make_stop_sequences
from mlx_lm.sample_utils import make_sampler
from mlx_lm.tokenizer_utils import StreamingDetokenizer

from radiance.engine.encoding import Encoder
from radiance.engine.slots import SlotModel
from radiance.errors import Cancelled

_PREFILL_ROWS = 8
_Reason = Literal["stop", "length"]


@dataclass(frozen=True)
class Request:
    """What to generate.

    Attributes:
        tokens: The encoded prompt; at least one token.
        max_tokens: Most tokens of the answer, the end token not counted.
        temperature: 0 is greedy.
        use_training: Answer from the live training weights where a cycle is training.
    """

    tokens: Sequence[int]
    max_tokens: int
    temperature: float
    use_training: bool = False


@dataclass(frozen=True)
class Answer:
    """What was generated, and truly by which weights.

    Attributes:
        checkpoint_id: The checkpoint that answered; None is the base.
        checkpoint_status: "stable", "risky", "training" or "base".
        finish_reason: "stop" at an end token, "length" at ``max_tokens``.
    """

    text: str
    tokens: tuple[int, ...]
    finish_reason: _Reason
    checkpoint_id: str | None
    checkpoint_status: str
    prompt_tokens: int
    latency_s: float


@dataclass
class Row:
    """One request in the batch."""

    request: Request
    slot: int
    checkpoint_id: str | None
    checkpoint_status: str
    future: Future[Answer]
    detokenizer: StreamingDetokenizer
    started_at: float
    tokens: list[int] = field(default_factory=list)


class Decoder:
    """The batch of rows being decoded.

    Args:
        model: The served module tree.
        tokenizer: mlx-lm's wrapper; says which tokens end an answer.
        encoder: Cleans the answer's text.
        rows: Most rows decoded together; further ones wait.
        prefill_tokens: Prompt tokens processed between two decode steps.
        on_end: Called with a row's slot when the row has left the batch, however it ended.
    """

    def __init__(
        self,
        model: SlotModel,
        tokenizer: Any,
        encoder: Encoder,
        rows: int,
        prefill_tokens: int,
        on_end: Callable[[int], None],
    ) -> None:
        self._model = model
        self._encoder = encoder
        self._on_end = on_end
        self._rows: dict[int, Row] = {}
        self._stops = make_stop_sequences(tokenizer)
        self._new_generator = functools.partial(
            BatchGenerator,
            model,
            completion_batch_size=rows,
            prefill_batch_size=min(_PREFILL_ROWS, rows),
            prefill_step_size=prefill_tokens,
        )
        self._generator = self._new_generator()

    def __len__(self) -> int:
        return len(self._rows)

    def admit(self, row: Row) -> None:
        """Add a row; its first token comes with a later ``step``."""
        (uid,) = self._generator.insert(
            [list(row.request.tokens)],
            # One more than asked for: the last one is the end token, or shows there was none.
            max_tokens=[row.request.max_tokens + 1],
            caches=[self._model.make_row_cache(row.slot)],
            samplers=[_sampler(row.request.temperature)],
            stop_sequences=[self._stops],
        )
        self._rows[uid] = row

    def step(self) -> None:
        """Decode one token for every row and process one chunk of waiting prompts."""
        _, responses = self._generator.next()
        for response in responses:
            row = self._rows.get(response.uid)
            if row is None:
                continue
            if response.finish_reason is None:
                row.tokens.append(response.token)
                row.detokenizer.add_token(response.token)
            else:
                self._finish(response.uid, cast(_Reason, response.finish_reason))

    def cancel(self, future: Future[Answer]) -> None:
        """Take a row out of the batch; nothing happens if it has left already."""
        for uid, row in self._rows.items():
            if row.future is future:
                self._generator.remove([uid])
                self._leave(uid)
                future.set_exception(Cancelled("the request was given up"))
                return

    def fail_all(self, error: BaseException) -> None:
        """End every row with an error and start with an empty batch."""
        self._generator.close()
        self._generator = self._new_generator()
        for uid in list(self._rows):
            future = self._leave(uid).future
            if not future.done():
                future.set_exception(error)

    def close(self) -> None:
        self._generator.close()

    def _finish(self, uid: int, reason: _Reason) -> None:
        row = self._leave(uid)
        row.detokenizer.finalize()
        answer = Answer(
            text=self._encoder.answer_text(row.detokenizer.text),
            tokens=tuple(row.tokens),
            finish_reason=reason,
            checkpoint_id=row.checkpoint_id,
            checkpoint_status=row.checkpoint_status,
            prompt_tokens=len(row.request.tokens),
            latency_s=time.perf_counter() - row.started_at,
        )
        if not row.future.done():
            row.future.set_result(answer)

    def _leave(self, uid: int) -> Row:
        row = self._rows.pop(uid)
        self._on_end(row.slot)
        return row


@functools.lru_cache(maxsize=256)
def _sampler(temperature: float) -> Callable[[mx.array], mx.array]:
    """One sampler per setting: rows that share the object are sampled in one call."""
    return make_sampler(temp=temperature)
