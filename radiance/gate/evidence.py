"""Whether two sides succeed equally often: a sequential test that may be looked at any time.

The evidence against "equally often" is an e-process: the likelihood of each side's answers under a
mixture of all rates, over that of the best common rate. Under equality it exceeds 1 / error with
probability ``error`` at most, over all times at once (Ville), so one may look after every answer
and stop at will.

Source: A. Turner, Y. Ly, P. Grünwald, Generic E-Variables for Exact Sequential k-Sample Tests that
allow for Optional Stopping, 2021, arXiv:2106.02693; the mixture is H. Robbins's, with Jeffreys's
prior.
"""

import math

import msgspec

_PRIOR = 0.5
_LARGEST_LOG = 690.0  # below the logarithm of the largest float


class Successes(msgspec.Struct, frozen=True):
    """One side's answers, and how many of them succeeded."""

    answers: int = 0
    successes: int = 0

    def plus(self, success: bool) -> "Successes":
        """These and one more answer."""
        return Successes(self.answers + 1, self.successes + success)

    @property
    def rate(self) -> float:
        """Share of the answers that succeeded, in [0, 1]; 0 without answers."""
        return self.successes / self.answers if self.answers else 0.0


def log_evidence(one: Successes, other: Successes) -> float:
    """Natural logarithm of the e-process against "equally often"; 0 while a side has no answer."""
    if not one.answers or not other.answers:
        return 0.0
    total, hits = one.answers + other.answers, one.successes + other.successes
    common = _log_power(hits, total) + _log_power(total - hits, total)
    return _log_mixture(one) + _log_mixture(other) - common


def decides(log_evidence: float, error: float) -> bool:
    """Whether the evidence suffices, where equals may be told apart with chance ``error``."""
    return log_evidence >= math.log(1 / error)


def as_ratio(log_evidence: float) -> float:
    """The evidence itself, within the range of a float; 1 where there is none."""
    return math.exp(min(_LARGEST_LOG, log_evidence))


def _log_mixture(counts: Successes) -> float:
    """Log-likelihood of a sequence with so many successes, mixed over Beta(1/2, 1/2)."""
    misses = counts.answers - counts.successes
    return _log_beta(counts.successes + _PRIOR, misses + _PRIOR) - _log_beta(_PRIOR, _PRIOR)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _log_power(hits: int, total: int) -> float:
    return hits * math.log(hits / total) if hits else 0.0
