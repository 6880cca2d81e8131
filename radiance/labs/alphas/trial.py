"""Champion against challenger: a sticky split, and a test that may be looked at any time.

Whoever asks is assigned by a hash of who they are, so they meet one model throughout. Each answer
succeeds (it compiles and can be backtested) or not. The evidence is an e-process for "both succeed
equally often": the likelihood of each side under a mixture of all rates, over that of the best
common rate. Under equality it exceeds 1 / error with probability ``error`` at most, over all times
at once (Ville), so one may look after every answer and stop when one likes.

Source: A. Turner, Y. Ly, P. Grünwald, Generic E-Variables for Exact Sequential k-Sample Tests that
allow for Optional Stopping, 2021, arXiv:2106.02693; the mixture is H. Robbins's, with Jeffreys's
prior.
"""

import hashlib
import json
import math
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import msgspec

from radiance.storage import files

Arm = Literal["champion", "challenger"]
Verdict = Literal["undecided", "champion", "challenger"]
ARMS: tuple[Arm, Arm] = ("champion", "challenger")
_PRIOR = 0.5


@dataclass
class Counts:
    """One side's answers."""

    successes: int = 0
    answers: int = 0


class TrialState(msgspec.Struct, frozen=True):
    """What was seen of two models; ``evidence`` against equality decides at 1 / error."""

    champion: str
    challenger: str
    error: float
    arms: dict[Arm, Counts]
    evidence: float
    verdict: Verdict


@dataclass
class Trial:
    """What was seen of one pair of models.

    Attributes:
        error: Chance of telling equals apart, over all looks together.
        peak: The largest evidence there has been: a decision once reached stays.
    """

    champion: str
    challenger: str
    error: float = 0.05
    counts: dict[Arm, Counts] = field(default_factory=lambda: {arm: Counts() for arm in ARMS})
    peak: float = 0.0
    verdict: Verdict = "undecided"

    def record(self, arm: Arm, success: bool) -> None:
        """Count an answer, and decide if the evidence suffices."""
        counts = self.counts[arm]
        counts.answers += 1
        counts.successes += success
        found = log_evidence(self.counts["champion"], self.counts["challenger"])
        self.peak = max(self.peak, found)
        if self.verdict == "undecided" and found >= math.log(1 / self.error):
            rates = {arm: self.counts[arm].successes / self.counts[arm].answers for arm in ARMS}
            self.verdict = "challenger" if rates["challenger"] > rates["champion"] else "champion"

    def state(self) -> TrialState:
        """What it shows now."""
        evidence = min(1e300, math.exp(min(690.0, self.peak))) if self.peak else 1.0
        counts: dict[Arm, Counts] = {arm: replace(self.counts[arm]) for arm in ARMS}
        return TrialState(
            self.champion, self.challenger, self.error, counts, evidence, self.verdict
        )


def log_evidence(one: Counts, other: Counts) -> float:
    """Logarithm of the e-process against "equally often"."""
    if not one.answers or not other.answers:
        return 0.0
    total, hits = one.answers + other.answers, one.successes + other.successes
    common = _log_power(hits, total) + _log_power(total - hits, total)
    return _log_mixture(one) + _log_mixture(other) - common


def assign(who: str, share: float, trial: str) -> Arm:
    """The side that somebody is on in a trial; always the same."""
    digest = hashlib.sha256(f"{trial}\0{who}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    return "challenger" if place < share else "champion"


class TrialFile:
    """A trial on disk, counted by one process; what was answered is counted once it is written."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()
        self._trials: dict[str, Trial] = {}
        if path.exists():
            for row in json.loads(path.read_text(encoding="utf-8")):
                trial = Trial(row["champion"], row["challenger"], row["error"])
                trial.counts = {arm: Counts(**row["counts"][arm]) for arm in ARMS}
                trial.peak, trial.verdict = row["peak"], row["verdict"]
                self._trials[_name(trial.champion, trial.challenger)] = trial

    def record(self, champion: str, challenger: str, error: float, arm: Arm, success: bool) -> None:
        """Count an answer.

        Raises:
            StorageError: The disk failed.
        """
        with self._lock:
            trial = self._trials.setdefault(
                _name(champion, challenger), Trial(champion, challenger, error)
            )
            trial.record(arm, success)
            rows = [
                {
                    "champion": one.champion,
                    "challenger": one.challenger,
                    "error": one.error,
                    "counts": {arm: vars(counts) for arm, counts in one.counts.items()},
                    "peak": one.peak,
                    "verdict": one.verdict,
                }
                for one in self._trials.values()
            ]
            files.write_durably(self._path, json.dumps(rows, indent=1).encode())

    def states(self) -> list[TrialState]:
        """All trials there have been."""
        with self._lock:
            return [trial.state() for trial in self._trials.values()]


def _name(champion: str, challenger: str) -> str:
    return f"{champion}\0{challenger}"


def _log_mixture(counts: Counts) -> float:
    """Log-likelihood of a sequence with so many successes, mixed over Beta(1/2, 1/2)."""
    hits, misses = counts.successes, counts.answers - counts.successes
    return _log_beta(hits + _PRIOR, misses + _PRIOR) - _log_beta(_PRIOR, _PRIOR)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _log_power(hits: int, total: int) -> float:
    return hits * math.log(hits / total) if hits else 0.0
