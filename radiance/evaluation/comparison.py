"""What a candidate, its parent and the base say of the same targets, from their logits.

A vocabulary's numbers pass through a good many operations, so they are taken a few rows at a time,
which stay in the processor's cache; on two cores where there are two.
"""

from collections.abc import Callable, Sequence

import mlx.core as mx
import numpy as np

from radiance.engine.model import elementwise
from radiance.engine.model.cores import on_core
from radiance.engine.tasks import Pieces

_TIE = 1e-9
_NO_SHARE = -87.0  # nats: less likely than float32 holds with all digits

_Scored = tuple[mx.array, mx.array, mx.array, mx.array, mx.array]


def compare(
    logits_of: Callable[[mx.array], mx.array],
    rows: Sequence[mx.array],
    targets: mx.array,
    parts: Sequence[slice],
) -> Pieces[np.ndarray]:
    """Loss and gap of each target under candidate, parent and base, and both divergences.

    The gap is how much likelier another token is, in nats: 0 where the right one is chosen.

    Args:
        logits_of: From rows to logits, (n, vocabulary).
        rows: Of the candidate, the parent and the base, (n, width) each; one object where two are
            the same adapter.
        targets: (n,) the right tokens.
        parts: Rows whose logits may be held at once.

    Returns:
        (8, n) float64: three losses, three gaps, KL from base and from parent.
    """
    at_once = 2 if mx.default_device() == mx.cpu else 1
    adapters = {id(array): array for array in rows}
    tables: list[np.ndarray] = []
    for some in range(0, len(parts), at_once):
        together = parts[some : some + at_once]
        logits: list[dict[int, mx.array]] = [{} for _ in together]
        for key, array in adapters.items():
            for number, part in enumerate(together):
                with on_core(number):
                    logits[number][key] = logits_of(array[part]).astype(mx.float32)
            mx.eval([of[key] for of in logits])
            yield None
        columns: list[list[list[mx.array]]] = [[] for _ in together]
        count = max(1, elementwise.MOST_AT_ONCE // next(iter(logits[0].values())).shape[-1])
        for at in range(0, len(next(iter(logits[0].values()))), count):
            for number, (of, part) in enumerate(zip(logits, together, strict=True)):
                right = targets[part][at : at + count, None]
                if len(right):  # the last part may be shorter
                    with on_core(number):
                        few = [of[id(array)][at : at + count] for array in rows]
                        columns[number].append(_columns(few, [id(array) for array in rows], right))
            mx.eval([found[-1] for found in columns])
        for found in columns:
            table = [np.array(few, dtype=np.float64) for few in found]
            tables.append(np.concatenate(table, axis=1))
        yield None
    return np.concatenate(tables, axis=1)


def _columns(logits: Sequence[mx.array], keys: Sequence[int], right: mx.array) -> list[mx.array]:
    """The eight columns of some targets, from the logits of candidate, parent and base.

    Args:
        logits: (n, vocabulary) each.
        keys: Which of them are one adapter's.
        right: (n, 1) the right tokens.
    """
    scored: dict[int, _Scored] = {}
    for key, of in zip(keys, logits, strict=True):
        if key not in scored:
            scored[key] = _scored(of, right)
    candidate, parent, base = (scored[key] for key in keys)
    from_base = _divergence(base, candidate)
    from_parent = from_base if parent is base else _divergence(parent, candidate)
    return [
        *(of[0] for of in (candidate, parent, base)),
        *(of[1] for of in (candidate, parent, base)),
        from_base,
        from_parent,
    ]


def _scored(logits: mx.array, right: mx.array) -> _Scored:
    """Loss and gap of each right token, (n,); and what a divergence is made of.

    That is log-probabilities (n, vocabulary), exponentials in their proportion, and their sum.
    """
    most = logits.max(axis=-1, keepdims=True)
    exponentials = elementwise.exp(logits - most)
    total = elementwise.row_sum(exponentials)
    normaliser = most + mx.log(total)
    of_right = mx.take_along_axis(logits, right, axis=-1)
    is_chosen = mx.argmax(logits, axis=-1, keepdims=True) == right
    gap = mx.where(is_chosen, 0.0, mx.maximum(most - of_right, _TIE))  # a tie is no choice
    log_probs = mx.maximum(logits - normaliser, _NO_SHARE)
    return (normaliser - of_right)[:, 0], gap[:, 0], log_probs, exponentials, total


def _divergence(p: _Scored, q: _Scored) -> mx.array:
    """KL(p || q) of each row, in nats: (n,), never negative.

    A token that p excludes adds nothing, as in the limit; one that q excludes counts as if it were
    as likely as e^-87 there. Rounding may bring the sum below zero by some 1e-7; a divergence is
    not.
    """
    *_, of_p, exponentials, total = p
    sums = elementwise.row_sum(exponentials * (of_p - q[2])) / total
    return mx.maximum(sums[:, 0], 0.0)
