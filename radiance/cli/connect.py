"""`radiance connect`: the settings of a client for the service that runs."""

import json
import shutil

import click

from radiance.cli.client import ServiceClient, client_options
from radiance.cli.output import printed_as_json
from radiance.errors import RequestError

_KEY = "$RADIANCE_API_KEY"  # as a shell reads it
_KEYS = {  # as the files of these clients name a variable
    "litellm": "os.environ/RADIANCE_API_KEY",
    "continue": "${{ secrets.RADIANCE_API_KEY }}",
}
_NO_KEY = "none"
_BEARERS = {  # how the MCP settings of these programs name a key that they hold
    "cursor": "${env:RADIANCE_API_KEY}",
    "lm-studio": "YOUR_KEY",
    "vscode": "${input:radiance-key}",
}
CLIENTS: dict[str, str] = {
    "openai": """\
import os

from openai import OpenAI

client = OpenAI(base_url="{url}/v1", api_key=os.environ.get("RADIANCE_API_KEY", "none"))
print(client.chat.completions.create(
    model="{model}", messages=[{{"role": "user", "content": "Hello"}}]
).choices[0].message.content)""",
    "anthropic": """\
import os

from anthropic import Anthropic

client = Anthropic(base_url="{url}", api_key=os.environ.get("RADIANCE_API_KEY", "none"))
print(client.messages.create(
    model="{model}", max_tokens=256, messages=[{{"role": "user", "content": "Hello"}}]
).content[0].text)""",
    "claude-code": """\
export ANTHROPIC_BASE_URL={url}
export ANTHROPIC_AUTH_TOKEN={key}
export ANTHROPIC_MODEL={model}""",
    "curl": """\
curl {url}/v1/chat/completions -H "Authorization: Bearer {key}" \\
  -H 'Content-Type: application/json' \\
  -d '{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}'""",
    "environment": """\
export OPENAI_BASE_URL={url}/v1
export OPENAI_API_KEY={key}""",
    "litellm": """\
model_list:
  - model_name: radiance
    litellm_params:
      model: openai/{model}
      api_base: {url}/v1
      api_key: {key}""",
    "langchain": """\
import os

from langchain_openai import ChatOpenAI

key = os.environ.get("RADIANCE_API_KEY", "none")
chat = ChatOpenAI(base_url="{url}/v1", api_key=key, model="{model}")
print(chat.invoke("Hello").content)""",
    "llm": """\
# extra-openai-models.yaml in the folder that `llm logs path` names
- model_id: radiance
  model_name: {model}
  api_base: {url}/v1""",
    "continue": """\
models:
  - name: Radiance
    provider: openai
    model: {model}
    apiBase: {url}/v1
    apiKey: {key}""",
    "open-webui": """\
export OPENAI_API_BASE_URL={url}/v1
export OPENAI_API_KEY={key}
export ENABLE_OLLAMA_API=False""",
    "lm-eval": """\
lm_eval --model local-completions --tasks arc_easy \\
  --model_args base_url={url}/v1/completions,model={model},\
tokenizer={tokenizer},max_length={length}""",
    # Programs that use the service's tools (docs/MCP.md).
    "claude-desktop": """\
{{"mcpServers": {{"radiance": {{
  "command": "{command}", "args": ["mcp", "--url", "{url}"{key_file}]
}}}}}}""",
    "claude-code-mcp": """\
claude mcp add --transport http radiance {url}/mcp{key_header}""",
    "lm-studio": """\
{{"mcpServers": {{"radiance": {{"url": "{url}/mcp"{bearer}}}}}}}""",
    "cursor": """\
{{"mcpServers": {{"radiance": {{"url": "{url}/mcp"{bearer}}}}}}}""",
    "vscode": """\
{{"servers": {{"radiance": {{"type": "http", "url": "{url}/mcp"{bearer}}}}}{key_input}}}""",
}


@click.command()
@click.argument("name", metavar="CLIENT", type=click.Choice(sorted(CLIENTS)))
@click.option("--model", default="radiance", help="Name of the weights to ask.")
@client_options
def connect(client: ServiceClient, name: str, model: str) -> None:
    """Print the settings with which CLIENT uses the running service.

    The model is checked against the service; docs/CLIENTS.md has what each client was tried with.

    Examples:
      radiance connect openai
      radiance connect continue --model radiance:base
    """
    known = {found["id"]: found for found in client.get("/v1/models")["data"]}
    if model not in known:
        raise RequestError(
            f"There is no model {model!r}.",
            field="--model",
            value=model,
            remedy=f"Known here: {', '.join([*known][:10])}.",
        )
    settings = CLIENTS[name].format(
        url=client.url,
        model=model,
        tokenizer=_tokenizer(known[model]["root"]),
        length=known[model]["max_model_len"],
        command=shutil.which("radiance") or "radiance",  # a desktop's programs have another PATH
        **_keys(name, client.api_key is not None),
    )
    if not printed_as_json(
        {"client": name, "url": client.url, "model": model, "settings": settings}
    ):
        click.echo(settings)


def _tokenizer(base_model: str) -> str:
    """Where a client on this machine finds the tokenizer of a base model."""
    if base_model != "ember":
        return base_model
    from radiance import ember

    return str(ember.MODEL_PATH)


def _keys(name: str, is_needed: bool) -> dict[str, str]:
    """Where the key comes from, in the client's own words; the key itself is never printed."""
    if not is_needed:
        nothing = dict.fromkeys(("key_file", "key_header", "key_input", "bearer"), "")
        return {"key": _NO_KEY, **nothing}
    asked = {"type": "promptString", "id": "radiance-key", "description": "Key", "password": True}
    headers = {"Authorization": f"Bearer {_BEARERS.get(name, _KEY)}"}
    return {
        "key": _KEYS.get(name, _KEY),
        "key_file": ', "--api-key", "@/path/to/key.txt"',
        "key_header": f' --header "Authorization: Bearer {_KEY}"',
        "key_input": f', "inputs": {json.dumps([asked])}',
        "bearer": f', "headers": {json.dumps(headers)}',
    }
