"""Tokens: how many there is room for, and how many were used."""

from collections.abc import Sequence

from radiance.api.openai.shapes import CachedTokens, Usage
from radiance.engine.requests import Answer
from radiance.errors import RequestError


class ContextFull(RequestError):
    """A prompt leaves no room for an answer."""

    code = "context_length_exceeded"


def room_for(context: int, tokens: Sequence[int], asked: int | None, field: str) -> int:
    """Most tokens of an answer: what is asked, or as many as the context has room for.

    Raises:
        ContextFull: There is no room at all.
    """
    room = context - len(tokens)
    if room < 1:
        raise ContextFull(
            f"{field}: has {len(tokens)} tokens, and the model's context is {context}.",
            field=field,
            remedy=f"Shorten it to fewer than {context} tokens.",
        )
    return room if asked is None else min(asked, room)


def counted(answers: Sequence[Answer], choices: int) -> Usage:
    """The usage of some answers, ``choices`` to each prompt."""
    prompts = [answers[place] for place in range(0, len(answers), choices)]
    prompt = sum(answer.prompt_tokens for answer in prompts)
    completion = sum(len(answer.tokens) for answer in answers)
    cached = sum(answer.cached_tokens for answer in prompts)
    return Usage(prompt, completion, prompt + completion, CachedTokens(cached))
