r"""A result as LaTeX macros: ``\sigHeldDriftMse``, with ``Low`` and ``High`` for its interval."""

import re

from radiance.labs.signals import findings
from radiance.labs.signals.results import MEASURES, StudyResult


def render(result: StudyResult) -> str:
    r"""One ``\newcommand`` a line."""
    lines = [
        f"% Radiance signal lab, {result.study.preset}, {len(result.units)} units,",
        f"% settings {result.settings_hash}, made {result.created_at}",
        _macro("Units", str(len(result.units))),
    ]
    naive = result.method("naive")
    for method in result.methods:
        stem = _camel(method.name)
        for measure in MEASURES:
            found = method.means[measure.name]
            if found is None:
                continue
            name = stem + _camel(measure.name)
            lines += [
                _macro(name, _number(found.value)),
                _macro(f"{name}Low", _number(found.low)),
                _macro(f"{name}High", _number(found.high)),
            ]
        if naive is not None:
            lines += [
                _macro(f"{stem}DriftRatio", _number(findings.drift_ratio(method, naive))),
                _macro(f"{stem}StressRatio", _number(findings.stress_ratio(method, naive))),
            ]
    return "\n".join(lines) + "\n"


def _macro(name: str, value: str) -> str:
    return f"\\newcommand{{\\sig{name}}}{{{value}}}"


def _camel(name: str) -> str:
    """Letters only: TeX's names have no digits and no underscores."""
    return "".join(part.capitalize() for part in re.split(r"[^a-zA-Z]+", name))


def _number(value: float) -> str:
    text = f"{value:.4g}"
    if "e" not in text:
        return text
    mantissa, exponent = text.split("e")
    return f"\\ensuremath{{{mantissa}\\times10^{{{int(exponent)}}}}}"
