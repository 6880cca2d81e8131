"""POST /alphas/generate: a prompt in, an alpha, its check and its backtest out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from radiance.api.route import get, post
from radiance.api.services import Services, services_of
from radiance.api.streaming import answer_of
from radiance.api.weights import key_of, weights_of
from radiance.engine.requests import Answer, Sampling, Weights
from radiance.errors import RequestError
from radiance.fallback.chain import LOCAL, FallbackResult, UpstreamState
from radiance.fallback.providers import UpstreamFailed, UpstreamRequest
from radiance.labs.alphas import trial
from radiance.labs.alphas.models import generate
from radiance.labs.alphas.models.constraining import LEAST_TOKENS
from radiance.labs.alphas.models.grading import Grade, Outcome
from radiance.labs.alphas.results.performance import Performance
from radiance.labs.alphas.service import AlphaService, shortcoming
from radiance.labs.alphas.trial import Arm, TrialState
from radiance.labs.alphas.understanding import Understood, UnderstoodBy, say, understand

_BASE = "base"
Form = Literal["plan", "expression"]
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
        form: "plan" reads the prompt as a plan and compiles that; "expression" lets the model write
            freely. Null is a plan where the prompt can be read as one and nothing asks for the
            model's own writing: not constrained, tries, a seed or a trial; and where none that was
            written is an alpha, one more under the grammar, so that the answer compiles.
    """

    prompt: Annotated[str, Meta(min_length=1)]
    max_tokens: Annotated[int, Meta(ge=1, le=2048)] = 200
    temperature: Annotated[float, Meta(ge=0, le=10)] = 0.2
    seed: Annotated[int, Meta(ge=0, lt=2**32)] | None = None
    constrained: bool = False
    tries: Annotated[int, Meta(ge=1, le=16)] = 1
    checkpoint: Annotated[str, Meta(min_length=1)] | None = None
    user: Annotated[str, Meta(min_length=1, max_length=256)] | None = None
    form: Form | None = None


class Reading(msgspec.Struct):
    """Something else that the prompt may mean."""

    sentence: str
    alpha: str


class Tried(msgspec.Struct):
    """Somebody who was asked before, and why that was not enough."""

    provider: str
    reason: str


class AlphaAnswer(msgspec.Struct):
    """An alpha with its check and its backtest.

    Attributes:
        answer: As the model wrote it, or the expression of the plan.
        sentence: What the alpha does, in words; null where it does not compile.
        by: Who understood: "rules" read the prompt, the "model" chose among readings or wrote,
            "memory" had been corrected.
        others: What the prompt may mean besides. Not what was meant? Send the prompt with the right
            expression to POST /update.
        alpha: In canonical form; null where it does not compile.
        error: Why it fell short.
        coverage: Share of the market's cells in which it has a value.
        backtest: Annual Sharpe ratio, turnover, drawdown, capacity and more; null without one.
        provider: "local", or the upstream that answered.
        arm: The side of a trial that answered.
        tries: How many answers the local model wrote as asked.
        market: What it was backtested on.
    """

    answer: str
    sentence: str | None
    by: UnderstoodBy
    others: list[Reading]
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


class TrialAnswer(msgspec.Struct):
    """All trials, and the upstreams in the order they are asked."""

    trials: list[TrialState]
    upstreams: list[UpstreamState]


async def generate_alpha(request: Request, body: GenerateBody) -> AlphaAnswer:
    """Write an alpha, check it, and backtest it.

    Where the local model cannot answer, or its answer is no alpha, the fallback chain is asked, if
    one is configured; the answer names who gave it.
    """
    services = services_of(request)
    lab = services.extension(AlphaService)
    _refuse_contradictions(body)
    champion, arm = await _side(services, body)
    if body.form == "plan" or (body.form is None and arm is None and not _asks_to_write(body)):
        weights = await weights_of(services, body.checkpoint)
        understood = await run_in_threadpool(understand, services, body.prompt, weights)
        if understood is not None:
            return await _of_plan(lab, body.prompt, understood)
        if body.form == "plan":
            raise RequestError.of(
                "prompt",
                "names nothing that a plan can measure",
                body.prompt,
                "Name a price, volume, return or range, or leave form out.",
            )
    challenger = lab.settings.challenger if arm == "challenger" else None
    asked = UpstreamRequest(
        (("system", _TASK), ("user", body.prompt)), body.max_tokens, body.temperature
    )
    given: FallbackResult[str] | None = None
    own: str | None = None  # what the side on trial wrote
    if challenger in services.chain.upstreams:
        given = await _of_upstream(services, challenger, asked)
        own = "" if given is None else given.value
        challenger = None
    local = _LocalAnswers(
        request, services, body, await weights_of(services, body.checkpoint or challenger)
    )
    if given is None:
        columns = lab.columns
        given = await services.chain.answer(
            local.write, asked, lambda answer: shortcoming(answer, columns)
        )
        if own is None and local.last is not None:
            own = local.last.text
    text = str(given.value)
    grade = await run_in_threadpool(lab.judge, body.prompt, text)
    if not grade.compiles and body.form is None and arm is None:
        # Nobody wrote one, and nobody asked for free writing: the grammar lets nothing else out.
        local.body = msgspec.structs.replace(
            body, constrained=True, max_tokens=max(body.max_tokens, LEAST_TOKENS)
        )
        text = await local.write_one()
        grade = await run_in_threadpool(lab.judge, body.prompt, text)
        given = FallbackResult(text, LOCAL, given.tried)
    # Of constrained answers nothing is learned: they compile whichever side writes them.
    if arm is not None and own is not None and not body.constrained:
        judged = grade if own == text else await run_in_threadpool(lab.judge, body.prompt, own)
        await run_in_threadpool(
            lab.trials.record,
            trial.SUBJECT,
            champion,
            lab.settings.challenger,
            lab.settings.trial_error,
            is_candidate=arm == "challenger",
            success=judged.outcome == "backtested",
        )
    is_local = given.provider == LOCAL and local.last is not None
    checkpoint = local.last.checkpoint_id if is_local and local.last else None
    tried = [Tried(provider, reason) for provider, reason in given.tried]
    sentence = grade.alpha and say(grade.alpha, lab.columns)
    return _answer(
        lab,
        grade,
        text,
        sentence,
        by="model",
        checkpoint=checkpoint,
        provider=given.provider,
        tried=tried,
        arm=arm,
        tries=local.tries,
    )


async def _of_plan(lab: AlphaService, prompt: str, understood: Understood) -> AlphaAnswer:
    grade = await run_in_threadpool(lab.judge, prompt, understood.expression)
    return _answer(
        lab,
        grade,
        understood.expression,
        understood.sentence,
        by=understood.by,
        checkpoint=understood.checkpoint_id,
        others=[Reading(sentence, alpha) for sentence, alpha in understood.others],
    )


def _answer(
    lab: AlphaService,
    grade: Grade,
    text: str,
    sentence: str | None,
    *,
    by: UnderstoodBy,
    checkpoint: str | None,
    others: Sequence[Reading] = (),
    provider: str = LOCAL,
    tried: Sequence[Tried] = (),
    arm: Arm | None = None,
    tries: int = 0,
) -> AlphaAnswer:
    """What was written or planned, with its grade."""
    return AlphaAnswer(
        answer=text,
        sentence=sentence,
        by=by,
        others=list(others),
        alpha=grade.alpha,
        outcome=grade.outcome,
        compiles=grade.compiles,
        error=grade.error,
        coverage=grade.coverage,
        backtest=grade.performance,
        provider=provider,
        tried=list(tried),
        checkpoint=checkpoint,
        arm=arm,
        tries=tries,
        market=lab.market,
    )


async def show_trial(request: Request) -> TrialAnswer:
    """The trials of champion and challenger, and the state of each upstream."""
    services = services_of(request)
    lab = services.extension(AlphaService)
    return TrialAnswer(trial.states(lab.trials), services.chain.states())


async def _of_upstream(
    services: Services, name: str, asked: UpstreamRequest
) -> FallbackResult[str] | None:
    """The answer of an upstream on trial; None where it gave none, so that another answers."""
    try:
        return FallbackResult(await services.chain.ask(name, asked), name)
    except UpstreamFailed:
        return None


def _refuse_contradictions(body: GenerateBody) -> None:
    if not body.prompt.strip():
        raise RequestError.of("prompt", "is blank", body.prompt, "Ask for an alpha.")
    if body.constrained and body.max_tokens < LEAST_TOKENS:
        raise RequestError.of(
            "max_tokens",
            "is too few for an alpha to end under the grammar",
            body.max_tokens,
            f"Send at least {LEAST_TOKENS}, or leave constrained out.",
        )
    if body.tries > 1 and body.temperature == 0:
        raise RequestError.of(
            "tries",
            "at temperature 0 every answer is the same",
            body.tries,
            "Send a temperature, or leave it out.",
        )


def _asks_to_write(body: GenerateBody) -> bool:
    """Whether a request only makes sense of what the model itself writes."""
    return body.constrained or body.tries > 1 or body.seed is not None


async def _side(services: Services, body: GenerateBody) -> tuple[str, Arm | None]:
    """The champion, and the side of who asks; none where there is no trial for this request."""
    lab = services.extension(AlphaService)
    settings = lab.settings
    if not settings.challenger or body.checkpoint is not None:
        return _BASE, None
    champion = await run_in_threadpool(services.registry.current_id) or _BASE
    if champion == settings.challenger:
        return champion, None
    who = body.user or body.prompt
    return champion, trial.arm_of(who, champion, settings.challenger, settings.challenger_share)


@dataclass
class _LocalAnswers:
    """What the local model writes, until an answer compiles or there were enough.

    Attributes:
        last: The answer written last; None before the first.
        tries: How many were written. With a seed each has its own.
    """

    request: Request
    services: Services
    body: GenerateBody
    weights: Weights
    last: Answer | None = None
    tries: int = 0

    async def write(self) -> str:
        """The first answer that compiles, or the last of ``body.tries``."""
        while True:
            self.last = await self._one(self.tries)
            self.tries += 1
            columns = self.services.extension(AlphaService).columns
            if shortcoming(self.last.text, columns) is None or self.tries >= self.body.tries:
                return self.last.text

    async def write_one(self) -> str:
        """One more answer, whatever it is."""
        self.last = await self._one(self.tries)
        return self.last.text

    async def _one(self, number: int) -> Answer:
        body, services = self.body, self.services
        seed = None if body.seed is None else (body.seed + number) % 2**32
        wanted = await run_in_threadpool(
            generate.request_for,
            services.engine.encoder,
            body.prompt,
            body.max_tokens,
            Sampling(temperature=body.temperature, seed=seed),
            self.weights,
            is_constrained=body.constrained,
            caller=key_of(self.request),
        )
        answer = await answer_of(self.request, services, wanted)
        if (retry := generate.retry_of(wanted, answer)) is not None:
            answer = await answer_of(self.request, services, retry)
        return answer


ROUTES = [
    post("/alphas/generate", generate_alpha, "infer"),
    get("/alphas/trial", show_trial, "infer"),
]
