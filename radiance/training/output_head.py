"""From the last block's output to logits, to each target's loss and to the loss's gradient.

A vocabulary is large: logits of all targets of a batch at once would be the largest array of a
step. The targets are taken in slices whose logits fit a bounded buffer, on the CPU one slice on
each of two cores.
"""

from typing import Any

import mlx.core as mx

from radiance.engine.model.cores import on_core
from radiance.engine.tasks import Pieces
from radiance.training.batches import TrainingBatch
from radiance.training.losses import losses_of_logits
from radiance.training.memory import targets_at_once
from radiance.training.stages import evaluate


class OutputHead:
    """The final norm and the output projection of a model whose blocks are called one by one."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._gradient = mx.compile(self._loss)

    def logits(self, hidden: mx.array) -> mx.array:
        """Logits (..., vocabulary) of the last block's output (..., width)."""
        inner = self._model.model
        normed = inner.norm(hidden)
        if self._model.args.tie_word_embeddings:
            return inner.embed_tokens.as_linear(normed)
        return self._model.lm_head(normed)

    def slices(self, hidden: mx.array) -> list[slice]:
        """The rows of (n, width) in slices whose logits fit a bounded buffer."""
        return slices(len(hidden), self._model.args.vocab_size)

    def losses(self, hidden: mx.array, batch: TrainingBatch) -> Pieces[tuple[mx.array, mx.array]]:
        """The loss of each target, and the gradient of their sum by the last block's output.

        Args:
            hidden: The last block's output at the targets, (n, width).
            batch: The targets, their weights and what they are compared with.

        Returns:
            Losses (n,) float32 and the gradient (n, width).
        """
        parts = self.slices(hidden)
        at_once = 2 if mx.default_device() == mx.cpu else 1
        losses, cotangents = [], []
        is_awaited = bool((yield None))
        for some in range(0, len(parts), at_once):
            stages: list[list[mx.array]] = [[], []]
            whole = []
            for number, part in enumerate(parts[some : some + at_once]):
                with on_core(number):
                    value, *between, cotangent = self._part(hidden, batch, part)
                for stage, array in zip(stages, between, strict=True):
                    stage.append(array)
                whole += [value, cotangent]
            is_awaited = yield from evaluate(stages, whole, is_awaited)
            losses += whole[::2]
            cotangents += whole[1::2]
        return mx.concatenate(losses), mx.concatenate(cotangents)

    def _part(self, hidden: mx.array, batch: TrainingBatch, part: slice) -> list[mx.array]:
        """Of some targets: losses, logits, their gradient by these and by the hidden rows."""
        plain = (hidden[part], batch.targets[part], batch.weights[part])
        if batch.reference is None or batch.reference_weights is None:
            return self._gradient(*plain)
        reference = (array[part] for array in batch.reference)
        return self._gradient(*plain, *reference, batch.reference_weights[part])

    def _loss(self, hidden: mx.array, *given: mx.array) -> list[mx.array]:
        def summed(logits: mx.array) -> tuple[mx.array, mx.array]:
            losses = losses_of_logits(logits, *given)
            return losses.sum(), losses

        logits = self.logits(hidden)
        (_, losses), d_logits = mx.value_and_grad(summed)(logits)
        _, (d_hidden,) = mx.vjp(self.logits, [hidden], [d_logits])
        return [losses, logits, d_logits, d_hidden]


class NoHead:
    """Stands for the head of a model that is computed whole: its rows are logits already."""

    def logits(self, rows: mx.array) -> mx.array:
        """The rows themselves."""
        return rows

    def slices(self, rows: mx.array) -> list[slice]:
        """The rows of (n, vocabulary) in slices that fit a bounded buffer."""
        return slices(len(rows), rows.shape[-1])


def slices(count: int, vocab: int) -> list[slice]:
    """So many targets in slices, so that no piece holds more logits than fit a bounded buffer."""
    size = targets_at_once(vocab)
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]
