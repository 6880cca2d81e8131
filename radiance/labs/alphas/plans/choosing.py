"""A plan for a prompt: by rules where the words are clear, by the model where they are not.

The rules of ``reading`` understand; a model is asked only where they took something for granted,
and only about that: what was said it cannot overrule. It orders their candidates by how likely it
finds each one's sentence as the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from radiance.engine.model.encoding import Encoder
from radiance.engine.requests import SERVING, Scored, Scoring, Weights
from radiance.engine.worker import Engine
from radiance.labs.alphas.plans import reading
from radiance.labs.alphas.plans.reading import PossiblePlan
from radiance.labs.alphas.plans.telling import sentence
from radiance.records import Example, Message

ChosenBy = Literal["rules", "model"]
SURE = 0.7
"""From this certainty on the rules are not doubted."""
_MOST = 4
_LEAST_LEAD = 0.5
"""Nats a token by which another reading must be likelier than the rules' own."""


@dataclass(frozen=True)
class Chosen:
    """What a prompt was taken to mean.

    Attributes:
        candidates: The plan that was chosen, then the others.
        by: Who chose the first.
    """

    candidates: tuple[PossiblePlan, ...]
    by: ChosenBy

    @property
    def expression(self) -> str:
        return self.candidates[0].plan.expression

    @property
    def sentence(self) -> str:
        return sentence(self.candidates[0].plan)


def choose(prompt: str, engine: Engine | None = None, weights: Weights = SERVING) -> Chosen | None:
    """The plan for ``prompt``; None where nothing in it is understood.

    Args:
        prompt: What was asked.
        engine: Who is asked where the rules are unsure; None: nobody, the rules decide.
        weights: By which weights.

    Raises:
        RequestError: The prompt does not fit the model's context.
    """
    candidates = reading.read(prompt)
    if not candidates:
        return None
    open_ones = [candidate for candidate in candidates if candidate.is_open][:_MOST]
    rest = [candidate for candidate in candidates if candidate not in open_ones]
    if engine is None or candidates[0].certainty >= SURE or len(open_ones) < 2:
        return Chosen(tuple(candidates), "rules")
    means = likelihoods(engine, prompt, [sentence(c.plan) for c in open_ones], weights)
    best = max(range(len(means)), key=lambda place: means[place])
    if best == 0 or means[best] - means[0] < _LEAST_LEAD:
        return Chosen(tuple(candidates), "model")
    chosen = open_ones.pop(best)
    return Chosen((chosen, *open_ones, *rest), "model")


def likelihoods(
    engine: Engine, prompt: str, answers: Sequence[str], weights: Weights = SERVING
) -> list[float]:
    """Mean log-probability of a token of each answer to ``prompt``, in nats."""
    encoded = [_encoded(engine.encoder, prompt, answer) for answer in answers]
    scored: list[Scored] = engine.score([Scoring(tokens, weights) for tokens, _ in encoded]).result
    return [
        sum(token.logprob for token, told in zip(one.logprobs, is_told[1:], strict=True) if told)
        / max(1, sum(is_told[1:]))
        for one, (_, is_told) in zip(scored, encoded, strict=True)
    ]


def _encoded(encoder: Encoder, prompt: str, answer: str) -> tuple[Sequence[int], Sequence[bool]]:
    example = Example("", (Message("user", prompt), Message("assistant", answer)))
    encoded = encoder.example(example)
    return encoded.tokens, encoded.is_completion
