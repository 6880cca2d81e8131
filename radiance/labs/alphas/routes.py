"""POST /alphas/generate: a prompt in, an alpha, its check and its backtest out."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from radiance.api.bodies import read_body
from radiance.api.route import get, post
from radiance.api.services import Services, services_of
from radiance.api.streaming import answer_of
from radiance.api.weights import weights_of
from radiance.engine.requests import Answer, Sampling, Weights
from radiance.errors import RequestError
from radiance.fallback.providers import UpstreamRequest
from radiance.labs.alphas.models import generate
from radiance.labs.alphas.models.constraining import LEAST_TOKENS
from radiance.labs.alphas.models.grading import Outcome
from radiance.labs.alphas.results.performance import Performance
from radiance.labs.alphas.service import AlphaService, shortcoming, told
from radiance.labs.alphas.trial import Arm

_BASE = "base"
_TASK = (
    "Answer with one formulaic alpha in the notation of Kakushadze's 101 Formulaic Alphas, and "
    "nothing else."
)


class GenerateBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of POST /alphas/generate.

    Attributes:
        constrained: Decode under the grammar of the language, so that the alpha compiles.
        checkpoint: Who is to answer; null is whatever serves, or the trial's side of ``user``.
        tries: Most answers to write until one compiles; the first that does is given.
        user: Who asks: they meet one side of a trial throughout.
    """

    prompt: Annotated[str, Meta(min_length=1)]
    max_tokens: Annotated[int, Meta(ge=1, le=2048)] = 200
    temperature: Annotated[float, Meta(ge=0, le=10)] = 0.2
    seed: Annotated[int, Meta(ge=0, lt=2**32)] | None = None
    constrained: bool = False
    tries: Annotated[int, Meta(ge=1, le=16)] = 1
    checkpoint: Annotated[str, Meta(min_length=1)] | None = None
    user: Annotated[str, Meta(min_length=1, max_length=256)] | None = None


class Tried(msgspec.Struct):
    """Somebody who was asked before, and why that was not enough."""

    provider: str
    reason: str


class AlphaAnswer(msgspec.Struct):
    """An alpha with its check and its backtest.

    Attributes:
        answer: As the model wrote it.
        alpha: In canonical form; null where it does not compile.
        error: Why it fell short.
        coverage: Share of the market's cells in which it has a value.
        backtest: Annual Sharpe ratio, turnover, drawdown, capacity and more; null without one.
        provider: "local", or the upstream that answered.
        arm: The side of a trial that answered.
        tries: How many answers the local model wrote.
        market: What it was backtested on.
    """

    answer: str
    alpha: str | None
    outcome: Outcome
    compiles: bool
    error: str | None
    coverage: float
    backtest: Performance | None
    provider: str
    tried: list[Tried]
    checkpoint: str | None
    arm: Literal["champion", "challenger"] | None
    tries: int
    market: str


class ArmCounts(msgspec.Struct):
    """One side of a trial."""

    answers: int
    successes: int


class TrialState(msgspec.Struct):
    """What was seen of two models; ``evidence`` against equality decides at 1 / error."""

    champion: str
    challenger: str
    error: float
    arms: dict[str, ArmCounts]
    evidence: float
    verdict: Literal["undecided", "champion", "challenger"]


class UpstreamState(msgspec.Struct):
    """How an upstream is doing."""

    name: str
    state: Literal["closed", "open", "half-open"]
    failure_ratio: float
    latency_s: float


class TrialAnswer(msgspec.Struct):
    """All trials, and the upstreams in the order they are asked."""

    trials: list[TrialState]
    upstreams: list[UpstreamState]


async def generate_alpha(request: Request) -> Response:
    """Write an alpha, check it, and backtest it.

    Where the local model cannot answer, or its answer is no alpha, the fallback chain is asked, if
    one is configured; the answer names who gave it.
    """
    services = services_of(request)
    lab = services.extension(AlphaService)
    body = await read_body(request, GenerateBody, services.config.server.max_body_bytes)
    if not body.prompt.strip():
        raise RequestError(
            "prompt: is blank.", field="prompt", value=body.prompt, remedy="Ask for an alpha."
        )
    if body.constrained and body.max_tokens < LEAST_TOKENS:
        raise RequestError(
            "max_tokens: is too few for an alpha to end under the grammar.",
            field="max_tokens",
            value=body.max_tokens,
            remedy=f"Send at least {LEAST_TOKENS}, or leave constrained out.",
        )
    if body.tries > 1 and body.temperature == 0:
        raise RequestError(
            "tries: at temperature 0 every answer is the same.",
            field="tries",
            value=body.tries,
            remedy="Send a temperature, or leave it out.",
        )
    champion, arm = await _side(services, body)
    challenger = lab.settings.challenger
    name = body.checkpoint or (challenger if arm == "challenger" else None)
    weights = await weights_of(services, name)
    # Of constrained answers nothing is learned: they compile whoever writes them.
    answer: Answer | None = None
    tried = 0

    async def local() -> str:
        nonlocal answer, tried
        while tried < body.tries:
            answer = await _write(request, services, body, weights, tried)
            tried += 1
            if shortcoming(answer.text) is None:
                break
        assert answer is not None
        return answer.text

    asked = UpstreamRequest(
        (("system", _TASK), ("user", body.prompt)), body.max_tokens, body.temperature
    )
    given = await services.chain.answer(local, asked, shortcoming)
    text = str(given.value)
    grade = await run_in_threadpool(lab.judge, body.prompt, text)
    if arm is not None and answer is not None and not body.constrained:
        own = grade
        if answer.text != text:
            own = await run_in_threadpool(lab.judge, body.prompt, answer.text)
        await run_in_threadpool(
            lab.trial.record,
            champion,
            challenger,
            lab.settings.trial_error,
            arm,
            own.outcome == "backtested",
        )
    is_local = given.provider == "local" and answer is not None
    return JSONResponse(
        {
            "answer": text,
            **told(grade),
            "provider": given.provider,
            "tried": [{"provider": name, "reason": reason} for name, reason in given.tried],
            "checkpoint": answer.checkpoint_id if is_local and answer else None,
            "arm": arm,
            "tries": tried,
            "market": lab.market,
        }
    )


async def show_trial(request: Request) -> Response:
    """The trials of champion and challenger, and the state of each upstream."""
    services = services_of(request)
    lab = services.extension(AlphaService)
    return JSONResponse({"trials": lab.trial.states(), "upstreams": services.chain.states()})


async def _side(services: Services, body: GenerateBody) -> tuple[str, Arm | None]:
    """The champion, and the side of who asks; none where there is no trial for this request."""
    lab = services.extension(AlphaService)
    settings = lab.settings
    if not settings.challenger or body.checkpoint is not None:
        return _BASE, None
    current = await run_in_threadpool(services.registry.current)
    champion = current.checkpoint_id if current else _BASE
    if champion == settings.challenger:
        return champion, None
    who = body.user or body.prompt
    return champion, lab.arm(who, champion, settings.challenger, settings.challenger_share)


async def _write(
    request: Request, services: Services, body: GenerateBody, weights: Weights, number: int
) -> Answer:
    """The local model's answer; a seed gives each ``number`` of a try its own."""
    seed = None if body.seed is None else (body.seed + number) % 2**32
    wanted = generate.draft(
        services.engine.encoder,
        body.prompt,
        body.max_tokens,
        Sampling(temperature=body.temperature, seed=seed),
        weights,
        is_constrained=body.constrained,
    )
    answer = await answer_of(request, services, wanted.request)
    if (retry := wanted.retry(answer)) is not None:
        answer = await answer_of(request, services, retry)
    return answer


ROUTES = [
    post("/alphas/generate", generate_alpha, "infer", takes=GenerateBody, gives=AlphaAnswer),
    get("/alphas/trial", show_trial, "infer", gives=TrialAnswer),
]
