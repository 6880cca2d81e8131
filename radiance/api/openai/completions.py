"""POST /v1/completions: texts continued, and with ``echo`` and ``logprobs`` measured."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Annotated, Any

from msgspec import UNSET, Meta
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import StreamingResponse

from radiance import limits
from radiance.api.memory_notes import Recollection
from radiance.api.openai import fallback, shapes
from radiance.api.openai import origin as origins
from radiance.api.openai.events import event_stream
from radiance.api.openai.logprobs import TextLogprobsWriter
from radiance.api.openai.models import model_weights
from radiance.api.openai.origin import Origin
from radiance.api.openai.parameters import MOST_LOGPROBS, Shared, read_parameters
from radiance.api.openai.remembering import noted, recalled_by
from radiance.api.openai.running import Event
from radiance.api.openai.scoring import scores_of
from radiance.api.openai.usage import ContextFull, counted, room_for
from radiance.api.route import Reply
from radiance.api.services import Services, services_of
from radiance.api.weights import caller_of, key_of
from radiance.engine import requests as engine
from radiance.engine.requests import Answer, Delta, TokenLogprob
from radiance.errors import RequestError, TooLarge

UNSUPPORTED = {
    "best_of": "Leave it out, or send n.",
    "suffix": "Leave it out; texts are continued at their end only.",
}

_DEFAULT_TOKENS = 16  # OpenAI's
_Token = Annotated[int, Meta(ge=0)]
_Tokens = Annotated[list[_Token], Meta(min_length=1)]


class CompletionBody(Shared):
    """The body of POST /v1/completions.

    Attributes:
        prompt: A text, its tokens, or a list of either; "" or none: a new text.
        max_tokens: 0 only with ``echo``.
        echo: Whether the prompt is part of what is answered.
        logprobs: Of how many likely tokens to tell the log-probability in each token's place,
            besides its own.
    """

    prompt: str | list[str | _Token | _Tokens] | None = None
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    echo: bool | None = None
    logprobs: Annotated[int, Meta(ge=0, le=MOST_LOGPROBS)] | None = None


@dataclass(frozen=True)
class _Prompt:
    """One prompt, as tokens and as text."""

    tokens: list[int]
    text: str


@dataclass(frozen=True)
class _CompletionPlan:
    """What is to be done for one body: ``n`` requests to each prompt.

    Attributes:
        recalled: What memory has to say to it.
        scores: Log-probabilities of the prompts, once they are measured.
    """

    body: CompletionBody
    prompts: list[_Prompt]
    wanted: list[engine.Request]
    stamp: shapes.Stamp
    recalled: Recollection
    scores: Sequence[tuple[TokenLogprob, ...]] = ()

    @property
    def is_measured(self) -> bool:
        """Whether the log-probabilities of the prompts are asked for."""
        return bool(self.body.echo and self.body.logprobs is not None)

    def prompt_of(self, place: int) -> _Prompt:
        """The prompt of a request."""
        return self.prompts[place // self.body.choices]


async def create_completion(
    request: Request,
) -> Reply[shapes.TextCompletion] | StreamingResponse:
    """Continue texts, whole or as a stream of server-sent events."""
    services = services_of(request)
    body = await read_parameters(request, CompletionBody, UNSUPPORTED)
    plan = await _plan(request, services, body)
    if plan.is_measured:
        plan, origin = await _measured(request, services, plan)
        if body.max_tokens == 0:
            completion = _completion(services, plan, origin.sign(plan.stamp), [])
            return Reply(completion, headers=origin.headers)
    asked = fallback.text_asked(body, body.prompt, plan.wanted[0].max_tokens)
    recalled = plan.recalled
    if body.stream:
        origin, told = await origins.begun(request, services, plan.wanted, asked, recalled)
        signature = origin.sign(plan.stamp)
        if isinstance(told, str):
            chunks = fallback.text_chunks(told, signature, wants_usage=body.wants_usage)
        else:
            chunks = _chunks(services, plan, signature, told)
        return event_stream(noted(chunks, recalled), origin.headers)
    origin, told = await origins.whole(request, services, plan.wanted, asked, recalled)
    signature = origin.sign(plan.stamp)
    if isinstance(told, str):
        completion = fallback.text_completion(told, signature)
    else:
        completion = _completion(services, plan, signature, told)
    completion.radiance = recalled.note or UNSET
    return Reply(completion, headers=origin.headers)


async def _plan(request: Request, services: Services, body: CompletionBody) -> _CompletionPlan:
    encoder = services.engine.encoder
    if body.max_tokens == 0 and (not body.echo or body.stream or body.logprobs is None):
        raise RequestError.of(
            "max_tokens",
            "is 0, and nothing else is asked for",
            0,
            "Send at least 1, or echo: true and logprobs, without stream.",
        )
    prompts = await run_in_threadpool(_prompts, services, body.prompt, body.choices)
    caller = caller_of(request, body.user)
    weights = await model_weights(services, body.asked_model, caller)
    if weights.kind == "training" and len(prompts) * body.choices > 1:
        field = "n" if body.choices > 1 else "prompt"
        raise RequestError.of(
            field,
            "live training weights change from answer to answer",
            None,
            "Ask them one text, once.",
        )
    asked = _DEFAULT_TOKENS if body.max_tokens is None else body.max_tokens
    recalled = await recalled_by(services, body, _question(body), weights, asked)
    if recalled.note is not None and recalled.note.how == "taught":
        recalled = replace(recalled, note=None)  # the weights go on with a text as it stands
    weights = recalled.weights
    samplings = [body.sampling(encoder.vocabulary.size, choice) for choice in range(body.choices)]
    key = key_of(request)
    wanted = [
        engine.Request(
            tokens=prompt.tokens,
            max_tokens=room_for(encoder.context_tokens, prompt.tokens, asked, "prompt"),
            sampling=sampling,
            weights=weights,
            caller=key,
            stop=body.stops,
            top_logprobs=body.logprobs,
            # Harnesses take the last token of a measured text to be the one generated.
            ignore_end=bool(body.echo) and body.logprobs is not None and asked == 1,
            continues=bool(body.echo) and bool(prompt.text),
        )
        for prompt in prompts
        for sampling in samplings
    ]
    return _CompletionPlan(body, prompts, wanted, shapes.new_stamp("cmpl"), recalled)


def _question(body: CompletionBody) -> list[dict[str, str]]:
    """What memory is asked: one question, whose continuation is its answer; else nothing."""
    prompt = body.prompt
    is_question = isinstance(prompt, str) and prompt.rstrip().endswith("?")
    if not is_question or body.echo or body.logprobs is not None:
        return []
    return [{"role": "user", "content": str(prompt).strip()}]


def _prompts(services: Services, given: Any, choices: int) -> list[_Prompt]:
    """What is to be continued, ``choices`` times each.

    Raises:
        RequestError: A list of nothing, of several kinds or of too many; a token that there is not.
        ContextFull: One is longer than any text that fits the context.
    """
    if given is None or isinstance(given, str):
        return [_text(services, given or "")]
    kinds = {type(one) for one in given}
    if len(kinds) != 1:
        raise RequestError.of(
            "prompt",
            "mixes texts and tokens" if kinds else "is an empty list",
            given,
            "Send a text, a list of texts, a list of tokens, or a list of such lists.",
        )
    if kinds == {int}:
        return [_tokens(services, given, "prompt")]
    if len(given) * choices > (most := limits.REQUEST_ROWS.value):
        raise RequestError.of(
            "prompt",
            f"{len(given)} prompts with n = {choices} are {len(given) * choices} answers, "
            f"and one request has at most {most}",
            None,
            "Send several requests.",
        )
    if kinds == {str}:
        return [_text(services, one) for one in given]
    return [_tokens(services, one, f"prompt[{place}]") for place, one in enumerate(given)]


def _text(services: Services, text: str) -> _Prompt:
    try:
        return _Prompt(services.engine.encoder.text(text), text)
    except TooLarge as error:
        raise ContextFull(f"prompt: {error}.", field="prompt", remedy=error.remedy) from None


def _tokens(services: Services, tokens: list[int], field: str) -> _Prompt:
    encoder = services.engine.encoder
    room_for(encoder.context_tokens, tokens, None, field)
    for place, token in enumerate(tokens):
        if token >= encoder.vocabulary.size:
            raise RequestError.of(
                f"{field}[{place}]",
                "is not the id of a token",
                token,
                f"Send ids from 0 to {encoder.vocabulary.size - 1}.",
            )
    written = b"".join(map(encoder.vocabulary.token_bytes, tokens))
    return _Prompt(tokens, written.decode(errors="replace"))


async def _measured(
    request: Request, services: Services, plan: _CompletionPlan
) -> tuple[_CompletionPlan, Origin]:
    """The plan with its prompts measured, pinned to the weights that did."""
    texts = [prompt.tokens for prompt in plan.prompts]
    weights = plan.wanted[0].weights
    assert plan.body.logprobs is not None
    found, weights = await scores_of(request, services, texts, weights, plan.body.logprobs)
    pinned = replace(
        plan,
        wanted=[replace(one, weights=weights) for one in plan.wanted],
        scores=[one.logprobs for one in found],
    )
    return pinned, origins.of_weights(services, found[0])


def _completion(
    services: Services,
    plan: _CompletionPlan,
    signature: shapes.Signature,
    answers: Sequence[Answer],
) -> shapes.TextCompletion:
    """The whole of it; without answers the prompts alone."""
    choices = [
        _choice(services, plan, place, answers[place] if answers else None)
        for place in range(len(plan.wanted))
    ]
    usage = counted(answers, plan.body.choices)
    if not answers:
        usage.prompt_tokens = usage.total_tokens = sum(len(p.tokens) for p in plan.prompts)
    return shapes.TextCompletion(*signature, choices=choices, usage=usage)


def _choice(
    services: Services, plan: _CompletionPlan, place: int, answer: Answer | None
) -> shapes.TextChoice:
    part = _Continuation(services, plan, place)
    opening = part.opening()
    text = opening.text if opening else ""
    tokens = [*(part.prompt_logprobs() if plan.is_measured else ())]
    if answer is not None:
        text += answer.text
        tokens += answer.logprobs
    logprobs = None
    if plan.body.logprobs is not None:
        logprobs = TextLogprobsWriter(services.engine.encoder).part(tokens)
    return shapes.TextChoice(
        place, text, logprobs, "length" if answer is None else answer.finish_reason
    )


async def _chunks(
    services: Services,
    plan: _CompletionPlan,
    signature: shapes.Signature,
    events: AsyncGenerator[tuple[int, Event], None],
) -> AsyncGenerator[shapes.TextCompletion, None]:
    """The chunks of a stream; closes ``events``."""
    usage = None if plan.body.wants_usage else UNSET

    def chunk(choice: shapes.TextChoice) -> shapes.TextCompletion:
        return shapes.TextCompletion(*signature, choices=[choice], usage=usage)

    parts = [_Continuation(services, plan, place) for place in range(len(plan.wanted))]
    answers: dict[int, Answer] = {}
    async with aclosing(events) as told:
        for part in parts:
            if opening := part.opening():
                yield chunk(opening)
        async for place, event in told:
            if isinstance(event, Delta):
                if more := parts[place].more(event):
                    yield chunk(more)
            elif isinstance(event, Answer):
                answers[place] = event
                yield chunk(parts[place].end(event))
    if plan.body.wants_usage:
        ordered = [answers[place] for place in range(len(parts))]
        counts = counted(ordered, plan.body.choices)
        yield shapes.TextCompletion(*signature, choices=[], usage=counts)


class _Continuation:
    """One of the answers, as it grows."""

    def __init__(self, services: Services, plan: _CompletionPlan, place: int) -> None:
        self._plan, self._place = plan, place
        self._writer = TextLogprobsWriter(services.engine.encoder)
        self._text = ""

    def prompt_logprobs(self) -> list[TokenLogprob | int]:
        """The tokens of the prompt; nothing predicts the first."""
        prompt = self._plan.prompt_of(self._place)
        return [prompt.tokens[0], *self._plan.scores[self._place // self._plan.body.choices]]

    def opening(self) -> shapes.TextChoice | None:
        """The prompt, where it is to be echoed."""
        if not self._plan.body.echo:
            return None
        logprobs = None
        if self._plan.is_measured:
            logprobs = self._writer.part(self.prompt_logprobs())
        return shapes.TextChoice(self._place, self._plan.prompt_of(self._place).text, logprobs)

    def more(self, delta: Delta) -> shapes.TextChoice | None:
        """What more of the answer adds."""
        self._text += delta.text
        logprobs = None
        if self._plan.body.logprobs is not None and delta.logprobs:
            logprobs = self._writer.part(delta.logprobs)
        if not delta.text and logprobs is None:
            return None
        return shapes.TextChoice(self._place, delta.text, logprobs)

    def end(self, answer: Answer) -> shapes.TextChoice:
        """What the end of the answer adds: at least its reason."""
        rest = answer.text[len(self._text) :]
        return shapes.TextChoice(self._place, rest, None, answer.finish_reason)
