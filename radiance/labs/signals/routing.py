"""Where an adapter acts: the probability, by a day's indicators, that the day is an ordinary one.

An adapter is trained on ordinary days only. Wherever else it acts, it acts unasked: routing keeps
it from there, at once for what anchors list (``contexts``) and for what nothing lists but is unlike
all it was trained on (``novelty``). Fitted in closed form on the adaptation days and the anchors,
which are all known before the first day it is used on.
"""

import numpy as np

_SHRINKAGE = 0.1


class Router:
    """Routes one seed's adapter.

    Args:
        ordinary: Indicators of the adaptation days, (days, indicators).
        stress: Of the anchors, (anchors, indicators).
        context: Their contexts, (anchors,).
        caution: How much dearer it is to act under stress than not to act on an ordinary day.
    """

    def __init__(
        self, ordinary: np.ndarray, stress: np.ndarray, context: np.ndarray, caution: float
    ) -> None:
        self._caution = caution
        self._middle = ordinary.mean(axis=0)
        self._precision = np.linalg.inv(_covariance(ordinary - self._middle))
        self._kinds = []
        for kind in np.unique(context):
            rows = stress[context == kind]
            middle = rows.mean(axis=0)
            covariance = _covariance(rows - middle)
            self._kinds.append((middle, np.linalg.inv(covariance), _log_determinant(covariance)))
        self._log_determinant = _log_determinant(_covariance(ordinary - self._middle))
        self._threshold = float(self._distance(ordinary).max())

    def __call__(self, indicators: np.ndarray) -> np.ndarray:
        """How far an adapter acts on days of these indicators, (days,) in [0, 1].

        With p the probability of an ordinary day and caution c, ``p / (p + c (1 - p))`` is the g
        that minimises ``p (1 - g)² + c (1 - p) g²``: what not acting costs on ordinary days, and
        acting on others.
        """
        p = self.contexts(indicators)
        return p / (p + self._caution * (1 - p)) * self.novelty(indicators)

    def contexts(self, indicators: np.ndarray) -> np.ndarray:
        """P(ordinary), against the anchors' contexts, all alike likely beforehand, (days,)."""
        ordinary = -0.5 * (self._distance(indicators) + self._log_determinant)
        ratios = [
            -0.5 * (_square(indicators - middle, precision) + log_determinant) - ordinary
            for middle, precision, log_determinant in self._kinds
        ]
        total = np.logaddexp.reduce(ratios, axis=0) - np.log(len(ratios))
        return 1 / (1 + np.exp(np.clip(total, -50, 50)))

    def novelty(self, indicators: np.ndarray) -> np.ndarray:
        """1 for days like the adaptation days, falling to 0 with their distance, (days,)."""
        excess = self._distance(indicators) - self._threshold
        return np.exp(-0.5 * np.maximum(excess, 0.0))

    def _distance(self, indicators: np.ndarray) -> np.ndarray:
        return _square(indicators - self._middle, self._precision)


def _covariance(centred: np.ndarray) -> np.ndarray:
    found = centred.T @ centred / len(centred)
    return (1 - _SHRINKAGE) * found + _SHRINKAGE * np.eye(len(found)) * np.trace(found) / len(found)


def _square(centred: np.ndarray, precision: np.ndarray) -> np.ndarray:
    return np.einsum("ni,ij,nj->n", centred, precision, centred)


def _log_determinant(covariance: np.ndarray) -> float:
    return float(np.linalg.slogdet(covariance)[1])
