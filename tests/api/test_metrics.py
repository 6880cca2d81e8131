"""GET /metrics: what Prometheus's own parsers read of it, and whether the numbers are true."""

import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics
from starlette.testclient import TestClient

from radiance import config, records
from radiance.api.metrics import FIGURES
from radiance.api.routes import create_app
from radiance.errors import Unavailable
from tests.support import FACTS, Running, start_service

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, brief: dict[str, Any]) -> Iterator[Running]:
    running = start_service(config.load(tmp_path_factory.mktemp("root"), brief))
    yield running
    running.stop()


def scrape(running: Running, accept: str = "") -> str:
    request = urllib.request.Request(f"{running.client.url}/metrics", headers={"Accept": accept})
    with urllib.request.urlopen(request) as response:
        return response.read().decode()


def read(running: Running) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parser.text_string_to_metric_families(scrape(running))
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((f"radiance_{name}", frozenset(labels.items())), 0.0)


def test_every_metric_of_the_table_is_there_and_no_other(running: Running) -> None:
    families = list(parser.text_string_to_metric_families(scrape(running)))
    documented = {figure.name for figure in FIGURES}
    assert {f.name for f in families} == documented
    by_name = {f.name: f for f in families}
    for figure in FIGURES:
        assert by_name[figure.name].type == figure.kind
        assert by_name[figure.name].documentation == figure.meaning
        for sample in by_name[figure.name].samples:
            assert sample.labels.keys() - {"le"} == set(figure.labels)


def test_openmetrics_is_given_where_it_is_accepted(running: Running) -> None:
    text = scrape(running, "application/openmetrics-text; version=1.0.0")
    families = list(openmetrics.text_string_to_metric_families(text))
    assert {f.name for f in families} == {figure.name for figure in FIGURES}


def test_numbers_follow_what_happens(running: Running) -> None:
    client = running.client
    before = read(running)
    assert value(before, "ready") == 1
    answers = [client.ask("Who are you?", max_tokens=n) for n in (3, 3, 200)]
    client.send("/search", {"prompt": ""})
    client.send("/search/no", {})
    client.teach(FACTS[:1])
    client.post("/feedback", {"vote": "up"})
    client.post("/rollback", {"checkpoint": "base"})
    after = read(running)

    def rise(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    tokens = sum(answer["completion_tokens"] for answer in answers)
    assert rise("generated_tokens_total") == tokens
    assert rise("prompt_tokens_total") == sum(answer["prompt_tokens"] for answer in answers)
    assert rise("cached_prompt_tokens_total") == sum(a["cached_tokens"] for a in answers)
    hits = sum(answer["cached_tokens"] > 0 for answer in answers)
    assert rise("prompt_cache_hits_total") == hits
    assert rise("prompt_cache_misses_total") == 3 - hits
    assert value(after, "prompt_cache_bytes") > 0
    assert rise("generations_total", outcome="length") == 2
    assert rise("generations_total", outcome="stop") == 1
    assert rise("time_to_first_token_seconds_count") == 3
    assert rise("inter_token_seconds_count") == tokens - 3
    assert rise("batch_rows_count") == rise("batch_rows_sum")
    assert rise("accepted_tokens_total") <= rise("drafted_tokens_total")
    assert rise("batch_rows_sum") + rise("accepted_tokens_total") >= tokens - 3
    route = {"method": "POST", "route": "/search"}
    assert rise("http_requests_total", **route, status="200") == 3
    assert rise("http_requests_total", **route, status="400") == 1
    assert rise("http_requests_total", method="POST", route="none", status="404") == 1
    assert rise("http_request_seconds_count", route="/search") == 4
    assert (value(after, "rows_decoding"), value(after, "rows_waiting")) == (0, 0)
    assert 0 == value(after, "kv_bytes_reserved") < value(after, "kv_bytes_max")
    assert rise("training_steps_total") == 2
    assert rise("training_tokens_total") > 2 * 10
    assert rise("training_pieces_total") > 2
    assert rise("training_seconds_total") > 0
    assert value(after, "training_state", state="idle") == 1
    assert value(after, "jobs", status="succeeded") == 1
    assert rise("gate_decisions_total", verdict="promoted") == 1
    assert rise("pointer_moves_total", action="rollback") == 1
    assert rise("votes_total", vote="up") == 1
    assert rise("swaps_total") == 2
    (serving,) = (dict(labels)["checkpoint"] for name, labels in after if name == "radiance_info")
    assert serving == "base"


@pytest.mark.parametrize("hours", [-24, 24])
def test_a_clock_that_is_set_makes_no_other_uptime(
    running: Running, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    started = running.service.services.started_at
    monkeypatch.setattr(records, "now", lambda: started + timedelta(hours=hours))
    assert 0 <= running.client.get("/info")["uptime_s"] < 12 * 3600
    assert 0 < read(running)["radiance_uptime_seconds", frozenset()] < 12 * 3600


def test_before_the_start_it_says_that_it_is_not_ready() -> None:
    def starting() -> Any:
        raise Unavailable("starting")

    with TestClient(create_app(starting, config.Config()), "http://localhost") as client:
        text = client.get("/metrics").text
    (family,) = parser.text_string_to_metric_families(text)
    assert (family.name, family.samples[0].value) == ("radiance_ready", 0)
