"""OpenAI's client asks for vectors: of the embedder that memory has, or told how to have one."""

from collections.abc import Callable

import openai
import pytest

from tests.minilm import needs_minilm
from tests.support import ApiError, Running


def test_without_an_embedder_the_remedy_is_said(shared_service: Running) -> None:
    with pytest.raises(ApiError) as caught:
        shared_service.client.post("/v1/embeddings", {"input": "a", "model": "minilm"})
    assert (caught.value.status, caught.value.error["param"]) == (400, "model")
    assert "radiance models get minilm" in caught.value.error["message"]


@needs_minilm
def test_vectors_say_how_alike_texts_mean(serve: Callable[..., Running]) -> None:
    service = serve(**{"memory.embedder": "minilm"})
    client = openai.OpenAI(base_url=f"{service.client.url}/v1", api_key="none", max_retries=0)
    texts = ["Where is the lamp?", "In which place does the lamp stand?", "Two and two is four."]
    create = client.embeddings.create
    plain = create(input=texts, model="minilm", encoding_format="float").data
    packed = create(input=texts, model="minilm").data  # the client asks for base64 and unpacks it
    a, b, c = (one.embedding for one in plain)
    assert packed[0].embedding == pytest.approx(a)
    assert sum(x * y for x, y in zip(a, b, strict=True)) > sum(
        x * y for x, y in zip(a, c, strict=True)
    )
    with pytest.raises(openai.BadRequestError, match="dimensions: is 3"):
        client.embeddings.create(input="a", model="minilm", dimensions=3)
