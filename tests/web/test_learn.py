"""The page of updates: nothing is cut off silently, and what an update touches is named."""

import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest

from radiance.web.charts import cycle
from tests.support import FACTS, FORM, Running, as_form, as_input
from tests.web.test_moves import send
from tests.web.test_site import fetch


def test_every_update_and_every_example_of_one_is_on_some_page(
    serve: Callable[..., Running],
) -> None:
    client = serve().client
    client.post("/training/pause", {})
    many = as_input(
        [(f"What is pump {n}?", f"Pump {n} is at {n} Harbour Road.") for n in range(120)]
    )
    sent = [client.post("/update", {"examples": many})["job_id"]]
    sent += [
        client.post("/update", {"examples": as_input([(f"Who is {n}?", f"Ann {n}.")])})["job_id"]
        for n in range(16)
    ]
    client.post(f"/jobs/{sent[-1]}/cancel", {})

    def collected(path: str, pattern: str) -> list[str]:
        found: list[str] = []
        while path:
            page = fetch(client, path)[2]
            found += re.findall(pattern, page)
            following = re.search(r'href="([^"]+)" rel="next"', page)
            path = unescape(following[1]) if following else ""
        return found

    assert collected("/learn", r'<a class="id" href="/learn/(job_\d+)"') == sent[::-1]
    assert (
        collected("/learn?status=cancelled", r'<a class="id" href="/learn/(job_\d+)"') == sent[-1:]
    )
    places = collected(f"/learn/{sent[0]}", rf'<small class="id">({sent[0]}\.\d+)</small>')
    assert places == [f"{sent[0]}.{place}" for place in range(120)]


def test_what_an_update_may_contradict_is_named_with_both_answers(
    serve: Callable[..., Running],
) -> None:
    client = serve().client
    old, new = "Ann Pellow runs it.", "Tove Lind runs it."
    client.teach([("Who runs the Pellow bakery?", old)])
    client.post("/training/pause", {})
    other = "Who is the person that runs the Pellow bakery?"
    _, page = send(client, "/learn", question=other, answer=new)
    assert "It may contradict 1 earlier fact" in page
    told = page.partition("It may contradict")[2]
    assert old in told
    assert new in told
    assert '<a href="/learn?example=job_000001.0">Correct it</a>' in told
    # It stays there once it is learned, while both of the two are served and neither is corrected.
    client.post("/training/resume", {})
    made = client.wait_for("job_000002")["checkpoint"]

    def is_told() -> bool:
        return "It may contradict 1 earlier fact" in fetch(client, "/learn/job_000002")[2]

    assert is_told()
    client.post("/rollback", {"checkpoint": "base"})
    assert not is_told()
    client.post("/promote", {"checkpoint": made})
    assert is_told()
    client.teach([("Who runs the Pellow bakery?", new)])
    assert not is_told()


def test_a_cycle_of_which_nothing_came_says_who_ended_it(
    checkpointed_root: Path, serve: Callable[..., Running]
) -> None:
    client = serve(**{"training.max_steps": 200, "training.stop_loss": 0.0}).client
    job = client.post("/update", {"examples": as_input(FACTS[3:])})["job_id"]
    client.wait_for_step(job, 4)
    number = client.get(f"/jobs/{job}")["cycle_id"]
    assert "will be thrown away" in fetch(client, "/move?action=rollback")[2]
    client.post("/rollback", {"reason": "Too early."})
    while "No checkpoint came of it." not in (page := fetch(client, f"/cycles/{number}")[2]):
        time.sleep(0.05)
    assert "rolled back to" in page
    assert "while it trained, so what it continued no longer served." in page
    client.post("/training/pause", {})


def test_the_second_loss_is_called_held_back_only_where_something_was() -> None:
    curves = {"finetune_loss": {1: 2.0}, "eval_loss": {1: 1.0}}
    for is_held_back, name in ((True, "Held back"), (False, "The same, without dropout")):
        assert name in cycle.draw(curves, is_held_back)[0].series


def test_what_is_written_from_right_to_left_keeps_its_direction(
    serve: Callable[..., Running],
) -> None:
    client = serve().client
    client.post("/training/pause", {})
    question, answer = "مَن يدير المخبز؟", "تديره ليلى حسن."
    job = client.post("/update", {"examples": as_input([(question, answer)])})["job_id"]
    told = f"<bdi>{question}</bdi> → <bdi>{answer}</bdi>"
    assert told in fetch(client, f"/learn/{job}")[2]
    page = fetch(client, "/knowledge")[2]
    assert f'<p class="q" dir="auto">{question}</p>' in page
    assert f'<p class="a" dir="auto">{answer}</p>' in page
    assert f"<bdi>{question}</bdi>" in fetch(client, "/ask")[2]
    for path in ("/ask", "/learn"):
        areas = re.findall(r"<textarea[^>]*>", fetch(client, path)[2])
        assert [area for area in areas if 'dir="auto"' not in area] == [], path


def test_votes_are_read_with_their_words_where_their_checkpoint_is(
    checkpointed_root: Path, serve: Callable[..., Running]
) -> None:
    client = serve().client
    name = client.get("/info")["current_checkpoint"]
    vote = {"vote": "down", "checkpoint": name, "comment": "Too <short>.", "prompt": "Which code?"}
    client.post("/feedback", vote)
    page = fetch(client, f"/checkpoints/{name}")[2].partition("What was said of its answers")[2]
    assert "Too &lt;short&gt;." in page
    assert "Which code?" in page


def test_a_spreadsheet_is_refused_on_the_form_with_what_to_do_and_what_was_typed(
    serve: Callable[..., Running],
) -> None:
    client = serve().client
    body = as_form("facts.xlsx", b"PK\x03\x04\xff\xfe", tags="pumps")
    request = urllib.request.Request(client.url + "/learn", body, FORM | {"Accept": "text/html"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        client.open(request)
    with refused.value as answer:
        page = answer.read().decode()
    assert answer.code == 400
    assert "facts.xlsx is no text, but packed." in page
    assert "Save a spreadsheet as CSV, or copy its cells and paste them." in page
    assert 'name="tags" value="pumps"' in page


def test_an_answer_that_is_its_question_is_taken_and_told(serve: Callable[..., Running]) -> None:
    """To echo may be meant; a column that was pasted twice is not."""
    client = serve().client
    client.post("/training/pause", {})
    rows = [("ping", "ping"), ("Who is there?", " who is there? "), *FACTS[:1]]
    accepted = client.post("/update", {"examples": as_input(rows)})
    assert (accepted["accepted"], accepted["echoes"]) == (3, 2)
    _, page = send(client, "/learn", question="pong", answer="Pong")
    assert "1 of its examples has the question itself as the answer" in page
    _, page = send(client, "/learn", question=FACTS[1][0], answer=FACTS[1][1])
    assert "the question itself" not in page


def test_what_is_known_already_is_said_so(serve: Callable[..., Running]) -> None:
    client = serve().client
    client.teach(FACTS[:1])
    client.post("/training/pause", {})
    _, page = send(client, "/learn", pasted="\n".join("\t".join(fact) for fact in FACTS[:2]))
    assert "1 of its examples is known already" in page
    _, page = send(client, "/learn", question=FACTS[0][0], answer=FACTS[0][1])
    assert "It is known already" in page
    _, page = send(client, "/learn", question=FACTS[2][0], answer=FACTS[2][1])
    assert "known already" not in page
