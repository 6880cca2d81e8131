"""What the lab's page shows: its knobs, and a result as tables and charts. Pure."""

from typing import Any

from radiance.errors import RequestError
from radiance.labs.signals import findings
from radiance.labs.signals.contexts import CONTEXT_NAMES, METHOD_NAMES
from radiance.labs.signals.knobs import Knob, flat, knobs
from radiance.labs.signals.methods import LABELS
from radiance.labs.signals.presets import PRESETS
from radiance.labs.signals.results import StudyResult
from radiance.labs.signals.settings import StudySettings
from radiance.labs.signals.view import drawings, tables
from radiance.labs.signals.view.tables import Grid
from radiance.registry import audit
from radiance.web.charts.intervals import interval
from radiance.web.forms import Fields
from radiance.web.rendering import Data

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


def form(study: StudySettings) -> Data:
    """What the knobs stand at, and what they can be set to."""
    return {
        "ours": LABELS[findings.BEST],
        "preset": study.preset,
        "presets": list(PRESET_TITLES.items()),
        "sections": list(_SECTIONS.items()),
        "chosen": flat(study),
        "chosen_by": {name: flat(preset) for name, preset in PRESETS.items()},
        "methods": [(name, LABELS[name]) for name in METHOD_NAMES],
        "contexts": ("", *CONTEXT_NAMES),
    }


def view(result: StudyResult, earlier: StudyResult | None) -> Data:
    """A result, and what is different from an earlier one."""
    changes = tables.changes_table(result, earlier) if earlier else None
    if changes is not None and not changes.rows:
        changes = Grid(changes.title, changes.columns, [], "Nothing.")
    more = [tables.pairs_table(result)]
    if result.operating_curve:
        more.append(tables.curve_table(result))
    if result.false_alarms:
        more.append(tables.alarms_table(result.false_alarms, tables.HARMLESS))
    return {
        "preset": result.study.preset,
        "units": tables.units_of(result),
        "findings": result.findings,
        "errors": drawings.errors(result),
        "equity": drawings.equity(result),
        "drawdown": drawings.drawdown(result),
        "tables": [
            tables.methods_table(result),
            tables.contexts_table(result),
            tables.gate_table(result),
        ],
        "decision": _decision(result),
        "changes": changes,
        "more": more,
    }


def study_of(fields: Fields) -> Data:
    """The fields of the form as ``presets.read_study`` takes them.

    Raises:
        RequestError: A field should be a number and is none.
    """
    data: Data = {"preset": fields.get("preset", "default")}
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


def _decision(result: StudyResult) -> Data | None:
    """The gate's on the first unit of the method that is ours, or of the last one."""
    method = result.method(findings.BEST) or result.methods[-1]
    if not method.decisions:
        return None
    decision = method.decisions[0]
    plain = audit.plain(decision)
    for shown, row in zip(plain["rows"], decision.rows, strict=True):
        shown["drawn"] = interval(row)
    return {**plain, "title": f"Gate verdict: {method.label}, {result.units[0]}"}
