"""The lab over HTTP: started, followed, cancelled, kept, exported; and it ends with the service."""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from radiance.labs.signals.results import decode
from radiance.labs.signals.runs import Runs
from tests.support import ApiError, Client, Running

SMALL = {
    "preset": "quick",
    "seeds": 2,
    "market": {"history_days": 300, "test_days": 120},
    "adaptation": {"steps": 20},
}
LONG = {"preset": "default", "seeds": 100, "adaptation": {"steps": 20_000}}


@pytest.fixture
def client(shared_service: Running) -> Client:
    return shared_service.client


def ended(client: Client, run_id: str) -> dict[str, Any]:
    while (run := client.get(f"/signals/runs/{run_id}"))["status"] == "running":
        time.sleep(0.05)
    return run


def lab_processes() -> list[int]:
    """Children of this process that run studies."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            if b"radiance.labs.signals.worker" in words and parent == os.getpid():
                found.append(int(entry.name))
    return found


def test_a_run_from_start_to_export(client: Client) -> None:
    started = client.post("/signals/runs", SMALL)
    assert started["status"] == "running"
    assert started["study"]["market"]["history_days"] == 300
    run = ended(client, started["run_id"])
    assert (run["status"], run["error"]) == ("succeeded", None)
    assert run["methods"]["naive"]["drift_mse"] < run["methods"]["none"]["drift_mse"]
    assert any("drift error" in finding["text"] for finding in run["findings"])
    listed = client.get("/signals/runs")
    assert listed["kept"][0] == started["run_id"] == listed["latest"]["run_id"]
    result = client.get(f"/signals/runs/{started['run_id']}/result.json")
    assert result["units"] == ["seed 300", "seed 301"]
    with pytest.raises(ApiError) as caught:
        client.get(f"/signals/runs/{started['run_id']}/passwords.txt")
    assert caught.value.status == 404


def test_one_at_a_time_and_a_cancelled_one_leaves_nothing(client: Client) -> None:
    kept = client.get("/signals/runs")["kept"]
    first = client.post("/signals/runs", LONG)
    while client.get(f"/signals/runs/{first['run_id']}")["stage"] != "adapters":
        time.sleep(0.05)
    with pytest.raises(ApiError) as caught:
        client.post("/signals/runs", SMALL)
    assert caught.value.status == 409
    assert client.post(f"/signals/runs/{first['run_id']}/cancel", {})["status"] == "cancelled"
    assert not lab_processes()
    assert client.get("/signals/runs")["kept"] == kept
    with pytest.raises(ApiError) as caught:
        client.post(f"/signals/runs/{first['run_id']}/cancel", {})
    assert caught.value.status == 409
    assert ended(client, client.post("/signals/runs", SMALL)["run_id"])["status"] == "succeeded"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"preset": "nosuch"}, "preset"),
        ({"market": {"assets": 1}}, "market.assets"),
        ({"market": {"asets": 4}}, "market.asets"),
        ({"adaptation": {"methods": ["none", "naive", "magic"]}}, "adaptation.methods"),
        ({"seeds": "many"}, "seeds"),
    ],
)
def test_bad_studies_are_refused_with_field_and_remedy(
    client: Client, body: dict[str, Any], param: str
) -> None:
    with pytest.raises(ApiError) as caught:
        client.post("/signals/runs", body)
    assert caught.value.status in (400, 422)
    assert caught.value.error["param"] == param
    assert caught.value.error["remedy"]


def test_knobs_say_what_can_be_set(client: Client) -> None:
    found = client.get("/signals/knobs")
    assert set(found["presets"]) == {"quick", "default", "stress+"}
    knob = next(k for k in found["knobs"]["portfolio"] if k["name"] == "portfolio.rebalance")
    assert knob["choices"] == ["daily", "every", "threshold", "event"]


def test_a_run_ends_with_the_service(tmp_path: Path) -> None:
    from radiance.labs.signals.presets import read_study
    from radiance.labs.signals.runs import Runs

    runs = Runs(tmp_path)
    run_id = runs.start(read_study(LONG)).run_id
    while not lab_processes():  # a process that has just begun has no words yet
        time.sleep(0.01)
    begun = tmp_path / f".tmp-{run_id}-0"
    begun.mkdir()
    runs.stop()
    assert not lab_processes()
    assert runs.get(run_id).status == "cancelled"
    assert not list(tmp_path.iterdir())


def test_the_same_study_over_http_and_in_process_is_the_same(
    client: Client, shared_service: Running
) -> None:
    from radiance.engine.model.device import select_device
    from radiance.labs.signals.presets import read_study
    from radiance.labs.signals.study import run_study

    run_id = client.post("/signals/runs", SMALL)["run_id"]
    assert ended(client, run_id)["status"] == "succeeded"
    path = shared_service.service.services.extension(Runs).folder / run_id / "result.json"
    select_device("cpu")
    ours = run_study(read_study(SMALL))
    assert decode(path.read_bytes()).methods == ours.methods
