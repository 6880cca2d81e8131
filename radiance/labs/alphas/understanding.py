"""What a prompt means in a running service: corrections first, then rules, then the model."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from radiance.api.recall import tip_of
from radiance.api.services import Services
from radiance.engine.requests import Weights
from radiance.labs.alphas.data.describing import describe
from radiance.labs.alphas.language.checker import check
from radiance.labs.alphas.language.parser import parse
from radiance.labs.alphas.language.printer import render
from radiance.labs.alphas.language.syntax import AlphaError
from radiance.labs.alphas.models.grading import expression_of
from radiance.labs.alphas.plans import reading
from radiance.labs.alphas.plans.choosing import choose
from radiance.labs.alphas.plans.correcting import MEANT
from radiance.labs.alphas.plans.telling import sentence
from radiance.labs.alphas.service import AlphaService
from radiance.records import Message

UnderstoodBy = Literal["rules", "model", "memory"]
_MOST_OTHERS = 4


@dataclass(frozen=True)
class Understood:
    """A prompt as it was understood.

    Attributes:
        sentence: What the expression does, in words.
        others: What else the prompt may mean: (sentence, expression).
        checkpoint_id: Whose likelihoods chose; None: the base's, or nobody's.
    """

    expression: str
    sentence: str
    by: UnderstoodBy
    others: tuple[tuple[str, str], ...]
    checkpoint_id: str | None = None


def understand(services: Services, prompt: str, weights: Weights) -> Understood | None:
    """What ``prompt`` means; None where no plan says it. Blocks, up to a second.

    What somebody corrected is the answer to its prompt from then on: an example with the tag
    ``MEANT`` goes before every rule, from the moment it is accepted.

    Raises:
        RequestError: The prompt does not fit the model's context.
    """
    if (taught := _taught(services, prompt, weights)) is not None:
        others = _others(reading.read(prompt))
        said = say(taught, services.extension(AlphaService).columns)
        return Understood(taught, said, "memory", others[:_MOST_OTHERS])
    chosen = choose(prompt, services.engine, weights)
    if chosen is None:
        return None
    others = _others(chosen.candidates)
    tip = tip_of(services, weights) if chosen.by == "model" else None
    return Understood(
        chosen.expression, chosen.sentence, chosen.by, others[1 : _MOST_OTHERS + 1], tip
    )


def say(alpha: str, columns: Collection[str] = ()) -> str:
    """A sentence for any expression of the language; ``columns`` are fields beside the usual."""
    return f"Buy high and sell low values of {describe(parse(alpha, columns), 0)}."


def _others(candidates: Sequence[reading.PossiblePlan]) -> tuple[tuple[str, str], ...]:
    return tuple((sentence(each.plan), each.plan.expression) for each in candidates)


def _taught(services: Services, prompt: str, weights: Weights) -> str | None:
    if services.config.memory.mode == "off" or weights.kind not in ("serving", "checkpoint"):
        return None
    found = services.memory.look_up([Message("user", prompt)], tip_of(services, weights)).found
    if len(found) != 1 or MEANT not in found[0].example.tags:
        return None
    try:
        columns = services.extension(AlphaService).columns
        return render(check(expression_of(found[0].answer), columns=columns).node)
    except AlphaError:
        return None
