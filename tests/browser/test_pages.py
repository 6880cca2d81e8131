"""Pages in Chromium: what follows the service, and what is done by hand and by keyboard."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.axe import violations
from tests.support import FACTS, Running


@pytest.fixture(scope="module", autouse=True)
def taught(shared_service: Running) -> Running:
    """Two checkpoints to show."""
    shared_service.client.teach(FACTS[:1])
    shared_service.client.teach(FACTS[1:2])
    return shared_service


@pytest.fixture
def open_page(open_at: Callable[..., Any], taught: Running) -> Callable[..., Any]:
    """Open pages of that service: ``open_page("/", color_scheme="dark")``."""
    return lambda path, **options: open_at(taught.client.url, path, **options)


def test_a_new_checkpoint_appears_by_itself(open_page: Callable[..., Any], taught: Running) -> None:
    page = open_page("/")
    page.locator("#live[data-state=live]").wait_for()
    page.evaluate("window.notReloaded = true")
    made = taught.client.teach(FACTS[2:3])["checkpoint"]
    page.locator("#serving", has_text=made).wait_for()
    assert page.evaluate("window.notReloaded")


def test_rolled_back_and_promoted_by_keyboard_alone(
    open_page: Callable[..., Any], taught: Running
) -> None:
    page = open_page("/checkpoints")

    def reach(name: str) -> None:
        """Press Tab until the link or button has the focus."""
        for _ in range(200):
            page.keyboard.press("Tab")
            text = page.evaluate(
                "document.activeElement.ariaLabel ?? document.activeElement.textContent.trim()"
            )
            if text == name:
                return
        raise AssertionError(f"{name} cannot be reached by Tab")

    before = taught.client.get("/info")["current_checkpoint"]
    reach("Roll back…")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Roll back to").wait_for()
    reach("Roll back")
    page.keyboard.press("Enter")
    page.get_by_text("Rolled back:").wait_for()
    assert taught.client.get("/info")["current_checkpoint"] != before

    page.goto(f"/checkpoints/{before}")
    reach("Promote…")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name=f"Promote {before}?").wait_for()
    reach("Promote")
    page.keyboard.press("Enter")
    page.get_by_text("Promoted:").wait_for()
    assert taught.client.get("/info")["current_checkpoint"] == before


def test_taught_from_the_page_through_to_what_serves(open_page: Callable[..., Any]) -> None:
    page = open_page("/learn")
    page.get_by_label("Question", exact=True).fill(FACTS[3][0])
    page.get_by_label("Answer", exact=True).fill(FACTS[3][1])
    page.locator("#tags").fill("pumps 100%")
    page.get_by_role("button", name="Teach it").click()
    page.get_by_text("Served. Ask it").wait_for(timeout=120_000)
    page.goto("/knowledge?tag=pumps+100%25&q=garden")
    found = page.locator(".facts > li")
    assert found.count() == 1
    assert FACTS[3][1] in found.inner_text()


@pytest.mark.parametrize("has_scripts", [True, False], ids=["scripts", "bare"])
def test_on_a_phone_one_button_leads_to_every_page(
    open_page: Callable[..., Any], has_scripts: bool
) -> None:
    phone = {"width": 390, "height": 844}
    page = open_page("/gate", viewport=phone, java_script_enabled=has_scripts)
    links = page.get_by_role("navigation", name="Pages").get_by_role("link")
    assert links.count() == 0, "they are out of the way"
    assert page.locator(".side").bounding_box()["height"] < 64
    page.get_by_role("button", name="Menu").focus()
    page.keyboard.press("Enter")
    assert links.count() == 8
    assert page.get_by_role("link", name="Docs").is_visible()
    assert not has_scripts or violations(page) == []
    page.keyboard.press("Escape")
    assert links.count() == 0
    page.get_by_role("button", name="Menu").click()
    links.get_by_text("Audit log").click()
    page.get_by_role("heading", name="Audit log").wait_for()
    assert links.count() == 0


def test_a_refused_document_is_told_on_the_page_it_was_sent_from(
    browser: Any, taught: Running
) -> None:
    with browser.new_context(base_url=taught.client.url) as context:
        page = context.new_page()
        page.goto("/learn#document-files")
        sheet = {"name": "costs.xlsx", "mimeType": "application/zip", "buffer": b"PK\x03\x04 cells"}
        page.get_by_label("Documents", exact=True).set_input_files([sheet])
        page.get_by_role("button", name="Send them").click()
        page.get_by_role("alert").get_by_text("costs.xlsx: is an Excel spreadsheet").wait_for()
        assert page.url == f"{taught.client.url}/learn"
        page.locator("#live[data-state=live]").wait_for()
        page.goto(page.url)
        page.get_by_role("button", name="Teach it").wait_for()
