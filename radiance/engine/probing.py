"""Reading the loss of texts off the weights that serve, through the very path that decodes.

The evaluator measures a candidate in the training tree before it is released. This measures what
answers requests now, so that a swap gone wrong or damage in memory shows.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import mlx.core as mx

from radiance.engine.encoding import EncodedExample
from radiance.engine.slots import SlotModel


@dataclass(frozen=True)
class Reading:
    """What was read, and truly of which weights.

    Attributes:
        checkpoint_id: The checkpoint that served; None is the base.
        losses: Mean cross-entropy of each text's learned tokens, in nats per token; not finite
            where the weights are damaged so far.
    """

    checkpoint_id: str | None
    losses: tuple[float, ...]


def read_losses(
    model: SlotModel, slot: int, examples: Sequence[EncodedExample], chunk_tokens: int
) -> Generator[None, None, tuple[float, ...]]:
    """The loss of each text under one slot; yields None between pieces.

    Args:
        model: The served module tree.
        slot: Whose adapter is asked.
        examples: The texts, each with at least one token to predict.
        chunk_tokens: Tokens of one forward pass; bounds the memory that logits take.
    """
    losses = []
    for example in examples:
        tokens = mx.array(example.tokens)[None]  # (1, tokens)
        counts = mx.array(example.is_completion)[1:]  # (tokens - 1,): nothing predicts the first
        cache = model.make_row_cache(slot)
        total, last = mx.array(0.0), len(example.tokens) - 1
        for start in range(0, last, chunk_tokens):
            end = min(start + chunk_tokens, last)
            logits = model(tokens[:, start:end], cache)[0].astype(mx.float32)  # (chunk, vocab)
            wanted = tokens[0, start + 1 : end + 1, None]
            picked = mx.take_along_axis(logits, wanted, axis=1)[:, 0]
            surprise = mx.logsumexp(logits, axis=1) - picked
            total = total + (surprise * counts[start:end]).sum()
            mx.eval(total)
            yield None
        losses.append(total.item() / max(1, sum(example.is_completion[1:])))
    return tuple(losses)
