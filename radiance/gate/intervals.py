"""Intervals for what a gate measures: means, tail means and proportions. Pure.

Every bound is one-sided and holds with the confidence given, so ``low`` and ``high`` together form
an interval of confidence ``2 * confidence - 1``.

A paired rise of losses is far from normal: most anchors do not move and a few rise by nats. On such
data the upper bound of Student's t at 100 anchors lies below the true mean in 9 to 16 cases of 100
instead of 5; Hall's transformation, which removes the skewness, keeps it to 5 to 9, and needs no
random numbers (docs/GATE.md).

Quantiles are ``scipy.special``'s, imported when one is first asked for: that takes a quarter of a
second, which a start of the service need not wait for. ``scipy.stats`` gives the same and takes a
second more.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A measured value and its two one-sided bounds."""

    value: float
    low: float
    high: float


def t_quantile(probability: float, freedom: float) -> float:
    """Quantile of Student's t with ``freedom`` > 0 degrees of freedom."""
    from scipy import special

    return float(special.stdtrit(freedom, probability))


def mean(values: Sequence[float] | np.ndarray, confidence: float) -> Estimate:
    """The mean of the population that ``values`` (n,) were drawn from.

    The bounds are P. Hall's cubic transformation of the t statistic (On the Removal of Skewness by
    Transformation, J. R. Stat. Soc. B 54, 1992, 221-228). A single value has no bounds: it gets
    infinite ones.
    """
    x = np.asarray(values, dtype=np.float64)
    middle = float(x.mean())
    if len(x) < 2:
        return Estimate(middle, -math.inf, math.inf)
    spread = float(x.std(ddof=1))
    if spread <= 1e-12 * max(1.0, abs(middle)):
        return Estimate(middle, middle, middle)
    skewness = float(((x - middle) ** 3).mean()) / spread**3
    t = t_quantile(confidence, len(x) - 1)
    error = spread / math.sqrt(len(x))
    bend = skewness / (6 * math.sqrt(len(x)))
    ends = (middle - error * _unbend(side, bend) for side in (t, -t))
    low, high = sorted(ends)
    return Estimate(middle, min(low, middle), max(high, middle))


def _unbend(quantile: float, bend: float) -> float:
    """The t value whose transform is ``quantile``: inverse of t + 2bt² + 4/3 b²t³ + b."""
    wanted = quantile - bend
    if abs(bend) < 1e-9:
        return wanted
    return (math.cbrt(1 + 6 * bend * wanted) - 1) / (2 * bend)


def difference(
    first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray, confidence: float
) -> Estimate:
    """How much higher the mean behind ``second`` is than that behind ``first``; unpaired.

    Welch's t with the degrees of freedom of Satterthwaite (Biometrika 34, 1947, 28-35). A sample
    of one gives infinite bounds.
    """
    a, b = (np.asarray(values, dtype=np.float64) for values in (first, second))
    middle = float(b.mean() - a.mean())
    if min(len(a), len(b)) < 2:
        return Estimate(middle, -math.inf, math.inf)
    errors = [float(x.var(ddof=1)) / len(x) for x in (a, b)]
    total = sum(errors)
    if total == 0:
        return Estimate(middle, middle, middle)
    freedom = total**2 / sum(
        error**2 / (len(x) - 1) for error, x in zip(errors, (a, b), strict=True)
    )
    reach = t_quantile(confidence, freedom) * math.sqrt(total)
    return Estimate(middle, middle - reach, middle + reach)


def rise(
    hits: int, trials: int, hits_before: int, trials_before: int, confidence: float
) -> Estimate:
    """How much higher one proportion is than another, by both ends of their intervals at once.

    Wider than need be: it holds however the two samples hang together.
    """
    now = proportion(hits, trials, confidence)
    was = proportion(hits_before, trials_before, confidence)
    return Estimate(now.value - was.value, now.low - was.high, now.high - was.low)


def tail_mean(values: Sequence[float] | np.ndarray, share: float, confidence: float) -> Estimate:
    """The mean of the highest ``share`` of the population: its conditional value at risk.

    It is the minimum over t of ``t + mean(max(x - t, 0)) / share`` (Rockafellar and Uryasev,
    Optimization of Conditional Value-at-Risk, J. Risk 2, 2000, 21-41), so an upper bound of that
    mean at any t is one of the tail. We take the t that attains the minimum on the sample.
    """
    x = np.sort(np.asarray(values, dtype=np.float64))
    below = min(len(x) - 1, max(0, math.ceil(len(x) * (1 - share) - 1e-9) - 1))
    threshold = float(x[below]) if share < 1 else float(x[0])
    excess = mean(np.maximum(x - threshold, 0.0), confidence)
    ends = (threshold + end / share for end in (excess.value, excess.low, excess.high))
    return Estimate(*ends)


@functools.lru_cache(maxsize=4096)  # a monitor asks for the same few counts every day
def proportion(hits: int, trials: int, confidence: float) -> Estimate:
    """The proportion behind ``hits`` out of ``trials`` (>= 1).

    The bounds are those of Clopper and Pearson (Biometrika 26, 1934, 404-413): never too narrow.
    """
    from scipy import special

    tail, misses = 1 - confidence, trials - hits
    low = special.betaincinv(hits, misses + 1, tail) if hits else 0.0
    high = special.betainccinv(hits + 1, misses, tail) if misses else 1.0
    return Estimate(hits / trials, float(low), float(high))


def wilson(hits: float, trials: int, confidence: float) -> Estimate:
    """The proportion behind ``hits`` out of ``trials`` (>= 1), with Wilson's score bounds.

    Nearer to the stated confidence than ``proportion`` and sometimes a little too narrow: for
    reports, not for gates. Source: Wilson, J. Am. Stat. Assoc. 22, 1927, 209-212.
    """
    z, share = NormalDist().inv_cdf(confidence), hits / trials
    scale = 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    high = 1.0 if hits == trials else min(1.0, middle + half)
    return Estimate(share, low, high)
