"""The numbers of a result as rows of text, the same for terminal, report, page and memo."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from radiance.gate import intervals
from radiance.gate.intervals import Estimate
from radiance.labs.signals import findings
from radiance.labs.signals.contexts import CONTEXTS
from radiance.labs.signals.results import (
    MEASURE_BY_NAME,
    MEASURES,
    AlarmRate,
    MethodResult,
    StudyResult,
)

HEADLINE = (
    "drift_mse",
    "stress_mse",
    "total_return",
    "cost",
    "turnover",
    "max_drawdown",
    "worst_stress_day",
    "cvar",
    "sharpe",
    "sharpe_ordinary",
    "sharpe_stress",
)


HARMLESS = "harmless candidates of all seeds, whatever the gate said of them"
_NUMBER = re.compile(r"|-|[x/]?[+-]?[\d.]+(e[+-]?\d+)?%?( \[.*\])?|\[.*\]")


@dataclass(frozen=True)
class Grid:
    """A table of text."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""

    @property
    def is_numeric(self) -> tuple[bool, ...]:
        """By column, whether it holds numbers only; the first names its row."""
        cells = ([row[place] for row in self.rows] for place in range(1, len(self.columns)))
        return (False, *(all(map(_NUMBER.fullmatch, column)) for column in cells))


def markdown(grid: Grid) -> str:
    """A table of Markdown with its note; its title is the caller's."""
    lines = [grid.columns, ["---"] * len(grid.columns), *grid.rows]
    body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    return f"{body}\n\n{grid.note}" if grid.note else body


def show(estimate: Estimate | None) -> str:
    """A mean with its interval."""
    if estimate is None:
        return "-"
    return f"{estimate.value:.4g} [{estimate.low:.4g}, {estimate.high:.4g}]"


def methods_table(result: StudyResult) -> Grid:
    """Every method's means."""
    naive = result.method("naive")
    assert naive is not None
    rows = []
    for method in result.methods:
        ratios = ("", "")
        if method.name != "naive":
            drift, stress = (
                findings.drift_ratio(method, naive),
                findings.stress_ratio(method, naive),
            )
            ratios = (f"x{drift:.3g}", f"/{stress:.3g}")
        cells = [show(method.means[name]) for name in HEADLINE]
        rows.append((method.label, cells[0], ratios[0], cells[1], ratios[1], *cells[2:]))
    titles = [MEASURE_BY_NAME[name].title for name in HEADLINE]
    columns = ("method", titles[0], "to naive's", titles[1], "to naive's", *titles[2:])
    note = f"Means over {units_of(result)} with 95 % intervals, all on the same markets."
    return Grid("Methods", columns, rows, note)


def brief_table(result: StudyResult) -> Grid:
    """The same without intervals, as wide as a terminal."""
    names = ("total_return", "cost", "max_drawdown", "worst_stress_day", "cvar", "sharpe")
    naive = result.method("naive")
    assert naive is not None
    rows = []
    for method in result.methods:
        means = means_of(method)
        drift = f"{show_number(means['drift_mse'])} (x{findings.drift_ratio(method, naive):.3g})"
        stress = f"{show_number(means['stress_mse'])} (/{findings.stress_ratio(method, naive):.3g})"
        verdict = "" if method.verdict is None else f"{method.verdict.promoted:.0%}"
        cells = [show_number(means[name]) for name in names]
        rows.append((method.label, drift, stress, *cells, verdict))
    columns = ("method", "drift MSE", "stress MSE", *(MEASURE_BY_NAME[n].title for n in names))
    note = f"Means over {units_of(result)}; in brackets to naive's. The report has the intervals."
    return Grid("Methods", (*columns, "promoted"), rows, note)


def show_number(value: float | None) -> str:
    """Four digits."""
    return "-" if value is None else f"{value:.4g}"


def contexts_table(result: StudyResult) -> Grid:
    """Stress error by context."""
    names = list(result.methods[0].contexts)
    titles = {context.name: context.title for context in CONTEXTS}
    rows = []
    for method in result.methods:
        cells = []
        for name in names:
            known = [v for v in method.contexts[name] if v is not None]
            cells.append(f"{sum(known) / len(known):.4g}" if known else "-")
        rows.append((method.label, *cells))
    held_out = result.study.adaptation.hold_out
    note = f"No anchor lists {titles.get(held_out, held_out)}." if held_out else ""
    columns = ("method", *(titles.get(name, name) for name in names))
    return Grid("Stress MSE by context", columns, rows, note)


def pairs_table(result: StudyResult) -> Grid:
    """Paired differences."""
    labels = {method.name: method.label for method in result.methods}
    rows = []
    for pair in result.paired:
        if pair.measure not in HEADLINE:
            continue
        better = "" if pair.better is None else f"{pair.better:.0%}"
        d = pair.difference
        rows.append(
            (
                f"{labels[pair.method]} less {labels[pair.against]}",
                MEASURE_BY_NAME[pair.measure].title,
                f"{d.value:+.4g}",
                f"[{d.low:+.4g}, {d.high:+.4g}]",
                better,
                "" if d.low <= 0 <= d.high else "yes",
            )
        )
    columns = ("pair", "measure", "difference", "95 % interval", "better in", "shown")
    return Grid("Paired differences", columns, rows, "Of the same unit: what is shared cancels.")


def gate_table(result: StudyResult) -> Grid:
    """What the gate and the monitors made of every method."""
    rows = []
    for method in result.methods:
        verdict = method.verdict
        if verdict is None:
            continue
        failed = [f"{rule} {share:.0%}" for rule, share in verdict.failed.items() if share]
        rows.append(
            (
                method.label,
                f"{verdict.promoted:.0%}",
                f"{verdict.rolled_back:.0%}",
                ", ".join(failed) or "none",
                show(method.operated["total_return"]),
                show(method.operated["max_drawdown"]),
            )
        )
    columns = (
        "method",
        "promoted",
        "taken back",
        "rules failed, share of candidates",
        "total return as operated",
        "max drawdown as operated",
    )
    note = "As operated: the deployed signal trades where the gate or a monitor said so."
    return Grid("Gate and monitors", columns, rows, note)


def curve_table(result: StudyResult) -> Grid:
    """The gate's operating curve."""
    rows = [
        (
            f"{point.limit:.3g}",
            counted(point.harm_promoted, point.harmful),
            counted(point.harmless_refused, point.harmless),
        )
        for point in result.operating_curve
    ]
    limit = result.study.policy.max_anchor_mean
    note = (
        f"Harmful: the loss on stress days that nobody saw rises by {limit:g} nats or more; "
        f"harmless: by less than {limit / 4:g}. The policy's limit is {limit:g}. "
        "Intervals hold 95 %."
    )
    columns = ("limit of anchor_mean", "harm promoted", "harmless refused")
    return Grid("Operating curve of the gate", columns, rows, note)


def counted(share: float | None, trials: int) -> str:
    """A share with what it is of and its 95 % interval; the share alone where nobody counted."""
    if share is None:
        return "-"
    if not trials:
        return f"{share:.1%}"
    hits = round(share * trials)
    found = intervals.proportion(hits, trials, 0.975)
    return f"{hits} of {trials} [{found.low:.1%}, {found.high:.1%}]"


def alarms_table(alarms: Sequence[AlarmRate], trials: str) -> Grid:
    """How often each monitor sees something where there is nothing; ``trials`` says of what."""
    rows = [
        (one.rule, counted(one.alarms / one.trials if one.trials else None, one.trials))
        for one in alarms
    ]
    note = f"Of {trials}. Intervals hold 95 %."
    return Grid("False alarms of the monitors", ("monitor", "false alarms"), rows, note)


def all_tables(result: StudyResult) -> list[Grid]:
    """Every table, in the order a reader wants them."""
    found = [methods_table(result), contexts_table(result), pairs_table(result), gate_table(result)]
    if result.operating_curve:
        found.append(curve_table(result))
    if result.false_alarms:
        found.append(alarms_table(result.false_alarms, HARMLESS))
    return found


def changes_table(result: StudyResult, earlier: StudyResult) -> Grid:
    """What is different from an earlier result: settings, then means."""
    from radiance.labs.signals.knobs import flat

    rows: list[tuple[str, ...]] = []
    now, before = flat(result.study), flat(earlier.study)
    rows += [(name, str(before[name]), str(now[name])) for name in now if now[name] != before[name]]
    for method in result.methods:
        other = earlier.method(method.name)
        for name in ("drift_mse", "stress_mse", "total_return", "max_drawdown"):
            ours = method.means[name]
            theirs = other.means[name] if other else None
            if ours and theirs and abs(ours.value - theirs.value) > 1e-9:
                title = f"{method.label}: {MEASURE_BY_NAME[name].title}"
                rows.append((title, f"{theirs.value:.4g}", f"{ours.value:.4g}"))
    return Grid("What changed", ("what", "before", "now"), rows)


def means_of(method: MethodResult) -> dict[str, float | None]:
    """By measure, the mean."""
    return {m.name: e.value if (e := method.means[m.name]) else None for m in MEASURES}


def units_of(result: StudyResult) -> str:
    """How many units a result has, and what they are."""
    noun = "seeds" if result.kind == "study" else "held-out periods"
    return f"{len(result.units)} {noun}"
