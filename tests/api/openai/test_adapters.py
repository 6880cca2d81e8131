"""vLLM's routes: an adapter made elsewhere is loaded by name, asked by name, and forgotten."""

import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import mlx.core as mx
import openai
import pytest

from radiance.engine.adapters.export import write_peft
from radiance.engine.adapters.slots import Adapter
from tests.support import Running

LAYER = "model.layers.2.self_attn.v_proj"
ASK: Any = [{"role": "user", "content": "Who are you?"}]


@pytest.fixture(scope="module")
def foreign(service: Running, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PEFT directory that changes Ember's answers."""
    engine = service.service.services.engine
    directory = tmp_path_factory.mktemp("foreign")

    def make() -> None:
        a = mx.random.normal((256, 4), key=mx.random.key(1))
        b = mx.random.normal((4, 128), key=mx.random.key(2))
        write_peft(Adapter({LAYER: (a, b)}, 2.0), engine.base, directory)

    engine.call(make)
    return directory


def post(service: Running, path: str, body: dict[str, Any]) -> tuple[int, str]:
    request = urllib.request.Request(service.client.url + path, json.dumps(body).encode())
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def said(client: openai.OpenAI, model: str) -> str:
    answer = client.chat.completions.create(model=model, messages=ASK, temperature=0, max_tokens=12)
    return answer.choices[0].message.content or ""


def test_a_name_comes_serves_and_goes(
    client: openai.OpenAI, service: Running, foreign: Path
) -> None:
    load = {"lora_name": "team/pumps-v1", "lora_path": str(foreign)}
    assert post(service, "/v1/load_lora_adapter", load) == (
        200, "Success: LoRA adapter 'team/pumps-v1' added successfully.",
    )  # fmt: skip
    assert "team/pumps-v1" in [model.id for model in client.models.list()]
    assert client.models.retrieve("team/pumps-v1").id == "team/pumps-v1"
    with client.chat.completions.with_streaming_response.create(
        model="team/pumps-v1", messages=ASK, max_tokens=1
    ) as response:
        checkpoint = response.headers["x-radiance-checkpoint"]
    assert said(client, "team/pumps-v1") == said(client, f"radiance:{checkpoint}")
    assert (
        said(client, "team/pumps-v1") != said(client, "radiance") == said(client, "radiance:base")
    )

    status, text = post(service, "/v1/load_lora_adapter", load)
    assert (status, json.loads(text)["error"]["param"]) == (409, "lora_name")
    assert post(service, "/v1/load_lora_adapter", {**load, "load_inplace": True})[0] == 200
    unload = {"lora_name": "team/pumps-v1"}
    assert post(service, "/v1/unload_lora_adapter", unload)[0] == 200
    assert post(service, "/v1/unload_lora_adapter", unload)[0] == 404
    with pytest.raises(openai.NotFoundError):
        said(client, "team/pumps-v1")
    assert said(client, f"radiance:{checkpoint}") != said(client, "radiance:base")


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"lora_path": "/nowhere"}, "lora_path"),
        ({"lora_path": "relative"}, "lora_path"),
        ({"lora_name": "radiance"}, "lora_name"),
        ({"lora_name": "A_1"}, "lora_name"),
        ({"lora_name": "a b"}, "lora_name"),
        ({"lora_int_id": 3}, "lora_int_id"),
    ],
)
def test_what_cannot_be_loaded_is_refused_by_name(
    service: Running, foreign: Path, changes: dict[str, Any], param: str
) -> None:
    body = {"lora_name": "x", "lora_path": str(foreign), **changes}
    status, text = post(service, "/v1/load_lora_adapter", body)
    assert (status, json.loads(text)["error"]["param"]) == (400, param)
    assert service.service.services.names.get("x") is None
