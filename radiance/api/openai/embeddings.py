"""POST /v1/embeddings: texts as vectors, where memory has an embedder."""

import base64
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from radiance.api.bodies import check_body, read_json
from radiance.api.openai.habits import without_nulls
from radiance.api.services import services_of
from radiance.errors import RequestError

_MOST_TEXTS = 2048
_Text = Annotated[str, Meta(min_length=1)]


class EmbeddingsBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of POST /v1/embeddings.

    Attributes:
        input: A text, or a list of texts.
        model: Accepted: there is one embedder, ``memory.embedder``.
        encoding_format: float, or base64 of little-endian float32.
        dimensions: Only those that the embedder has.
        user: Changes nothing.
    """

    input: _Text | Annotated[list[_Text], Meta(min_length=1, max_length=_MOST_TEXTS)]
    model: str | None = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    user: str | None = None


class Embedded(msgspec.Struct):
    """One text's vector, of unit length."""

    index: int
    embedding: list[float] | str
    object: Literal["embedding"] = "embedding"


class EmbeddingsUsage(msgspec.Struct):
    """Always zero: the embedder's tokens are none of the model's."""

    prompt_tokens: int = 0
    total_tokens: int = 0


class Embeddings(msgspec.Struct):
    """The answer of POST /v1/embeddings."""

    data: list[Embedded]
    model: str
    usage: EmbeddingsUsage
    object: Literal["list"] = "list"


async def create_embeddings(request: Request) -> Embeddings:
    """Embed texts with memory's embedder."""
    services = services_of(request)
    data = await read_json(request, services.config.server.max_body_bytes)
    body = check_body(without_nulls(data), EmbeddingsBody)
    embedder = services.memory.embedder
    if not embedder.dimensions:
        raise RequestError.of(
            "model",
            "this service has no embedder",
            body.model,
            '`radiance models get minilm` fetches one; then set memory.embedder = "minilm".',
        )
    if body.dimensions not in (None, embedder.dimensions):
        raise RequestError.of(
            "dimensions",
            f"is {body.dimensions}, and the embedder has {embedder.dimensions}",
            body.dimensions,
            "Leave it out.",
        )
    texts = [body.input] if isinstance(body.input, str) else body.input
    vectors = await run_in_threadpool(embedder.embed, texts)
    is_packed = body.encoding_format == "base64"
    found = [
        Embedded(place, _packed(vector) if is_packed else vector.tolist())
        for place, vector in enumerate(vectors)
    ]
    return Embeddings(found, services.config.memory.embedder, EmbeddingsUsage())


def _packed(vector: np.ndarray) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
