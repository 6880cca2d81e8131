"""The conversation in Chromium: asked, corrected, voted on, and lost by no death of the service."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from radiance import config
from tests.browser.conftest import until
from tests.support import FACTS, Running, as_input, start_service


def answered(running: Running) -> int:
    """How many answers the engine gave."""
    return sum(running.service.services.engine.stats.ended.values())


def test_a_conversation_from_the_first_question_to_a_service_that_dies(
    open_at: Callable[..., Any], checkpointed_root: Path, brief: dict[str, Any]
) -> None:
    running = start_service(config.load(checkpointed_root, brief))
    try:
        client, url = running.client, running.client.url
        client.post("/training/pause", {})
        client.post("/update", {"examples": as_input(FACTS[4:])})
        before = answered(running)
        page = open_at(url, "/ask")
        box = page.get_by_label("Question", exact=False)

        # Enter sends; one answer, from memory, and the focus where the next question goes.
        page.keyboard.type(FACTS[4][0])
        page.keyboard.press("Enter")
        page.locator(".turn .answer", has_text=FACTS[4][1]).wait_for()
        page.locator(".turn .source", has_text="From memory").wait_for()
        assert answered(running) == before
        assert page.evaluate("document.activeElement.id") == "prompt"
        assert urlsplit(page.url).query == ""

        # Corrected where it stands, and asked again.
        page.get_by_text("Teach the right answer").click()
        page.get_by_label("The right answer").fill("At nine.")
        page.get_by_role("button", name="Teach it").click()
        page.get_by_text("memory answers it from now on").wait_for()
        page.keyboard.type(FACTS[4][0])
        page.keyboard.press("Enter")
        page.locator(".turn .answer", has_text="At nine.").wait_for()

        # The weights: asked once, and voted on.
        page.get_by_text("Which checkpoint, compare two").click()
        page.get_by_label("Who answers").select_option("base")
        page.get_by_label("Longest answer").fill("8")
        box.fill("Say something.")
        box.press("Enter")
        turn = page.locator(".turn").nth(2)
        turn.get_by_role("button", name="Right").click()
        turn.get_by_text("Your vote is kept.").wait_for()
        assert answered(running) == before + 1
        assert client.get("/feedback")["feedback"][0]["prompt"] == "Say something."

        # It stays in the tab; and what is typed while the service is away is not lost.
        page.reload()
        assert page.locator(".turn").count() == 3
        running.stop()
        box.fill("Are you there?")
        box.press("Enter")
        page.locator("#trouble", has_text="The service does not answer.").wait_for()
        assert box.input_value() == "Are you there?"
        running = start_service(config.load(checkpointed_root, brief), port=urlsplit(url).port or 0)
        box.press("Enter")
        page.locator(".turn").nth(3).locator(".source", has_text="weights").wait_for()
        assert box.input_value() == ""
    finally:
        running.stop()


def test_a_form_is_sent_once_or_keeps_what_was_typed_and_takes_a_dropped_file(
    open_at: Callable[..., Any], serve: Callable[..., Running]
) -> None:
    running = serve()
    client = running.client
    client.post("/training/pause", {})
    page = open_at(client.url, "/learn")
    page.get_by_label("Question", exact=True).fill(FACTS[0][0])
    page.get_by_label("Answer", exact=True).fill(FACTS[0][1])
    page.get_by_role("button", name="Teach it").dblclick()
    page.get_by_text("Accepted. Below is what becomes of it.").wait_for()
    assert len(client.get("/jobs")["jobs"]) == 1, "a double click teaches once"
    page.goto("/learn")
    page.evaluate(
        """() => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File(["input,output\\nWho?,Ann."], "facts.csv"));
            const heading = document.querySelector("h1");
            const how = { dataTransfer, bubbles: true, cancelable: true };
            for (const kind of ["dragover", "drop"])
                heading.dispatchEvent(new DragEvent(kind, how));
        }"""
    )
    until(page, "document.getElementById('pasted').value.includes('Who?,Ann.')")
    running.stop()
    page.get_by_role("button", name="Teach it").click()
    page.get_by_text("nothing was sent").wait_for()
    assert "Who?,Ann." in page.locator("#pasted").input_value()
