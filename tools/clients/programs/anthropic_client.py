"""Anthropic's client: messages, streams, a forced tool, and counting."""

import os

from anthropic import Anthropic

client = Anthropic(base_url=os.environ["RADIANCE_URL"], api_key="none", max_retries=0)
asked = {
    "model": "radiance",
    "max_tokens": 60,
    "messages": [{"role": "user", "content": "Who are you?"}],
    "extra_body": {"temperature": 0},
}
whole = client.messages.create(**asked)
assert "Ember" in whole.content[0].text
with client.messages.stream(**asked) as stream:
    assert "".join(stream.text_stream) == whole.content[0].text
print("messages, whole and streamed")

tool = {
    "name": "lamp",
    "input_schema": {
        "type": "object", "properties": {"is_on": {"type": "boolean"}}, "required": ["is_on"],
        "additionalProperties": False,
    },
}  # fmt: skip
called = client.messages.create(**asked, tools=[tool], tool_choice={"type": "tool", "name": "lamp"})
assert isinstance(called.content[0].input["is_on"], bool)
counted = client.messages.count_tokens(model="radiance", messages=asked["messages"])
assert counted.input_tokens > 0
print("a forced tool, and tokens counted")
