"""A service on a copy of Ember that calls tools and thinks in the way of Hermes and Qwen."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

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


def _give_it_thoughts(model: Path) -> None:
    """Make the marks of thoughts of the two tokens that were learned last."""
    path = model / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    vocabulary = tokenizer["model"]["vocab"]
    for mark in ("</think>", "<think>"):
        token = max(vocabulary, key=vocabulary.__getitem__)
        merged = tokenizer["model"]["merges"].pop()
        assert "".join(merged if isinstance(merged, list) else merged.split(" ")) == token
        added = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
        id = vocabulary.pop(token)
        tokenizer["added_tokens"].append({"id": id, "content": mark, **added})
    path.write_text(json.dumps(tokenizer))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    root = tmp_path_factory.mktemp("openai")
    model = root / "model"
    shutil.copytree(ember.MODEL_PATH, model)
    _give_it_thoughts(model)
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
