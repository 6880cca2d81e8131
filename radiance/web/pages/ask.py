"""One question to two checkpoints: both answers, how they differ, how likely each finds both."""

from collections.abc import Sequence
from difflib import SequenceMatcher

from starlette.requests import Request as HttpRequest

from radiance.api.services import Services
from radiance.engine.model.encoding import Encoder
from radiance.engine.requests import Answer, Request, Scoring
from radiance.errors import RadianceError
from radiance.records import Message
from radiance.web.page import Data, Page

_MOST_LISTED = 200
_MOST_TOKENS = 128


def describe(services: Services, request: HttpRequest) -> Data:
    """``?prompt=`` asked of ``?a=`` and ``?b=``, greedily, so that asking again says the same."""
    prompt = request.query_params.get("prompt", "")
    a, b = (
        request.query_params.get(side) or name for side, name in (("a", "base"), ("b", "stable"))
    )
    listed = [checkpoint.checkpoint_id for checkpoint in services.registry.all(_MOST_LISTED)]
    live = ["training"] if services.pipeline.progress is not None else []
    found: Data = {
        "prompt": prompt,
        "a": a,
        "b": b,
        "choices": list(dict.fromkeys(["base", "stable", *live, a, b, *listed])),
        "max_tokens": _MOST_TOKENS,
        "answers": None,
        "error": None,
    }
    if prompt.strip():
        try:
            found["answers"] = _ask_both(services, prompt, a, b)
        except RadianceError as error:
            found["error"] = str(error)
    return found


def _ask_both(services: Services, prompt: str, a: str, b: str) -> list[Data]:
    encoder = services.engine.encoder
    tokens = encoder.prompt([Message("user", prompt)])
    most = min(_MOST_TOKENS, encoder.context_tokens - len(tokens))
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


PAGE = Page(
    path="/ask",
    title="Ask",
    template="ask.html",
    describe=describe,
    nav="Ask",
    scripts=("ask.js",),
)
