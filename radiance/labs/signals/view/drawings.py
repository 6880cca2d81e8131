"""The charts of a result, the same for page and report."""

from radiance.labs.signals import findings
from radiance.labs.signals.results import Band, StudyResult
from radiance.web.charts.lines import Chart, chart
from radiance.web.charts.scatter import Scatter, ScatterPoint, scatter

_BANDS = ("none", "naive", findings.BEST)  # whose spread over units is drawn; more would hide it


def equity(result: StudyResult) -> Chart:
    """Every method's equity over the test days."""
    sentence = (
        "Medians over units; the bands of no adaptation, naive and ours hold eight units in ten."
    )
    curves = [method.equity for method in result.methods]
    return _curves(result, curves, "equity", "Equity after cost, of one unit", sentence)


def drawdown(result: StudyResult) -> Chart:
    """Every method's drawdown over the test days."""
    curves = [method.drawdown for method in result.methods]
    title, sentence = "Drawdown, below the peak", "Medians over units, with the same bands."
    return _curves(result, curves, "drawdown", title, sentence, high=0.0)


def errors(result: StudyResult) -> Scatter | None:
    """Stress error over drift error of every method; None where none has both."""
    points = []
    for method in result.methods:
        drift, stress = method.means["drift_mse"], method.means["stress_mse"]
        if drift and stress:
            x_range, y_range = (drift.low, drift.high), (stress.low, stress.high)
            points.append(ScatterPoint(method.label, drift.value, stress.value, x_range, y_range))
    sentence = "Means over units with 95 % intervals; down and left is better."
    corner, naive = None, result.method("naive")
    if result.kind == "study" and naive:
        drift, stress = naive.means["drift_mse"], naive.means["stress_mse"]
        if drift and stress:
            corner = (findings.MOST_DRIFT * drift.value, stress.value / findings.LEAST_STRESS)
            sentence += " The shaded corner is what is asked for."
    title = "Stress error over drift error of every method"
    axes = "drift MSE (log)", "stress MSE (log)"
    return scatter("errors", title, sentence, *axes, points, corner)


def _curves(
    result: StudyResult,
    curves: list[Band],
    id: str,
    title: str,
    sentence: str,
    high: float | None = None,
) -> Chart:
    names = [method.label for method in result.methods]
    middles = zip(*(curve.middle for curve in curves), strict=True)
    rows = [[day, *values] for day, values in zip(curves[0].days, middles, strict=True)]
    bands = {
        place: (curve.low, curve.high)
        for place, (method, curve) in enumerate(zip(result.methods, curves, strict=True))
        if method.name in _BANDS
    }
    return chart(id, title, sentence, "Day", names, rows, high=high, bands=bands)
