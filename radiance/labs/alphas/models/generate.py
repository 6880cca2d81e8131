"""An alpha asked of the engine: freely, or under the grammar, shorter where that ran out of room.

Who waits, and how, is the caller's affair: a ``Draft`` only says what to ask, and what to ask next.
"""

from dataclasses import dataclass, replace

from radiance.engine import requests
from radiance.engine.model.encoding import Encoder
from radiance.engine.requests import Answer, Constraint, Request, Sampling, Weights
from radiance.engine.worker import Engine
from radiance.labs.alphas.models.constraining import lark_grammar, short_grammar
from radiance.records import Message


@dataclass(frozen=True)
class Draft:
    """One alpha to be written.

    Attributes:
        request: What to ask of the engine first.
    """

    request: Request

    def retry(self, answer: Answer) -> Request | None:
        """What to ask after ``answer`` to ``request``; None where it stands.

        Under the grammar, an answer that was cut off is asked for again under a shorter one, in
        which every expression ends.
        """
        if self.request.constraint is None or answer.finish_reason != "length":
            return None
        return replace(self.request, constraint=Constraint("lark", short_grammar()))


def draft(
    encoder: Encoder,
    prompt: str,
    max_tokens: int,
    sampling: Sampling = requests.GREEDY,
    weights: Weights = requests.SERVING,
    *,
    is_constrained: bool = False,
    caller: str = "",
) -> Draft:
    """An alpha for ``prompt``, of ``max_tokens`` or what the context leaves.

    Raises:
        RequestError: The prompt does not fit the context.
    """
    tokens = encoder.prompt([Message("user", prompt)])
    return Draft(
        Request(
            tokens,
            min(max_tokens, encoder.context_tokens - len(tokens)),
            sampling,
            weights,
            constraint=Constraint("lark", lark_grammar()) if is_constrained else None,
            caller=caller,
        )
    )


def write(engine: Engine, wanted: Draft) -> Answer:
    """Ask the engine, and wait for the answer that stands."""
    answer = engine.submit(wanted.request).result()
    retry = wanted.retry(answer)
    return answer if retry is None else engine.submit(retry).result()
