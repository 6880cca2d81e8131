"""The memo on a signal of your own: what gate and monitors made of it, and what to do."""

from radiance.labs.signals.own import Judgement
from radiance.labs.signals.results import MEASURE_BY_NAME
from radiance.labs.signals.view import tables
from radiance.labs.signals.view.tables import Grid, markdown

_SHOWN = ("total_return", "gross_return", "cost", "turnover", "max_drawdown", "cvar", "sharpe")


def render(found: Judgement) -> str:
    """The memo as Markdown."""
    parts = [
        "# Recommendation memo: a new signal in place of the deployed one",
        f"{found.window['market']}; {found.window['predictions']}; settings "
        f"`{found.settings_hash[:12]}`. Approver: {found.approver or 'nobody has signed'}.",
        "## Recommendation",
        _recommendation(found),
        "## What was seen",
        "\n".join(f"- {sentence}" for sentence in sentences(found)),
        *(f"{table.title}\n\n{markdown(table)}" for table in grids(found)),
        "## What it rests on",
        "\n".join(
            f"- {name}: {text}"
            for name, text in found.window.items()
            if name not in ("market", "predictions")
        ),
        "Predictions are standardised over the symbols of a day, and scaled by the "
        "factor that fits the returns of the days of `scale` best, the same for both signals, so "
        "their unit does not matter. There is no plain adapter of your signal: `drift_fit` "
        "compares with the deployed one.",
    ]
    return "\n\n".join(parts) + "\n"


def sentences(found: Judgement) -> list[str]:
    """What became of the candidate, a sentence each."""
    failed = [row.rule for row in found.decision.rows if row.verdict == "fail"]
    said = [f"The gate {'let it pass' if found.decision.promote else 'refused it'}."]
    if failed:
        said.append(f"Rules that failed: {', '.join(failed)}.")
    if found.served is not None:
        said.append(f"It traded from {found.served[0]} to {found.served[1]}, after the shadow.")
    if found.rollback is not None:
        back = found.rollback
        said.append(
            f"The monitor {back.rule} took it back on live day {back.day} ({back.value:.3g}, over "
            f"{back.limit:.3g})."
        )
    elif found.alarms:
        said.append(f"Monitors over their limits in the shadow run: {', '.join(found.alarms)}.")
    else:
        said.append("No monitor was over its limit.")
    for kind, errors in found.errors.items():
        ours, theirs, silence = (errors[who] for who in ("candidate", "deployed", "silence"))
        if ours is None or theirs is None or silence is None:
            said.append(f"The live part has no {kind} day.")
        else:
            said.append(
                f"Error on live {kind} days: {ours:.4g}, the deployed signal's {theirs:.4g}, that "
                f"of predicting nothing {silence:.4g}."
            )
    return [*said, *found.notes]


def grids(found: Judgement) -> list[Grid]:
    """Rules, portfolios and false alarms."""
    rules = [
        (
            row.rule,
            row.verdict,
            "-" if row.value is None else f"{row.value:.4g}",
            "-" if row.limit is None else f"{row.limit:.4g}",
        )
        for row in found.decision.rows
    ]
    names = tuple(found.outcomes)
    earned = [
        (
            MEASURE_BY_NAME[measure].title,
            *("-" if (v := found.outcomes[who][measure]) is None else f"{v:.4g}" for who in names),
        )
        for measure in _SHOWN
    ]
    return [
        Grid("Gate", ("rule", "verdict", "value", "limit"), rules),
        Grid("Portfolios on the live days, after cost", ("measure", *names), earned),
        tables.alarms_table(
            found.false_alarms,
            "stretches as long as the live part, drawn in blocks of ten days from those that the "
            "gate saw: nothing changes in them",
        ),
    ]


def _recommendation(found: Judgement) -> str:
    if not found.decision.promote:
        return "**Do not deploy.** The gate refused it; the rules that failed are below."
    if found.rollback is not None:
        return (
            f"**Do not deploy.** The gate let it pass, and the monitor {found.rollback.rule} took "
            "it back."
        )
    ours, theirs = (found.outcomes[who]["total_return"] for who in ("operated", "deployed"))
    if ours is None or theirs is None or ours <= theirs:
        return (
            "**Keep it in the shadow.** It passed, was not taken back, and earned no more than the "
            "deployed signal."
        )
    return "**Pilot it, with these limits and monitors.** It passed, and was not taken back."
