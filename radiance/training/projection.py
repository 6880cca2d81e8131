"""What is taken out of a step so that it does not move against what must survive.

A constraint is the gradient of a loss that must not rise. A step ``s`` is what is subtracted from
the parameters, so to first order the loss changes by ``-<s, h>``: the step is harmless where
``<s, h> >= 0``, and otherwise replaced by the nearest one that is.

Sources: the single constraint is A-GEM's (Chaudhry et al., 2019, equation 11); several are GEM's
(Lopez-Paz & Ranzato, 2017, equations 8 to 11), solved in its dual over as many unknowns as there
are constraints. A projection onto a convex cone never lengthens a step.

Several trainings may run side by side, as the signal lab's seeds and methods do: ``project`` is
mapped over them with ``mx.vmap``, ``project_all`` takes leading axes itself.
"""

import mlx.core as mx
import numpy as np

_TINY = 1e-20
_MOST_SWEEPS = 10_000
_TOLERANCE = 1e-10


def project(step: mx.array, constraint: mx.array) -> mx.array:
    """The nearest step that does not move against one constraint. Without a branch: it compiles.

    Args:
        step: What is subtracted from the parameters, (parameters,) float32.
        constraint: Gradient of the loss that must not rise, (parameters,); zero holds nothing.

    Returns:
        (parameters,) float32, with a non-negative inner product up to rounding.
    """
    against = mx.minimum((step * constraint).sum(), 0.0)
    return step - against / ((constraint * constraint).sum() + _TINY) * constraint


def project_all(step: mx.array, constraints: mx.array) -> mx.array:
    """The nearest step that does not move against any of several constraints.

    Args:
        step: What is subtracted from the parameters, (..., parameters) float32.
        constraints: One gradient a row, (..., contexts, parameters); rows of zero hold nothing.

    Returns:
        (..., parameters) float32, each inner product non-negative up to rounding.
    """
    lengths = mx.sqrt((constraints * constraints).sum(axis=-1, keepdims=True))
    units = constraints / mx.maximum(lengths, _TINY)
    products = np.array((units @ step[..., None])[..., 0], dtype=np.float64)
    if (products >= 0).all():
        return step
    gram = np.array(units @ units.swapaxes(-1, -2), dtype=np.float64)
    multipliers = mx.array(_solve_dual(gram, products).astype(np.float32))
    return step + (multipliers[..., None, :] @ units)[..., 0, :]


def _solve_dual(gram: np.ndarray, products: np.ndarray) -> np.ndarray:
    """Minimise ``v' gram v / 2 + products' v`` over ``v >= 0``, coordinate by coordinate.

    The diagonal is 1 (or 0, for a constraint that holds nothing), so each coordinate's minimum is
    in closed form and the objective never rises.

    Args:
        gram: (..., contexts, contexts).
        products: (..., contexts).
    """
    multipliers = np.zeros_like(products)
    diagonal = np.diagonal(gram, axis1=-2, axis2=-1)
    holds = diagonal > 0
    curvature = np.where(holds, diagonal, 1.0)
    slopes = products.copy()
    enough = _TOLERANCE * (1.0 + np.abs(products).max(axis=-1))
    for _ in range(_MOST_SWEEPS):
        moved = np.zeros_like(enough)
        for i in range(products.shape[-1]):
            change = np.maximum(-slopes[..., i] / curvature[..., i], -multipliers[..., i])
            change = np.where(holds[..., i], change, 0.0)
            multipliers[..., i] += change
            slopes += change[..., None] * gram[..., :, i]
            moved = np.maximum(moved, np.abs(change))
        if (moved <= enough).all():
            break
    return multipliers
