"""What Continue sends, replayed: the extension itself is not run.

After ``core/llm/llms/OpenAI.ts`` and its adapters: the models, a chat, an edit, and completions of
code by a template with its many stop texts.
"""

import json
import os
import urllib.request

URL = f"{os.environ['RADIANCE_URL']}/v1"
HEADERS = {"Content-Type": "application/json", "Authorization": "Bearer none", "api-key": "none"}
STOPS = ["<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<file_sep>", "<|endoftext|>", "</code>"]
STOPS += ["</fim_middle>", "/src/", "#- coding: utf-8", "```"]


def send(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(URL + path, data, HEADERS)) as answer:
        return answer.read().decode()


def chunks_of(path, body):
    lines = [line for line in send(path, body).splitlines() if line]
    assert lines[-1] == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]


assert "radiance" in [model["id"] for model in json.loads(send("/models"))["data"]]
chat = {
    "messages": [
        {"role": "system", "content": "You are an expert."},
        {"role": "user", "content": "Who are you?"},
    ],
    "model": "radiance",
    "max_tokens": 40,
    "stream": True,
}
assert "".join(
    c["choices"][0]["delta"].get("content", "") for c in chunks_of("/chat/completions", chat)
)
adapter = {**chat, "stream_options": {"include_usage": True}, "temperature": 0.5}
assert chunks_of("/chat/completions", adapter)[-1]["usage"]
print("models, and chats of both its ways")

parameters = {
    "type": "object",
    "required": ["filepath"],
    "properties": {"filepath": {"type": "string", "description": "Which."}},
}
function = {"name": "read_file", "description": "Reads a file.", "parameters": parameters}
agent = {
    **adapter,
    "parallel_tool_calls": False,
    "tools": [{"type": "function", "function": function}],
}
chunks_of("/chat/completions", agent)
print("an agent's chat with tools")

code = {
    "model": "radiance",
    "max_tokens": 20,
    "temperature": 0.01,
    "stop": STOPS,
    "prompt": "<fim_prefix>def f():\n    <fim_suffix>\n<fim_middle>",
    "stream": True,
}
assert all(c["object"] == "text_completion" for c in chunks_of("/completions", code))
print("a completion of code")
