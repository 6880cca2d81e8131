"""What a checkpoint learned and what it forgot, measured before it can serve."""

from collections.abc import Generator, Sequence
from typing import Any, TypeVar

import mlx.core as mx

from radiance.engine.encoding import EncodedExample
from radiance.records import EvalReport
from radiance.training.blockwise import Differentiator
from radiance.training.lora import LoraModel
from radiance.training.trainer import Score, score_examples, token_mean

T = TypeVar("T")
Pieces = Generator[Any, None, T]


class Evaluator:
    """Measures adapters over one base. Belongs to the engine thread.

    Args:
        anchors: The anchors measured for every checkpoint; empty switches forgetting off.
    """

    def __init__(
        self, lora: LoraModel, differentiator: Differentiator, anchors: Sequence[EncodedExample]
    ) -> None:
        self._lora = lora
        self._differentiator = differentiator
        self._anchors = anchors
        self._base_scores: list[Score] | None = None

    def evaluate(
        self,
        vector: mx.array,
        examples: Sequence[EncodedExample],
        held_back: Sequence[EncodedExample],
    ) -> Pieces[EvalReport]:
        """Measure one adapter.

        Args:
            vector: The adapter, (parameters,) float32.
            examples: What it was trained on anew.
            held_back: New examples it was not trained on; may be empty.
        """
        learned = yield from score_examples(self._differentiator, vector, examples)
        held = yield from score_examples(self._differentiator, vector, held_back)
        finetune_loss = token_mean(learned)
        eval_loss = token_mean(held) if held else finetune_loss
        if not self._anchors:
            return EvalReport(finetune_loss, eval_loss)
        if self._base_scores is None:
            base = self._lora.initial(None)
            self._base_scores = yield from score_examples(self._differentiator, base, self._anchors)
        kept = yield from score_examples(self._differentiator, vector, self._anchors)
        forgetting_loss = token_mean(kept)
        return EvalReport(
            finetune_loss=finetune_loss,
            eval_loss=eval_loss,
            forgetting_loss=forgetting_loss,
            anchor_ce_delta=forgetting_loss - token_mean(self._base_scores),
            retention_score=_retention(self._base_scores, kept),
        )


def _retention(before: Sequence[Score], after: Sequence[Score]) -> float | None:
    """Share of what was answered exactly before that still is; None if nothing was."""
    still = [now.is_exact for then, now in zip(before, after, strict=True) if then.is_exact]
    return sum(still) / len(still) if still else None
