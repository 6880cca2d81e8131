"""What is asked of the engine and what it answers: plain values, without MLX or HTTP."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from radiance.records import CheckpointStatus

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Weights:
    """Which weights are to answer.

    Attributes:
        kind: "serving" is whatever is served when the row starts; "training" the live weights of a
            running cycle, or what serves where none runs; "checkpoint" the one described below.
        checkpoint_id: Of a checkpoint.
        status: Of a checkpoint.
        content_hash: SHA-256 of its ``adapters.safetensors``.
        path: Its directory.
    """

    kind: Literal["serving", "base", "training", "checkpoint"]
    checkpoint_id: str | None = None
    status: CheckpointStatus | None = None
    content_hash: str = ""
    path: Path | None = None


SERVING, BASE, TRAINING = Weights("serving"), Weights("base"), Weights("training")


@dataclass(frozen=True)
class Sampling:
    """How a token is chosen.

    Attributes:
        temperature: 0 is greedy.
        top_p: Least mass of the likeliest tokens that are left to choose from; 1: all.
        top_k: Number of the likeliest tokens that are left; 0: all.
        min_p: Tokens less likely than this share of the likeliest are left out.
        seed: Makes the choice repeatable; None takes the engine's own random numbers.
        presence_penalty: Subtracted from the logit of every token generated already.
        frequency_penalty: The same, once for each time it was generated.
        repetition_penalty: Divides the logits of tokens of prompt and answer; multiplies negative
            ones.
        repetition_context: Of the last so many tokens only; 0: of all.
        presence_context: Generated tokens, the last, that the presence penalty looks at; 0: all.
        frequency_context: The same for the frequency penalty.
        xtc_probability: How often XTC leaves out all but the least likely of the likely tokens.
        xtc_threshold: From which probability on a token is likely, for XTC.
        logit_bias: Added to the logits of these tokens: (token, bias).
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    seed: int | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    repetition_context: int = 0
    presence_context: int = 0
    frequency_context: int = 0
    xtc_probability: float = 0.0
    xtc_threshold: float = 0.1
    logit_bias: tuple[tuple[int, float], ...] = ()


GREEDY = Sampling(temperature=0.0)


@dataclass(frozen=True)
class Constraint:
    """The form that an answer must have.

    Attributes:
        source: A JSON schema as JSON text, a Lark grammar, or a regular expression; "" for any
            JSON object.
    """

    kind: Literal["json_object", "json_schema", "lark", "regex"]
    source: str = ""


@dataclass(frozen=True)
class Request:
    """What to generate.

    Attributes:
        tokens: The encoded prompt; at least one token.
        max_tokens: Most tokens of the answer, the end token not counted.
        stop: Strings that end the answer and are not part of it.
        top_logprobs: How many alternatives are told for each token; 0: only the log-probability of
            the chosen one; None: none at all.
        constraint: The form of the answer; None: free.
        timeout_s: Seconds from the submission until the request is given up; None: the service's.
        ignore_end: Go on at end tokens, for measurements.
        continues: The answer goes on with the prompt's text: a space it begins with is kept.
        caller: Whose API key it came with, as its digest; "": none.
    """

    tokens: Sequence[int]
    max_tokens: int
    sampling: Sampling = GREEDY
    weights: Weights = SERVING
    stop: tuple[str, ...] = ()
    top_logprobs: int | None = None
    constraint: Constraint | None = None
    timeout_s: float | None = None
    ignore_end: bool = False
    continues: bool = False
    caller: str = ""


@dataclass(frozen=True)
class TokenLogprob:
    """One token with its log-probability in nats, and the likeliest ones in its place."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Started:
    """A request has its weights and is being processed.

    Attributes:
        checkpoint_id: The checkpoint that answers; None is the base.
        checkpoint_status: "stable", "risky", "rejected", "training" or "base".
        adapter_hash: SHA-256 of the adapter's ``adapters.safetensors``; "" for the base.
        cached_tokens: How many of the prompt's tokens were known from an earlier request.
    """

    checkpoint_id: str | None
    checkpoint_status: str
    adapter_hash: str
    cached_tokens: int


@dataclass(frozen=True)
class Delta:
    """What was added to an answer.

    Attributes:
        text: May be "": a character or a possible stop string is not complete yet.
    """

    text: str
    tokens: tuple[int, ...]
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What was generated, and truly by which weights.

    Attributes:
        finish_reason: "stop" at an end token or stop string, "length" at ``max_tokens``.
        stop_string: The stop string that ended it, if one did.
        checkpoint_id: The checkpoint that answered; None is the base.
        checkpoint_status: As in ``Started``.
        adapter_hash: As in ``Started``.
        cached_tokens: Of the prompt, known from an earlier request.
        latency_s: From the submission to the end.
        first_token_s: From the submission to the first token.
    """

    text: str
    tokens: tuple[int, ...]
    logprobs: tuple[TokenLogprob, ...]
    finish_reason: FinishReason
    stop_string: str | None
    checkpoint_id: str | None
    checkpoint_status: str
    adapter_hash: str
    prompt_tokens: int
    cached_tokens: int
    latency_s: float
    first_token_s: float


Event = Started | Delta
OnEvent = Callable[[Event], None]


@dataclass(frozen=True)
class Scoring:
    """A text whose tokens are to be given their log-probabilities; at least one token."""

    tokens: Sequence[int]
    weights: Weights = SERVING


@dataclass(frozen=True)
class Scored:
    """The log-probabilities of a text.

    Attributes:
        logprobs: Of every token but the first, which nothing predicts.
        checkpoint_id: As in ``Started``, as the two below.
    """

    logprobs: tuple[TokenLogprob, ...]
    checkpoint_id: str | None
    checkpoint_status: str
    adapter_hash: str
