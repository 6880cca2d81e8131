"""Whether an alpha means what was asked: its signal beside that of a reference expression.

Two signals mean the same as far as they order the symbols of a day alike, so the measure is the
mean over days of the rank correlation across symbols. A day on which an answer orders nothing
counts 0; a day on which the reference has no opinion is left out.
"""

from collections.abc import Iterable

import numpy as np

from radiance.gate.intervals import Estimate, wilson
from radiance.labs.alphas.language.semantics import DEFAULT
from radiance.labs.alphas.language.syntax import AlphaError
from radiance.labs.alphas.values.evaluator import Evaluator
from radiance.labs.alphas.values.panel import Panel
from radiance.labs.alphas.values.ranks import rank_rows

MEANS = 0.5
"""Least mean rank correlation with the reference at which an answer means what was asked."""
_DAYS, _EVERY = 1_260, 5
_LEAST_SYMBOLS, _LEAST_DAYS = 3, 20
_CONFIDENCE = 0.975  # of each side: intervals of 95 %
Array = np.ndarray


class MeaningScorer:
    """Compares expressions over one panel: every fifth day of its last five years.

    Args:
        panel: Bars; no more than the last five years and what windows need before is looked at.
    """

    def __init__(self, panel: Panel) -> None:
        recent = panel.rows(max(0, len(panel.dates) - _DAYS - 260), len(panel.dates))
        self._evaluator = Evaluator(recent)
        self._listed = np.isfinite(recent.fields["close"])
        self._ranks: dict[str, Array | None] = {}

    def likeness(self, reference: str, answer: str) -> float | None:
        """The mean daily rank correlation of two expressions, in [-1, 1].

        None where the reference has an opinion on too few days of the panel. An answer that does
        not compile or finds no data is 0.
        """
        wanted = self._ranked(reference)
        if wanted is None:
            return None
        mask = np.isfinite(wanted)
        days = (mask.sum(axis=1) >= _LEAST_SYMBOLS) & (_spread(wanted) > 0)
        if days.sum() < _LEAST_DAYS:
            return None
        given = self._ranked(answer)
        if given is None:
            return 0.0
        return float(_correlations(wanted[days], given[days]).mean())

    def _ranked(self, text: str) -> Array | None:
        if text not in self._ranks:
            try:
                values = self._evaluator.evaluate(text)
            except AlphaError:
                self._ranks[text] = None
            else:
                values = np.where(self._listed, values, np.nan)
                rows = values[len(values) - min(_DAYS, len(values)) :: _EVERY]
                self._ranks[text] = rank_rows(rows, DEFAULT.tie_bits)
        return self._ranks[text]


def _correlations(one: Array, other: Array) -> Array:
    """Rank correlation of each row over the symbols that have both; 0 where there is none."""
    both = np.isfinite(one) & np.isfinite(other)
    one, other = (_centred(np.where(both, ranks, np.nan)) for ranks in (one, other))
    size = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    usable = (both.sum(axis=1) >= _LEAST_SYMBOLS) & (size > 0)
    products = (one * other).sum(axis=1)
    return np.divide(products, size, out=np.zeros(len(one)), where=usable)


def _centred(ranks: Array) -> Array:
    # Ranked anew among what is left, so that it is Spearman's.
    again = rank_rows(ranks, 52)
    counts = np.isfinite(again).sum(axis=1, keepdims=True)
    return np.where(np.isfinite(again), again - (counts + 1) / 2, 0.0)


def _spread(ranks: Array) -> Array:
    top, bottom = (
        edge(np.where(np.isfinite(ranks), ranks, fill), axis=1)
        for edge, fill in ((np.max, -np.inf), (np.min, np.inf))
    )
    return np.where(np.isfinite(top), top - bottom, 0.0)


def share_meant(told: Iterable[tuple[str, float | None]]) -> Estimate | None:
    """The share of answers that mean what was asked, each family counting once.

    Wordings of one idea stand or fall together, so the interval (Wilson, 95 %) takes as many trials
    as there are families.

    Args:
        told: Of each answer its family and its likeness; None is left out.

    Returns:
        None where no answer can be told.
    """
    shares = family_shares(told)
    if not shares:
        return None
    # A family of which half the wordings are understood is half a success.
    return wilson(sum(shares.values()), len(shares), _CONFIDENCE)


def family_shares(told: Iterable[tuple[str, float | None]]) -> dict[str, float]:
    """For each family that the panel can tell, the share of its answers that mean it."""
    by_family: dict[str, list[bool]] = {}
    for family, likeness in told:
        if likeness is not None:
            by_family.setdefault(family, []).append(likeness >= MEANS)
    return {family: sum(hits) / len(hits) for family, hits in by_family.items()}
