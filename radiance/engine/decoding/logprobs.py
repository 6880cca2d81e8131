"""Log-probabilities of tokens and of the likeliest ones in their place."""

import mlx.core as mx
import numpy as np

from radiance.engine.requests import TokenLogprob


def token_logprob(logprobs: mx.array, token: int, top: int) -> TokenLogprob:
    """Of one position.

    Args:
        logprobs: (vocabulary,), in nats.
        token: Which one was chosen.
        top: How many of the likeliest are told.
    """
    row = np.array(logprobs.astype(mx.float32))
    return TokenLogprob(token, float(row[token]), _likeliest(row, top))


def token_logprobs(
    tokens: mx.array, chosen: mx.array, logprobs: mx.array | None, top: int
) -> list[TokenLogprob]:
    """Of several positions in a row.

    Args:
        tokens: (positions,).
        chosen: Their log-probabilities, (positions,).
        logprobs: Of the whole vocabulary, (positions, vocabulary); None where ``top`` is 0.
        top: How many of the likeliest are told.
    """
    ids, values = np.array(tokens).tolist(), np.array(chosen, dtype=np.float64).tolist()
    rows = [None] * len(ids) if logprobs is None else np.array(logprobs)
    return [
        TokenLogprob(token, value, () if row is None else _likeliest(row, top))
        for token, value, row in zip(ids, values, rows, strict=True)
    ]


def _likeliest(row: np.ndarray, top: int) -> tuple[tuple[int, float], ...]:
    """The ``top`` likeliest tokens, best first; of equal ones the lower id first."""
    if top <= 0:
        return ()
    top = min(top, len(row))
    chosen = np.argpartition(-row, top - 1)[:top]
    ordered = sorted(chosen.tolist(), key=lambda token: (-row[token], token))
    return tuple((token, float(row[token])) for token in ordered)
