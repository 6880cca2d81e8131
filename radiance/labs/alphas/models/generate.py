"""An alpha asked of the engine: freely, or under the grammar, shorter where that ran out of room.

Who waits, and how, is the caller's affair: these say what to ask of the engine, and what next.
"""

from dataclasses import replace

from radiance.engine import requests
from radiance.engine.model.encoding import Encoder
from radiance.engine.requests import Answer, Constraint, Request, Sampling, Weights
from radiance.engine.worker import Engine
from radiance.labs.alphas.models.constraining import lark_grammar, short_grammar
from radiance.records import Message


def request_for(
    encoder: Encoder,
    prompt: str,
    max_tokens: int,
    sampling: Sampling = requests.GREEDY,
    weights: Weights = requests.SERVING,
    *,
    is_constrained: bool = False,
    caller: str = "",
) -> Request:
    """An alpha for ``prompt``, of ``max_tokens`` or what the context leaves.

    Raises:
        RequestError: The prompt does not fit the context.
    """
    tokens = encoder.prompt([Message("user", prompt)])
    return Request(
        tokens,
        min(max_tokens, encoder.context_tokens - len(tokens)),
        sampling,
        weights,
        constraint=Constraint("lark", lark_grammar()) if is_constrained else None,
        caller=caller,
    )


def retry_of(request: Request, answer: Answer) -> Request | None:
    """What to ask after the answer to a request; None where it stands.

    Under the grammar, an answer that was cut off is asked for again under a shorter one, in which
    every expression ends.
    """
    if request.constraint is None or answer.finish_reason != "length":
        return None
    return replace(request, constraint=Constraint("lark", short_grammar()))


def write(engine: Engine, request: Request) -> Answer:
    """Ask the engine, and wait for the answer that stands."""
    answer = engine.submit(request).result()
    retry = retry_of(request, answer)
    return answer if retry is None else engine.submit(retry).result()
