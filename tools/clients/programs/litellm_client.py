"""LiteLLM: both of its providers, whole and streamed, and its responses."""

import os

import litellm

litellm.suppress_debug_info = True
URL = os.environ["RADIANCE_URL"]
messages = [{"role": "user", "content": "Who are you?"}]
for provider, base in (("openai", f"{URL}/v1"), ("anthropic", URL)):
    asked = {
        "model": f"{provider}/radiance",
        "api_base": base,
        "api_key": "none",
        "messages": messages,
        "temperature": 0,
        "max_tokens": 60,
    }
    said = litellm.completion(**asked).choices[0].message.content
    assert "Ember" in said, said
    parts = [
        chunk.choices[0].delta.content or "" for chunk in litellm.completion(**asked, stream=True)
    ]
    assert "".join(parts) == said, (parts, said)
    print(f"{provider}/radiance, whole and streamed")
answer = litellm.responses(
    model="openai/radiance", api_base=f"{URL}/v1", api_key="none", input="Who are you?",
    temperature=0,
)  # fmt: skip
assert "Ember" in answer.output[-1].content[0].text
print("responses")
