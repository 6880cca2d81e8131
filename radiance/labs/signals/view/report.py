"""A result as one HTML file that needs nothing else: no script, no network, no server."""

import base64
import hashlib
from functools import cache
from html import escape

import msgspec

from radiance.labs.signals import findings
from radiance.labs.signals.results import MEASURES, StudyResult
from radiance.labs.signals.settings import flat
from radiance.labs.signals.view import charts, tables
from radiance.labs.signals.view.charts import Point, Series
from radiance.labs.signals.view.tables import Grid

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#5b6470;--line:#d6dae0;--back:#fff;
--good:#1a7f4b;--bad:#b3361e;--c0:#6b7280;--c1:#c2410c;--c2:#b7791f;--c3:#2563eb;--c4:#7c3aed;
--c5:#0f766e;--c6:#15803d;--c7:#be185d}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#9aa3ad;--line:#343a42;--back:#15181c;
--good:#4cc38a;--bad:#f0805f;--c0:#9aa3ad;--c1:#fb923c;--c2:#e5b454;--c3:#7aa2ff;--c4:#b794f6;
--c5:#4fd1c5;--c6:#6ee7a0;--c7:#f687b3}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);margin:0 auto;
max-width:76rem;padding:1.5rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin:2rem 0 .5rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.85rem}
.scroll{overflow-x:auto}caption{text-align:left;color:var(--soft);padding:.3rem 0}
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid var(--line);white-space:nowrap}
li.for::marker{content:"+ ";color:var(--good)}
li.against::marker{content:"\\2212\\00a0";color:var(--bad)}
li.neither::marker{content:"\\00b7\\00a0"}
"""
CHART_STYLE = """
svg{max-width:100%;height:auto;font:11px system-ui,sans-serif}
svg text{fill:var(--ink)}svg .tick,svg .small{fill:var(--soft)}svg .end{text-anchor:end}
svg .mid{text-anchor:middle}svg .name{font-weight:600;font-size:14px}
svg .grid{stroke:var(--line)}svg .line{fill:none;stroke-width:2}
svg .band{opacity:.13;stroke:none}svg .asked{fill:var(--good);opacity:.12}
svg .good{fill:var(--good);opacity:.12}svg .bad{fill:var(--bad);opacity:.12}
svg .wall{stroke:var(--ink);stroke-width:2}svg .arrow{stroke-width:3;stroke:var(--ink)}
svg .ghost{opacity:.25}svg .pull{stroke:var(--c3);stroke-dasharray:4 3}
svg .step{stroke:var(--c6);stroke-width:4}svg marker path{fill:context-stroke}
.mark line{stroke-width:1.5}
""" + "".join(
    f".line.s{i},.mark.s{i} line{{stroke:var(--c{i})}}.band.s{i},.mark.s{i} circle,.key.s{i}"
    f"{{fill:var(--c{i});color:var(--c{i})}}"
    for i in range(8)
)


_BANDS = ("none", "naive", findings.BEST)  # whose spread over units is drawn


def render(result: StudyResult, earlier: StudyResult | None = None) -> str:
    """The report.

    Args:
        result: What to show.
        earlier: What to show the changes from; None: nothing.
    """
    kind = "Study" if result.kind == "study" else "Replay"
    parts = [
        f"<h1>{kind}: {escape(result.study.preset)}, {len(result.units)} units</h1>",
        f"<p>{escape(_provenance(result))}</p>",
        "<h2>What the three methods do</h2>",
        charts.explanation(),
        "<h2>What was found</h2>",
        findings_list(result),
        "<h2>Drift fit against stress retention</h2>",
        f"<figure>{pareto(result)}<figcaption>Means over units with 95 % intervals; down and left"
        " is better. The shaded corner is what is asked for.</figcaption></figure>",
        "<h2>Equity</h2>",
        f"<figure>{key(result)}{equity(result)}<figcaption>Medians over units, after cost; the"
        " bands of no adaptation, naive and ours hold eight units in ten.</figcaption></figure>",
        "<h2>Drawdown</h2>",
        f"<figure>{key(result)}{drawdown(result)}</figure>",
        *map(grid, tables.all_tables(result)),
    ]
    if earlier is not None:
        parts.append(grid(tables.changes_table(result, earlier)))
    parts += ["<h2>What the measures are</h2>", _glossary(), "<h2>Settings</h2>", _settings(result)]
    parts += ["<h2>To see it again</h2>", _again(result)]
    data = msgspec.json.encode(result).decode().replace("<", "\\u003c")
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<link rel="icon" href="data:,">'
        f"<title>Radiance signal lab: {escape(result.study.preset)}</title>"
        f"<style>{STYLE}{CHART_STYLE}</style></head><body>\n{body}\n"
        f'<script type="application/json" id="result">{data}</script></body></html>\n'
    )


def equity(result: StudyResult) -> str:
    """The drawing of all methods' equity."""
    series = [
        Series(m.label, m.equity, place, m.name in _BANDS) for place, m in enumerate(result.methods)
    ]
    return charts.curves(series, "Equity of every method over the test days", "of one unit")


def drawdown(result: StudyResult) -> str:
    """The drawing of all methods' drawdowns."""
    series = [
        Series(m.label, m.drawdown, place, m.name in _BANDS)
        for place, m in enumerate(result.methods)
    ]
    return charts.curves(series, "Drawdown of every method over the test days", "below the peak")


def pareto(result: StudyResult) -> str:
    """The drawing of both errors."""
    points = []
    for place, method in enumerate(result.methods):
        drift, stress = method.means["drift_mse"], method.means["stress_mse"]
        if drift and stress:
            x_range, y_range = (drift.low, drift.high), (stress.low, stress.high)
            points.append(Point(method.label, place, drift.value, stress.value, x_range, y_range))
    naive = result.method("naive")
    bar = None
    if naive and (drift := naive.means["drift_mse"]) and (stress := naive.means["stress_mse"]):
        bar = (findings.MOST_DRIFT * drift.value, stress.value / findings.LEAST_STRESS)
    title = "Stress error over drift error of every method"
    return charts.pareto(points, title, bar if result.kind == "study" else None)


def grid(table: Grid) -> str:
    """A table as HTML."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.columns)
    body = "".join(
        "<tr>"
        + "".join(
            f'<th scope="row">{escape(cell)}</th>' if not place else f"<td>{escape(cell)}</td>"
            for place, cell in enumerate(row)
        )
        + "</tr>"
        for row in table.rows
    )
    return (
        f'<h2>{escape(table.title)}</h2><div class="scroll"><table><caption>{escape(table.note)}'
        f"</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def findings_list(result: StudyResult) -> str:
    """The findings as a list."""
    kinds = {True: "for", False: "against", None: "neither"}
    items = [f'<li class="{kinds[f.holds]}">{escape(f.text)}</li>' for f in result.findings]
    return f"<ul>{''.join(items)}</ul>"


def key(result: StudyResult) -> str:
    """Which line is which method."""
    items = [
        f'<svg class="key s{place}" width="28" height="8"><line class="line s{place}" '
        f'x1="0" x2="28" y1="4" y2="4" stroke-dasharray="{charts.DASHES[place % 8]}"/></svg> '
        f"{escape(method.label)}"
        for place, method in enumerate(result.methods)
    ]
    return f"<p>{' &nbsp; '.join(items)}</p>"


def _glossary() -> str:
    rows = [(measure.title, measure.unit) for measure in MEASURES]
    return grid(Grid("", ("measure", "unit"), rows)).replace("<h2></h2>", "")


def _settings(result: StudyResult) -> str:
    rows = [(name, str(value)) for name, value in flat(result.study).items()]
    return grid(Grid("", ("setting", "value"), rows)).replace("<h2></h2>", "")


def _again(result: StudyResult) -> str:
    verb = "run" if result.kind == "study" else "replay BARS"
    rows = [
        (f"radiance signals {verb} --study result.json", "the study, run again as it was"),
        ("radiance signals report result.json --out report.html", "this report, made anew"),
    ]
    table = grid(Grid("", ("command", "shows"), rows)).replace("<h2></h2>", "")
    return f"{table}<p>result.json is what this file holds as its last element.</p>"


@cache
def _policy() -> str:
    """Allows the report's own style, and nothing else."""
    digest = base64.b64encode(hashlib.sha256((STYLE + CHART_STYLE).encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:"


def _provenance(result: StudyResult) -> str:
    window = "; ".join(f"{name}: {text}" for name, text in result.window.items())
    versions = ", ".join(f"{name} {number}" for name, number in sorted(result.versions.items()))
    return (
        f"{window}. Anchors {result.anchors_hash[:12]}, settings {result.settings_hash[:12]}, "
        f"{versions}, made {result.created_at}."
    )
