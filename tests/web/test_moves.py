"""What is said before and after a person changes what answers or what is learned."""

import re
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from tests.support import FACTS, Client, Running, as_input
from tests.web.reading import heading
from tests.web.test_site import fetch


def send(client: Client, path: str, **fields: str) -> tuple[int, str]:
    """Send a page's form; the status and the text of the page that the browser ends on."""
    request = urllib.request.Request(
        client.url + path,
        urlencode(fields).encode(),
        {"Accept": "text/html", "Content-Type": "application/x-www-form-urlencoded"},
    )
    try:
        with client.open(request) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def hidden(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))


def test_a_rollback_names_its_target_and_what_goes_and_never_goes_forward(
    checkpointed_root: Any, serve: Callable[..., Running]
) -> None:
    client = serve().client
    second, first = (
        c["checkpoint_id"]
        for c in client.get("/checkpoints")["checkpoints"]
        if c["status"] != "rejected"
    )
    page = fetch(client, "/move?action=rollback")[2]
    assert heading(page) == f"Roll back to {first}?"
    assert page.index("No longer known") < page.index("&lt;b&gt;K9&lt;/b&gt;")
    assert page.index("Valid again") < page.index(FACTS[0][1])

    def moves(name: str) -> list[str]:
        return re.findall(r"(Roll back to it|Promote)…", fetch(client, f"/checkpoints/{name}")[2])

    # What serves has changed since the page was shown: nothing is done that it did not say.
    assert moves(first) == ["Roll back to it"], "one button for one thing"
    client.post("/rollback", {"checkpoint": first})
    assert moves(second) == ["Promote"]
    status, text = send(client, "/move?action=rollback", **hidden(page))
    assert status == 409
    assert f"{first} serves by now" in text

    client.post("/promote", {"checkpoint": second})
    pin = fetch(client, f"/move?action=pin&checkpoint={first}")[2]
    assert "This changes what answers" in pin
    client.post("/pin", {"checkpoint": first})
    client.post("/unpin", {})
    page = fetch(client, "/move?action=rollback")[2]
    assert heading(page) == "Roll back to the base model?", "the newer one served before, too"
    status, text = send(client, "/move?action=rollback", **hidden(page))
    assert status == 200
    assert client.get("/info")["current_checkpoint"] is None


def test_a_pause_is_said_where_something_waits_and_what_was_cancelled_can_be_tried_again(
    serve: Callable[..., Running],
) -> None:
    client = serve().client
    status, text = send(client, "/training", do="pause", reason="The machine renders.")
    assert status == 200
    assert "Training is paused by dashboard: The machine renders." in text
    job = client.post("/update", {"examples": as_input(FACTS[:2])})["job_id"]
    for path in ("/", "/learn", f"/learn/{job}", "/cycles"):
        page = fetch(client, path)[2]
        assert "paused by dashboard: The machine renders." in page, path
        assert "Resume training" in page, path
        assert "queue is stuck" not in page
    assert "Nothing is being learned" not in fetch(client, "/")[2]

    status, text = send(client, f"/learn/{job}", do="cancel")
    assert status == 200
    assert client.get(f"/jobs/{job}")["status"] == "cancelled"
    status, text = send(client, f"/learn/{job}", do="cancel")
    assert status == 409
    assert "only a queued job can be cancelled" in text
    assert "Try again" in text
    status, text = send(client, f"/learn/{job}", do="retry")
    assert status == 200
    assert "It waits" in text
    assert client.get(f"/jobs/{job}")["status"] == "queued"
    send(client, f"/learn/{job}", do="cancel")
    send(client, "/training", do="resume")
    assert client.get("/training")["held_up_by"] is None


def test_a_canary_is_in_the_first_sentence_and_ends_at_a_button(
    checkpointed_root: Any, serve: Callable[..., Running]
) -> None:
    client = serve().client
    other = client.get("/checkpoints")["checkpoints"][2]["checkpoint_id"]
    status, text = send(
        client, "/experiment", do="start", checkpoint=other, mode="canary", percent="50", reason=""
    )
    assert status == 200
    assert "50\N{NARROW NO-BREAK SPACE}% of the callers" in text
    lede = fetch(client, "/")[2].split('<p class="lede">')[1].split("</p>")[0]
    assert lede.split("</a>")[0].strip().endswith(other)
    assert "of the callers get their answers from" in lede
    assert "It is tried now" in fetch(client, f"/checkpoints/{other}")[2]
    status, text = send(client, "/experiment", do="start", checkpoint=other, percent="many")
    assert status == 400
    assert "percent: is not a number from 1 to 100." in text
    status, text = send(client, "/experiment", do="stop")
    assert status == 200
    assert "of the callers" not in fetch(client, "/")[2]
    assert client.get("/canary")["running"] is None


def test_a_fact_is_forgotten_from_the_page_that_says_what_that_does(
    checkpointed_root: Any, serve: Callable[..., Running]
) -> None:
    client = serve().client
    client.post("/training/pause", {})
    assert "/forgetting?example=job_000002.0" in fetch(client, "/knowledge")[2]
    page = fetch(client, "/forgetting?example=job_000002.0")[2]
    assert "&lt;b&gt;K9&lt;/b&gt;" in page
    assert "Never serves again" in page
    status, text = send(client, "/forgetting?example=job_000002.0", **hidden(page), reason="Wrong.")
    assert status == 200
    assert "nothing that answers knows it any more" in text
    assert "dashboard: Wrong." in text
    known = client.get("/knowledge?view=all")["facts"]
    assert "K9" not in str(known)
    gone = fetch(client, "/forgetting?example=job_000002.0")[2]
    assert "<h1>Forgotten</h1>" in gone
    assert "Forget it</button>" not in gone


def test_what_a_pin_keeps_from_being_forgotten_is_said_with_the_way_out(
    checkpointed_root: Any, serve: Callable[..., Running]
) -> None:
    client = serve().client
    client.post("/pin", {"reason": "Looked at by hand."})
    page = fetch(client, "/forgetting?example=job_000002.0")[2]
    assert "<h1>It cannot be forgotten now</h1>" in page
    assert "which has learned what is to be forgotten" in page
    assert 'href="/move?action=unpin">Unpin…</a>' in page
    assert "Forget it</button>" not in page


def test_no_button_is_offered_where_there_is_nothing_to_move(serve: Callable[..., Running]) -> None:
    client = serve().client
    rollback = fetch(client, "/move?action=rollback")[2]
    assert "It serves already." in rollback
    assert "<button" not in rollback.partition("<main")[2]
    checkpoints = fetch(client, "/checkpoints")[2]
    assert "Roll back" not in checkpoints
    assert "Pin…" not in checkpoints
    known = fetch(client, "/knowledge")[2].partition("<main")[2]
    assert "Teach it something" in known
    assert "<form" not in known, "there is nothing to search"
    trial = fetch(client, "/experiment")[2]
    assert "There is no other checkpoint to try yet." in trial
    assert "<button" not in trial.partition("<main")[2]


def test_the_base_model_is_called_so(checkpointed_root: Any, serve: Callable[..., Running]) -> None:
    client = serve().client
    for path in ("/compare?a=base", "/experiment", "/move?action=rollback"):
        page = fetch(client, path)[2]
        assert "the base model" in page, path
        assert not re.search(r">\s*(Only )?base\b", page), path
