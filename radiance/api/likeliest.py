"""Which of several facts that a question could mean it does: the one whose answer is likeliest."""

from collections.abc import Sequence

from starlette.concurrency import run_in_threadpool

from radiance.api.services import Services
from radiance.engine.requests import Scored, Scoring, Weights
from radiance.errors import RequestError
from radiance.memory.recalled import Recalled
from radiance.records import Example, Message

_LEAST_LEAD = 0.25  # nats a token by which one answer is likelier than the next


async def likeliest(
    services: Services, turns: Sequence[Message], weights: Weights, found: tuple[Recalled, ...]
) -> tuple[Recalled, ...]:
    """The one whose answer the weights find likeliest, by a lead; else all, as they are.

    What waits to be learned the weights cannot tell apart.
    """
    if not all(one.is_learned for one in found):
        return found
    encoder = services.engine.encoder
    try:
        encoded = [
            encoder.example(Example("", (*turns, Message("assistant", one.answer))))
            for one in found
        ]
    except RequestError:  # too long, or turns that the chat template refuses
        return found
    task = services.engine.score([Scoring(each.tokens, weights) for each in encoded], 0)
    scored: list[Scored] = await run_in_threadpool(lambda: task.result)
    means = []
    for each, one in zip(encoded, scored, strict=True):
        told = [
            token.logprob
            for token, is_answer in zip(one.logprobs, each.is_completion[1:], strict=True)
            if is_answer
        ]
        means.append(sum(told) / max(1, len(told)))
    order = sorted(range(len(found)), key=lambda place: -means[place])
    if means[order[0]] - means[order[1]] < _LEAST_LEAD:
        return found
    return (found[order[0]],)
