"""What an experiment shows: each arm by itself, and the candidate against the champion. Pure.

Every difference is candidate minus champion, with the one-sided bounds of ``statistics``. A shadow
repeats the champion's requests, so it is compared pair by pair; its times only where the champion
had the engine to itself, as the shadow has. Of a canary the callers are compared, whom chance put
on one side or the other, as soon as there are enough; until then the requests.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
import numpy as np

from radiance.gate import intervals
from radiance.gate.intervals import Estimate
from radiance.records import Votes
from radiance.release.experiments import Arm, ArmAnswer, Experiment

_LEAST_CALLERS = 10
Unit = Literal["pair", "caller", "request", "vote"]


class Spread(msgspec.Struct, frozen=True):
    """How a figure is distributed over the answers of an arm."""

    mean: float
    p50: float
    p99: float


class ArmSummary(msgspec.Struct, frozen=True):
    """One arm. Ratios are of the answers; None where there are none."""

    checkpoint: str | None
    answers: int
    failures: int
    callers: int
    cut_off_ratio: float | None
    looping_ratio: float | None
    tokens: Spread | None
    latency_s: Spread | None
    first_token_s: Spread | None
    mean_logprob: float | None
    votes: Votes


class ComparisonRow(msgspec.Struct, frozen=True):
    """One figure of both arms.

    Attributes:
        unit: What ``champion_count`` and ``candidate_count`` count.
        difference: Candidate minus champion; None for ``agreement``, which is of the pair.
        low: Lower bound of it, or of the agreement; None where nothing bounds it.
        high: Upper bound.
    """

    figure: str
    unit: Unit
    champion_count: int
    candidate_count: int
    champion: float | None
    candidate: float | None
    difference: float | None
    low: float | None
    high: float | None


class Arms(msgspec.Struct, frozen=True):
    """Both arms of an experiment."""

    champion: ArmSummary
    candidate: ArmSummary


class ExperimentReport(Experiment, frozen=True, kw_only=True):
    """An experiment, its arms and their comparison."""

    arms: Arms
    comparison: list[ComparisonRow]
    confidence: float


_MEASURED: dict[str, Callable[[ArmAnswer], float | None]] = {
    "latency_s": lambda t: t.latency_s,
    "first_token_s": lambda t: t.first_token_s,
    "tokens": lambda t: t.tokens,
    "mean_logprob": lambda t: t.mean_logprob,
}
_TIMES = ("latency_s", "first_token_s")
_COUNTED: dict[str, Callable[[ArmAnswer], bool]] = {
    "failed": lambda t: not t.is_answer,
    "cut_off": lambda t: t.outcome == "length",
    "looping": lambda t: t.is_looping,
}


def summarise(trials: Sequence[ArmAnswer], checkpoint: str | None, votes: Votes) -> ArmSummary:
    """One arm by itself."""
    answers = [trial for trial in trials if trial.is_answer]
    logprobs = [t.mean_logprob for t in answers if t.mean_logprob is not None]

    def ratio(name: str) -> float | None:
        return sum(map(_COUNTED[name], answers)) / len(answers) if answers else None

    return ArmSummary(
        checkpoint=checkpoint,
        answers=len(answers),
        failures=len(trials) - len(answers),
        callers=len({trial.caller for trial in trials}),
        cut_off_ratio=ratio("cut_off"),
        looping_ratio=ratio("looping"),
        tokens=_spread([t.tokens for t in answers]),
        latency_s=_spread([t.latency_s for t in answers]),
        first_token_s=_spread([t.first_token_s for t in answers]),
        mean_logprob=float(np.mean(logprobs)) if logprobs else None,
        votes=votes,
    )


def compare(
    trials: Sequence[ArmAnswer], votes: dict[Arm, Votes], confidence: float, *, is_paired: bool
) -> list[ComparisonRow]:
    """The candidate against the champion; only figures of which both arms have something."""
    if is_paired:
        return _paired(trials, confidence)
    arms = {arm: [t for t in trials if t.arm == arm] for arm in ("champion", "candidate")}
    return [*_unpaired(arms["champion"], arms["candidate"], confidence), *_voted(votes, confidence)]


def _paired(trials: Sequence[ArmAnswer], confidence: float) -> list[ComparisonRow]:
    found: dict[str, dict[str, ArmAnswer]] = {}
    for trial in trials:
        if trial.pair is not None:
            found.setdefault(trial.pair, {})[trial.arm] = trial
    pairs = [(p["champion"], p["candidate"]) for p in found.values() if len(p) == 2]
    answered = [pair for pair in pairs if pair[0].is_answer and pair[1].is_answer]
    rows = []
    for figure, read in _MEASURED.items():
        usable = [p for p in answered if figure not in _TIMES or p[0].was_alone]
        values = [(read(a), read(b)) for a, b in usable]
        both = [(a, b) for a, b in values if a is not None and b is not None]
        if both:
            estimate = intervals.mean([b - a for a, b in both], confidence)
            first, second = (float(np.mean(side)) for side in zip(*both, strict=True))
            rows.append(_row(figure, "pair", len(both), len(both), first, second, estimate))
    for figure, holds in _COUNTED.items():
        over = pairs if figure == "failed" else answered
        if over:
            sides = [(holds(a), holds(b)) for a, b in over]
            # Pairs in which both do or neither does say nothing of the difference.
            only = sides.count((False, True)), sides.count((True, False))
            estimate = intervals.rise(only[0], len(over), only[1], len(over), confidence)
            first, second = (sum(side) / len(over) for side in zip(*sides, strict=True))
            rows.append(_row(figure, "pair", len(over), len(over), first, second, estimate))
    agreeing = [b.agrees for _, b in answered if b.agrees is not None]
    if agreeing:
        share = intervals.proportion(sum(agreeing), len(agreeing), confidence)
        count = len(agreeing)
        rows.append(
            ComparisonRow(
                "agreement", "pair", count, count, None, share.value, None, share.low, share.high
            )
        )
    return rows


def _unpaired(
    first: list[ArmAnswer], second: list[ArmAnswer], confidence: float
) -> list[ComparisonRow]:
    rows = []
    for figure, read in _MEASURED.items():
        sides = [
            [(t.caller, v) for t in arm if t.is_answer and (v := read(t)) is not None]
            for arm in (first, second)
        ]
        if not all(sides):
            continue
        unit: Unit = "request"
        values = [[value for _, value in side] for side in sides]
        if all(len({caller for caller, _ in side}) >= _LEAST_CALLERS for side in sides):
            unit, values = "caller", [_by_caller(side) for side in sides]
        estimate = intervals.difference(values[0], values[1], confidence)
        means = [float(np.mean(side)) for side in values]
        rows.append(
            _row(figure, unit, len(values[0]), len(values[1]), means[0], means[1], estimate)
        )
    for figure, holds in _COUNTED.items():
        arms = [
            arm if figure == "failed" else [t for t in arm if t.is_answer]
            for arm in (first, second)
        ]
        if all(arms):
            hits = [sum(map(holds, arm)) for arm in arms]
            counts = [len(arm) for arm in arms]
            rows.append(_of_ratios(figure, "request", hits, counts, confidence))
    return rows


def _voted(votes: dict[Arm, Votes], confidence: float) -> list[ComparisonRow]:
    sides = [votes["champion"], votes["candidate"]]
    counts = [side.up + side.down for side in sides]
    if not all(counts):
        return []
    return [_of_ratios("thumbs_down", "vote", [s.down for s in sides], counts, confidence)]


def _of_ratios(
    figure: str, unit: Unit, hits: list[int], counts: list[int], confidence: float
) -> ComparisonRow:
    estimate = intervals.rise(hits[1], counts[1], hits[0], counts[0], confidence)
    ratios = [hit / count for hit, count in zip(hits, counts, strict=True)]
    return _row(figure, unit, counts[0], counts[1], ratios[0], ratios[1], estimate)


def _by_caller(values: list[tuple[str, float]]) -> list[float]:
    """The mean of each caller: whoever asks often counts once."""
    found: dict[str, list[float]] = {}
    for caller, value in values:
        found.setdefault(caller, []).append(value)
    return [float(np.mean(own)) for own in found.values()]


def _row(
    figure: str,
    unit: Unit,
    champion_count: int,
    candidate_count: int,
    champion: float,
    candidate: float,
    estimate: Estimate,
) -> ComparisonRow:
    low, high = (bound if math.isfinite(bound) else None for bound in (estimate.low, estimate.high))
    return ComparisonRow(
        figure,
        unit,
        champion_count,
        candidate_count,
        champion,
        candidate,
        estimate.value,
        low,
        high,
    )


def _spread(values: Sequence[float]) -> Spread | None:
    if not values:
        return None
    middle, high = np.percentile(values, [50, 99])
    return Spread(float(np.mean(values)), float(middle), float(high))
