"""A result as one HTML file that needs nothing else: no script, no network, no server."""

from jinja2.utils import htmlsafe_json_dumps

from radiance import __version__, records
from radiance.labs.signals import findings
from radiance.labs.signals.knobs import flat
from radiance.labs.signals.methods import LABELS
from radiance.labs.signals.results import MEASURES, StudyResult, encode
from radiance.labs.signals.view import drawings, tables
from radiance.labs.signals.view.tables import Grid
from radiance.web.rendering import Data
from radiance.web.reports.standalone import render_alone


def render(result: StudyResult, earlier: StudyResult | None = None) -> str:
    """The report.

    Args:
        result: What to show.
        earlier: What to show the changes from; None: nothing.
    """
    verb = "run" if result.kind == "study" else "replay BARS"
    shown = tables.all_tables(result)
    if earlier is not None:
        shown.append(tables.changes_table(result, earlier))
    measures = [(measure.title, measure.unit) for measure in MEASURES]
    settings = [(name, str(value)) for name, value in flat(result.study).items()]
    data: Data = {
        "kind": "Study" if result.kind == "study" else "Replay",
        "preset": result.study.preset,
        "units": len(result.units),
        "provenance": _provenance(result),
        "ours": LABELS[findings.BEST],
        "findings": result.findings,
        "errors": drawings.errors(result),
        "equity": drawings.equity(result),
        "drawdown": drawings.drawdown(result),
        "tables": [
            *shown,
            Grid("What the measures are", ("measure", "unit"), measures),
            Grid("Settings", ("setting", "value"), settings),
        ],
        "commands": [
            {
                "command": f"radiance signals {verb} --study result.json",
                "shows": "the study, run again as it was",
            },
            {
                "command": "radiance signals report result.json --out report.html",
                "shows": "this report, made anew",
            },
        ],
        "made_at": records.now().isoformat(timespec="seconds"),
        "version": __version__,
        "result": htmlsafe_json_dumps(result, dumps=lambda found, **_: encode(found).decode()),
    }
    title = f"Signal lab: {result.study.preset}"
    return render_alone("signals/report.html", title, data, sheets=("signals/lab.css",))


def _provenance(result: StudyResult) -> str:
    window = "; ".join(f"{name}: {text}" for name, text in result.window.items())
    versions = ", ".join(f"{name} {number}" for name, number in sorted(result.versions.items()))
    return (
        f"{window}. Anchors {result.anchors_hash[:12]}, settings {result.settings_hash[:12]}, "
        f"{versions}, made {result.created_at}."
    )
