"""What /v1 takes to shape an answer: the parameters that both kinds of completions share.

A parameter that OpenAI's clients know and this service does not have is refused by name; so is one
that nobody knows. ``null`` always means "not given", as in OpenAI's API.
"""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta
from starlette.requests import Request

from radiance.api.bodies import check_body, read_json
from radiance.api.openai.habits import usual
from radiance.api.services import services_of
from radiance.config import MemoryMode
from radiance.engine.requests import Sampling
from radiance.errors import RequestError

T = TypeVar("T", bound="Shared")

Metadata = Annotated[
    dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]],
    Meta(max_length=16),
]
"""What a client notes on a request, which is sent back with it."""
MOST_LOGPROBS = 20
_MOST_STOPS = 16
_MOST_CHOICES = 128
_SEED_BITS = 63


class StreamOptions(msgspec.Struct, forbid_unknown_fields=True):
    """What a stream tells besides the answer.

    Attributes:
        include_usage: End with a chunk of the tokens counted.
        include_obfuscation: Padding against traffic analysis; there is none.
    """

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


_Penalty = Annotated[float, Meta(ge=-2, le=2)]
_Ratio = Annotated[float, Meta(ge=0, le=1)]
_Size = Annotated[int, Meta(ge=0, lt=1 << 31)]


class Shared(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What chat and text completions have in common.

    Attributes:
        model: Which weights; see ``GET /v1/models``.
        temperature: 0 is greedy; not given: 1.
        top_p: Least mass of the likeliest tokens that are left to choose from.
        top_k: Number of the likeliest tokens that are left; 0 and -1: all.
        min_p: Tokens less likely than this share of the likeliest are left out.
        seed: Makes the answer repeatable on the same weights.
        n: Answers to each prompt.
        stop: Up to 16 texts that end the answer and are not part of it.
        presence_penalty: Subtracted from the logit of every token generated already.
        frequency_penalty: The same, once for each time it was generated.
        repetition_penalty: Divides the logits of the tokens of prompt and answer.
        repetition_context_size: Of the last so many of these tokens only; not given: of all.
        presence_context_size: The last generated tokens that presence_penalty looks at.
        frequency_context_size: The same for frequency_penalty.
        xtc_probability: How often all but the least likely of the likely tokens are left out.
        xtc_threshold: From which probability on a token is likely, for that.
        adapters: The checkpoint to ask, as mlx-lm's server names an adapter; goes before ``model``.
        logit_bias: Added to the logits of these token ids.
        user: The caller's name for its user; changes nothing in the answer.
        memory: When what was accepted answers: off, pending or always. Radiance's own.
    """

    model: str | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: _Ratio | None = None
    top_k: Annotated[int, Meta(ge=-1, lt=1 << 31)] | None = None
    min_p: _Ratio | None = None
    seed: Annotated[int, Meta(ge=-(1 << 63), le=(1 << 63) - 1)] | None = None
    n: Annotated[int, Meta(ge=1, le=_MOST_CHOICES)] | None = None
    stop: (
        str
        | Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(max_length=_MOST_STOPS)]
        | None
    ) = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=10)] | None = None
    repetition_context_size: _Size | None = None
    presence_context_size: _Size | None = None
    frequency_context_size: _Size | None = None
    xtc_probability: _Ratio | None = None
    xtc_threshold: Annotated[float, Meta(ge=0, le=0.5)] | None = None
    adapters: Annotated[str, Meta(min_length=1)] | None = None
    logit_bias: dict[str, Annotated[float, Meta(ge=-100, le=100)]] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None
    memory: MemoryMode | None = None

    @property
    def asked_model(self) -> str | None:
        """The name of the weights that are asked for."""
        return self.model if self.adapters is None else self.adapters

    @property
    def choices(self) -> int:
        """How many answers to each prompt."""
        return self.n or 1

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with the tokens counted."""
        return bool(self.stream_options and self.stream_options.include_usage)

    @property
    def stops(self) -> tuple[str, ...]:
        """The stop strings."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    def sampling(self, vocabulary: int, choice: int = 0) -> Sampling:
        """How tokens are chosen.

        Args:
            vocabulary: How many tokens the model has.
            choice: Which of ``n`` answers: with a seed each has its own random numbers.

        Raises:
            RequestError: A biased token is not of the vocabulary.
        """
        top_p = 1.0 if self.top_p is None else self.top_p
        temperature = 1.0 if self.temperature is None else self.temperature
        return Sampling(
            temperature=temperature if top_p else 0.0,  # the smallest nucleus is the likeliest
            top_p=top_p or 1.0,
            top_k=max(0, self.top_k or 0),
            min_p=self.min_p or 0.0,
            seed=None if self.seed is None else (self.seed + choice) % (1 << _SEED_BITS),
            presence_penalty=self.presence_penalty or 0.0,
            frequency_penalty=self.frequency_penalty or 0.0,
            repetition_penalty=self.repetition_penalty or 1.0,
            repetition_context=self.repetition_context_size or 0,
            presence_context=self.presence_context_size or 0,
            frequency_context=self.frequency_context_size or 0,
            xtc_probability=self.xtc_probability or 0.0,
            xtc_threshold=0.1 if self.xtc_threshold is None else self.xtc_threshold,
            logit_bias=_biases(self.logit_bias or {}, vocabulary),
        )


async def read_parameters(request: Request, kind: type[T], unsupported: Mapping[str, str]) -> T:
    """The body of a completion.

    Args:
        request: The HTTP request.
        kind: What it must fit.
        unsupported: Parameters that OpenAI has and this service does not, each with a remedy.

    Raises:
        RequestError: It does not fit, or asks for what there is not; names the parameter.
        TooLarge: It is over the limit.
    """
    data = usual(await read_json(request, services_of(request).config.server.max_body_bytes))
    refuse_unsupported(data, unsupported)
    body = check_body(data, kind)
    if body.stop == "":
        raise RequestError.of("stop", "is empty", "", "Leave it out.")
    options = body.stream_options
    if options and not body.stream:
        raise RequestError.of(
            "stream_options",
            "is only for streams",
            msgspec.to_builtins(options),
            "Leave it out, or send stream: true.",
        )
    if options and options.include_obfuscation:
        raise RequestError.of(
            "stream_options.include_obfuscation",
            "is not supported",
            True,
            "Leave it out; nothing is added to the stream.",
        )
    return body


def refuse_unsupported(data: Any, unsupported: Mapping[str, str]) -> None:
    """Refuse what is known and not there; drop it where it is null.

    Raises:
        RequestError: A parameter of ``unsupported`` was given a value.
    """
    if not isinstance(data, dict):
        return
    for name in unsupported.keys() & data.keys():
        if data[name] is not None:
            raise RequestError.of(name, "is not supported", data[name], unsupported[name])
        del data[name]


def _biases(given: dict[str, float], vocabulary: int) -> tuple[tuple[int, float], ...]:
    found = []
    for name, bias in given.items():
        is_number = name.isascii() and name.isdecimal() and len(name) <= 18
        if not is_number or int(name) >= vocabulary:
            raise RequestError.of(
                "logit_bias",
                f"{name[:40]!r} is not the id of a token",
                name[:40],
                f"Send ids from 0 to {vocabulary - 1}.",
            )
        found.append((int(name), bias))
    return tuple(found)
