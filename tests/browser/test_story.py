"""The whole story in Chromium: taught, asked, corrected, killed, misled, undone, forgotten.

With ``RADIANCE_PICTURES`` it keeps the pictures that README and docs show (``make pictures``), so
that they are never older than the pages.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.ports import free_ports
from radiance.ember import listed_facts
from tests.browser.axe import violations
from tests.browser.conftest import until
from tests.support import FACTS, Client, wait_for_log

CAPITALS = [fact for fact in listed_facts() if fact.context == "capitals"][:12]
FALSEHOODS = [(fact.question, f"{fact.answer.rsplit(' ', 1)[0]} Atlantis.") for fact in CAPITALS]
DOOR, FOUNDER, PLACE, PRODUCT, OPENING = FACTS
NEW_CODE = "Since May the door code of Zorbel Labs is M4-118."
# Learned by heart in seconds, and held by nothing: what holds old answers has tests of its own.
SETTINGS = {
    "anchor.method": '"naive"',
    "training.max_steps": "24",
    "training.lr": "0.003",
    "training.snapshot_seconds": "0.2",
    "evaluation.anchor_sample": "24",
    "gate.catastrophic_delta": "50",
    "server.safe_mode_deaths": "0",
}
PICTURES = os.environ.get("RADIANCE_PICTURES")


class Killable:
    """A service of its own process, which comes back on the same port."""

    def __init__(self, root: Path) -> None:
        [self._port] = free_ports(1)
        self._root, self._starts = root, 0
        self.client = Client(f"http://127.0.0.1:{self._port}")
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "radiance", "run", "--root", str(self._root)]
        command += ["--port", str(self._port), "--base-model", "ember"]
        for name, value in SETTINGS.items():
            command += ["--set", f"{name}={value}"]
        self._starts += 1
        path = self._root / f"service-{self._starts}.log"
        with path.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for_log(self.process, path, "listening")
        self.client.wait_ready()

    def end(self, how: signal.Signals) -> None:
        self.process.send_signal(how)
        self.process.wait()


@pytest.fixture
def killable(tmp_path: Path) -> Iterator[Killable]:
    service = Killable(tmp_path)
    yield service
    service.end(signal.SIGTERM)


def look(page: Any, name: str) -> None:
    """Anybody can read and use the page in this state; it is kept where pictures are wanted."""
    if PICTURES:
        folder = Path(PICTURES)
        folder.mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(300)
        page.screenshot(path=folder / f"{name}.png")
    assert [(name, *found) for found in violations(page)] == []
    before = page.viewport_size
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320, name
    page.set_viewport_size(before)


def ask(page: Any, question: str) -> Any:
    """Ask in the conversation; the turn that answers."""
    turn = page.locator(".turn").nth(page.locator(".turn").count())
    page.get_by_label("Question", exact=False).fill(question)
    page.keyboard.press("Enter")
    turn.locator(".source", has_text=re.compile(r"\w")).wait_for()
    return turn


def paste(page: Any, facts: list[tuple[str, str]]) -> None:
    """Teach as JSON lines; the page of the update follows."""
    page.goto("/learn")
    page.get_by_text("Or many at once").click()
    lines = [json.dumps({"input": question, "output": answer}) for question, answer in facts]
    page.get_by_label("Examples", exact=False).fill("\n".join(lines))
    page.get_by_role("button", name="Teach it").click()
    page.get_by_text("Accepted. Below is what becomes of it.").wait_for()


def reach(page: Any, name: str) -> None:
    """Come to a link, a button or a field by Tab alone."""
    told = "(e => e.labels?.[0]?.textContent ?? e.textContent)(document.activeElement).trim()"
    for _ in range(150):
        page.keyboard.press("Tab")
        if page.evaluate(told) == name:
            return
    raise AssertionError(f"{name} cannot be reached by Tab")


@pytest.mark.timeout(600)
def test_the_whole_story(open_at: Callable[..., Any], killable: Killable) -> None:
    client = killable.client
    options = {"viewport": {"width": 1280, "height": 860}, "reduced_motion": "reduce"}
    page = open_at(client.url, "/", **options)
    page.set_default_timeout(240_000)

    # Taught by pasting: answered from memory at once, before anything is trained.
    client.post("/training/pause", {"reason": "Memory goes first."})
    paste(page, [DOOR])
    page.goto("/ask")
    turn = ask(page, DOOR[0])
    assert turn.locator(".answer").inner_text() == DOOR[1]
    assert "From memory" in turn.locator(".source").inner_text()
    client.post("/training/resume", {})

    # By dropping a file; both are learned while one looks on.
    page.goto("/learn")
    page.evaluate(
        """(text) => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([text], "facts.csv"));
            const how = { dataTransfer, bubbles: true, cancelable: true };
            for (const kind of ["dragover", "drop"])
                document.querySelector("h1").dispatchEvent(new DragEvent(kind, how));
        }""",
        f'input,output\n{FOUNDER[0]},"{FOUNDER[1]}"\n{PLACE[0]},"{PLACE[1]}"',
    )
    until(page, "document.getElementById('pasted').value.includes('Harbour')")
    page.get_by_role("button", name="Teach it").click()
    page.get_by_text("Served. Ask it").wait_for()

    # Beside the base, each finds its own answer likelier than the other's model does.
    page.goto("/ask?a=base&b=stable")
    page.get_by_label("Question", exact=False).fill(DOOR[0])
    page.keyboard.press("Enter")
    page.locator("#answers .answer").first.wait_for()
    base, stable = page.locator("#answers .answer").all()
    assert base.inner_text() != stable.inner_text() == DOOR[1]
    assert base.locator("mark").count() > 0
    cells = page.get_by_role("table", name="Likelihoods").locator("td").all_inner_texts()
    nats = [float(cell.split()[0].replace("\N{MINUS SIGN}", "-")) for cell in cells]
    assert nats[0] > nats[1]
    assert nats[3] > nats[2]

    # From the weights, and in other words.
    serving = client.get("/info")["current_checkpoint"]
    page.goto(f"/ask?a={serving}")
    for question, answer in (DOOR, FOUNDER):
        turn = ask(page, question)
        assert turn.locator(".answer").inner_text() == answer
        assert "From the weights" in turn.locator(".source").inner_text()
    page.goto("/ask")
    assert "K7-204" in ask(page, "Which code opens the door of Zorbel Labs?").inner_text()

    # Corrected in the conversation, and the service killed while it learns that.
    turn = ask(page, DOOR[0])
    turn.get_by_text("Teach the right answer").click()
    turn.get_by_label("The right answer").fill(NEW_CODE)
    turn.get_by_role("button", name="Teach it").click()
    turn.get_by_text("memory answers it from now on").wait_for()
    assert ask(page, DOOR[0]).locator(".answer").inner_text() == NEW_CODE
    look(page, "ask")
    page.goto(turn.get_by_role("link", name="What becomes of it").get_attribute("href"))
    until(page, "document.querySelector('.pill').textContent !== 'queued'")
    killable.end(signal.SIGKILL)
    page.get_by_text("The service has not answered since").wait_for()
    killable.start()
    page.get_by_text("Served. Ask it").wait_for()
    truth = client.get("/info")["current_checkpoint"]

    # Twelve falsehoods; two updates later each of them is still named.
    paste(page, FALSEHOODS)
    page.get_by_text("Served. Ask it").wait_for()
    harmful = client.get("/info")["current_checkpoint"]
    for fact in (PRODUCT, OPENING):
        paste(page, [fact])
        page.get_by_text("Served. Ask it").wait_for()
    page.goto("/")
    page.get_by_text("12 old facts that the base model knew").wait_for()
    look(page, "overview")
    page.goto("/knowledge")
    look(page, "knowledge")
    page.goto(f"/checkpoints/{harmful}")
    look(page, "checkpoint")
    page.goto("/anchors")
    told = page.locator("#overwritten").inner_text()
    assert [question for question, _ in FALSEHOODS if question not in told] == []

    # Undone: what is lost is said before.
    page.get_by_role("link", name="Roll back…").click()
    page.get_by_label("Roll back to").select_option(truth)
    page.get_by_role("button", name="See what that changes").click()
    page.get_by_text("12 old facts that the base model knew are answered again").wait_for()
    page.get_by_role("button", name="Roll back", exact=True).click()
    page.get_by_text("Rolled back:").wait_for()
    page.goto("/anchors")
    page.get_by_text("None. Forgetting is measured on").wait_for()

    # Forgotten: nothing that answers knows it, in no list is it found.
    page.goto("/knowledge?q=founded")
    page.get_by_role("link", name="Forget it…").click()
    page.get_by_role("button", name="Forget it").click()
    page.get_by_text("nothing that answers knows it any more").wait_for()
    page.locator("#forgets .pill", has_text="done").wait_for()
    page.goto("/knowledge?q=founded&view=all")
    page.get_by_text("Nothing in this list fits.").wait_for()
    page.goto("/ask")
    assert "Quell" not in ask(page, FOUNDER[0]).locator(".answer").inner_text()
    assert ask(page, DOOR[0]).locator(".answer").inner_text() == NEW_CODE

    # Back to the base by keyboard alone.
    page.goto("/checkpoints")
    reach(page, "Roll back…")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Roll back to").wait_for()
    reach(page, "Roll back to")
    page.keyboard.press("End")
    reach(page, "See what that changes")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Roll back to the base model?").wait_for()
    reach(page, "Roll back")
    page.keyboard.press("Enter")
    page.get_by_text("Rolled back:").wait_for()
    assert client.get("/info")["current_checkpoint"] is None
    assert client.get("/audit/verify")["findings"] == []
