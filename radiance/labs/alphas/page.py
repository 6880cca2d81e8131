"""The page "Alpha desk": an alpha written now and judged, the trial, the evaluations."""

import msgspec
from starlette.requests import Request as HttpRequest

from radiance.api.services import Services
from radiance.errors import RadianceError, RequestError
from radiance.labs.alphas import reports, trial
from radiance.labs.alphas.models import generate, reporting
from radiance.labs.alphas.models.constraining import LEAST_TOKENS
from radiance.labs.alphas.service import AlphaService
from radiance.web.page import Data, Page

_MOST_TOKENS = 200
_MOST_LISTED = 30


def describe(services: Services, request: HttpRequest) -> Data:
    """The answer to ``?prompt=``, the trials, and the evaluation that ``?study=`` names."""
    query = request.query_params
    lab = services.extension(AlphaService)
    known = reports.find(services.config.runs_path)
    listed = [checkpoint.checkpoint_id for checkpoint in services.registry.all(_MOST_LISTED)]
    chosen = query.get("checkpoint") or "stable"
    found: Data = {
        "prompt": query.get("prompt", ""),
        "checkpoint": chosen,
        "choices": list(dict.fromkeys(["stable", "base", chosen, *listed])),
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
        # Only what lies below runs/: a name from a browser is no path.
        study = next((s for s in known if s.name == (name or known[0].name)), None)
        if study is None:
            raise RequestError(
                f"study: there is no {name!r}.",
                field="study",
                value=name,
                remedy="Use one that the page lists.",
            )
        kept = reporting.read(study.path)
        found["study"] = {"name": study.name, "settings": kept.shown, "models": kept.models}
    if found["prompt"].strip():
        try:
            found["written"] = _write(services, found["prompt"], chosen, found["constrained"])
        except RadianceError as error:
            found["error"] = str(error)
    return found


def _write(services: Services, prompt: str, checkpoint: str, constrained: bool) -> Data:
    """Greedily, so that asking again says the same; it counts in no trial and asks no upstream."""
    engine = services.engine
    weights = services.pointer.weights(checkpoint)
    wanted = generate.draft(
        engine.encoder, prompt, _MOST_TOKENS, weights=weights, is_constrained=constrained
    )
    if (
        constrained and wanted.request.max_tokens < LEAST_TOKENS
    ):  # under the grammar it could not end
        wanted = generate.draft(engine.encoder, prompt, _MOST_TOKENS, weights=weights)
    given = generate.write(engine, wanted)
    grade = services.extension(AlphaService).judge(prompt, given.text)
    return {
        "answer": given.text,
        "checkpoint": given.checkpoint_id or "base",
        "latency_s": given.latency_s,
        "alpha": grade.alpha,
        "outcome": grade.outcome,
        "compiles": grade.compiles,
        "error": grade.error,
        "coverage": grade.covered,
        "backtest": msgspec.to_builtins(grade.performance),
    }


PAGE = Page(
    path="/alphas",
    title="Alpha desk",
    template="alphas/page.html",
    describe=describe,
    nav="Alpha desk",
)
