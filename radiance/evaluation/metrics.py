"""Continual-learning metrics over the accuracy matrix, by the definitions that libraries use.

``matrix[i, j]`` is the accuracy after update i on the examples of task j, in [0, 1]; NaN where it
was not measured. There is a row per update and a column per task that is looked at; ``taught[j]``
is the update that taught task j. For the square matrix of the papers it is 0, 1, 2, ….

ACC, BWT and FWT: D. Lopez-Paz, M. Ranzato, "Gradient Episodic Memory for Continual Learning",
NeurIPS 2017, section 2. Forgetting: A. Chaudhry, P. K. Dokania, T. Ajanthan, P. H. S. Torr,
"Riemannian Walk for Incremental Learning", ECCV 2018, section 3. What was not measured is left out
of the means.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def average_accuracy(matrix: Floats) -> float | None:
    """ACC: mean over all tasks after the last update; None where none was measured."""
    return _mean(matrix[-1])


def backward_transfer(matrix: Floats, taught: Ints) -> float | None:
    """BWT: mean over earlier tasks of the accuracy now minus that when they were learned.

    Negative is forgetting. None before there is an earlier task.
    """
    earlier = taught < len(matrix) - 1
    return _mean(matrix[-1, earlier] - matrix[taught[earlier], np.flatnonzero(earlier)])


def forgetting(matrix: Floats, taught: Ints) -> float | None:
    """Mean over earlier tasks of the best accuracy before the last update minus that now.

    Never below -BWT, because the best is at least that when the task was learned. None before there
    is an earlier task.
    """
    earlier = taught < len(matrix) - 1
    past = matrix[:-1, earlier]
    best = np.where(np.isnan(past), -np.inf, past).max(axis=0, initial=-np.inf)
    return _mean(np.where(np.isinf(best), np.nan, best) - matrix[-1, earlier])


def forward_transfer(before: Floats, untrained: Floats) -> float | None:
    """FWT: mean over the tasks from the second on of R[i-1, i] minus the untrained accuracy.

    Args:
        before: (tasks - 1,) accuracy on each task just before it was learned.
        untrained: (tasks - 1,) of a model that learned nothing; the paper's is initialised at
            random, ours is the base.
    """
    return _mean(before - untrained)


def _mean(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None
