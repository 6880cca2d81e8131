"""Reading the log-probabilities of given texts off weights that serve, through the decoding path.

The evaluator measures a candidate in the training tree before it is released. This reads what
answers requests now: a monitor sees by it that a swap went wrong or memory is damaged, and a client
how likely a text is to a checkpoint.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import mlx.core as mx

from radiance.engine.adapters.cache import LoadedWeights
from radiance.engine.adapters.slot_model import SlotModel
from radiance.engine.adapters.sources import Sources
from radiance.engine.decoding.logprobs import token_logprobs
from radiance.engine.model.elementwise import log_softmax
from radiance.engine.model.encoding import EncodedExample
from radiance.engine.requests import SERVING, Scored, Scoring, TokenLogprob
from radiance.engine.tasks import Pieces

_LOGITS_PER_PIECE = 1 << 22
_MOST_ROWS = 32
_TOKENS_BETWEEN_STEPS = 128  # of a piece while somebody waits for tokens


@dataclass(frozen=True)
class ScoringPass:
    """Losses of texts, and truly of which weights.

    Attributes:
        checkpoint_id: The checkpoint that served; None is the base.
        losses: Mean cross-entropy of each text's learned tokens, in nats per token; not finite
            where the weights are damaged so far.
    """

    checkpoint_id: str | None
    losses: tuple[float, ...]


def read_logprobs(
    model: SlotModel, slot: int, texts: Sequence[Sequence[int]], top: int, chunk_tokens: int
) -> Pieces[list[tuple[TokenLogprob, ...]]]:
    """Log-probabilities of every token but the first of each text; yields None between pieces.

    Texts of like length are computed together.

    Args:
        model: The served module tree.
        slot: Whose adapter is asked.
        texts: Tokens, at least one each.
        top: How many of the likeliest tokens are told for each place.
        chunk_tokens: Most tokens of a row in one forward pass.
    """
    found: list[list[TokenLogprob]] = [[] for _ in texts]
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    while order:
        longest = len(texts[order[-1]])
        width = max(1, min(chunk_tokens, longest - 1))
        count = max(1, min(_MOST_ROWS, _LOGITS_PER_PIECE // (width * model.vocab_size)))
        rows, order = order[-count:], order[:-count]
        # Padded at the end: with causal attention nothing before it sees the padding.
        tokens = mx.array([[*texts[i], *[0] * (longest - len(texts[i]))] for i in rows])
        with model.reading(slot, len(rows)) as read:
            end, is_awaited = 0, True  # as may be: the first piece is told nothing
            while end < longest - 1:
                start, most = end, max(1, _TOKENS_BETWEEN_STEPS // count) if is_awaited else width
                end = min(start + min(most, width), longest - 1)
                logits = read(tokens[:, start:end]).astype(mx.float32)
                logprobs = log_softmax(logits)
                wanted = tokens[:, start + 1 : end + 1]
                chosen = mx.take_along_axis(logprobs, wanted[..., None], axis=-1)[..., 0]
                mx.eval(chosen, logprobs if top else [])
                for row, index in enumerate(rows):
                    own = min(end, len(texts[index]) - 1) - start
                    if own > 0:
                        likely = logprobs[row, :own] if top else None
                        found[index] += token_logprobs(
                            wanted[row, :own], chosen[row, :own], likely, top
                        )
                is_awaited = bool((yield None))
    return [tuple(of_text) for of_text in found]


def score(
    model: SlotModel,
    sources: Sources,
    texts: Sequence[Scoring],
    top: int,
    chunk_tokens: int,
) -> Pieces[list[Scored]]:
    """Log-probabilities of texts under the weights that each names; yields None between pieces.

    Raises:
        CorruptCheckpoint: A checkpoint's files cannot be read.
    """
    held: list[LoadedWeights] = []
    groups: dict[LoadedWeights, list[int]] = {}
    found: dict[int, Scored] = {}
    try:
        for index, text in enumerate(texts):
            held.append(sources.take(text.weights))
            groups.setdefault(held[-1], []).append(index)
        for source, places in groups.items():
            tokens = [texts[place].tokens for place in places]
            read = yield from read_logprobs(model, source.slot, tokens, top, chunk_tokens)
            named = (source.checkpoint_id, source.status, source.adapter_hash)
            found |= {
                place: Scored(logprobs, *named)
                for place, logprobs in zip(places, read, strict=True)
            }
    finally:
        for source in held:
            sources.give_back(source)
    return [found[index] for index in range(len(texts))]


def read_losses(
    model: SlotModel, sources: Sources, examples: Sequence[EncodedExample], chunk_tokens: int
) -> Pieces[ScoringPass]:
    """The loss of texts under the weights that serve; yields None between pieces."""
    source = sources.take(SERVING)
    try:
        losses = yield from losses_of(model, source.slot, examples, chunk_tokens)
    finally:
        sources.give_back(source)
    return ScoringPass(source.checkpoint_id, losses)


def losses_of(
    model: SlotModel, slot: int, examples: Sequence[EncodedExample], chunk_tokens: int
) -> Pieces[tuple[float, ...]]:
    """The loss of each text's learned tokens under one slot; yields None between pieces."""
    read = yield from read_logprobs(model, slot, [e.tokens for e in examples], 0, chunk_tokens)
    losses = []
    for example, logprobs in zip(examples, read, strict=True):
        learned = example.is_completion[1:]
        surprise = sum(-t.logprob for t, counts in zip(logprobs, learned, strict=True) if counts)
        losses.append(surprise / max(1, sum(learned)))
    return tuple(losses)
