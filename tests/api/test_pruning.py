"""Weights that nothing needs are given up while a real service serves, and it says so."""

import time
from collections.abc import Callable

import pytest

from radiance.registry.manifest import WEIGHTS
from tests.support import FACTS, ApiError, Running

SETTINGS = {"retention.keep_promoted": 2, "server.request_timeout_s": 2}  # weights go after that


def test_weights_of_old_checkpoints_go_while_it_serves(serve: Callable[..., Running]) -> None:
    running = serve(**SETTINGS)
    client, services = running.client, running.service.services
    ids = [client.teach(FACTS[n : n + 1])["checkpoint"] for n in range(4)]
    assert client.post("/prune", {})["checkpoints"] == []  # as settings have it

    client.post(f"/checkpoints/{ids[1]}/label", {"name": "Door codes"})
    body = {"keep": 1, "reason": "The disk is small."}
    shown = client.post("/prune", {**body, "dry_run": True})
    assert not client.get(f"/checkpoints/{ids[0]}")["is_pruned"]
    done = client.post("/prune", body)
    assert done == shown
    assert done["checkpoints"] == ids[:1]
    assert done["size_bytes"] == (services.registry.path(ids[0]) / WEIGHTS).stat().st_size
    assert done["kept"] == {"serves": 1, "served lately": 1, "labelled": 1}
    assert client.get(f"/checkpoints/{ids[0]}")["is_pruned"]

    with pytest.raises(ApiError) as refused:
        client.ask("Who?", checkpoint=ids[0])
    assert (refused.value.status, refused.value.error["code"]) == (409, "conflict")
    listed = {model["id"] for model in client.get("/v1/models")["data"]}
    assert f"radiance:{ids[0]}" not in listed
    assert f"radiance:{ids[1]}" in listed
    assert client.ask("Who?", checkpoint=ids[1])["checkpoint"] == ids[1]
    for path in (f"/checkpoints/{ids[0]}/lineage", f"/checkpoints/{ids[0]}/evaluation"):
        client.get(path)

    while (services.registry.path(ids[0]) / WEIGHTS).exists():
        time.sleep(0.1)
    found = client.get("/audit/verify")
    assert found["is_sound"], found
    assert client.teach(FACTS[4:5])["status"] == "succeeded"
    client.post("/rollback", {})
    assert client.get("/checkpoints")["current"] == ids[3]


def test_a_service_prunes_by_itself_as_settings_have_it(serve: Callable[..., Running]) -> None:
    running = serve(**SETTINGS, **{"retention.keep_checkpoints": 2})
    client = running.client
    ids = [client.teach(FACTS[n : n + 1])["checkpoint"] for n in range(4)]
    while not client.get(f"/checkpoints/{ids[1]}")["is_pruned"]:
        running.service.services.retention.tick()
    entries = client.get("/audit?limit=20")["entries"]
    assert {e["actor"] for e in entries if e["action"] == "prune"} == {"retention"}
    page = client.call("GET", f"/checkpoints/{ids[0]}.json")
    assert page["checkpoint"]["is_pruned"]
