"""`radiance connect` prints what a client needs, for the service that answers."""

import json

import pytest

from radiance.cli.connect import CLIENTS

ABOUT = {"root": "ember", "max_model_len": 1024}
MODELS = (
    200,
    {"object": "list", "data": [{"id": "radiance", **ABOUT}, {"id": "radiance:base", **ABOUT}]},
)


@pytest.mark.parametrize("name", CLIENTS)
def test_settings_name_the_service_and_the_model(client, service, name):
    service.replies["GET /v1/models"] = MODELS
    found = client("connect", name, "--model", "radiance:base", "--json")
    assert found.exit_code == 0
    told = json.loads(found.stdout)
    assert told["url"] in told["settings"]
    if told["settings"].startswith("{"):
        assert json.loads(told["settings"])  # of a program that uses tools: there is no model
    else:
        assert "{" not in told["settings"].replace('{"', "")
        without_a_model = ("environment", "open-webui", "claude-code-mcp")
        assert name in without_a_model or "radiance:base" in told["settings"]
    assert client("connect", name).stdout.strip()


@pytest.mark.parametrize("name", CLIENTS)
def test_a_key_is_named_and_not_printed(client, service, monkeypatch, name):
    service.replies["GET /v1/models"] = MODELS
    monkeypatch.setenv("RADIANCE_API_KEY", "rk_secret")
    settings = client("connect", name).stdout
    assert "rk_secret" not in settings
    if settings.startswith("{"):
        assert "key" in json.dumps(json.loads(settings)).lower()


def test_a_model_that_is_not_there_is_named(client, service):
    service.replies["GET /v1/models"] = MODELS
    found = client("connect", "openai", "--model", "gpt-9")
    assert found.exit_code == 2
    assert "There is no model 'gpt-9'" in found.stderr
