"""`radiance connect` prints what a client needs, for the service that answers."""

import json

import pytest

from radiance.cli.connect import CLIENTS

MODELS = (200, {"object": "list", "data": [{"id": "radiance"}, {"id": "radiance:base"}]})


@pytest.mark.parametrize("name", CLIENTS)
def test_settings_name_the_service_and_the_model(client, service, name):
    service.replies["GET /v1/models"] = MODELS
    found = client("connect", name, "--model", "radiance:base", "--json")
    assert found.exit_code == 0
    told = json.loads(found.stdout)
    assert told["url"] in told["settings"]
    assert "{" not in told["settings"].replace('{"', "")
    assert name in ("environment", "open-webui") or "radiance:base" in told["settings"]
    assert client("connect", name).stdout.strip()


def test_a_model_that_is_not_there_is_named(client, service):
    service.replies["GET /v1/models"] = MODELS
    found = client("connect", "openai", "--model", "gpt-9")
    assert found.exit_code == 2
    assert "There is no model 'gpt-9'" in found.stderr
