"""Losses over logits: cross-entropy, and divergence from outputs that were kept."""

import mlx.core as mx

LEAST_TAIL = 1e-6
"""Least probability mass outside the likeliest tokens: float32 cannot tell a smaller from none."""


def log_normaliser(logits: mx.array) -> mx.array:
    """Log of the sum of exponentials, (n, 1), in nats; computed once for all losses of a batch.

    Unlike mx.logsumexp's, its gradient reuses the exponentials: they are most of what a loss costs
    on the CPU.
    """
    most = mx.stop_gradient(logits.max(axis=-1, keepdims=True))
    return most + mx.log(mx.exp(logits - most).sum(axis=-1, keepdims=True))


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
    """Weighted cross-entropy summed over targets, (), in nats.

    Args:
        logits: (n, vocabulary) float32.
        normaliser: Their ``log_normaliser``.
        targets: (n,) int32.
        weights: (n,) float32.
    """
    chosen = mx.take_along_axis(logits, targets[:, None], axis=-1)
    return ((normaliser - chosen)[:, 0] * weights).sum()
