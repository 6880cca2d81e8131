"""Losses over logits: cross-entropy, and divergence from outputs that were kept."""

from typing import Any, cast

import mlx.core as mx

from radiance.engine.model import elementwise

_AT_ONCE = 1 << 18  # numbers that stay in a processor's cache

LEAST_TAIL = 1e-6
"""Least probability mass outside the likeliest tokens: float32 cannot tell a smaller from none."""


def log_normaliser(logits: mx.array) -> mx.array:
    """Log of the sum of exponentials, (n, 1), in nats; computed once for all losses of a batch.

    Unlike mx.logsumexp's, its gradient reuses the exponentials: they are most of what a loss costs
    on the CPU.
    """
    return cast(Any, _log_normaliser(logits))[0]


@mx.custom_function
def _log_normaliser(logits: mx.array) -> tuple[mx.array, mx.array, mx.array]:
    logs, exponentials, totals = [], [], []
    count = max(1, min(len(logits), logits.size // _AT_ONCE))
    ends = [part * len(logits) // count for part in range(1, count)]
    for some in mx.split(logits, ends) if ends else [logits]:
        most = some.max(axis=-1, keepdims=True)
        exponentials.append(elementwise.exp(some - most))
        totals.append(exponentials[-1].sum(axis=-1, keepdims=True))
        logs.append(most + mx.log(totals[-1]))
    return mx.concatenate(logs), mx.concatenate(exponentials), mx.concatenate(totals)


@_log_normaliser.vjp
def _log_normaliser_vjp(
    _primal: mx.array,
    cotangents: tuple[mx.array, ...],
    outputs: tuple[mx.array, mx.array, mx.array],
) -> mx.array:
    _, exponentials, total = outputs
    return exponentials * (cotangents[0] / total)


def divergence(
    logits: mx.array,
    normaliser: mx.array,
    tokens: mx.array,
    log_probs: mx.array,
    tail: mx.array,
) -> mx.array:
    """KL(reference || model) over the reference's likeliest tokens and one outcome for the rest.

    Merging outcomes can only lower a divergence, so this is a lower bound of the full one, exact
    where the reference holds the whole vocabulary.

    Args:
        logits: (n, vocabulary) float32, the model's.
        normaliser: Their ``log_normaliser``.
        tokens: (n, k) int32, the reference's likeliest tokens.
        log_probs: (n, k) float32, their log-probabilities, in nats.
        tail: (n,) float32, log of the mass outside them.

    Returns:
        (n,) float32, in nats.
    """
    ours = mx.take_along_axis(logits, tokens, axis=-1) - normaliser
    rest = mx.log(mx.maximum(1.0 - mx.exp(ours).sum(axis=-1), LEAST_TAIL))
    head = (mx.exp(log_probs) * (log_probs - ours)).sum(axis=-1)
    return head + mx.exp(tail) * (tail - rest)


def cross_entropy(
    logits: mx.array, normaliser: mx.array, targets: mx.array, weights: mx.array
) -> mx.array:
    """Weighted cross-entropy of each target, (n,) float32, in nats.

    Args:
        logits: (n, vocabulary) float32.
        normaliser: Their ``log_normaliser``.
        targets: (n,) int32.
        weights: (n,) float32.
    """
    chosen = mx.take_along_axis(logits, targets[:, None], axis=-1)
    return (normaliser - chosen)[:, 0] * weights


def losses_of_logits(
    logits: mx.array, targets: mx.array, weights: mx.array, *reference: mx.array
) -> mx.array:
    """Of each target, (n,) float32, weighted: cross-entropy, and any divergence from a reference.

    Args:
        logits: (n, vocabulary).
        targets: (n,) int32.
        weights: (n,) float32, of the cross-entropy.
        reference: As in ``TrainingBatch``, and its weights; or nothing.
    """
    logits = logits.astype(mx.float32)
    normaliser = log_normaliser(logits)
    loss = cross_entropy(logits, normaliser, targets, weights)
    if not reference:
        return loss
    tokens, log_probs, tail, reference_weights = reference
    away = divergence(logits, normaliser, tokens, log_probs, tail)
    return loss + away * reference_weights
