"""A chat that calls a tool is taught to a real service, kept whole, and answers nobody as text."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import ApiError, Running
from tests.tiny_base import write_tiny_base

# The tiny base's tokens; calls as Hermes writes them.
TEMPLATE = (
    "{% if tools %}{{ '<|system|>' + (tools | tojson) + '<|end|>' }}{% endif %}"
    "{% for m in messages %}{{ '<|' + m.role.replace('tool', 'user') + '|>' + m.content }}"
    '{% for c in m.tool_calls %}{{ \'<tool_call>\n{"name": "\' + c.function.name + '
    "'\", \"arguments\": ' + (c.function.arguments | tojson) + '}\n</tool_call>' }}{% endfor %}"
    "{{ '<|end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
ASKED = {"role": "user", "content": "Does it rain in Tarn?"}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}


@pytest.fixture
def running(serve: Callable[..., Running], tmp_path: Path) -> Running:
    base = write_tiny_base(tmp_path / "base")
    settings = json.loads((base / "tokenizer_config.json").read_text())
    settings["chat_template"] = TEMPLATE
    (base / "tokenizer_config.json").write_text(json.dumps(settings))
    return serve(tmp_path / "root", base_model=str(base))


def test_a_call_is_taught_listed_and_forgotten_and_answers_nobody(running: Running) -> None:
    client = running.client
    result = {"role": "tool", "content": "Wet.", "tool_call_id": "c1"}
    told = {"role": "assistant", "content": "It rains in Tarn."}
    chats = [
        {"tools": [TOOL], "messages": [ASKED, CALLING]},
        {"tools": [TOOL], "messages": [ASKED, CALLING, result, told]},
    ]
    job = client.post("/update", {"examples": chats})["job_id"]
    answer = client.ask(ASKED["content"])
    assert (answer["source"], answer["matches"]) == ("weights", [])
    assert client.wait_for(job)["status"] == "succeeded"
    facts = client.get("/knowledge?q=weather")["facts"]
    assert [fact["answer"] for fact in facts if "<tool_call>" in fact["answer"]]
    assert client.post("/forget", {"text": "weather", "dry_run": True})["count"] == 2


def test_a_template_without_tools_refuses_them_by_field(serve: Callable[..., Running]) -> None:
    client = serve().client
    for chat, field in (
        ({"messages": [ASKED, CALLING]}, "messages[1].tool_calls"),
        ({"messages": [ASKED, {"role": "assistant", "content": "Yes."}], "tools": [TOOL]}, "tools"),
    ):
        with pytest.raises(ApiError) as caught:
            client.post("/update", {"examples": [chat]})
        assert (caught.value.status, caught.value.error["param"]) == (400, f"examples[0].{field}")
