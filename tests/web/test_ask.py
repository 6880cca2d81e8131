"""Asking without scripts: one answer for one question, where it comes from, and what one can do."""

import re
from collections.abc import Callable
from typing import Any

from tests.support import FACTS, Running, as_input
from tests.web.test_moves import send
from tests.web.test_site import fetch


def answered(running: Running) -> int:
    """How many answers the engine gave."""
    return sum(running.service.services.engine.stats.ended.values())


def test_one_question_is_answered_once_and_says_where_from(
    checkpointed_root: Any, serve: Callable[..., Running]
) -> None:
    running = serve()
    client = running.client
    client.post("/training/pause", {})
    client.post("/update", {"examples": as_input(FACTS[4:])})
    before = answered(running)
    status, text = send(client, "/ask", prompt=FACTS[4][0], a="stable", b="")
    assert status == 200
    assert FACTS[4][1] in text
    assert "From memory" in text
    assert "job_000004.0" in text
    assert answered(running) == before, "memory asked no weights"

    status, text = send(client, "/ask", prompt="Say something.", a="base", b="")
    assert status == 200
    assert "From the weights of" in text
    assert 'name="vote" value="down"' in text
    assert answered(running) == before + 1

    status, text = send(client, "/ask", prompt="Say something.", a="base", b="stable")
    assert status == 200
    assert text.count('<p class="answer"') == 3  # two, and the frame for scripts
    assert "<h2>The base model</h2>" in text
    assert "<h2>What serves <small>(A_" in text
    assert "The answer of the base model" in text
    assert answered(running) == before + 3


def test_a_question_of_any_length_is_answered_or_refused_on_the_same_page(
    checkpointed_root: Any, serve: Callable[..., Running]
) -> None:
    client = serve().client
    for b in ("", "base"):
        for prompt in ("word " * 20_000, " "):
            status, text = send(client, "/ask", prompt=prompt, a="stable", b=b)
            assert status in (400, 413)
            assert '<div class="notice bad" role="alert">' in text
            assert 'id="prompt"' in text


def test_a_vote_is_sent_from_where_the_answer_stands(
    checkpointed_root: Any, serve: Callable[..., Running]
) -> None:
    client = serve().client
    newest = client.get("/info")["current_checkpoint"]
    fields = {"vote": "down", "prompt": "Q?", "response": "A\x05.", "checkpoint": newest}
    status, text = send(client, "/ask/vote", **fields, comment="That is wrong.")
    assert status == 200
    assert "Your vote is kept" in text
    page = fetch(client, f"/checkpoints/{newest}")[2]
    assert "That is wrong." in page


def test_a_fact_is_asked_by_its_name_and_not_by_its_words(
    checkpointed_root: Any, serve: Callable[..., Running]
) -> None:
    client = serve().client
    assert f">{FACTS[1][0]}</textarea>" in fetch(client, "/ask?example=job_000001.1")[2]
    assert fetch(client, "/ask?example=job_000099.0")[0] == 404


def test_the_question_to_begin_with_is_one_that_is_known(
    checkpointed_root: Any, serve: Callable[..., Running]
) -> None:
    client = serve().client
    assert client.get("/ask.json")["sample"]["id"] == "job_000002.0"
    client.post("/training/pause", {})
    job = client.post("/update", {"examples": as_input(FACTS[3:4])})["job_id"]
    waiting = {"kind": "example", "id": f"{job}.0", "question": FACTS[3][0]}
    assert client.get("/ask.json")["sample"] == waiting


def test_before_anything_was_taught_the_question_to_begin_with_is_an_anchor(
    serve: Callable[..., Running],
) -> None:
    client = serve().client
    sample = client.get("/ask.json")["sample"]
    assert (sample["kind"], sample["question"]) == ("anchor", "What is 0 squared?")
    (link,) = re.findall(r'href="(/ask\?anchor=[^"]+)" data-sample', fetch(client, "/ask")[2])
    assert ">What is 0 squared?</textarea>" in fetch(client, link)[2]
    assert "></textarea>" in fetch(client, "/ask?anchor=nowhere")[2]


def test_what_waits_is_answered_before_anything_was_learned(
    serve: Callable[..., Running],
) -> None:
    client = serve().client
    client.post("/training/pause", {})
    client.post("/update", {"examples": as_input(FACTS[:1])})
    page = fetch(client, "/ask")[2]
    assert '<option value="stable" selected>what serves, with memory</option>' in page
    assert '<option value="base"' not in page, "the same model, without memory"
    assert FACTS[0][1] in send(client, "/ask", prompt=FACTS[0][0], a="stable", b="")[1]
