"""A conversation with what serves; or one question to two checkpoints, and how they differ.

With scripts the page streams answers (``static/ask.js``); without, a form is sent and the page
comes back with the answer. Questions go by POST: they are nobody's business in a history or a log.
"""

from collections.abc import Sequence
from difflib import SequenceMatcher

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import RedirectResponse, Response

from radiance.api.errors import response_to
from radiance.api.feedback import FeedbackBody, send_feedback
from radiance.api.recall import mode_of
from radiance.api.search import SearchBody, search
from radiance.api.services import Services, services_of
from radiance.engine.model.encoding import Encoder
from radiance.engine.requests import Answer, Request, Scoring
from radiance.errors import RequestError
from radiance.records import JobStatus, Message
from radiance.records.text import forbidden
from radiance.registry.store import BASE
from radiance.validation import check
from radiance.web.forms import Fields, form_route, read_form
from radiance.web.named import choices, that_may_serve
from radiance.web.page import Data, Page

_MOST_LISTED = 200
_MOST_TOKENS = 256
_MOST_LOOKED_INTO = 5  # checkpoints
_SERVING = "stable"


def describe(services: Services, request: HttpRequest) -> Data:
    """The form: what can be asked, and a question to begin with.

    ``?example=`` and ``?anchor=`` name one.
    """
    newest = services.registry.all(_MOST_LISTED)
    listed = that_may_serve(services, newest)
    live = ["training"] if services.pipeline.progress is not None else []
    asked = request.query_params
    a, b = asked.get("a", ""), asked.get("b", "")
    named = [name for name in (a, b) if name and name not in (_SERVING, BASE)]
    has_learned = services.registry.current_id() is not None
    return {
        "prompt": _question(services, asked.get("example"), asked.get("anchor")),
        "sample": None if {"example", "anchor"} & asked.keys() else _sample(services),
        "a": a or _SERVING,
        "b": b,
        "choices": [
            _SERVING,  # with memory, which knows what waits before anything was learned
            *([BASE] if has_learned or BASE in (a, b) else []),
            *dict.fromkeys([*live, *named, *listed]),
        ],
        "names": choices(services, newest),
        "memory": mode_of(services, None, "always", is_named=False),
        "max_tokens": _MOST_TOKENS,
        "turn": None,
        "answers": None,
    }


def _question(services: Services, example_id: str | None, anchor: str | None) -> str:
    """What an example or an anchor asks."""
    if example_id:
        turns = services.examples.get(example_id).messages
        return turns[-2].content if len(turns) > 1 else ""
    found = (a.example.messages for a in services.anchors.anchors if a.example.id == anchor)
    return next((turns[0].content for turns in found if len(turns) == 2), "")


def _sample(services: Services) -> Data | None:
    """A fact that is known, to ask for: of what waits, was learned last, or is an anchor."""
    waiting = services.jobs.recent(1, JobStatus.QUEUED) if services.recalls else []
    taught = [[job.job_id] for job in waiting]
    chain = services.registry.ancestors(services.registry.current_id(), _MOST_LOOKED_INTO)
    taught += [list(services.registry.get(name).job_ids) for name in chain]
    for job_ids in taught:
        for example in services.examples.of_jobs(job_ids):
            if len(example.messages) == 2:
                question = example.messages[0].content
                return {"kind": "example", "id": example.id, "question": question}
    for each in services.anchors.anchors:
        if len(each.example.messages) == 2:
            question = each.example.messages[0].content
            return {"kind": "anchor", "id": each.example.id, "question": question}
    return None


async def say(request: HttpRequest) -> Response:
    """Answer what the form asks, and show it: one answer, or two beside each other."""
    services = services_of(request)
    fields = await read_form(request, services.config.server.max_body_bytes)
    try:
        found = await _answer(request, services, fields)
        refusal, status = None, 200
    except RequestError as error:
        refusal, status = error, response_to(error, request.url.path).status_code
        found = {}
    request.state.found = {**found, "prompt": fields.get("prompt", ""), "sample": None}
    for side in ("a", "b"):
        request.state.found[side] = fields.get(side, "")
    page = await run_in_threadpool(PAGE.show, request, refusal, fields)
    page.status_code = status
    return page


async def _answer(request: HttpRequest, services: Services, fields: Fields) -> Data:
    prompt = fields.get("prompt", "")
    a, b = fields.get("a") or _SERVING, fields.get("b", "")
    if b:
        return {"answers": await run_in_threadpool(_ask_both, services, prompt, a, b)}
    name = None if a == _SERVING else a
    body = SearchBody(prompt=prompt, max_tokens=_MOST_TOKENS, temperature=0.0, checkpoint=name)
    answer = await search(request, body)
    return {"turn": {**msgspec.to_builtins(answer), "prompt": prompt}}


async def vote(request: HttpRequest) -> Response:
    """Keep a vote on an answer; for those without scripts, who send a form."""
    fields = await read_form(request, services_of(request).config.server.max_body_bytes)
    body = {name: fields.get(name, "") for name in ("vote", "prompt", "response", "comment")}
    # A model may write what no text may hold; its answer is voted on all the same.
    body["response"] = "".join("\ufffd" if forbidden(c) else c for c in body["response"])
    if checkpoint := fields.get("checkpoint"):
        body["checkpoint"] = checkpoint
    await run_in_threadpool(send_feedback, request, check(body, FeedbackBody))
    return RedirectResponse("/ask?done=voted", 303)


def _ask_both(services: Services, prompt: str, a: str, b: str) -> list[Data]:
    encoder = services.engine.encoder
    tokens = encoder.prompt([Message("user", prompt)])
    most = min(_MOST_TOKENS, encoder.context_tokens - len(tokens))
    if not prompt.strip() or most < 1:
        raise RequestError(
            f"The question has {len(tokens)} tokens, and the model takes fewer than"
            f" {encoder.context_tokens}."
            if prompt.strip()
            else "There is no question yet.",
            field="prompt",
            remedy="Shorten it." if prompt.strip() else "Type one.",
        )
    weights = [services.pointer.weights(name) for name in (a, b)]
    asked = [services.engine.submit(Request(tokens, most, weights=one)) for one in weights]
    answers = [future.result() for future in asked]
    texts = [Scoring([*tokens, *answer.tokens], one) for answer in answers for one in weights]
    scored = services.engine.score(texts).result
    found = []
    for place, (name, answer) in enumerate(zip((a, b), answers, strict=True)):
        likelihoods = []
        for one in scored[2 * place : 2 * place + 2]:
            own = [token.logprob for token in one.logprobs[len(tokens) - 1 :]]
            total = sum(own)
            likelihoods.append({"total": total, "per_token": total / len(own) if own else None})
        other = answers[1 - place]
        found.append(
            {
                "asked": name,
                "checkpoint": answer.checkpoint_id or "base",
                "text": answer.text,
                "tokens": len(answer.tokens),
                "latency_s": answer.latency_s,
                "finish_reason": answer.finish_reason,
                "pieces": pieces(encoder, _shown(encoder, answer), _shown(encoder, other)),
                "likelihoods": likelihoods,
            }
        )
    return found


def _shown(encoder: Encoder, answer: Answer) -> list[int]:
    return [token for token in answer.tokens if token not in encoder.end_tokens]


def pieces(encoder: Encoder, tokens: Sequence[int], other: Sequence[int]) -> list[Data]:
    """An answer cut where it begins and ceases to differ from the other, token by token."""
    matcher = SequenceMatcher(None, tokens, other, autojunk=False)
    found = []
    for tag, begin, end, _, _ in matcher.get_opcodes():
        written = b"".join(encoder.vocabulary.token_bytes(token) for token in tokens[begin:end])
        if written:
            text = written.decode(errors="replace")
            found.append({"text": text, "differs": tag != "equal"})
    return found


def _draw(_: Services, request: HttpRequest) -> Data:
    """What was asked and answered in this request."""
    return getattr(request.state, "found", {})


PAGE = Page(
    path="/ask",
    title="Ask",
    template="ask.html",
    describe=describe,
    draw=_draw,
    nav="Ask",
    scripts=("ask.js",),
    notices={"voted": "Your vote is kept: it counts for the checkpoint that answered."},
)
ROUTES = [form_route("/ask", say, "infer"), form_route("/ask/vote", vote, "infer")]
