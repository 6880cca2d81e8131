"""The lab over HTTP: started, followed, cancelled, kept, exported; and it ends with the service."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from radiance.labs.signals import record
from radiance.labs.signals.results import decode
from radiance.labs.signals.runs import Runs
from tests.support import ApiError, Client, Running
from tests.web.test_site import fetch

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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_kept_run_has_a_name_and_is_deleted(client: Client) -> None:
    run_id = client.post("/signals/runs", SMALL)["run_id"]
    assert ended(client, run_id)["status"] == "succeeded"
    named = client.post(f"/signals/runs/{run_id}/name", {"name": " Two\nseeds "})
    assert named["names"][run_id] == "Two seeds"
    assert "Two seeds" in fetch(client, f"/signals?run={run_id}")[2]
    assert client.post(f"/signals/runs/{run_id}/name", {"name": ""})["names"] == {}
    assert run_id not in client.call("DELETE", f"/signals/runs/{run_id}")["kept"]
    with pytest.raises(ApiError) as caught:
        client.call("DELETE", f"/signals/runs/{run_id}")
    assert caught.value.status == 404


@pytest.mark.slow
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
        ({"preset": ["smoke"]}, "preset"),
        ({"preset": {}}, "preset"),
        ({"market": {"assets": 1}}, "market.assets"),
        ({"market": {"asets": 4}}, "market.asets"),
        ({"adaptation": {"methods": ["none", "naive", "magic"]}}, "adaptation.methods"),
        ({"seeds": "many"}, "seeds"),
        ({"approver": 7}, "approver"),
        ({"approver": "n" * 201}, "approver"),
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


@pytest.mark.slow
def test_whoever_starts_a_study_signs_its_decisions(
    client: Client, shared_service: Running
) -> None:
    started = client.post("/signals/runs", {**SMALL, "approver": " Ada Byron "})
    assert started["approver"] == "Ada Byron"
    assert ended(client, started["run_id"])["status"] == "succeeded"
    folder = shared_service.service.services.extension(Runs).folder
    signed = [
        entry.to_plain()["body"]["approver"]
        for entry in record.entries(folder, 10_000)
        if str(entry.subject).startswith(started["run_id"])
    ]
    assert signed
    assert set(signed) == {"Ada Byron"}
    assert client.post("/signals/runs", {**SMALL, "approver": ""})["approver"] is None
    ended(client, client.get("/signals/runs")["latest"]["run_id"])


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


@pytest.mark.slow
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


def two_files(days: int = 640, symbols: int = 4) -> dict[str, Any]:
    """Bars and predictions as text; the candidate says what comes, but under stress."""
    rng = np.random.default_rng(1)
    dates = np.datetime64("2020-01-01") + np.arange(days)
    returns = 0.01 * rng.normal(size=(days, symbols))
    old = rng.normal(size=returns.shape)
    stress = np.arange(days) % 50 < 15
    new = np.where(stress[:, None], old, np.roll(returns, -1, axis=0) * 30 + old)
    close = 50 * np.exp(np.cumsum(returns, axis=0))
    bars, said = ["date,symbol,open,high,low,close,volume"], ["date,symbol,deployed,candidate"]
    for row, day in enumerate(dates):
        for column in range(symbols):
            price = round(close[row, column], 4)
            bars.append(f"{day},S{column},{price},{price},{price},{price},1000")
            said.append(f"{day},S{column},{old[row, column]:.4f},{new[row, column]:.4f}")
    windows = [f"{dates[first]}:{dates[min(first + 14, days - 1)]}" for first in range(0, days, 50)]
    files = {"bars": "\n".join(bars), "predictions": "\n".join(said)}
    return {**files, "stress": windows, "horizon_days": 1, "approver": "Ada Byron"}


def test_a_signal_of_ones_own_is_judged_and_kept(client: Client, shared_service: Running) -> None:
    answer = client.post("/signals/judge", two_files())
    judgement = answer["judgement"]
    assert judgement["approver"] == "Ada Byron"
    assert {row["rule"] for row in judgement["decision"]["rows"]} >= {"anchor_mean", "tail"}
    assert answer["memo"].startswith("# Recommendation memo")
    folder = shared_service.service.services.extension(Runs).folder
    kept = folder / answer["run_id"]
    assert (kept / "memo.md").read_text() == answer["memo"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"predictions": "date,symbol,deployed\n2020-01-01,S0,1"}, "no column candidate"),
        ({"stress": ["yesterday"]}, "must be a first and a last day"),
        ({"bars": "date,symbol\n"}, "bars"),
        ({"horizon_days": 900}, "horizon_days"),
    ],
)
def test_what_cannot_be_judged_is_the_senders_mistake(
    client: Client, change: dict[str, Any], says: str
) -> None:
    with pytest.raises(ApiError, match=says) as raised:
        client.post("/signals/judge", two_files(560) | change)
    assert raised.value.status == 400
    assert "/tmp" not in str(raised.value)
