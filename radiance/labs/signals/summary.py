"""From what happened in every seed to what is said of a study: means, pairs, bands, sentences."""

import hashlib
import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from radiance.gate import intervals
from radiance.labs.signals import portfolio
from radiance.labs.signals.adaptation import Adapted
from radiance.labs.signals.contexts import CONTEXT_NAMES, ORDINARY
from radiance.labs.signals.market import Markets
from radiance.labs.signals.methods import Method
from radiance.labs.signals.monitoring import RULES
from radiance.labs.signals.operation import Operated
from radiance.labs.signals.portfolio import Outcome
from radiance.labs.signals.results import (
    MEASURE_BY_NAME,
    MEASURES,
    AlarmRate,
    Band,
    MethodResult,
    OperatingPoint,
    Paired,
    Verdict,
)
from radiance.labs.signals.settings import StudySettings

_CONFIDENCE = 0.975  # of each bound: together a 95 % interval
_CURVE_POINTS = 126
_BAND = (0.1, 0.5, 0.9)
_PAIRS = (
    ("held", "naive"),
    ("held", "none"),
    ("held", "projection"),
    ("projection", "naive"),
    ("projection", "none"),
    ("anchor", "naive"),
    ("service", "naive"),
    ("routing", "naive"),
    ("naive", "none"),
)


class Spoken(Protocol):
    """What every method says; see ``study.MethodSignals``."""

    @property
    def test(self) -> np.ndarray: ...
    @property
    def stress(self) -> np.ndarray: ...


def estimate(
    values: Sequence[float | None] | np.ndarray, ends: tuple[float, float] = (-math.inf, math.inf)
) -> intervals.Estimate | None:
    """The mean and its 95 % interval of the values that are there; None where none is.

    Args:
        values: One a unit.
        ends: What the mean can be at least and at most: the interval is cut there.
    """
    known = [float(v) for v in values if v is not None and np.isfinite(v)]
    if len(known) < 2:
        return intervals.Estimate(known[0], known[0], known[0]) if known else None
    found = intervals.mean(known, _CONFIDENCE)
    return intervals.Estimate(found.value, max(found.low, ends[0]), min(found.high, ends[1]))


def method_results(
    study: StudySettings,
    markets: Markets,
    signals: Spoken,
    adapted: Adapted,
    operated: Operated,
    methods: Sequence[Method],
) -> list[MethodResult]:
    """One result a method."""
    seeds, count = len(study.seed_list), len(methods)
    is_stress = np.repeat(markets.test.context != ORDINARY, count, axis=0)
    paper = portfolio_measures(operated.paper, is_stress)
    live = portfolio_measures(operated.live, is_stress)
    errors = _errors(markets, signals)
    found = []
    for place, method in enumerate(methods):
        rows = np.arange(seeds) * count + place
        per_unit = {name: values[:, place] for name, values in errors.items() if name != "contexts"}
        per_unit |= {name: values[rows] for name, values in paper.items()}
        per_unit["interference"] = adapted.interference[:, place]
        per_unit["distortion"] = adapted.distortion[:, place]
        ordered = {m.name: plain(per_unit[m.name]) for m in MEASURES}
        contexts = errors["contexts"][:, place]  # (seeds, contexts)
        found.append(
            MethodResult(
                name=method.name,
                label=method.label,
                summary=method.summary,
                per_unit=ordered,
                means={m.name: estimate(ordered[m.name], m.ends) for m in MEASURES},
                contexts={
                    name: [round(float(v), 6) for v in contexts[:, k]]
                    for k, name in enumerate(CONTEXT_NAMES)
                },
                equity=band(operated.paper.equity[rows]),
                drawdown=band(operated.paper.drawdown[rows]),
                verdict=_verdict(operated, method.name, seeds) if method.anchor else None,
                operated={
                    name: estimate(values[rows], MEASURE_BY_NAME[name].ends)
                    for name, values in live.items()
                },
                decisions=[operated.decisions[seed, method.name] for seed in range(seeds)]
                if method.anchor
                else [],
                checksums=[
                    hashlib.sha256(vector.tobytes()).hexdigest()
                    for vector in adapted.vectors[:, place]
                ],
            )
        )
    return found


def _errors(markets: Markets, signals: Spoken) -> dict[str, np.ndarray]:
    """Mean squared errors against the truth, (seeds, methods), by context (seeds, methods, .)."""
    test = np.square(signals.test - markets.test.truth[:, None]).mean(axis=-1, dtype=np.float64)
    ordinary = (markets.test.context == ORDINARY)[:, None]
    drift = (test * ordinary).sum(axis=-1) / ordinary.sum(axis=-1)
    error = np.square(signals.stress - markets.stress.truth[:, None]).mean(axis=-1)
    moved = np.square(signals.stress - signals.stress[:, :1]).mean(axis=-1, dtype=np.float64)
    kinds = markets.stress.context[0]
    contexts = np.stack(
        [error[:, :, kinds == k].mean(axis=-1) for k in range(len(CONTEXT_NAMES))], axis=-1
    )
    return {
        "drift_mse": drift,
        "stress_mse": error.mean(axis=-1, dtype=np.float64),
        "stress_shift": moved.mean(axis=-1),
        "contexts": contexts,
    }


def portfolio_measures(outcome: Outcome, is_stress: np.ndarray) -> dict[str, np.ndarray]:
    """By measure, one value a row, (rows,)."""
    returns = outcome.returns
    gross = np.prod(1 + returns + outcome.costs, axis=1) - 1
    every = np.ones_like(is_stress)
    return {
        "total_return": outcome.equity[:, -1] - 1,
        "gross_return": gross,
        "cost": outcome.costs.sum(axis=1),
        "turnover": outcome.turnover.mean(axis=1),
        "max_drawdown": portfolio.max_drawdown(outcome),
        "worst_stress_day": portfolio.worst_day(returns, is_stress),
        "cvar": portfolio.cvar(returns),
        "sharpe": portfolio.sharpe_ratio(returns, every),
        "sharpe_ordinary": portfolio.sharpe_ratio(returns, ~is_stress),
        "sharpe_stress": portfolio.sharpe_ratio(returns, is_stress),
    }


def band(curves: np.ndarray) -> Band:
    """Median and band of curves (seeds, days), thinned to what a chart can show."""
    days = np.unique(np.linspace(0, curves.shape[1] - 1, _CURVE_POINTS).round().astype(int))
    low, middle, high = np.quantile(curves[:, days], _BAND, axis=0).round(6).tolist()
    return Band(days.tolist(), low, middle, high)


def paired(methods: Sequence[MethodResult]) -> list[Paired]:
    """Every measure of the pairs that are worth comparing."""
    by_name = {method.name: method for method in methods}
    found = []
    for name, against in _PAIRS:
        if name not in by_name or against not in by_name:
            continue
        for measure in MEASURES:
            ours = by_name[name].per_unit[measure.name]
            theirs = by_name[against].per_unit[measure.name]
            both = [
                (a, b) for a, b in zip(ours, theirs, strict=True) if a is not None and b is not None
            ]
            difference = estimate([a - b for a, b in both])
            if difference is None:
                continue
            better = None
            if measure.is_better_low is not None:
                wins = [a < b if measure.is_better_low else a > b for a, b in both]
                better = sum(wins) / len(wins)
            found.append(Paired(name, against, measure.name, difference, better))
    return found


def _truths(methods: Sequence[MethodResult], operated: Operated) -> np.ndarray:
    """By how much each candidate's loss rises on stress days that nobody judged it by."""
    base = next(m for m in methods if m.name == "none").per_unit["stress_mse"]
    found = []
    for seed, name in operated.decisions:
        result = next(m for m in methods if m.name == name)
        after, before = result.per_unit["stress_mse"][seed], base[seed]
        assert after is not None
        assert before is not None
        found.append(0.5 * (after - before))
    return np.array(found)


def false_alarms(
    study: StudySettings, methods: Sequence[MethodResult], operated: Operated
) -> list[AlarmRate]:
    """How often each monitor is over its limit on a candidate that is harmless, of all seeds."""
    harmless = _truths(methods, operated) < study.policy.max_anchor_mean / 4
    candidates = zip(operated.decisions, harmless, strict=True)
    seen = [operated.alarms[candidate] for candidate, one in candidates if one]
    return [AlarmRate(rule, sum(rule in found for found in seen), len(seen)) for rule in RULES]


def operating_curve(
    study: StudySettings, methods: Sequence[MethodResult], operated: Operated
) -> list[OperatingPoint]:
    """How often ``anchor_mean`` errs at other limits, over all candidates of all seeds.

    A candidate is harmful if the truth it was not judged by, its rise of the loss on many other
    stress days, is at or above the policy's limit; harmless below a quarter of that.
    """
    bounds = []
    for decision in operated.decisions.values():
        row = next(row for row in decision.rows if row.rule == "anchor_mean")
        bounds.append(row.high if row.high is not None else np.inf)
    upper, truth = np.array(bounds), _truths(methods, operated)
    limit = study.policy.max_anchor_mean
    harmful, harmless = truth >= limit, truth < limit / 4
    return [
        OperatingPoint(
            limit=round(at, 6),
            harm_promoted=float((upper[harmful] < at).mean()) if harmful.any() else None,
            harmless_refused=float((upper[harmless] >= at).mean()) if harmless.any() else None,
            harmful=int(harmful.sum()),
            harmless=int(harmless.sum()),
        )
        for at in (limit * factor for factor in (0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 4.0, 10.0))
    ]


def _verdict(operated: Operated, name: str, seeds: int) -> Verdict:
    decisions = [operated.decisions[seed, name] for seed in range(seeds)]
    promoted = sum(decision.promote for decision in decisions)
    rollbacks = {
        s: operated.rollbacks[s, name] for s in range(seeds) if (s, name) in operated.rollbacks
    }
    rules: dict[str, float] = {}
    for row in decisions[0].rows:
        failed = sum(
            other.verdict == "fail" for d in decisions for other in d.rows if other.rule == row.rule
        )
        rules[row.rule] = failed / seeds
    return Verdict(
        promoted=promoted / seeds,
        rolled_back=len(rollbacks) / promoted if promoted else 0.0,
        failed=rules,
        rollbacks=rollbacks,
    )


def plain(values: np.ndarray) -> list[float | None]:
    """JSON's numbers; None where there is none."""
    return [float(f"{v:.6g}") if np.isfinite(v) else None for v in values.tolist()]
