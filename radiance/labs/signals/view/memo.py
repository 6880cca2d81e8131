"""The recommendation memo: what a study and a replay allow to be recommended, and what they do not.

The recommendation follows from the numbers by the rules below and can be "do not deploy".
"""

from collections.abc import Sequence

from radiance.labs.signals import findings
from radiance.labs.signals.results import MethodResult, OperatingPoint, StudyResult
from radiance.labs.signals.view import tables
from radiance.labs.signals.view.tables import markdown

_SAFE_HARM = 0.01  # most harm that a recommended limit may promote, among those measured


def render(study: StudyResult, replay: StudyResult | None = None) -> str:
    """The memo as Markdown.

    Args:
        study: What was found where the truth is known.
        replay: What was found on real bars; None: nothing was, and the memo says so.
    """
    best, naive = study.method(findings.BEST) or study.methods[-1], study.method("naive")
    assert naive is not None
    reasons = _against(study, best, naive, replay)
    verdict = (
        f"**Do not deploy {best.label} for capital.** {len(reasons)} of the conditions fail; see "
        "below. A shadow run costs nothing and is recommended to learn more."
        if reasons
        else f"**Pilot {best.label}, in the shadow first, with the limits below.**"
    )
    parts = [
        "# Recommendation memo: adapting a signal to drift",
        f"Study `{study.settings_hash[:12]}` ({study.study.preset}, {len(study.units)} seeds)"
        + (
            f", replay `{replay.settings_hash[:12]}` ({replay.window['market']})."
            if replay
            else "."
        ),
        "## Recommendation",
        verdict,
        *([_list("Conditions that fail", reasons)] if reasons else []),
        "## Evidence",
        _list("Where the truth is known", findings.tagged(study)),
        _list("On real bars", findings.tagged(replay))
        if replay
        else "On real bars: nothing was measured. `radiance signals replay` does that.",
        "## Pilot scope",
        _scope(study, best),
        "## Threshold policy",
        _thresholds(study, best),
        markdown(tables.curve_table(study)),
        *(
            [markdown(tables.alarms_table(study.false_alarms, tables.HARMLESS))]
            if study.false_alarms
            else []
        ),
        "## Open risks",
        _list("", _risks(study, best, replay)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _against(
    study: StudyResult, best: MethodResult, naive: MethodResult, replay: StudyResult | None
) -> list[str]:
    """Why not to deploy, as sentences."""
    found = []
    stress, drift = findings.stress_ratio(best, naive), findings.drift_ratio(best, naive)
    if stress < findings.LEAST_STRESS:
        found.append(f"Stress error is {stress:.3g} times below naive's, not {_bar()}.")
    if drift > findings.MOST_DRIFT:
        found.append(f"Drift error is {drift:.3g} times naive's, over {findings.MOST_DRIFT:g}.")
    for measure in ("total_return", "max_drawdown"):
        pair = next(
            (
                p.difference
                for p in study.paired
                if (p.method, p.against, p.measure) == (best.name, "none", measure)
            ),
            None,
        )
        if pair is None or pair.low <= 0:
            shown = "was not measured" if pair is None else f"has an interval from {pair.low:+.4f}"
            found.append(f"Synthetic {measure} over no adaptation {shown}: no gain is shown.")
    if replay is None:
        return [*found, "Nothing was measured on real bars."]
    ours, base = replay.method(best.name), replay.method("none")
    if ours is None or base is None:
        return [*found, f"The replay did not measure {best.label}."]
    for measure, days in (("drift_mse", "ordinary"), ("stress_mse", "held-out stress")):
        a, b = ours.means[measure], base.means[measure]
        if a and b and a.value >= b.value:
            found.append(
                f"Replay: error on {days} days is {a.value / b.value - 1:+.2%} against no "
                "adaptation's: it learned nothing that holds."
            )
    earned = ours.means["total_return"]
    if earned and earned.value <= 0:
        found.append(f"Replay: total return after cost is {earned.value:+.1%}.")
    return found


def _scope(study: StudyResult, best: MethodResult) -> str:
    policy, verdict = study.study.policy, best.verdict
    assert verdict is not None
    return _list(
        "",
        [
            f"One signal, in the shadow for {policy.shadow_days} trading days: computed beside the "
            "deployed signal, trading nothing.",
            f"Of {len(study.units)} synthetic candidates the gate let {verdict.promoted:.0%} pass; "
            f"monitors took back {verdict.rolled_back:.0%} of those.",
            "An update at a time; the deployed checkpoint stays loaded, so that a rollback is a "
            "change of pointer.",
            "Capital only after the shadow shows no sign over its limit, and by a person.",
        ],
    )


def _thresholds(study: StudyResult, best: MethodResult) -> str:
    policy, found = study.study.policy, _recommended(study.operating_curve)
    limit = f"The policy has {policy.max_anchor_mean:g}."
    if found is not None:
        refused = found.harmless_refused
        refusals = tables.counted(refused, found.harmless)
        price = "" if refused is None else f", and refuses {refusals} of the harmless"
        harm = tables.counted(found.harm_promoted, found.harmful)
        limit += (
            f" The largest limit measured that promotes at most {_SAFE_HARM:.0%} of the harmful is "
            f"{found.limit:g} ({harm} promoted){price}. What it lets pass is known no better than "
            "that interval."
        )
    else:
        limit += " No limit measured keeps harm out; do not rely on this gate."
    failed = [f"{rule} {share:.0%}" for rule, share in _failed(best).items() if share]
    return _list(
        "",
        [
            f"`max_anchor_mean`: {limit}",
            f"Rules that refused candidates of {best.label}: {', '.join(failed) or 'none'}.",
            f"Monitors look back {policy.window_days} days: divergence over three times what the "
            f"gate saw, violations surely over {policy.max_violations:.0%}, a tail worse by more "
            f"than {policy.max_tail:g} a day; the first of them rolls back.",
        ],
    )


def _recommended(curve: Sequence[OperatingPoint]) -> OperatingPoint | None:
    safe = [p for p in curve if p.harm_promoted is not None and p.harm_promoted <= _SAFE_HARM]
    return safe[-1] if safe else None


def _risks(study: StudyResult, best: MethodResult, replay: StudyResult | None) -> list[str]:
    found = [
        "The synthetic market was made by us: stress announces itself in indicators by "
        f"{study.study.market.indicator_shift:g} standard deviations. Where it does not, routing "
        "holds nothing; sweep `market.indicator_shift` to see where.",
        "Labels there are the true signal with noise of "
        f"{study.study.market.label_noise:g} standard deviations of the signal. Real returns are "
        "far noisier, and what is learned from them is mostly noise.",
        "Under stress the old relation is taken to hold. Where a crisis is of a new kind, keeping "
        "the old behaviour may be the mistake.",
        "Costs are a model of spread and impact, not fills.",
    ]
    if not study.study.adaptation.hold_out:
        found.append(
            "Every kind of stress had anchors here; run with `adaptation.hold_out` for one that "
            "has none."
        )
    if replay is not None:
        found.append(replay.findings[-1].text)
    return found


def _failed(method: MethodResult) -> dict[str, float]:
    return {} if method.verdict is None else method.verdict.failed


def _bar() -> str:
    return f"{findings.LEAST_STRESS:g}"


def _list(title: str, lines: Sequence[str]) -> str:
    body = "\n".join(f"- {line}" for line in lines)
    return f"{title}:\n\n{body}" if title else body
