"""The inside of the lab's page as HTML: knobs, the run under way, a result. Pure: text out.

It works without JavaScript (forms and links); ``assets/page.js`` adds live progress, presets that
fill the knobs, and runs without leaving the page. Charts are those of the report: drawn here, as
SVG, so that page, report and print are the same.
"""

from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import msgspec
from markupsafe import Markup

from radiance.errors import RequestError
from radiance.labs.signals.contexts import CONTEXT_NAMES, METHOD_NAMES
from radiance.labs.signals.methods import find_methods
from radiance.labs.signals.results import StudyResult
from radiance.labs.signals.runs import RunState
from radiance.labs.signals.settings import PRESETS, Adaptation, Knob, Study, flat, knobs
from radiance.labs.signals.view import charts, report, tables
from radiance.labs.signals.view.tables import Grid
from radiance.web.forms import Fields

ASSETS = {"page.css": "text/css", "page.js": "text/javascript"}
PRESET_TITLES = {
    "quick": "Quick: 8 seeds, seconds",
    "default": "Default: 30 seeds",
    "stress+": "Stress+: more and harder stress, 40 seeds",
}
_SECTIONS = {
    "study": "Seeds",
    "market": "Market",
    "adaptation": "Adaptation",
    "portfolio": "Portfolio",
    "policy": "Gate and monitors",
}
_METHODS = find_methods(Adaptation(methods=METHOD_NAMES))


@cache
def asset(name: str) -> bytes:
    """A file that the page loads; in ``page.css``, for the lab's part of it, the charts' style."""
    text = (Path(__file__).parent / "assets" / name).read_text(encoding="utf-8")
    if name == "page.css":
        text += f".lab {{{report.CHART_STYLE}}}\n"
    return text.encode()


def body(
    study: Study,
    latest: RunState | None,
    kept: list[str],
    shown: tuple[str, StudyResult, StudyResult | None] | None,
) -> Markup:
    """All that the dashboard's frame goes round.

    Args:
        study: What the knobs stand at.
        latest: The run that was started last.
        kept: Results, newest first.
        shown: A result to show, its name, and the one before it.
    """
    result = view(*shown) if shown else "<p>Nothing has been run yet. Choose a preset and run.</p>"
    return Markup(
        f"""<h1>Signal lab</h1>
<p class="lede">A frozen model of the market is adapted to a regime that drifts. What it does under
stress must survive that. The same made markets for every method, so that differences are not
luck.</p>
{_explanation()}
<section aria-labelledby="setup"><h2 id="setup">Set up a run</h2>
{_form(study)}</section>
<section id="progress" aria-live="polite">{progress(latest)}</section>
<section id="result" aria-labelledby="found"><h2 id="found">Result</h2>{result}</section>
<section id="kept"><h2>Kept runs</h2>{_kept(kept, shown[0] if shown else "")}</section>
{_presets()}
"""
    )


def view(run_id: str, result: StudyResult, earlier: StudyResult | None) -> str:
    """A result, to be shown inside the page."""
    folder = f"/signals/runs/{escape(run_id)}"
    links = " · ".join(
        f'<a href="{folder}/{name}" download>{text}</a>'
        for name, text in (
            ("report.html", "Report, HTML"),
            ("result.json", "Result, JSON"),
            ("macros.tex", "LaTeX macros"),
        )
    )
    changes = tables.changes_table(result, earlier) if earlier else None
    parts = [
        f"<p><strong>{escape(run_id)}</strong>, {escape(result.study.preset)}, "
        f"{len(result.units)} {'seeds' if result.kind == 'study' else 'held-out periods'}. "
        f"Export: {links}</p>",
        report.findings_list(result),
        _figure("Drift fit against stress retention", report.pareto(result), _pareto_words(result)),
        _figure(
            "Equity after cost",
            report.key(result) + report.equity(result),
            "Medians over units; the bands of no adaptation, naive and ours hold eight in ten.",
        ),
        _figure("Drawdown", report.key(result) + report.drawdown(result), ""),
        *map(report.grid, [tables.methods_table(result), tables.contexts_table(result)]),
        report.grid(tables.gate_table(result)),
        _verdict(result),
    ]
    if changes is not None:
        changes = changes if changes.rows else Grid(changes.title, changes.columns, [], "Nothing.")
        parts.append(report.grid(changes))
    rest = [tables.pairs_table(result)]
    if result.operating_curve:
        rest.append(tables.curve_table(result))
    more = "".join(map(report.grid, rest))
    parts.append(f"<details><summary>Paired differences, operating curve</summary>{more}</details>")
    return "\n".join(parts)


def progress(state: RunState | None) -> str:
    """The run that was started last, while it matters."""
    if state is None:
        return ""
    name = escape(state.run_id)
    if state.status == "running":
        return (
            f'<p><strong>{name}</strong> runs: <span class="stage">{escape(state.stage)}</span> '
            f'<progress max="1" value="{state.done:.3f}" aria-label="Progress of {name}">'
            f"</progress></p>"
            f'<form method="post" action="/signals/cancel" data-cancel="{name}">'
            f'<input type="hidden" name="run_id" value="{name}"><button>Cancel</button></form>'
        )
    word = escape(state.status)
    error = f": {escape(state.error)}" if state.error else ""
    return f"<p><strong>{name}</strong> {word}{error}.</p>"


def study_of(fields: Fields) -> dict[str, Any]:
    """The fields of the form as ``settings.read_study`` takes them.

    Raises:
        RequestError: A field should be a number and is none.
    """
    data: dict[str, Any] = {"preset": fields.get("preset", "default")}
    for section, entries in knobs().items():
        for knob in entries:
            given = fields.getlist(knob.name)
            if not given:
                continue
            value = _value(knob, given)
            if section == "study":
                data[knob.name] = value
            else:
                data.setdefault(section, {})[knob.name.partition(".")[2]] = value
    return data


def _value(knob: Knob, given: list[str]) -> Any:
    if knob.kind == "list":
        return given
    text = given[0].strip()
    if knob.kind in ("choice", "text"):
        return text
    try:
        return int(text) if knob.kind == "int" else float(text)
    except ValueError:
        raise RequestError(
            f"{knob.name} is not a number.",
            field=knob.name,
            value=text,
            remedy=f"{knob.description} Its default is {knob.default}.",
        ) from None


def _form(study: Study) -> str:
    values = flat(study)
    chosen = "".join(
        f'<label><input type="radio" name="preset" value="{escape(name)}"'
        f"{' checked' if name == study.preset else ''}> {escape(title)}</label> "
        for name, title in PRESET_TITLES.items()
    )
    sections = "".join(
        f"<details><summary>{title}</summary><div class='knobs'>"
        + "".join(_knob(knob, values[knob.name]) for knob in knobs()[section])
        + "</div></details>"
        for section, title in _SECTIONS.items()
    )
    return (
        '<form id="study" method="post" action="/signals">'
        f"<fieldset><legend>Preset</legend>{chosen}</fieldset>{sections}"
        '<p class="actions"><button class="main" id="run">Run</button> '
        '<span id="told" role="status"></span></p></form>'
    )


def _knob(knob: Knob, value: Any) -> str:
    name, words = escape(knob.name), escape(knob.description)
    title = escape(knob.name.rpartition(".")[2].replace("_", " "))
    if knob.kind == "list":
        boxes = "".join(
            f'<label class="box"><input type="checkbox" name="{name}" value="{m.name}"'
            f"{' checked' if m.name in value else ''}> {escape(m.label)}</label>"
            for m in _METHODS
        )
        return f"<fieldset><legend>{title}</legend>{boxes}<small>{words}</small></fieldset>"
    if knob.kind == "choice" or knob.name == "adaptation.hold_out":
        choices = knob.choices or ("", *CONTEXT_NAMES)
        options = "".join(
            f'<option value="{escape(choice)}"{" selected" if choice == value else ""}>'
            f"{escape(choice) or 'none'}</option>"
            for choice in choices
        )
        control = f'<select name="{name}">{options}</select>'
    else:
        step = "1" if knob.kind == "int" else "any"
        limits = "".join(
            f' {side}="{limit:g}"'
            for side, limit in (("min", knob.low), ("max", knob.high))
            if limit is not None
        )
        control = f'<input type="number" name="{name}" value="{value}" step="{step}"{limits}>'
    return f"<label>{title}{control}<small>{words}</small></label>"


def _presets() -> str:
    """What page.js fills the knobs with."""
    data = msgspec.json.encode({name: flat(study) for name, study in PRESETS.items()}).decode()
    return f'<script type="application/json" id="presets">{data.replace("<", "")}</script>'


def _explanation() -> str:
    ours = next(m for m in _METHODS if m.name == "held")
    return (
        f"<figure>{charts.explanation()}<figcaption>An arrow is a step of learning; the wall is "
        "where the outputs on anchors (stress days that must be kept) begin to change. Ours, "
        f"<em>{escape(ours.label)}</em>, bends no step: its adapter acts on ordinary days only, "
        "and a budget holds what leaks.</figcaption></figure>"
    )


def _figure(title: str, drawing: str, words: str) -> str:
    return f"<h3>{title}</h3><figure>{drawing}<figcaption>{escape(words)}</figcaption></figure>"


def _pareto_words(result: StudyResult) -> str:
    words = "Means with 95 % intervals; down and left is better."
    return words + (" The shaded corner is what is asked for." if result.kind == "study" else "")


def _verdict(result: StudyResult) -> str:
    """The gate's rows for the first unit of the method that is ours, or the last one."""
    method = result.method("held") or result.methods[-1]
    if not method.decisions:
        return ""
    decision = method.decisions[0]
    rows = [
        (
            row.rule,
            tables.show_number(row.value),
            tables.show_number(row.high),
            f"{row.limit:.4g}",
            row.verdict,
            row.detail,
        )
        for row in decision.rows
    ]
    columns = ("rule", "value", "upper bound", "limit", "verdict", "what")
    title = f"Gate verdict: {method.label}, {result.units[0]}"
    return report.grid(Grid(title, columns, rows, decision.reason))


def _kept(kept: list[str], shown: str) -> str:
    if not kept:
        return "<p>None.</p>"
    items = "".join(
        f'<li><a href="/signals?run={name}"{" aria-current=page" if name == shown else ""}>'
        f"{name}</a></li>"
        for name in kept[:20]
    )
    return f"<ul>{items}</ul>"
