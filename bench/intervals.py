"""Estimates with 95 % intervals, and paired ratios of two sides."""

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy import special

from radiance.gate import intervals

_COVERAGE = 0.95
_RESAMPLES = 10_000


@dataclass(frozen=True)
class Interval:
    """An estimate and the ends of its 95 % interval; both are NaN where there is too little."""

    value: float
    low: float
    high: float
    count: int

    def as_json(self) -> dict[str, float | None]:
        """The fields, with null for an end that is not known."""
        return {key: None if math.isnan(value) else value for key, value in asdict(self).items()}

    def __str__(self) -> str:
        if math.isnan(self.low):
            return f"{self.value:.3g}"
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


def median(values: Sequence[float]) -> Interval:
    """The median, between order statistics: exact whatever the distribution.

    Both tails hold at most 2.5 % by the binomial distribution of how many of ``values`` lie below
    the true median (Conover, Practical Nonparametric Statistics, 3.2). Fewer than 6 values have no
    such interval.
    """
    ordered, count = sorted(values), len(values)
    at_most = special.bdtr(np.arange(count), count, 0.5)  # P(so many lie below it, or fewer)
    below = int((at_most <= (1 - _COVERAGE) / 2).sum()) - 1
    middle = statistics.median(ordered)
    if below < 0:
        return Interval(middle, math.nan, math.nan, count)
    return Interval(middle, ordered[below], ordered[count - 1 - below], count)


def ratio(tops: Sequence[float], bottoms: Sequence[float]) -> Interval:
    """Median of the ratios of two sides, paired by round."""
    return median([top / bottom for top, bottom in zip(tops, bottoms, strict=True)])


def mean(values: Sequence[float], seed: int = 0) -> Interval:
    """The mean of independent units (seeds, say) with a percentile bootstrap over them."""
    array = np.asarray(values, dtype=np.float64)
    if len(array) < 2:
        return Interval(float(array.mean()), math.nan, math.nan, len(array))
    drawn = np.random.default_rng(seed).integers(len(array), size=(_RESAMPLES, len(array)))
    low, high = np.quantile(array[drawn].mean(axis=1), [(1 - _COVERAGE) / 2, (1 + _COVERAGE) / 2])
    return Interval(float(array.mean()), float(low), float(high), len(array))


def proportion(hits: int, count: int) -> Interval:
    """A share of independent trials, with Wilson's score interval (1927)."""
    found = intervals.wilson(hits, count, (1 + _COVERAGE) / 2)
    return Interval(found.value, found.low, found.high, count)


def quantile(values: Iterable[float], share: float) -> float:
    """The value that ``share`` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[round(share * (len(ordered) - 1))]


def gaps(values: Iterable[float]) -> list[float]:
    """Differences of neighbours: gaps between points in time."""
    return [after - before for before, after in itertools.pairwise(values)]
