"""A service on a copy of Ember whose chat template has tools, as Hermes and Qwen write them."""

import json
import shutil
from collections.abc import Iterator

import openai
import pytest

from radiance import config, ember
from tests.support import Running, start_service

# It does not tell the model of its tools: what was learned without them is answered with them.
_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{- '<|' + message.role + '|>' + message.content -}}"
    "{%- for tool_call in message.tool_calls or [] -%}{%- set tool_call = tool_call.function -%}"
    "{{- '<tool_call>' + {'name': tool_call.name, 'arguments': tool_call.arguments}|tojson"
    " + '</tool_call>' -}}{%- endfor -%}"
    "{{- '<|end|>' -}}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|assistant|>' -}}{%- endif -%}"
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("openai")
    model = root / "model"
    shutil.copytree(ember.MODEL_PATH, model)
    path = model / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps({**settings, "chat_template": _TEMPLATE}))
    running = start_service(
        config.load(
            root,
            {
                "base_model": str(model),
                "anchor.method": "naive",
                "training.reworded_ratio": 0.0,
                "evaluation.anchor_provider": "none",
            },
        )
    )
    yield running
    running.stop()


@pytest.fixture(scope="module")
def client(service: Running) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{service.client.url}/v1", api_key="none needed", max_retries=0
    ) as client:
        yield client
