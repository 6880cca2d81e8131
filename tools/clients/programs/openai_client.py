"""OpenAI's client: models, chats, streams, tools, forms, texts and responses."""

import json
import os

from openai import OpenAI

client = OpenAI(base_url=f"{os.environ['RADIANCE_URL']}/v1", api_key="none", max_retries=0)
messages = [{"role": "user", "content": "Who are you?"}]
schema = {
    "type": "object",
    "properties": {"city": {"enum": ["Tarn", "Oslo"]}},
    "required": ["city"],
    "additionalProperties": False,
}

assert "radiance" in [model.id for model in client.models.list()]
whole = client.chat.completions.create(model="radiance", messages=messages, temperature=0)
said = whole.choices[0].message.content
assert "Ember" in said, said
stream = client.chat.completions.create(
    model="radiance", messages=messages, temperature=0, stream=True,
    stream_options={"include_usage": True},
)  # fmt: skip
chunks = list(stream)
assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == said
assert chunks[-1].usage.total_tokens == whole.usage.total_tokens
print("chat, whole and streamed, with usage")

tool = {"type": "function", "function": {"name": "weather", "parameters": schema}}
called = client.chat.completions.create(
    model="radiance", messages=messages, tools=[tool], tool_choice="required"
)
(call,) = called.choices[0].message.tool_calls
assert json.loads(call.function.arguments)["city"] in ("Tarn", "Oslo")
form = {"type": "json_schema", "json_schema": {"name": "place", "schema": schema, "strict": True}}
formed = client.chat.completions.create(model="radiance", messages=messages, response_format=form)
assert json.loads(formed.choices[0].message.content)["city"] in ("Tarn", "Oslo")
print("a forced call and an answer in a form")

text = client.completions.create(model="radiance", prompt="I am", max_tokens=5)
assert text.choices[0].text
answer = client.responses.create(model="radiance", input="Who are you?", temperature=0)
assert answer.output_text == said
with client.responses.stream(model="radiance", input="Who are you?", temperature=0) as events:
    for _ in events:
        pass
    assert events.get_final_response().output_text == said
print("a text, and responses, whole and streamed")
