"""One cycle's training: from a parent adapter and some examples to a new adapter, in pieces.

Given the same examples, settings and parent the result is the same bit for bit on the CPU, also
when it was interrupted and resumed, and whatever was decoded in between.
"""

import io
import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import mlx.core as mx
import mlx.optimizers as optim
import numpy as np

from radiance import config
from radiance.engine.encoding import EncodedExample
from radiance.engine.slots import Adapter
from radiance.errors import Diverged
from radiance.training.batches import Batch, by_length, make_batch, pick
from radiance.training.blockwise import Differentiator
from radiance.training.lora import LoraModel

T = TypeVar("T")
Pieces = Generator[Any, None, T]

_EVAL_ROWS = 16
_STOP_CHECK_EXAMPLES = 64  # replayed examples looked at to decide whether to stop early
_FINAL_LR_RATIO = 0.1


@dataclass(frozen=True)
class Progress:
    """One optimizer step was taken.

    Attributes:
        finetune_loss: Cross-entropy per completion token of this step's batch, in nats.
        gradient_norm: Before clipping.
    """

    step: int
    finetune_loss: float
    gradient_norm: float
    lr: float


@dataclass(frozen=True)
class Checked:
    """The examples were measured without dropout after a step.

    Attributes:
        eval_loss: Cross-entropy per completion token of the evaluation examples, in nats.
        worst_loss: The highest mean loss of a single new or replayed example.
    """

    step: int
    eval_loss: float
    worst_loss: float


@dataclass(frozen=True)
class Snapshot:
    """The whole training state after a step, to resume from."""

    step: int
    data: bytes


@dataclass(frozen=True)
class Trained:
    """The result.

    Attributes:
        vector: The adapter, (parameters,) float32.
        adapter: The same, ready to serve; evaluated, so that any thread may hold it.
        steps: Optimizer steps taken.
    """

    vector: mx.array
    adapter: Adapter
    steps: int


class Trainer:
    """Trains one adapter. Belongs to the engine thread.

    Args:
        examples: The new examples; not empty.
        replay: Earlier examples, mixed into every batch.
        held_back: New examples that are measured and not trained; may be empty.
        parent: The adapter to continue from; None for the base.
        resume_from: ``Snapshot.data`` of an earlier, interrupted run of the same cycle.
    """

    def __init__(
        self,
        lora: LoraModel,
        differentiator: Differentiator,
        settings: config.Training,
        examples: Sequence[EncodedExample],
        replay: Sequence[EncodedExample],
        held_back: Sequence[EncodedExample],
        parent: Adapter | None,
        resume_from: bytes | None = None,
    ) -> None:
        self._lora = lora
        self._differentiator = differentiator
        self._settings = settings
        self._examples, self._replay = examples, replay
        self._held_back = held_back
        self._optimizer = optim.AdamW(
            learning_rate=settings.lr, weight_decay=settings.weight_decay, bias_correction=True
        )
        self.step = 0
        self.vector = lora.initial(parent)
        self._optimizer.init({"adapter": self.vector})
        if resume_from is not None:
            self._restore(resume_from)
        self._snapshot_wanted = False

    def adapter(self) -> Adapter:
        """The weights as they are now, to answer from while training."""
        return self._lora.adapter(self.vector)

    def want_snapshot(self) -> None:
        """Ask, from any thread, for a Snapshot after the step under way."""
        self._snapshot_wanted = True

    def run(self) -> Pieces[Trained]:
        """Yields None between pieces, and Progress, Checked and Snapshot as they happen.

        Raises:
            Diverged: A loss or gradient is not finite, or the loss is above ``max_loss``.
        """
        settings = self._settings
        while self.step < settings.max_steps:
            yield (yield from self._take_step())
            if self._snapshot_wanted:
                self._snapshot_wanted = False
                yield Snapshot(self.step, self._save())
            if self.step % settings.eval_every == 0 or self.step == settings.max_steps:
                checked = yield from self._check()
                yield checked
                if checked.worst_loss < settings.stop_loss:
                    break
        adapter = self.adapter()
        mx.eval(*(array for pair in adapter.pairs.values() for array in pair))
        return Trained(self.vector, adapter, self.step)

    def _take_step(self) -> Pieces[Progress]:
        settings = self._settings
        loss, gradient, targets = mx.array(0.0), mx.zeros_like(self.vector), 0
        for part in range(settings.grad_accum):
            number = self.step * settings.grad_accum + part
            batch = self._batch(number)
            key = mx.random.key(settings.seed * 1_000_003 + number + 1)
            part_loss, part_gradient = yield from self._differentiator.gradient(
                self.vector, batch, key
            )
            loss, gradient = loss + part_loss, gradient + part_gradient
            targets += batch.target_count
        mean_loss = cast(float, loss.item()) / targets
        gradient = gradient / targets
        norm = cast(float, mx.linalg.norm(gradient).item())
        if not math.isfinite(mean_loss) or not math.isfinite(norm):
            raise Diverged(
                f"step {self.step + 1}: loss {mean_loss:g}, gradient norm {norm:g}: not finite. "
                f"Lower training.lr (is {settings.lr:g})."
            )
        if mean_loss > settings.max_loss:
            raise Diverged(
                f"step {self.step + 1}: loss {mean_loss:.3g} is above training.max_loss "
                f"({settings.max_loss:g}). Lower training.lr (is {settings.lr:g})."
            )
        gradient = gradient * min(1.0, settings.max_grad_norm / (norm + 1e-6))
        lr = self._learning_rate(self.step)
        self._optimizer.learning_rate = lr
        updated = self._optimizer.apply_gradients({"adapter": gradient}, {"adapter": self.vector})
        self.vector = updated["adapter"]
        mx.eval(self.vector, self._optimizer.state)
        self.step += 1
        return Progress(self.step, mean_loss, norm, lr)

    def _batch(self, number: int) -> Batch:
        settings = self._settings
        size = min(settings.batch_size, len(self._examples))
        chosen = [self._examples[i] for i in pick(len(self._examples), size, number, settings.seed)]
        replayed = min(len(self._replay), round(settings.batch_size * settings.replay_ratio))
        if replayed:
            seed = settings.seed + 1
            chosen += [self._replay[i] for i in pick(len(self._replay), replayed, number, seed)]
        return make_batch(chosen)

    def _learning_rate(self, step: int) -> float:
        """Linear warm-up, then a cosine to a tenth of the peak at ``max_steps``."""
        settings = self._settings
        if step < settings.warmup_steps:
            return settings.lr * (step + 1) / settings.warmup_steps
        span = max(1, settings.max_steps - settings.warmup_steps)
        cosine = 0.5 * (1 + math.cos(math.pi * (step - settings.warmup_steps) / span))
        return settings.lr * (_FINAL_LR_RATIO + (1 - _FINAL_LR_RATIO) * cosine)

    def _check(self) -> Pieces[Checked]:
        new = yield from score_examples(self._differentiator, self.vector, self._examples)
        some = (
            self._replay[:: -(-len(self._replay) // _STOP_CHECK_EXAMPLES)] if self._replay else []
        )
        old = yield from score_examples(self._differentiator, self.vector, some)
        held = yield from score_examples(self._differentiator, self.vector, self._held_back)
        worst = max(score.loss for score in new + old)
        return Checked(self.step, token_mean(held or new), worst)

    def _save(self) -> bytes:
        state = self._optimizer.state["adapter"]
        stream = io.BytesIO()
        np.savez(
            stream,
            step=np.array(self.step),
            vector=np.array(self.vector),
            m=np.array(state["m"]),
            v=np.array(state["v"]),
        )
        return stream.getvalue()

    def _restore(self, data: bytes) -> None:
        with np.load(io.BytesIO(data), allow_pickle=False) as saved:
            self.step = int(saved["step"])
            self.vector = mx.array(saved["vector"])
            cast(dict[str, Any], self._optimizer.state)["adapter"] = {
                "m": mx.array(saved["m"]),
                "v": mx.array(saved["v"]),
            }
        self._optimizer.state["step"] = mx.array(self.step, dtype=mx.uint64)


@dataclass(frozen=True)
class Score:
    """How well one example is known.

    Attributes:
        loss: Mean cross-entropy of its completion tokens, in nats.
        targets: Number of them.
        is_exact: Whether greedy decoding, given the right tokens so far, chooses every one.
    """

    loss: float
    targets: int
    is_exact: bool


def score_examples(
    differentiator: Differentiator, vector: mx.array, examples: Sequence[EncodedExample]
) -> Pieces[list[Score]]:
    """Score examples under an adapter, without dropout; in the order given."""
    scores: dict[int, Score] = {}
    for group in by_length(examples, _EVAL_ROWS):
        batch = make_batch([examples[index] for index in group])
        losses, hits = yield from differentiator.target_losses(vector, batch)
        values, exact = np.array(losses, dtype=np.float64), np.array(hits)
        for row, index in enumerate(group):
            own = batch.owners == row
            loss, count = float(values[own].mean()), int(own.sum())
            scores[index] = Score(loss, count, bool(exact[own].all()))
    return [scores[index] for index in range(len(examples))]


def token_mean(scores: Sequence[Score]) -> float:
    """Cross-entropy per completion token over several examples, in nats."""
    return sum(s.loss * s.targets for s in scores) / sum(s.targets for s in scores)
