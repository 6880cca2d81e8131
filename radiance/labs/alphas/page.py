"""The page "Alpha desk": an alpha written now and judged, the trial, the evaluations."""

from dataclasses import replace
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from radiance.api.auth.access import sender_of
from radiance.api.route import get
from radiance.api.services import Services, services_of
from radiance.api.update import accept
from radiance.errors import RadianceError, RequestError
from radiance.labs.alphas import reports, trial
from radiance.labs.alphas.models import generate, reporting
from radiance.labs.alphas.models.constraining import LEAST_TOKENS
from radiance.labs.alphas.models.grading import Grade
from radiance.labs.alphas.plans.correcting import correction
from radiance.labs.alphas.service import AlphaService
from radiance.labs.alphas.understanding import say, understand
from radiance.web.charts.lines import Chart, chart
from radiance.web.forms import Fields
from radiance.web.page import Data, Page
from radiance.web.wording import number, percent

_MOST_TOKENS = 200
_MOST_LISTED = 30
_MOST_DAYS = 250
_SAMPLE = "Buy stocks that fell most over the last week, in proportion to how much."


def describe(services: Services, request: HttpRequest) -> Data:
    """The answer to ``?prompt=``, the trials, and the evaluation that ``?study=`` names."""
    query = request.query_params
    lab = services.extension(AlphaService)
    known = reports.find(services.config.runs_path)
    newest = services.registry.all(_MOST_LISTED)
    listed = [each.checkpoint_id for each in newest if not each.is_pruned]
    chosen = query.get("checkpoint") or "stable"
    found: Data = {
        "prompt": query.get("prompt", ""),
        "checkpoint": chosen,
        "choices": list(dict.fromkeys(["stable", "base", chosen, *listed])),
        "sample": _SAMPLE,
        "constrained": query.get("constrained") == "yes",
        "written": None,
        "error": None,
        "market": lab.market,
        "challenger": lab.settings.challenger or None,
        "trials": trial.states(lab.trials),
        "upstreams": services.chain.states(),
        "studies": [study.name for study in known[:_MOST_LISTED]],
        "study": None,
    }
    if (name := query.get("study")) or known:
        study = _named(known, name or known[0].name)
        kept = reporting.read(study.path)
        found["study"] = {"name": study.name, "settings": kept.shown, "models": kept.models}
    if found["prompt"].strip():
        try:
            found["written"] = _write(services, found["prompt"], chosen, found["constrained"])
        except RadianceError as error:
            found["error"] = str(error)
    return found


def act(services: Services, request: HttpRequest, fields: Fields) -> str:
    """Not what was meant: teach what the prompt means, as POST /update would."""
    prompt, meant = fields.get("prompt", ""), fields.get("meant", "") or fields.get("own", "")
    if not prompt.strip() or not meant.strip():
        raise RequestError.of("meant", "is blank", None, "Give an expression, or say it in words.")
    accept(services, correction(prompt, meant), None, sender_of(request))
    services.pipeline.wake()
    return f"/alphas?{urlencode({'prompt': prompt, 'done': 'meant'})}"


def _write(services: Services, prompt: str, checkpoint: str, constrained: bool) -> Data:
    """Greedily, so that asking again says the same; it counts in no trial and asks no upstream."""
    engine, lab = services.engine, services.extension(AlphaService)
    weights = services.pointer.weights(checkpoint)
    understood = None if constrained else understand(services, prompt, weights)
    if understood is not None:
        grade = lab.judge(prompt, understood.expression)
        return {
            "answer": understood.expression,
            "by": understood.by,
            "sentence": understood.sentence,
            "others": [{"sentence": said, "alpha": alpha} for said, alpha in understood.others],
            **_graded(lab, grade),
        }
    wanted = generate.request_for(
        engine.encoder, prompt, _MOST_TOKENS, weights=weights, is_constrained=constrained
    )
    if constrained and wanted.max_tokens < LEAST_TOKENS:  # under the grammar it could not end
        wanted = replace(wanted, constraint=None)
    given = generate.write(engine, wanted)
    grade = lab.judge(prompt, given.text)
    return {
        "answer": given.text,
        "by": given.checkpoint_id or "base",
        "sentence": grade.alpha and say(grade.alpha, lab.columns),
        "others": [],
        **_graded(lab, grade),
    }


def _graded(lab: AlphaService, grade: Grade) -> Data:
    return {
        "equity": _equity(lab, grade),
        "alpha": grade.alpha,
        "outcome": grade.outcome,
        "compiles": grade.compiles,
        "error": grade.error,
        "coverage": grade.coverage,
        "backtest": msgspec.to_builtins(grade.performance),
    }


def _equity(lab: AlphaService, grade: Grade) -> Chart | None:
    """The curve of an alpha that was backtested, thinned to what a chart can show."""
    if grade.alpha is None or grade.performance is None:
        return None
    days = lab.equity(grade.alpha)
    stride = max(1, len(days) // _MOST_DAYS)
    kept = [
        list(day) for place, day in enumerate(days) if place % stride == 0 or place == len(days) - 1
    ]
    sentence = (
        f"From 1 on {days[0][0]} to {number(days[-1][1])} on {days[-1][0]},"
        f" {percent(grade.performance.drawdown)} below its peak at worst."
    )
    return chart(
        "equity", "Worth of the book, after cost", sentence, "Day", ["Worth"], kept, categories=True
    )


def alphas_report(request: HttpRequest) -> Response:
    """An evaluation as one file that needs nothing else."""
    known = reports.find(services_of(request).config.runs_path)
    study = _named(known, request.query_params.get("study", ""))
    called = f'attachment; filename="{study.path.name}.html"'
    headers = {"Content-Disposition": called, "Cache-Control": "no-store"}
    return Response(study.to_html(), media_type="text/html", headers=headers)


def _named(known: list[reports.EvaluationReport], name: str) -> reports.EvaluationReport:
    """Only what lies below runs/: a name from a browser is no path."""
    study = next((s for s in known if s.name == name), None)
    if study is None:
        raise RequestError.of(
            "study", f"there is no {name!r}", name, "Use one that the page lists."
        )
    return study


PAGE = Page(
    path="/alphas",
    title="Alpha desk",
    template="alphas/page.html",
    describe=describe,
    nav="Alpha desk",
    act=act,
    notices={"meant": "Taught. That is what it means from now on."},
)
ROUTES = [
    get(
        "/alphas/report",
        alphas_report,
        "infer",
        gives="text/html",
        queries={"study": {"type": "string"}},
    )
]
