"""The alpha desk: an alpha written now with its check and backtest, the trial, evaluations."""

import msgspec
from starlette.requests import Request as HttpRequest

from radiance.api.services import Services
from radiance.engine.requests import Constraint, Request
from radiance.errors import RadianceError, RequestError
from radiance.labs.alphas import study_report
from radiance.labs.alphas.models.constraining import LEAST_TOKENS, lark_grammar, short_grammar
from radiance.labs.alphas.service import told
from radiance.records import Message
from radiance.web.pages import Data, Page

_MOST_TOKENS = 200
_MOST_LISTED = 30


def describe(services: Services, request: HttpRequest) -> Data:
    """The answer to ``?prompt=``, the trials, and the evaluation that ``?study=`` names."""
    query = request.query_params
    known = [s for s in study_report.find(services.config.runs_path) if s.kind == "alphas"]
    listed = [checkpoint.checkpoint_id for checkpoint in services.registry.all(_MOST_LISTED)]
    chosen = query.get("checkpoint") or "stable"
    found: Data = {
        "prompt": query.get("prompt", ""),
        "checkpoint": chosen,
        "choices": list(dict.fromkeys(["stable", "base", chosen, *listed])),
        "constrained": query.get("constrained") == "yes",
        "written": None,
        "error": None,
        "market": services.desk.market,
        "challenger": services.config.alphas.challenger or None,
        "trials": services.desk.trial.states(),
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
        found["study"] = {"name": study.name, **study_report.evaluation(study.path)}
    if found["prompt"].strip():
        try:
            found["written"] = _write(services, found["prompt"], chosen, found["constrained"])
        except RadianceError as error:
            found["error"] = str(error)
    return found


def _write(services: Services, prompt: str, checkpoint: str, constrained: bool) -> Data:
    """Greedily, so that asking again says the same; it counts in no trial and asks no upstream."""
    encoder = services.engine.encoder
    tokens = encoder.prompt([Message("user", prompt)])
    most = min(_MOST_TOKENS, encoder.context_tokens - len(tokens))
    weights = services.pointer.weights(checkpoint)
    if constrained and most < LEAST_TOKENS:
        constrained = False  # it could not end

    def answer(grammar: str | None):
        form = None if grammar is None else Constraint("lark", grammar)
        return services.engine.submit(
            Request(tokens, most, weights=weights, constraint=form)
        ).result()

    given = answer(lark_grammar() if constrained else None)
    if constrained and given.finish_reason == "length":
        given = answer(short_grammar())
    return {
        "answer": given.text,
        "checkpoint": given.checkpoint_id or "base",
        "latency_s": given.latency_s,
        **msgspec.to_builtins(told(services.desk.judge(prompt, given.text))),
    }


PAGE = Page(
    path="/alphas",
    title="Alpha desk",
    template="alphas/page.html",
    describe=describe,
    nav="Alpha desk",
)
