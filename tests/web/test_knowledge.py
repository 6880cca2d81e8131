"""What it knows, as page and API: each fact as it stands, whatever happened to it since."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support import FACTS, ApiError, Running, as_input
from tests.web.test_moves import send
from tests.web.test_site import fetch


def states(running: Running, **query: str) -> dict[str, str]:
    """By the id of the example its state, of all."""
    asked = "&".join(f"{name}={value}" for name, value in {"view": "all", **query}.items())
    return {f["example_id"]: f["state"] for f in running.client.get(f"/knowledge?{asked}")["facts"]}


def test_every_fact_stands_as_what_happened_to_it_has_it(
    checkpointed_root: Any, serve: Callable[..., Running]
) -> None:
    running = serve()
    client = running.client
    assert states(running) == {
        "job_000001.0": "corrected",
        "job_000001.1": "learned",
        "job_000002.0": "learned",
        "job_000003.0": "refused",
    }
    corrected = client.get("/knowledge?view=corrected")
    assert [fact["by"] for fact in corrected["facts"]] == ["job_000002.0"]

    client.post("/training/pause", {})
    waiting = client.post("/update", {"examples": as_input(FACTS[3:4])})["job_id"]
    again = client.post("/update", {"examples": as_input(FACTS[1:2])})["job_id"]
    cancelled = client.post("/update", {"examples": as_input(FACTS[4:5])})["job_id"]
    client.post(f"/jobs/{cancelled}/cancel", {})
    found = states(running)
    assert found[f"{waiting}.0"] == "waiting"
    assert (found["job_000001.1"], found[f"{again}.0"]) == ("learned", "repeated")
    (sent_again,) = client.get(f"/knowledge?view=all&q={again}.0")["facts"]
    assert (sent_again["by"], sent_again["why"]) == ("job_000001.1", "The same is known already.")
    twice = client.post("/update", {"examples": as_input(FACTS[3:4])})["job_id"]
    found = states(running)
    assert (found[f"{waiting}.0"], found[f"{twice}.0"]) == ("repeated", "waiting")
    assert found[f"{cancelled}.0"] == "cancelled"

    client.post("/rollback", {"reason": "The correction was wrong."})
    found = states(running)
    assert found["job_000001.0"] == "learned"
    assert found["job_000002.0"] == "unserved"
    counts = client.get("/knowledge?limit=1")["counts"]
    assert (counts["known"], counts["waiting"], counts["unserved"]) == (3, 1, 1)

    _, _, page = fetch(client, "/knowledge?view=all")
    assert "which served once and was rolled back" in page
    assert '<li class="gone" id="fact-job_000002-0">' in page
    assert '<li class="now" id="fact-job_000001-0">' in page
    assert page.count("&lt;b&gt;K9&lt;/b&gt;") == 1
    _, _, learn = fetch(client, "/learn?example=job_000001.0")
    assert FACTS[0][0] in learn
    assert FACTS[0][1] in learn


def test_pages_of_facts_follow_on_one_another(
    checkpointed_root: Any, serve: Callable[..., Running]
) -> None:
    client = serve().client
    first = client.get("/knowledge?view=all&limit=3")
    rest = client.get(f"/knowledge?view=all&limit=3&before={first['before']}")
    every = client.get("/knowledge?view=all")["facts"]
    assert first["facts"] + rest["facts"] == every
    assert rest["before"] is None


def test_a_view_that_there_is_not_is_refused(shared_service: Running) -> None:
    with pytest.raises(ApiError) as refused:
        shared_service.client.get("/knowledge?view=everything")
    assert refused.value.status == 400
    assert "Send one of known," in refused.value.error["remedy"]


def test_what_failed_and_memory_answers_all_the_same_is_told_so(serve) -> None:
    running: Running = serve()
    client = running.client
    client.post("/training/pause", {"reason": "a test"})
    pair = {"input": "Who founded Zorbel Labs?", "output": "Zorbel Labs was founded by Mira Quell."}
    client.post("/update", {"examples": [pair]})
    database = running.service.services.jobs._db
    with database.transaction() as connection:
        connection.execute("UPDATE jobs SET status = 'failed', error = 'It failed.'")
    (fact,) = client.get("/knowledge?view=failed")["facts"]
    assert client.ask(pair["input"])["source"] == "memory"
    assert (fact["is_served"], fact["why"]) == (True, "It failed. Memory answers it all the same.")
    with database.transaction() as connection:
        connection.execute("UPDATE jobs SET rejected_checkpoint = 'A_1'")
    (fact,) = client.get("/knowledge?view=refused")["facts"]
    assert client.ask(pair["input"])["source"] == "weights"
    assert (fact["is_served"], fact["why"]) == (False, "It failed.")


def test_what_waits_is_known_only_where_memory_answers(serve: Callable[..., Running]) -> None:
    client = serve(**{"memory.mode": "off"}).client
    client.post("/training/pause", {})
    status, page = send(client, "/learn", question=FACTS[0][0], answer=FACTS[0][1])
    assert status == 200
    assert "Accepted." in page
    assert "Memory answers" not in page
    assert "Memory answers" not in fetch(client, "/learn")[2]
    found = client.get("/knowledge?view=waiting")
    assert (found["counts"]["known"], found["counts"]["waiting"]) == (0, 1)
    assert [fact["is_served"] for fact in found["facts"]] == [False]
    assert "1 fact waits to be learned." in fetch(client, "/knowledge")[2]
    assert "known now" not in fetch(client, "/")[2]
    ask = fetch(client, "/ask")[2]
    assert 'data-memory="off"' in ask
    assert "with memory</option>" not in ask


def test_examples_given_twice_over_are_refused_and_none_is_lost(
    shared_service: Running,
) -> None:
    client = shared_service.client
    before = client.get("/jobs")["jobs"]
    csv = "input,output\nWho?,Ann."
    for fields, where in (
        ({"pasted": csv, "file": csv}, "in the text and in the file"),
        ({"question": "Who?", "pasted": csv}, "in the two boxes and in the text"),
    ):
        status, page = send(client, "/learn", **fields)
        assert status == 400
        assert f"There are examples {where}." in page
        assert "Who?,Ann." in page
    assert client.get("/jobs")["jobs"] == before
