"""Sentences that follow from a study's numbers, those against the method as plainly as those for.

Nothing is said that a number does not carry: where an interval holds zero, no difference is
claimed, whichever way its middle points.
"""

from collections.abc import Sequence

from radiance.labs.signals.results import (
    MEASURE_BY_NAME,
    Finding,
    MethodResult,
    Paired,
    StudyResult,
)

_NOTABLE = 1e-3  # share of an error below which it is called the same
BEST = "held"
"""The method of ours, chosen on seeds that no report uses."""
MOST_DRIFT, LEAST_STRESS, LEAST_SHARE = 5.0, 36.0, 0.95
"""What it must hold to: times naive's drift error, fraction of its stress error, share of seeds."""


def find(methods: Sequence[MethodResult], pairs: Sequence[Paired]) -> list[Finding]:
    """What can be said."""
    by_name = {method.name: method for method in methods}
    found = [
        _price(by_name[name], by_name["naive"], is_ours=name == BEST)
        for name in ("projection", "service", BEST)
        if name in by_name
    ]
    if BEST in by_name and "projection" in by_name:
        found.append(_dominance(by_name[BEST], by_name["projection"]))
    by_pair = {(p.method, p.against, p.measure): p for p in pairs}
    best = BEST if BEST in by_name else "projection"
    for against in ("naive", "none"):
        for measure in ("max_drawdown", "worst_stress_day", "total_return", "sharpe"):
            pair = by_pair.get((best, against, measure))
            if pair is not None:
                found.append(_difference(pair, by_name))
    if (pair := by_pair.get(("projection", "naive", "max_drawdown"))) is not None:
        found.append(_difference(pair, by_name))
    count = sum("95 % interval" in finding.text for finding in found)
    text = f"{count} intervals are shown: of twenty such, one misses the truth by chance."
    return [*found, Finding(None, text)]


def find_replay(
    methods: Sequence[MethodResult], pairs: Sequence[Paired], silence: tuple[float, float]
) -> list[Finding]:
    """What can be said of a walk through real prices, whose truth nobody knows.

    Args:
        methods: Over all held-out periods.
        pairs: Their differences.
        silence: The errors of predicting nothing, on ordinary and on held-out stress days.
    """
    by_name = {method.name: method for method in methods}
    none = by_name["none"]
    found = []
    for name in ("naive", "projection", BEST):
        if name not in by_name:
            continue
        for measure, days, nothing in (
            ("drift_mse", "ordinary", silence[0]),
            ("stress_mse", "held-out stress", silence[1]),
        ):
            ours, base = _mean(by_name[name], measure), _mean(none, measure)
            change = ours / base - 1
            text = (
                f"{by_name[name].label}: error on {days} days {change:+.2%} against no "
                f"adaptation's ({ours:.4f}, {base:.4f}; predicting nothing has {nothing:.4f})."
            )
            found.append(Finding(change < 0 if abs(change) > _NOTABLE else None, text))
    by_pair = {(p.method, p.against, p.measure): p for p in pairs}
    wanted = [
        (BEST if BEST in by_name else "projection", against, measure)
        for against in ("naive", "none")
        for measure in ("stress_shift", "max_drawdown", "total_return", "sharpe")
    ]
    found += [_difference(by_pair[key], by_name) for key in wanted if key in by_pair]
    text = (
        "The folds share most of their days: intervals tell how much it matters which period is "
        "held out, not how the result would vary over other histories. The symbols are those that "
        "lived to the end of the file."
    )
    return [*found, Finding(None, text)]


def stress_ratio(method: MethodResult, naive: MethodResult) -> float:
    """Naive's stress error over the method's, of the means."""
    return _mean(naive, "stress_mse") / _mean(method, "stress_mse")


def drift_ratio(method: MethodResult, naive: MethodResult) -> float:
    """The method's drift error over naive's, of the means."""
    return _mean(method, "drift_mse") / _mean(naive, "drift_mse")


def dominance(method: MethodResult, other: MethodResult) -> float:
    """Share of the seeds in which a method has less of both errors than another."""
    wins = [
        all(
            (method.per_unit[m][seed] or 0.0) < (other.per_unit[m][seed] or 0.0)
            for m in ("drift_mse", "stress_mse")
        )
        for seed in range(len(method.per_unit["drift_mse"]))
    ]
    return sum(wins) / len(wins)


def _price(method: MethodResult, naive: MethodResult, is_ours: bool) -> Finding:
    stress, drift = stress_ratio(method, naive), drift_ratio(method, naive)
    text = (
        f"{method.label}: stress error {stress:.3g} times below naive's, at {drift:.3g} times its "
        "drift error."
    )
    if not is_ours:
        return Finding(None, text)
    holds = stress >= LEAST_STRESS and drift <= MOST_DRIFT
    bar = f"at least {LEAST_STRESS:g} times and at most {MOST_DRIFT:g} times"
    return Finding(holds, f"{text} Asked for: {bar}.")


def _dominance(best: MethodResult, other: MethodResult) -> Finding:
    share = dominance(best, other)
    count = len(best.per_unit["drift_mse"])
    return Finding(
        share >= LEAST_SHARE,
        f"{best.label} has less of both errors than {other.label} in {share:.0%} of {count} seeds.",
    )


def _difference(pair: Paired, by_name: dict[str, MethodResult]) -> Finding:
    measure = MEASURE_BY_NAME[pair.measure]
    ours, theirs = by_name[pair.method].label, by_name[pair.against].label
    value, low, high = pair.difference.value, pair.difference.low, pair.difference.high
    shown = f"{value:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}"
    if low <= 0 <= high:
        return Finding(
            None, f"{measure.title}: no difference shown between {ours} and {theirs} ({shown})."
        )
    is_better = (value < 0) == measure.is_better_low
    word = "better" if is_better else "worse"
    return Finding(is_better, f"{measure.title}: {ours} is {word} than {theirs} ({shown}).")


def _mean(method: MethodResult, measure: str) -> float:
    found = method.means[measure]
    return float("nan") if found is None else found.value


def explain(result: StudyResult) -> list[str]:
    """The findings as lines."""
    marks = {True: "+", False: "-", None: "·"}
    return [f"{marks[finding.holds]} {finding.text}" for finding in result.findings]


def tagged(result: StudyResult) -> list[str]:
    """The findings as items of a list, those for or against the method called so."""
    names = {True: "For: ", False: "Against: ", None: ""}
    return [names[finding.holds] + finding.text for finding in result.findings]
