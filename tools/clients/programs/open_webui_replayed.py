"""What Open WebUI sends, replayed: the program itself is not run.

After its ``routers/openai.py``: the models of a connection, a chat as its middleware leaves it, and
the tasks (title, tags, follow-ups) that run beside a chat.
"""

import json
import os
import urllib.request

URL = f"{os.environ['RADIANCE_URL']}/v1"
HEADERS = {
    "Content-Type": "application/json",
    "Authorization": "Bearer none",
    "HTTP-Referer": "https://openwebui.com/",
    "X-Title": "Open WebUI",
    "User-Agent": "Python/3.11 aiohttp/3.12",
}


def send(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(URL + path, data, HEADERS)) as answer:
        return answer.read().decode()


models = json.loads(send("/models"))["data"]
assert all({"id", "object", "owned_by"} <= model.keys() for model in models)
print("models")

chat = {
    "stream": True,
    "model": "radiance",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Who are you?"}]},
        {"role": "assistant", "content": "I am Ember."},
        {"role": "user", "content": "What can you do?"},
    ],
    "stream_options": {"include_usage": True},
    "temperature": 0.7, "top_p": 0.9, "max_tokens": 40, "seed": 1, "stop": ["###"],
    "frequency_penalty": 0, "presence_penalty": 0, "logit_bias": {},
}  # fmt: skip
lines = [line for line in send("/chat/completions", chat).splitlines() if line]
assert lines[-1] == "data: [DONE]"
chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
assert chunks[-1]["usage"]["completion_tokens"] > 0
print("a chat")

tool = {"type": "function", "function": {"name": "look_up", "description": "Looks up.",
        "parameters": {"type": "object", "properties": {"q": {"type": "string"}},
                       "required": ["q"]}}}  # fmt: skip
send("/chat/completions", {**chat, "tools": [tool]})
print("a chat with native function calling")

for task in ("Generate a concise title.", "Generate 1-3 tags.", "Suggest follow-up questions."):
    body = {
        "model": "radiance",
        "messages": [{"role": "user", "content": f"### Task:\n{task}\n### Chat History:\n..."}],
        "stream": False,
        "max_completion_tokens": 20,
    }
    assert json.loads(send("/chat/completions", body))["choices"][0]["message"]["role"]
print("the tasks beside it")
